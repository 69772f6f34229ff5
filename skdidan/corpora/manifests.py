"""Load a corpus from a manifest or a table of audformat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from skdidan.audio.files import Segment, channel_of
from skdidan.corpora.bunches import CorpusBunch
from skdidan.corpora.columns import cut_segments, read_csv, read_frame, strip, take_columns
from skdidan.corpora.faults import Faults, examples, group_by_file, span, tally
from skdidan.domains import take_rows
from skdidan.emotions import canonical_label, check_mapping
from skdidan.labels import check_missing
from skdidan.paths import explain_absence, find_path

__all__ = ["build_corpus", "from_audformat", "load_manifest"]

_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}


def load_manifest(
    manifest: Any,
    root: str | Path | None = None,
    *,
    file: str = "file",
    emotion: str = "emotion",
    speaker: str | None = "speaker",
    sex: str | None = None,
    start: str | None = "start",
    end: str | None = "end",
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8-sig",
) -> Bunch:
    r"""Load a corpus from a table of files, emotions and speakers.

    Parameters
    ----------
    manifest : str, Path or DataFrame
        A CSV file with a header, or a data frame of pandas, polars or pyarrow. Blank lines, spare
        delimiters and columns without a name are ignored.
    root : str or Path, optional
        Folder to which the paths in the manifest are relative. Default: the folder of the CSV file,
        or for a data frame the current folder. A path with backslashes, in another case or in
        another normal form of Unicode is taken for the only file that it fits.
    file, emotion : str, default="file" and "emotion"
        Names of the columns with paths and emotions.
    speaker : str or None, default="speaker"
        Name of the column with speakers. None sets all speakers to "unknown".
    sex : str, optional
        Name of a column with "female" or "f", "male" or "m"; other values become "unknown".
    start, end : str or None, default="start" and "end"
        Names of columns with times [s], which make each row a `Segment` of its file: seconds
        ("1.5", "1,5"), timedeltas, or strings such as "00:01.5" and "0 days 00:00:01.5". A blank
        start is that of the file, a blank end its end. Columns of the default names may be absent;
        None ignores them.
    mapping : mapping from str to str, optional
        Labels of your own for spellings or labels of emotions, as in `load_corpus`.
    name : str, optional
        Name of the corpus. Default: the stem of the CSV file, or "manifest".
    delimiter : str, optional
        Character between the cells of the CSV file. Default: that of a first line such as "sep=;",
        or else a tab for .tsv and .tab; for other suffixes a comma, or, if the line of the column
        names has none, a semicolon or a tab.
    encoding : str, default="utf-8-sig"
        Encoding of the CSV file, unless it begins with a byte order mark of UTF-8, UTF-16 or
        UTF-32. Files from Excel are often "cp1252".

    Returns
    -------
    corpus : Bunch
        As returned by `load_corpus`, with rows in the order of the manifest.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    FileNotFoundError
        If the manifest, or a file in it, does not exist.
    IsADirectoryError
        If the manifest is a folder.
    ValueError
        If the CSV file is damaged or has another encoding, a column is missing, a cell is blank, a
        recording, or the same part of one, is listed twice (even by different paths), a time cannot
        be read, or no emotion is known.

    Warns
    -----
    CorpusWarning
        If rows with unknown emotions are left out, or files cannot be read or are copies, as in
        `find_audio`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for stem in ("a1", "b1"):
    ...         _ = Path(folder, f"{stem}.wav").write_text(stem)
    ...     manifest = Path(folder, "calls.csv")
    ...     _ = manifest.write_text("file,emotion,speaker\na1.wav,Joy,anna\nb1.wav,cross,bert\n")
    ...     corpus = load_manifest(manifest, mapping={"cross": "anger"})
    >>> [Path(file).name for file in corpus.files]
    ['a1.wav', 'b1.wav']
    >>> corpus.emotion.tolist(), corpus.speaker.tolist(), corpus.name
    (['happiness', 'anger'], ['anna', 'bert'], 'calls')
    """
    if hasattr(manifest, "columns"):
        table, where = read_frame(manifest), "the data frame"
    elif isinstance(manifest, str | os.PathLike):
        given = os.path.expanduser(os.fspath(manifest))
        path = Path(find_path(given) or given)
        where = f"the manifest {str(path)!r}"
        table = read_csv(path, where, delimiter, encoding)
        root, name = path.parent if root is None else root, name or path.stem
    else:
        raise TypeError(
            "manifest must be the path of a CSV file, or a data frame; got a "
            f"{type(manifest).__name__}."
        )
    columns = {"file": file, "emotion": emotion, "speaker": speaker, "sex": sex}
    rows = take_columns(table, {**columns, "start": start, "end": end}, where)
    rows["file"] = _locate(rows, root, where)
    return build_corpus(rows, mapping, name or "manifest", where)


def from_audformat(
    table: Any,
    root: str | Path | None = None,
    *,
    emotion: str = "emotion",
    speaker: str | None = "speaker",
    sex: str | None = None,
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Bunch:
    """Load a corpus from a filewise or segmented table in the format of audformat.

    The package audformat itself is not needed.

    Parameters
    ----------
    table : DataFrame, Series or audformat.Table
        Its index has the level ``file``, or the levels ``file``, ``start`` and ``end``, where
        ``end`` may be NaT. A Series holds the emotions.
    root : str or Path, optional
        Folder to which the paths in the index are relative, such as ``database.root``. Default: the
        current folder.
    emotion : str, default="emotion"
        Name of the column with emotions.
    speaker : str or None, default="speaker"
        Name of the column with speakers. None sets all speakers to "unknown".
    sex : str, optional
        Name of a column with "female" or "f", "male" or "m"; other values become "unknown".
    mapping : mapping from str to str, optional
        Labels of your own for spellings or labels of emotions, as in `load_corpus`.
    name : str, default="audformat"
        Name of the corpus.

    Returns
    -------
    corpus : Bunch
        As returned by `load_corpus`, in the order of the table. For a segmented table, ``files``
        are of type `Segment`, which every audio transformer accepts.

    Raises
    ------
    TypeError
        If `table` has another index, or an argument has the wrong type.
    FileNotFoundError
        If a file does not exist.
    ValueError
        If a column is missing, a cell is blank, a row is duplicated, or no emotion is known.

    Warns
    -----
    CorpusWarning
        As in `load_manifest`.

    References
    ----------
    .. [1] https://audeering.github.io/audformat/data-tables.html

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from skdidan import from_audformat
    >>> index = pd.MultiIndex.from_arrays(
    ...     [["a.wav", "a.wav"], pd.to_timedelta(["0s", "1.5s"]), pd.to_timedelta(["1.5s", None])],
    ...     names=["file", "start", "end"],
    ... )
    >>> table = pd.DataFrame({"emotion": ["anger", "fear"], "speaker": ["s1", "s1"]}, index)
    >>> with tempfile.TemporaryDirectory() as root:
    ...     _ = Path(root, "a.wav").write_text("sound")
    ...     corpus = from_audformat(table, root)
    >>> [(segment.start, segment.end) for segment in corpus.files], corpus.emotion.tolist()
    ([(0.0, 1.5), (1.5, None)], ['anger', 'fear'])
    """
    if type(table).__module__.split(".")[0] == "audformat":
        table = table.get()
    levels = list(getattr(getattr(table, "index", None), "names", []))
    if levels not in (["file"], ["file", "start", "end"]):
        raise TypeError(
            "table must have an index of audformat, with the level file or the levels file, start "
            f"and end; got a {type(table).__name__} with the levels {levels}."
        )
    frame, where = table if hasattr(table, "columns") else table.to_frame(emotion), "the table"
    # The index is read separately, since a column may have any name, even file.
    columns = {"emotion": emotion, "speaker": speaker, "sex": sex}
    rows = take_columns(read_frame(frame), columns, where)
    index = frame.index.to_frame()
    rows |= {level: [strip(cell) for cell in index[level]] for level in levels}
    check_missing(rows["file"], f"level 'file' of {where}")
    rows["file"] = _locate(rows, root, where)
    return build_corpus(rows, mapping, name or "audformat", where)


def _locate(rows: Mapping[str, list[Any]], root: Any, where: str) -> list[Any]:
    """Return paths, or segments if there are times, as on disk, below a folder if not absolute."""
    files = rows["file"]
    if "start" in rows or "end" in rows:
        starts, ends = (rows.get(part, [None] * len(files)) for part in ("start", "end"))
        files = cut_segments(files, starts, ends, where)
    is_path = isinstance(root, str | os.PathLike) and not isinstance(os.fspath(root), bytes)
    if root is not None and not is_path:
        raise TypeError(f"root must be a folder, as a path, or None; got {root!r}.")
    given = os.path.expanduser(os.fspath(root or ""))
    folder = find_path(given) or given
    paths = [os.fspath(path) if isinstance(path, os.PathLike) else str(path) for path in files]
    found = {path: find_path(path, folder) for path in dict.fromkeys(paths)}
    absent = [path for path, file in found.items() if file is None or not os.path.isfile(file)]
    if absent:
        joined = [str(Path(folder, path)) for path in absent[:3]]
        raise FileNotFoundError(
            f"{len(absent)} of {len(found)} files of {where} do not exist{examples(joined)}. "
            f"Relative paths start from {folder or os.curdir!r}."
            f"{explain_absence(absent[0], folder)}"
        )
    places = [str(Path(found[path] or "")) for path in paths]
    located = [
        replace(file, file=place) if isinstance(file, Segment) else place
        for file, place in zip(files, places, strict=True)
    ]
    _check_repeated(located, where)
    return located


def build_corpus(
    rows: Mapping[str, list[Any]],
    mapping: Mapping[str, str] | None,
    name: str,
    where: str,
    faults: Faults | None = None,
    hint: str = "",
) -> Bunch:
    """Check files and emotions, and keep the rows with known emotions.

    `faults` are those of files beside the rows. `hint` is appended to the error for a table without
    known emotions.
    """
    own = check_mapping(mapping)
    faults = Faults() if faults is None else faults
    faults.inspect(rows["file"])
    report = faults.describe(f"of {where}")
    words = [str(word) for word in rows["emotion"]]
    labels = [canonical_label(word, own) for word in words]
    is_known = np.array([label is not None for label in labels], dtype=bool)
    kept, odd = np.flatnonzero(is_known), np.flatnonzero(~is_known)
    unknown = Counter(take_rows(words, odd))
    if not len(kept):
        raise ValueError(
            f"{where} has no known emotion but {tally(unknown)}: pass mapping={{spelling: label}}."
            f"{hint}"
        )
    if unknown:
        report = (
            f"{unknown.total()} of {len(words)} rows of {where} are left out, since their emotions "
            f"are unknown: {tally(unknown)}. Pass mapping={{spelling: label}} to include them. "
            f"{report}"
        ).rstrip()
    faults.warn(report, {str(rows["file"][row]): f"unknown emotion {words[row]!r}" for row in odd})
    return CorpusBunch(
        files=take_rows(rows["file"], kept),
        emotion=np.array(take_rows(labels, kept)),
        speaker=np.array([str(rows["speaker"][row]) for row in kept]),
        sex=np.array([_SEXES.get(str(rows["sex"][row]).lower(), "unknown") for row in kept]),
        name=name,
        DESCR=f"{name}: {len(kept)} rows of {where}.",
    )


def _check_repeated(files: Sequence[Any], where: str) -> None:
    parts: dict[Any, list[str]] = {}
    for identity, group in group_by_file(files).items():
        for file in group:
            parts.setdefault((identity, span(file), channel_of(file)), []).append(str(file))
    repeated = [" = ".join(dict.fromkeys(names)) for names in parts.values() if len(names) > 1]
    if repeated:
        raise ValueError(
            f"{where} lists {len(repeated)} recording(s) more than once{examples(repeated)}. Keep "
            "one row for each; rows of parts of a recording need columns with start and end."
        )
