"""Sphinx configuration; ``make docs`` builds without a network."""

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
    "myst_parser",
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


def draw_wings(app: object) -> None:
    """Draw the picture of docs/architecture.rst from the code."""
    picture = Path(__file__).parent / "generated" / "wings.svg"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(wings.draw(), encoding="utf-8")


def setup(app: object) -> None:
    """Draw the picture before a build."""
    app.connect("builder-inited", draw_wings)
