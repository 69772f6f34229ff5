"""A page of HTML that needs no other file: sections, tables and figures."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from typing import Any

__all__ = [
    "details",
    "escape",
    "figure",
    "grid",
    "items",
    "page",
    "paragraph",
    "section",
    "table",
    "wide",
]

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1120px; padding: 1rem 1rem 4rem; color: #1b1f24;
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif;
  overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 1rem 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid #d5dae0; }
p, ul { margin: .5rem 0; max-width: 46rem; }
.wide { overflow-x: auto; margin: .75rem 0; /* a shadow on the side where there is more */
  background: linear-gradient(to left, #fff 40%, transparent) right / 3rem 100% no-repeat local,
    linear-gradient(to left, #1b1f2438, transparent) right / 1rem 100% no-repeat scroll; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .3rem .7rem; text-align: right; vertical-align: top; overflow-wrap: normal;
  white-space: nowrap; }
thead th { border-bottom: 2px solid #1b1f24; white-space: normal; vertical-align: bottom; }
tbody tr { border-bottom: 1px solid #e4e8ec; }
th:first-child { text-align: left; position: sticky; left: 0; background: #fff;
  white-space: normal; min-width: 7rem; max-width: 16rem; }
tbody th { font-weight: 500; }
td.text, th.text { text-align: left; white-space: normal; min-width: 6rem; }
.sd, .note { color: #56606b; }
.grid { display: grid; gap: 1rem 1.5rem; margin: .75rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
figure { margin: 0; }
figure img { display: block; width: 100%; max-width: 460px; height: auto; }
figure.broad img { max-width: 520px; }
figcaption { color: #56606b; font-size: .9rem; max-width: 46rem; }
pre { background: #f4f6f8; padding: .7rem; margin: .5rem 0; white-space: pre-wrap;
  overflow-wrap: anywhere; font-size: .85rem; line-height: 1.4; }
summary { cursor: pointer; padding: .3rem 0; }
@media (max-width: 480px) {
  body { padding: .5rem .75rem 3rem; }
  th, td { padding: .3rem .45rem; }
  th:first-child { min-width: 6.5rem; max-width: 8.5rem; }
}
@media print { .wide { overflow: visible; } details { display: block; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return the page; the parts are HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{chr(10).join(parts)}\n</body>\n</html>\n"
    )


def section(title: str, *parts: str) -> str:
    """Return a heading with its parts, which are HTML."""
    return f"<section>\n<h2>{escape(title)}</h2>\n{chr(10).join(parts)}\n</section>"


def paragraph(text: str) -> str:
    """Return a paragraph of text."""
    return f"<p>{escape(text)}</p>"


def items(texts: Iterable[str]) -> str:
    """Return a list of texts; nothing for none."""
    entries = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul>{entries}</ul>" if entries else ""


def wide(content: str) -> str:
    """Return a table in a box that scrolls sideways, also by keyboard."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="table">{content}</div>'


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], *, texts: Sequence[str] = ()
) -> str:
    """Return a table of texts; columns in `texts` are aligned to the left, as is the first."""

    def cell(tag: str, column: str, value: Any, more: str = "") -> str:
        style = ' class="text"' if column in texts else ""
        return f"<{tag}{style}{more}>{escape(str(value))}</{tag}>"

    head = "".join(cell("th", column, column, ' scope="col"') for column in columns)
    body = []
    for first, *rest in rows:
        data = "".join(
            cell("td", column, value) for column, value in zip(columns[1:], rest, strict=True)
        )
        row_name = cell("th", columns[0], first, ' scope="row"')
        body.append(f"<tr>{row_name}{data}</tr>")
    return wide(f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>")


def details(summary: str, text: str) -> str:
    """Return preformatted text below a line that opens it."""
    return f"<details><summary>{escape(summary)}</summary><pre>{escape(text)}</pre></details>"


def grid(figures: Iterable[str]) -> str:
    """Return figures side by side where there is room."""
    return f'<div class="grid">{"".join(figures)}</div>'


def figure(drawn: Any, description: str, caption: str = "", *, is_broad: bool = False) -> str:
    """Return a figure of matplotlib as an inline SVG; the description is for screen readers."""
    stream = BytesIO()
    drawn.savefig(stream, format="svg", metadata={"Date": None})
    # An image of its own: several SVGs in one page would share the names of their parts.
    content = base64.b64encode(stream.getvalue()).decode()
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    style = ' class="broad"' if is_broad else ""
    return (
        f'<figure{style}><img alt="{escape(description)}" '
        f'src="data:image/svg+xml;base64,{content}">{text}</figure>'
    )
