"""Columns of a table of recordings: a CSV file, or a data frame of pandas, polars or pyarrow."""

from __future__ import annotations

import io
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Iterable, Mapping
from datetime import time
from itertools import zip_longest
from pathlib import Path
from typing import Any

from skdidan.audio.files import Segment
from skdidan.labels import check_missing, to_python
from skdidan.paths import explain_absence

__all__ = ["cut_segments", "read_csv", "read_frame", "strip", "take_columns"]

_NO_DELIMITERS = '\0\r\n"'
_MARKS = {
    BOM_UTF8: "utf-8-sig",
    # These begin as those of UTF-16 do.
    **dict.fromkeys((BOM_UTF32_LE, BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((BOM_UTF16_LE, BOM_UTF16_BE), "utf-16"),
}
_BLANK = ("nan", "nat", "na", "n/a", "<na>", "none", "null")
_NUMBER = r"(?:\d+(?:\.\d*)?|\.\d+)"
# In ISO 8601, or with units, hours and minutes: "PT1.5S", "1 min 2 s", "0 days 00:00:01", "01:02".
_TIME = re.compile(
    rf"[+-]?(P[\w.]+|(?:{_NUMBER}\s*[a-zµ]+,?\s*)*(?:[+-]?\d+(?::\d+)?:{_NUMBER})?)", re.IGNORECASE
)
# The line that tells Excel the delimiter.
_SEP = re.compile(r'"?sep=(\\t|[^\r\n])', re.IGNORECASE)

#: Names and cells of columns; a name may be there several times.
Columns = list[tuple[str, list[Any]]]


def read_frame(frame: Any) -> Columns:
    """Return the columns of a data frame, whose index is not used."""
    frame = frame.collect() if hasattr(frame, "collect") else frame  # a lazy one of polars
    names = list(getattr(frame, "column_names", frame.columns))
    if hasattr(frame, "iloc"):
        return [(str(name), list(frame.iloc[:, n])) for n, name in enumerate(names)]
    return [(name, to_python(frame[name])) for name in names]


def read_csv(path: Path, where: str, delimiter: str | None, encoding: str) -> Columns:
    """Read a CSV file as stripped strings, without blank rows and unnamed columns."""
    text = _read_text(path, where, encoding)
    sep = _SEP.match(text)
    if delimiter is None:
        head = next(filter(str.strip, text.splitlines()), "")
        is_tabbed = path.suffix.lower() in (".tsv", ".tab")
        has_comma = "," in head or not {";", "\t"} & set(head)
        usual = "\t" if is_tabbed else "," if has_comma else max(";\t", key=head.count)
        delimiter = sep[1].replace(r"\t", "\t") if sep else usual
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise ValueError(
            f"delimiter must be a single character, none of {_NO_DELIMITERS!r}; got {delimiter!r}."
        )
    rows = [row for row in _split_rows(text, delimiter, where)[bool(sep) :] if any(row)]
    names = rows.pop(0) if rows else []
    # A script may write one more delimiter after each row.
    if long := next((row for row in rows if any(row[len(names) :])), None):
        raise ValueError(
            f"{where} is not a valid CSV file: expected {len(names)} cells, got {long}. Quote "
            f"cells that contain the delimiter {delimiter!r}."
        )
    if len(names) == 1:
        raise ValueError(
            f"{where} has a single column, {names[0]!r}: {delimiter!r} is not its delimiter. Pass "
            "delimiter=..."
        )
    return [(name, cells) for name, *cells in zip_longest(names, *rows, fillvalue="") if name]


def _split_rows(text: str, delimiter: str, where: str) -> list[list[str]]:
    """Return the stripped cells of each row."""
    import pandas as pd

    # Quoted cells may hold delimiters and line breaks; others may hold a lone '"'.
    lines = [*text.splitlines(), *re.sub('"[^"]*"', "", text).splitlines()]
    width = 1 + max((line.count(delimiter) for line in lines), default=0)
    try:
        table = pd.read_csv(
            io.StringIO(text, newline=""),
            sep=delimiter,
            # With a header, pandas would rename repeated columns, and shift or cut longer rows.
            header=None,
            names=range(width),
            index_col=False,
            dtype=str,
            keep_default_na=False,
            skip_blank_lines=False,
            # Quotes after a blank are recognised only if blanks are skipped.
            skipinitialspace=delimiter != " ",
            engine="python",  # the engine in C reads '"a"b' as 'ab'
        )
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{where} is not a valid CSV file: {error}. Close each quote, and double those within "
            "a cell."
        ) from error
    # Cells behind the end of a row are NaN.
    return [[cell.strip() for cell in row if isinstance(cell, str)] for row in table.to_numpy()]


def _read_text(path: Path, where: str, encoding: str) -> str:
    if os.path.isdir(path):  # Path.is_dir raises an error if the name is too long
        raise IsADirectoryError(
            f"manifest must be a CSV file; {str(path)!r} is a folder. Use load_audio_folder for a "
            "folder for each emotion, find_audio for unlabelled files."
        )
    if not os.path.isfile(path):
        reason = explain_absence(str(path))
        raise FileNotFoundError(
            f"manifest must be a CSV file; {str(path)!r} does not exist.{reason}"
        )
    content = path.read_bytes()
    encoding = next((_MARKS[mark] for mark in _MARKS if content.startswith(mark)), encoding)
    try:
        text = content.decode(encoding)
        if "\0" in text:
            raise UnicodeError("it holds null characters, as 'utf-16-le' does")
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where} does not have the encoding {encoding!r}: {error}. Pass encoding=..., for "
            "example 'cp1252' for files from Excel."
        ) from error
    return text


