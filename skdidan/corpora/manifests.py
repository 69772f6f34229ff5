"""Corpora of one's own: a manifest, a folder per emotion, or a table of audformat."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from skdidan.audio.files import Segment
from skdidan.corpora.folders import (
    AudioFiles,
    CorpusWarning,
    by_place,
    check_folder,
    examples,
    span,
    tally,
)
from skdidan.domains import check_missing
from skdidan.emotions import canonical_label, check_mapping
from skdidan.reporting import warn_caller

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["from_audformat", "load_audio_folder", "load_manifest"]

_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
_NO_DELIMITERS = '\0\r\n"'
_SEGMENTED = ["file", "start", "end"]


def load_manifest(
    manifest: Any,
    root: str | Path | None = None,
    *,
    file: str = "file",
    emotion: str = "emotion",
    speaker: str | None = "speaker",
    sex: str | None = None,
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
) -> Bunch:
    """Read a corpus from a list of its files with their emotions and speakers.

    Parameters
    ----------
    manifest : str, Path or DataFrame
        A CSV file with a line of names of columns, or a data frame.
    root : str or Path, optional
        Folder to which the paths in the manifest are relative; by default that of the CSV file,
        and for a data frame the current one.
    file, emotion : str, default="file" and "emotion"
        Names of the columns with paths and emotions.
    speaker : str or None, default="speaker"
        Name of the column with speakers. None: there is none, and speakers are "unknown".
    sex : str, optional
        Name of a column with "female" or "f", "male" or "m"; anything else is "unknown".
    mapping : mapping from str to str, optional
        Further spellings of emotions to labels, or labels to other labels. It goes before
        ``skdidan.corpora.EMOTIONS``, as in `load_corpus`; case does not matter.
    name : str, optional
        Name of the corpus; by default the stem of the CSV file, or "manifest".
    delimiter : str, default=","
        What stands between the cells of the CSV file.
    encoding : str, default="utf-8-sig"
        How the CSV file is written, by a name that Python knows: by default UTF-8, with the mark of
        its order of bytes or without; "cp1252" is common for those that Excel saved.

    Returns
    -------
    corpus : Bunch
        As `load_corpus` returns it, with the rows in the order of the manifest.

    Raises
    ------
    TypeError
        If `manifest` is neither a path nor a data frame, `root` no path, `mapping` none, or the
        name of a column no string.
    FileNotFoundError
        If the manifest, or a file that it names, is not there.
    IsADirectoryError
        If the manifest is a folder.
    ValueError
        If a column is not there, a cell is empty or blank, a file is named twice, by whatever
        paths, or no emotion is known; or if the CSV file is damaged or in another encoding.

    Warns
    -----
    CorpusWarning
        If some emotions are not known; their rows are left out.

    See Also
    --------
    load_audio_folder : A folder for each emotion.
    from_audformat : Tables of audformat.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for stem in ("a1", "b1"):
    ...         Path(folder, f"{stem}.wav").touch()
    ...     manifest = Path(folder, "calls.csv")
    ...     with manifest.open("w") as lines:
    ...         for line in ("file,emotion,speaker", "a1.wav,Joy,anna", "b1.wav,cross,bert"):
    ...             print(line, file=lines)
    ...     corpus = load_manifest(manifest, mapping={"cross": "anger"})
    >>> [Path(file).name for file in corpus.files]
    ['a1.wav', 'b1.wav']
    >>> corpus.emotion.tolist(), corpus.speaker.tolist(), corpus.name
    (['happiness', 'anger'], ['anna', 'bert'], 'calls')
    """
    _check_base(root)
    if hasattr(manifest, "columns"):
        frame, where = manifest, "the data frame"
    elif isinstance(manifest, str | os.PathLike):
        path = Path(manifest).expanduser()
        frame, where = _read_csv(path, delimiter, encoding), f"the manifest {str(path)!r}"
        root, name = path.parent if root is None else root, name or path.stem
    else:
        raise TypeError(
            "manifest must be the path of a CSV file, or a data frame; got a "
            f"{type(manifest).__name__}."
        )
    wanted = {"file": file, "emotion": emotion, "speaker": speaker, "sex": sex}
    rows = _take_columns(frame, wanted, where)
    rows["file"] = [_resolve(path, root) for path in rows["file"]]
    return _corpus(rows, mapping, name or "manifest", where)


def load_audio_folder(
    root: str | Path,
    *,
    speaker: str | None = None,
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Bunch:
    """Read a corpus from a folder that holds a folder for each emotion.

    Files may be nested further below. A recording that is there in several formats counts once;
    hidden files do not count.

    Parameters
    ----------
    root : str or Path
        Folder of the corpus.
    speaker : str, optional
        Regular expression that finds the speaker in the path of a file below the root, with ``/``
        between folders: its first group, or all that it matches. By default speakers are "unknown".
    mapping : mapping from str to str, optional
        Names of folders to labels, or labels to other labels. It goes before
        ``skdidan.corpora.EMOTIONS``, as in `load_corpus`; case does not matter.
    name : str, optional
        Name of the corpus; by default that of the folder.

    Returns
    -------
    corpus : Bunch
        As `load_corpus` returns it, sorted by the paths of the files.

    Raises
    ------
    TypeError
        If the root is no path.
    NotADirectoryError
        If the root is no folder.
    ValueError
        If there is no audio file in the folder of an emotion, or `speaker` is no regular expression
        or does not match every file.

    Warns
    -----
    CorpusWarning
        Once, if some folders are not those of known emotions or could not be opened, or some files
        are dead links or of formats that are not read; they are left out.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_audio_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("Angry/anna-1.wav", "Sad/bert-1.wav"):
    ...         Path(root, file).parent.mkdir()
    ...         Path(root, file).touch()
    ...     corpus = load_audio_folder(root, speaker="([a-z]+)-")
    >>> corpus.emotion.tolist(), corpus.speaker.tolist()
    (['anger', 'sadness'], ['anna', 'bert'])
    """
    audio = AudioFiles(check_folder(root, "a folder that holds a folder for each emotion"))
    files = audio.recordings()
    if not files:
        raise ValueError(audio.nothing("<emotion>/<file>"))
    names, own = [audio.name(file) for file in files], check_mapping(mapping)
    deep = [name for name in names if any(canonical_label(x, own) for x in name.split("/")[1:-1])]
    hint = (
        f" Of {len(deep)} files an emotion stands further down{examples(deep)}: list files, "
        "emotions and speakers for load_manifest."
    )
    rows = {
        "file": [str(file) for file in files],
        "emotion": [path.split("/")[0] if "/" in path else "(no folder)" for path in names],
        "speaker": ["unknown"] * len(names) if speaker is None else _find_speakers(speaker, names),
        "sex": ["unknown"] * len(names),
    }
    name, where = name or audio.root.resolve().name, f"the folder {str(audio.root)!r}"
    return _corpus(rows, own, name, where, audio.report(), hint if deep else "")


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
    """Make a corpus of a filewise or segmented table in the format of audformat.

    The package audformat itself is not needed, only a table with such an index.

    Parameters
    ----------
    table : DataFrame, Series or audformat.Table
        Its index has the level ``file``, or the levels ``file``, ``start`` and ``end``, of which
        ``end`` may be NaT. A Series holds the emotions.
    root : str or Path, optional
        Folder to which the paths in the index are relative, such as ``database.root``; by default
        the current one.
    emotion : str, default="emotion"
        Name of the column with emotions.
    speaker : str or None, default="speaker"
        Name of the column with speakers. None: there is none, and speakers are "unknown".
    sex : str, optional
        Name of a column with "female" or "f", "male" or "m"; anything else is "unknown".
    mapping : mapping from str to str, optional
        Further spellings of emotions to labels, or labels to other labels. It goes before
        ``skdidan.corpora.EMOTIONS``, as in `load_corpus`; case does not matter.
    name : str, default="audformat"
        Name of the corpus.

    Returns
    -------
    corpus : Bunch
        As `load_corpus` returns it, in the order of the table. Of a segmented table, ``files`` are
        of type `Segment`, which every transformer of audio takes and reads no further than it goes.

    Raises
    ------
    TypeError
        If `table` has no such index, or the name of a column is no string.
    FileNotFoundError
        If a file is not there.
    ValueError
        If a column is not there, a cell is empty, a row is there twice, or no emotion is known.

    Warns
    -----
    CorpusWarning
        If some emotions are not known; their rows are left out.

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
    ...     Path(root, "a.wav").touch()
    ...     corpus = from_audformat(table, root)
    >>> [(segment.start, segment.end) for segment in corpus.files], corpus.emotion.tolist()
    ([(0.0, 1.5), (1.5, None)], ['anger', 'fear'])
    """
    _check_base(root)
    if type(table).__module__.split(".")[0] == "audformat":
        table = table.get()
    names = list(getattr(getattr(table, "index", None), "names", []))
    if names not in (["file"], _SEGMENTED):
        raise TypeError(
            "table must have the index of audformat, of the level file or of the levels file, "
            f"start and end; got a {type(table).__name__} with the levels {names}."
        )
    frame = table if hasattr(table, "columns") else table.to_frame(emotion)
    where = "the table"
    # Beside the index there may be a column of any name, even file.
    rows = _take_columns(frame, {"emotion": emotion, "speaker": speaker, "sex": sex}, where)
    levels = [list(frame.index.get_level_values(level)) for level in names]
    files = list(map(_cell, levels[0]))
    check_missing(files, f"level 'file' of {where}")
    paths = [_resolve(path, root) for path in files]
    rows["file"] = (
        [_segment(row, *times) for row, times in enumerate(zip(paths, *levels[1:], strict=True))]
        if names == _SEGMENTED
        else paths
    )
    return _corpus(rows, mapping, name or "audformat", where)


def _segment(row: int, path: str, start: Any, end: Any) -> Segment:
    try:
        return Segment(path, start, end)
    except (TypeError, ValueError) as error:
        error.add_note(f"This is row {row} of the table, {path!r}.")
        raise


def _read_csv(path: Path, delimiter: str, encoding: str) -> DataFrame:
    """Read a CSV file as strings, and leave out blank rows and columns without a name."""
    import pandas as pd

    if os.path.isdir(path):  # the method of a path raises an error for a name too long
        raise IsADirectoryError(
            f"manifest must be a CSV file; {str(path)!r} is a folder. load_audio_folder reads a "
            "folder for each emotion, find_audio lists what is in it."
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(f"manifest must be a CSV file; {str(path)!r} is not there.")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise ValueError(
            f"delimiter must be a single character, none of {_NO_DELIMITERS!r}; got {delimiter!r}."
        )
    where = f"the manifest {str(path)!r}"
    try:
        "a".encode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"encoding must be one of Python's, such as 'utf-8' or 'cp1252'; got {encoding!r}."
        ) from error
    try:
        with path.open(encoding=encoding, newline="") as lines:
            # The C engine would accept stray quotes. Without a header the names can be checked.
            table = pd.read_csv(
                lines,
                sep=delimiter,
                header=None,
                dtype=str,
                keep_default_na=False,
                skipinitialspace=True,
                engine="python",
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except UnicodeError as error:
        raise ValueError(
            f"{where} is not in the encoding {encoding!r}: {error}. Name its own as encoding=..., "
            "such as 'cp1252' for one that Excel saved."
        ) from error
    except pd.errors.ParserError as error:
        raise ValueError(
            f"{where} is not a valid CSV file: {error}. Quote cells that contain the delimiter "
            f"{delimiter!r}."
        ) from error
    table = table.fillna("").apply(lambda cells: cells.str.strip())
    table = table[(table != "").any(axis=1)]
    if table.empty:
        return table
    names = table.iloc[0].tolist()
    if len(names) == 1:
        raise ValueError(
            f"{where} has a single column, {names[0]!r}: its cells are not parted by "
            f"delimiter={delimiter!r}."
        )
    return table.iloc[1:].set_axis(names, axis=1).drop(columns="", errors="ignore")


def _cell(value: Any) -> Any:
    """Return a cell without blanks around it; None for one that is empty."""
    return value.strip() or None if isinstance(value, str) else value


def _take_columns(
    frame: DataFrame, wanted: Mapping[str, str | None], where: str
) -> dict[str, list[Any]]:
    """Take the columns by what is in them; one that is None is "unknown" throughout."""
    names = [str(name) for name in frame.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} has several columns {repeated}; keep one of each.")
    rows = {}
    for part, name in wanted.items():
        optional = part in ("speaker", "sex")
        if name is None and optional:
            rows[part] = ["unknown"] * len(frame)
            continue
        if not isinstance(name, str):
            raise TypeError(
                f"{part} must be the name of a column, as a str{' or None' * optional}; got "
                f"{name!r}."
            )
        if name not in names:
            cure = f" {part}=None does without." if optional else ""
            raise ValueError(
                f"{where} has no column {name!r}; it has {names}. Name the column of each "
                f"{part} as {part}=...{cure}"
            )
        rows[part] = [_cell(value) for value in frame.iloc[:, names.index(name)]]
        try:
            check_missing([] if part == "sex" else rows[part], f"column {name!r} of {where}")
        except ValueError as error:
            cure = " speaker=None does without speakers." if part == "speaker" else ""
            raise ValueError(f"{error}{cure}") from error
    if frame.empty:
        raise ValueError(f"{where} has no rows.")
    return rows


def _check_base(root: Any) -> None:
    """Check the folder to which paths are relative; it need not be there if they are not."""
    if root is not None and (
        not isinstance(root, str | os.PathLike) or isinstance(os.fspath(root), bytes)
    ):
        raise TypeError(f"root must be a folder, as a path, or None; got {root!r}.")


def _resolve(path: Any, root: str | Path | None) -> Any:
    if isinstance(path, Segment):
        return replace(path, file=_resolve(path.file, root))
    name = os.fspath(path) if isinstance(path, os.PathLike) else str(path)
    return str(Path(root or "").expanduser() / name)


def _find_speakers(pattern: Any, names: Sequence[str]) -> list[str]:
    if not isinstance(pattern, str):
        raise TypeError(f"speaker must be a regular expression, as a str; got {pattern!r}.")
    try:
        finder = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"speaker must be a regular expression; got {pattern!r}: {error}."
        ) from error
    matches = [finder.search(name) for name in names]
    group = min(finder.groups, 1)
    lost = [
        name for name, match in zip(names, matches, strict=True) if not (match and match[group])
    ]
    if lost:
        raise ValueError(
            f"speaker finds none in {len(lost)} of {len(names)} files{examples(lost)}; the regular "
            f"expression is {pattern!r}."
        )
    return [match[group] for match in matches if match]


def _corpus(
    rows: Mapping[str, list[Any]],
    mapping: Mapping[str, str] | None,
    name: str,
    where: str,
    report: str = "",
    hint: str = "",
) -> Bunch:
    """Check files and emotions, and keep the rows whose emotions are known.

    What a report says that came before goes into the same warning; a hint, into the error if no
    emotion is known.
    """
    own = check_mapping(mapping)
    _check_files(rows["file"], where)
    words = [str(word) for word in rows["emotion"]]
    labels = {word: canonical_label(word, own) for word in set(words)}
    unknown = Counter(word for word in words if labels[word] is None)
    kept = [row for row, word in enumerate(words) if labels[word] is not None]
    if not kept:
        raise ValueError(
            f"{where} has no known emotion but {tally(unknown)}: pass mapping={{spelling: label}}."
            f"{hint}"
        )
    if unknown:
        report = (
            f"{unknown.total()} of {len(words)} rows of {where} are left out, since their emotions "
            f"are not known: {tally(unknown)}. Pass mapping={{spelling: label}} to take them in. "
            f"{report}"
        ).rstrip()
    if report:
        warn_caller(report, CorpusWarning)
    return Bunch(
        files=[rows["file"][row] for row in kept],
        emotion=np.array([labels[words[row]] for row in kept]),
        speaker=np.array([str(rows["speaker"][row]) for row in kept]),
        sex=np.array([_SEXES.get(str(rows["sex"][row]).lower(), "unknown") for row in kept]),
        name=name,
        DESCR=f"{name}: {len(kept)} rows of {where}.",
    )


def _check_files(files: Sequence[Any], where: str) -> None:
    paths = dict.fromkeys(map(os.fspath, files))
    absent = [path for path in paths if not os.path.isfile(path)]
    if absent:
        raise FileNotFoundError(
            f"{len(absent)} of {len(paths)} files of {where} are not there{examples(absent)}. "
            "Relative paths are completed by root."
        )
    parts: dict[Any, list[str]] = {}
    for place, those in by_place(files).items():
        for file in those:
            parts.setdefault((place, span(file)), []).append(str(file))
    repeated = [" = ".join(dict.fromkeys(named)) for named in parts.values() if len(named) > 1]
    if repeated:
        raise ValueError(
            f"{where} names {len(repeated)} recording(s) more than once{examples(repeated)}. Keep "
            "one row of each."
        )
