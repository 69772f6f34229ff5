"""Sphinx configuration; ``make docs`` builds without a network."""

import re
import sys
from pathlib import Path

import skdidan

sys.path.insert(0, str(Path(__file__).parent))
import wings  # the script beside this file

project = "skdidan"
author = "The skdidan developers"
copyright = "The skdidan developers, BSD-3-Clause"
version = release = skdidan.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

# A name in single backticks links to its page where it has one.
default_role = "autolink"
autosummary_generate = True
# The types stand in the docstrings, with shapes and units.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# The class template lists the members.
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = f"skdidan {release}"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_sidebars = {"**": []}
html_show_sourcelink = False


def markdown_to_rst(text: str) -> str:
    """Convert the Markdown that CHANGELOG.md is written in: headings, code, links and lists."""

    def underline(match: re.Match[str]) -> str:
        mark = "=-~^"[len(match["level"]) - 1]
        return f"{match['title']}\n{mark * len(match['title'])}"

    def link(match: re.Match[str]) -> str:
        return f"`{' '.join(match['text'].split())} <{match['address']}>`__"

    text = re.sub(r"^(?P<level>#{1,4}) (?P<title>.+)$", underline, text, flags=re.MULTILINE)
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    return re.sub(r"\[(?P<text>[^\]]+)\]\((?P<address>[^)]+)\)", link, text)


def convert_included(app: object, path: Path, docname: str, content: list[str]) -> None:
    """Let ``include`` take Markdown files."""
    if path.suffix == ".md":
        content[0] = markdown_to_rst(content[0])


def draw_wings(app: object) -> None:
    """Draw the picture of docs/architecture.rst from the code."""
    picture = Path(__file__).parent / "generated" / "wings.svg"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(wings.draw(), encoding="utf-8")


def setup(app: object) -> None:
    """Connect the conversion and the picture."""
    app.connect("include-read", convert_included)
    app.connect("builder-inited", draw_wings)