def strip(value: Any) -> Any:
    """Strip a cell that is a string; return None if it is blank."""
    return value.strip() or None if isinstance(value, str) else value


def take_columns(
    table: Columns, columns: Mapping[str, str | None], where: str
) -> dict[str, list[Any]]:
    """Return the cells of each wanted column; a column that is None is "unknown" throughout.

    The columns "start" and "end" are left out if they are None, or absent and of these names.
    """
    names = [name for name, _ in table]
    n_rows = len(table[0][1]) if table else 0
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} has several columns {repeated}; keep one of each.")
    rows = {}
    for part, name in columns.items():
        optional = part not in ("file", "emotion")
        if part in ("start", "end") and (name is None or (part == name and name not in names)):
            continue
        if name is None and optional:
            rows[part] = ["unknown"] * n_rows
            continue
        if not isinstance(name, str):
            raise TypeError(
                f"{part} must be the name of a column, as a str{' or None' * optional}; got "
                f"{name!r}."
            )
        cure = f" Pass {part}=None to leave it out." if optional else ""
        if name not in names:
            raise ValueError(
                f"{where} has no column {name!r}; it has {names}. Pass the name of the column as "
                f"{part}=...{cure}"
            )
        rows[part] = [strip(value) for value in table[names.index(name)][1]]
        needed = rows[part] if part in ("file", "emotion", "speaker") else []
        try:
            check_missing(needed, f"column {name!r} of {where}")
        except ValueError as error:
            raise ValueError(f"{error}{cure}") from error
    if not n_rows:
        raise ValueError(f"{where} has no rows.")
    return rows


def cut_segments(files: Iterable[Any], starts: Any, ends: Any, where: str) -> list[Segment]:
    """Return a segment for each row; a start or end may be None, missing or blank."""
    segments = []
    for row, (path, start, end) in enumerate(zip(files, starts, ends, strict=True)):
        try:
            segments.append(Segment(path, _read_time(start), _read_time(end)))
        except (TypeError, ValueError) as error:
            error.add_note(f"This is row {row} of {where}, {path!r}.")
            raise
    return segments


def _read_time(value: Any) -> Any:
    """Return the seconds or timedelta that a string is; leave other values to `Segment`."""
    import pandas as pd

    if not isinstance(value, str | time):  # Excel has times of day
        return value
    text = re.sub(r",(?=\d)", ".", str(value))  # a decimal comma
    if text.lower() in _BLANK:
        return None
    try:
        # A string without a unit is a number of nanoseconds to pandas, and needs hours.
        if re.fullmatch(rf"[+-]?{_NUMBER}(e[+-]?\d+)?", text, re.IGNORECASE):
            return float(text)
        if not _TIME.fullmatch(text):  # pandas would ignore what it does not know
            raise ValueError(text)
        return pd.Timedelta(f"0:{text}" if text.count(":") == 1 else text)
    except ValueError as error:
        raise ValueError(
            "start and end must be times, in seconds (1.5) or as in 00:01.5, 00:00:01.5 and 0 days "
            f"00:00:01.5; got {value!r}. Pass start=None and end=None to leave these columns out."
        ) from error
