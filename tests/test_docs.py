"""The site: every page is in the navigation, and its lists and examples agree with the code."""

import re
import runpy
from importlib import import_module
from pathlib import Path

import pytest

import skdidan

DOCS = Path(__file__).parents[1] / "docs"
EXAMPLES = sorted((DOCS.parent / "examples").glob("plot_*.py"))
WRITTEN = ("auto_examples", "generated", "_build")
PAGES = [p for p in sorted(DOCS.rglob("*.rst")) if not set(WRITTEN) & set(p.parts)]


def test_the_navigation_has_at_most_six_short_words():
    entries = re.findall(r"^   (\S+) <\S+>$", (DOCS / "index.rst").read_text(), re.MULTILINE)
    assert entries[:5] == ["Start", "How-to", "Explanation", "Reference", "Gallery"]
    assert len(entries) <= 6


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_documents_and_examples_that_a_page_links_to_exist(page):
    for target in re.findall(r":doc:`(?:[^`<]*<)?([^`>]+)>?`", page.read_text(encoding="utf-8")):
        place = DOCS / target[1:] if target.startswith("/") else page.parent / target
        if place.parent.name == "auto_examples":
            place = DOCS.parent / "examples" / place.name
        assert place.with_suffix(".rst").exists() or place.with_suffix(".py").exists(), target


@pytest.mark.parametrize("name", ["sklearn", "torch"])
def test_the_inventory_lists_names_that_exist(name):
    """A build without a network links to these."""
    lines = (DOCS / "inventories" / f"{name}.txt").read_text(encoding="utf-8").splitlines()[3:]
    assert lines == sorted(lines)
    for line in lines:
        module, _, attribute = line.split()[0].rpartition(".")
        assert hasattr(import_module(module), attribute), line


def test_names_of_other_libraries_are_in_the_inventories():
    """Otherwise the name in backticks is no link."""
    listed = {
        line.split()[0]
        for path in (DOCS / "inventories").glob("*.txt")
        for line in path.read_text(encoding="utf-8").splitlines()[3:]
    }
    used = {
        name
        for page in PAGES
        for name in re.findall(r"(?<!`)`~?((?:sklearn|torch)\.[\w.]+)`(?!`)", page.read_text())
    }
    assert used and used <= listed, used - listed


def test_first_lines_cite_no_footnote():
    """The table of all names shows them without their references."""
    shown = re.findall(r"^   (\w+)$", (DOCS / "reference" / "api.rst").read_text(), re.MULTILINE)
    assert len(shown) > 100
    for name in shown:
        line = (getattr(skdidan, name).__doc__ or "").strip().partition("\n")[0]
        assert "]_" not in line, name


def test_the_readme_is_short_and_its_files_exist():
    text = (DOCS.parent / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 600
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert len(links) > 4 and all((DOCS.parent / link).exists() for link in links)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_in_cells_and_ends_in_a_figure(example):
    text = example.read_text(encoding="utf-8")
    title, line = text.split("\n")[1:3]
    assert line == "=" * len(title)
    assert text.count("\n# %%\n") >= 2
    assert text.rstrip().endswith("plt.show()")


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_draws(example, monkeypatch):
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.chdir(example.parent)  # as in the gallery
    with plt.rc_context({"backend": "agg"}):
        runpy.run_path(str(example))
        assert any(figure.axes for figure in map(plt.figure, plt.get_fignums()))
        plt.close("all")
