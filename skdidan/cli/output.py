"""Tables and lines on standard output or in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

__all__ = ["write_json", "write_table", "write_text"]


def write_table(table: Any, out: str | None) -> None:
    """Write a data frame as CSV to a file or to standard output; missing cells are empty."""
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    write_text(text, out)


def write_text(text: str, out: str | None) -> None:
    """Write lines to a file or to standard output."""
    text = text if text.endswith("\n") else f"{text}\n"
    content = text.encode("utf-8", "surrogateescape")  # names of files in any encoding
    if out is None:
        click.echo(content, nl=False)
    else:
        Path(out).write_bytes(content)


def write_json(record: dict[str, Any]) -> None:
    """Write a record as one line of JSON to standard output."""
    click.echo(json.dumps(record))
