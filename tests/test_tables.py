"""Tables of scores: places, and the text, Markdown, LaTeX and HTML of a small table."""

import shutil
import subprocess

import pytest

from skdidan.results.tables import Cell, ScoreTable, mark_best


@pytest.fixture
def table():
    return ScoreTable(
        "UAR (%)",
        ["A_1 → B", "rank"],
        {
            "D&D <b>": [Cell("50.1", "1.0", 1), Cell("1.00", place=1)],
            "x|y": [Cell("9.0", "0.5", 2), Cell("-")],
        },
    )


@pytest.mark.parametrize(
    ("texts", "places"),
    [
        (["40.0", "50.0", "45.0"], [0, 1, 2]),
        (["50.0", "50.0", "45.0", "40.0"], [1, 1, 2, 0]),
        (["50.0", "40.0"], [1, 0]),
        (["50.0", "50.0"], [0, 0]),
        (["50.0"], [0]),
        (["-", "9.0", "10.0", "11.0"], [0, 0, 2, 1]),
        (["-", "9.0"], [0, 0]),
        ([], []),
    ],
)
def test_places_are_those_of_the_printed_numbers(texts, places):
    assert mark_best(texts) == places


def test_the_lowest_rank_is_best():
    assert mark_best(["1.50", "1.00", "3.00"], highest=False) == [2, 1, 0]


def test_text_is_aligned(table):
    assert table.to_text().splitlines() == [
        "UAR (%)     A_1 → B  rank",
        "D&D <b>  50.1 ± 1.0  1.00",
        "x|y       9.0 ± 0.5     -",
    ]


def test_markdown_is_escaped(table):
    assert table.to_markdown().splitlines() == [
        r"| UAR (%) | A\_1 → B | rank |",
        "|:---|---:|---:|",
        r"| D&D \<b\> | **50.1** ± 1.0 | **1.00** |",
        r"| x\|y | *9.0* ± 0.5 | - |",
    ]


def test_latex_is_escaped(table):
    assert table.to_latex().splitlines() == [
        r"% needs \usepackage{booktabs}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"UAR (\%) & A\_1 $\rightarrow$ B & rank \\",
        r"\midrule",
        r"D\&D \textless{}b\textgreater{} & \textbf{50.1} $\pm$ 1.0 & \textbf{1.00} \\",
        r"x\textbar{}y & \underline{9.0} $\pm$ 0.5 & - \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_latex_of_every_special_character():
    """A row that began with a bracket or a star would be an argument of the row before."""
    marks = ScoreTable("[c]", ["100 % & #1_$", r"~^ \a {b}"], {"*x": [Cell("1.0"), Cell("-")]})
    marks.rows["[y]  vs. z"] = [Cell("-1.5"), Cell("< 0.001")]
    assert marks.to_latex().splitlines()[3:-2] == [
        r"{[}c] & 100 \% \& \#1\_\$ & "
        r"\textasciitilde{}\textasciicircum{} \textbackslash{}a \{b\} \\",
        r"\midrule",
        r"{*}x & 1.0 & - \\",
        r"{[}y] vs.\ z & $-1.5$ & $< 0.001$ \\",
    ]


def test_limits_stand_in_place_of_a_deviation():
    table = ScoreTable("UAR (%)", ["a"], {"x": [Cell("50.0", "", 1, "40.0, 61.0")]})
    assert table.to_text().splitlines()[1] == "x        50.0 [40.0, 61.0]"
    assert table.to_markdown().splitlines()[2] == "| x | **50.0** [40.0, 61.0] |"
    assert table.to_latex().splitlines()[5] == r"x & \textbf{50.0} [40.0, 61.0] \\"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_latex_is_accepted(table, tmp_path):
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "table.tex").write_text(f"{document}\n{table.to_latex()}\n\\end{{document}}")
    command = ["pdflatex", "-halt-on-error", "table.tex"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0


def test_html_is_escaped(table):
    assert table.to_html() == (
        '<table><thead><tr><th scope="col">UAR (%)</th><th scope="col">A_1 → B</th>'
        '<th scope="col">rank</th></tr></thead><tbody>'
        '<tr><th scope="row">D&amp;D &lt;b&gt;</th>'
        '<td><strong>50.1</strong><span class="sd"> ± 1.0</span></td>'
        "<td><strong>1.00</strong></td></tr>"
        '<tr><th scope="row">x|y</th><td><u>9.0</u><span class="sd"> ± 0.5</span></td>'
        "<td>-</td></tr></tbody></table>"
    )
