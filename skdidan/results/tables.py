"""A table of scores as text, Markdown, LaTeX or HTML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

__all__ = ["P_HOLM", "Cell", "ScoreTable", "mark_best", "write_p", "write_points"]

#: Head of the column of p-values that Holm's procedure has adjusted.
P_HOLM = "p (Holm)"

_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: rf"\{mark}" for mark in "&%$#_{}"},
    # At the beginning of a row they would belong to the end of the row before.
    **{mark: f"{{{mark}}}" for mark in "[*"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "±": r"$\pm$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


@dataclass(frozen=True)
class Cell:
    """A number, its deviation or its limits, and whether it is first or second in its column."""

    text: str
    deviation: str = ""
    place: int = 0
    limits: str = ""

    def write(
        self, plus_minus: str, styles: Sequence[str], escape: Callable[[str], str] = str
    ) -> str:
        """Return the cell with the number put into the style of its place."""
        text = escape(self.text)
        number = styles[self.place - 1].format(text) if self.place else text
        if self.limits:
            return f"{number} [{self.limits}]"
        return f"{number}{plus_minus}{self.deviation}" if self.deviation else number


@dataclass
class ScoreTable:
    """Rows of cells under column names; `corner` stands above the names of the rows.

    `notes` are comments of the LaTeX table.
    """

    corner: str
    columns: list[str]
    rows: dict[str, list[Cell]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def _grid(
        self,
        escape: Callable[[str], str],
        plus_minus: str,
        styles: Sequence[str],
        escape_number: Callable[[str], str] = str,
    ) -> list[list[str]]:
        head = [escape(name) for name in [self.corner, *self.columns]]
        body = [
            [escape(title), *(cell.write(plus_minus, styles, escape_number) for cell in cells)]
            for title, cells in self.rows.items()
        ]
        return [head, *body]

    def to_text(self) -> str:
        """Return aligned columns; places are not marked."""
        grid = self._grid(str, " ± ", ("{}", "{}"))
        widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if n else cell.ljust(width)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in grid
        )

    def to_markdown(self) -> str:
        """Return a table of GitHub's Markdown: the best bold, the second best in italics."""

        def escape(text: str) -> str:
            return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", " ".join(text.split()))

        head, *body = (
            f"| {' | '.join(row)} |" for row in self._grid(escape, " ± ", ("**{}**", "*{}*"))
        )
        return "\n".join([head, f"|:---|{'---:|' * len(self.columns)}", *body])

    def to_latex(self) -> str:
        """Return a tabular of booktabs: the best bold, the second best underlined."""
        styles = r"\textbf{{{}}}", r"\underline{{{}}}"
        grid = self._grid(_escape_latex, r" $\pm$ ", styles, _write_latex_number)
        head, *body = (f"{' & '.join(row)} \\\\" for row in grid)
        return "\n".join(
            [
                "% needs \\usepackage{booktabs}",
                *(f"% {' '.join(note.split())}" for note in self.notes),
                f"\\begin{{tabular}}{{l{'r' * len(self.columns)}}}",
                "\\toprule",
                head,
                "\\midrule",
                *body,
                "\\bottomrule",
                "\\end{tabular}",
            ]
        )

    def to_html(self) -> str:
        """Return a table of HTML: the best bold, the second best underlined."""
        styles = "<strong>{}</strong>", "<u>{}</u>"
        head, *body = self._grid(html.escape, '<span class="sd"> ± ', styles, html.escape)
        top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
        rows = []
        for title, *cells in body:
            closed = (f"{cell}</span>" if '<span class="sd">' in cell else cell for cell in cells)
            data = "".join(f"<td>{cell}</td>" for cell in closed)
            rows.append(f'<tr><th scope="row">{title}</th>{data}</tr>')
        return f"<table><thead><tr>{top}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _escape_latex(text: str) -> str:
    if text == P_HOLM:
        return text.replace("p", "$p$", 1)
    escaped = "".join(_LATEX.get(mark, mark) for mark in " ".join(text.split()))
    return escaped.replace(". ", ".\\ ")  # a space between words, not between sentences


def _write_latex_number(text: str) -> str:
    """Put a number with a sign into mathematics, or its minus would be a hyphen."""
    return f"${text}$" if re.match(r"[-+<] ?\d", text) else text


def write_points(difference: float) -> str:
    """Return a difference of scores in points, with its sign."""
    return "-" if np.isnan(difference) else f"{100 * difference:+.1f}"


def write_p(p: float) -> str:
    """Return a p-value with three decimals."""
    if np.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def mark_best(texts: Sequence[str], *, highest: bool = True) -> list[int]:
    """Return 1 for the best and 2 for the second best of numbers as they are printed, else 0.

    Equal numbers share a place. Numbers that are all equal have none, nor has the worse of two.
    """
    values = np.array([_number(text) for text in texts])
    order = np.unique(values[~np.isnan(values)])[:: -1 if highest else 1]
    n_marked = min(2, int(np.count_nonzero(~np.isnan(values))) - 1)
    places = np.zeros(len(texts), dtype=int)
    for place in range(n_marked if len(order) > 1 else 0):
        places[values == order[place]] = place + 1
    return places.tolist()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
