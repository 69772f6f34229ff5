"""Sphinx configuration; ``make docs`` builds without a network."""

import os
import sys
from pathlib import Path

import skdidan

sys.path.insert(0, str(Path(__file__).parent))
import wings  # the script beside this file

HERE = Path(__file__).parent

# Sums of many numbers, and so the figures of the gallery, depend on the number of threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

project = "skdidan"
author = "The skdidan developers"
copyright = "The skdidan developers, BSD-3-Clause"
version = release = skdidan.__version__

extensions = [
    "mathml",  # the script beside this file
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

# A name in single backticks links to its page where it has one, also outside of the reference.
default_role = "autolink"
rst_prolog = ".. currentmodule:: skdidan\n"
autosummary_generate = True
# The types stand in the docstrings, with shapes and units.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
toc_object_entries_show_parents = "hide"
# The class template lists the members.
numpydoc_show_class_members = False

# Lists of names in plain text, kept here so that a build needs no network.
intersphinx_mapping = {
    name: (url, str(HERE / "inventories" / f"{name}.txt"))
    for name, url in {
        "sklearn": "https://scikit-learn.org/stable/",
        "torch": "https://docs.pytorch.org/docs/stable/",
    }.items()
}

# A copied example leaves out the prompts and the output.
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "plot_",
    "ignore_pattern": r"^(?!plot_)",
    "within_subsection_order": "gallery.place",  # the script beside this file
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skdidan",),
    "reference_url": {"skdidan": None},
    "image_srcset": ["2x"],
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "write_computation_times": False,  # its table loads scripts from the network
    "abort_on_example_error": False,
    "log_level": {"backreference_missing": "debug"},
}
suppress_warnings = ["config.cache"]  # sphinx-gallery keeps functions in its configuration

html_theme = "pydata_sphinx_theme"
html_title = f"skdidan {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 1,
    "show_prev_next": True,
}
html_sidebars = {"index": [], "changelog": []}
html_show_sourcelink = False


def draw_wings(app: object) -> None:
    """Draw the picture of docs/explanation/architecture.rst from the code."""
    picture = HERE / "generated" / "wings.svg"
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(wings.draw(), encoding="utf-8")


def setup(app: object) -> None:
    """Draw the picture before a build."""
    app.connect("builder-inited", draw_wings)
