"""Formulas as MathML, which browsers show without a script, a font or a network.

math-core converts them while the pages are built. A bundled MathJax would add 2 MB to the site, and
``sphinx.ext.imgmath`` needs LaTeX. An unknown command is an error of the build.
"""

from docutils import nodes
from math_core import LatexToMathML


def convert(latex: str, *, block: bool) -> str:
    """Return the MathML of a formula."""
    return LatexToMathML(fancy_error=False).convert_with_local_state(latex, displaystyle=block)


def visit_math(translator: nodes.NodeVisitor, node: nodes.Element) -> None:
    """Write a formula within a line."""
    translator.body.append(convert(node.astext(), block=False))
    raise nodes.SkipNode


def visit_math_block(translator: nodes.NodeVisitor, node: nodes.Element) -> None:
    """Write a formula of its own."""
    latex = node.astext()
    if "\\\\" in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    translator.body.append(f'<div class="math">{convert(latex, block=True)}</div>')
    raise nodes.SkipNode


def setup(app: object) -> dict[str, bool]:
    """Register the way to write formulas."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True}
