"""Load a corpus from a manifest or a table of audformat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import Bunch

from skdidan.audio.files import Segment
from skdidan.corpora.folders import CorpusWarning, examples, group_by_file, span, tally
from skdidan.domains import check_missing, take_rows
from skdidan.emotions import canonical_label, check_mapping
from skdidan.reporting import warn_caller

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["build_corpus", "from_audformat", "load_manifest"]

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
    r"""Load a corpus from a table of files, emotions and speakers.

    Parameters
    ----------
    manifest : str, Path or DataFrame
        A CSV file with a header, or a data frame.
    root : str or Path, optional
        Folder to which the paths in the manifest are relative. Default: the folder of the CSV file,
        or for a data frame the current folder.
    file, emotion : str, default="file" and "emotion"
        Names of the columns with paths and emotions.
    speaker : str or None, default="speaker"
        Name of the column with speakers. None sets all speakers to "unknown".
    sex : str, optional
        Name of a column with "female" or "f", "male" or "m"; other values become "unknown".
    mapping : mapping from str to str, optional
        Labels of your own for spellings or labels of emotions, as in `load_corpus`.
    name : str, optional
        Name of the corpus. Default: the stem of the CSV file, or "manifest".
    delimiter : str, default=","
        Character between the cells of the CSV file.
    encoding : str, default="utf-8-sig"
        Encoding of the CSV file. The default is UTF-8 with or without a byte order mark; files from
        Excel are often "cp1252".

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
        recording is listed twice (even by different paths), or no emotion is known.

    Warns
    -----
    CorpusWarning
        If rows with unknown emotions are left out.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_manifest
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for stem in ("a1", "b1"):
    ...         Path(folder, f"{stem}.wav").touch()
    ...     manifest = Path(folder, "calls.csv")
    ...     _ = manifest.write_text("file,emotion,speaker\na1.wav,Joy,anna\nb1.wav,cross,bert\n")
    ...     corpus = load_manifest(manifest, mapping={"cross": "anger"})
    >>> [Path(file).name for file in corpus.files]
    ['a1.wav', 'b1.wav']
    >>> corpus.emotion.tolist(), corpus.speaker.tolist(), corpus.name
    (['happiness', 'anger'], ['anna', 'bert'], 'calls')
    """
    if hasattr(manifest, "columns"):
        table, where = manifest, "the data frame"
    elif isinstance(manifest, str | os.PathLike):
        path = Path(manifest).expanduser()
        where = f"the manifest {str(path)!r}"
        table = _read_csv(path, where, delimiter, encoding)
        root, name = path.parent if root is None else root, name or path.stem
    else:
        raise TypeError(
            "manifest must be the path of a CSV file, or a data frame; got a "
            f"{type(manifest).__name__}."
        )
    columns = {"file": file, "emotion": emotion, "speaker": speaker, "sex": sex}
    rows = _take_columns(table, columns, where)
    rows["file"] = _join(root, rows["file"])
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
        If rows with unknown emotions are left out.

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
    if type(table).__module__.split(".")[0] == "audformat":
        table = table.get()
    levels = list(getattr(getattr(table, "index", None), "names", []))
    if levels not in (["file"], _SEGMENTED):
        raise TypeError(
            "table must have an index of audformat, with the level file or the levels file, start "
            f"and end; got a {type(table).__name__} with the levels {levels}."
        )
    frame, where = table if hasattr(table, "columns") else table.to_frame(emotion), "the table"
    # The index is read separately, since a column may have any name, even file.
    rows = _take_columns(frame, {"emotion": emotion, "speaker": speaker, "sex": sex}, where)
    index = frame.index.to_frame()
    files = [_strip(path) for path in index["file"]]
    check_missing(files, f"level 'file' of {where}")
    rows["file"] = _join(root, files)
    if levels == _SEGMENTED:
        parts = zip(rows["file"], index["start"], index["end"], strict=True)
        for row, (path, start, end) in enumerate(parts):
            try:
                rows["file"][row] = Segment(path, start, end)
            except (TypeError, ValueError) as error:
                error.add_note(f"This is row {row} of the table, {path!r}.")
                raise
    return build_corpus(rows, mapping, name or "audformat", where)


def _read_csv(path: Path, where: str, delimiter: str, encoding: str) -> DataFrame:
    """Read a CSV file as stripped strings, without blank rows and unnamed columns."""
    import pandas as pd

    if os.path.isdir(path):  # Path.is_dir raises an error if the name is too long
        raise IsADirectoryError(
            f"manifest must be a CSV file; {str(path)!r} is a folder. Use load_audio_folder for a "
            "folder for each emotion, find_audio for unlabelled files."
        )
    if not os.path.isfile(path):
        raise FileNotFoundError(f"manifest must be a CSV file; {str(path)!r} does not exist.")
    if not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in _NO_DELIMITERS:
        raise ValueError(
            f"delimiter must be a single character, none of {_NO_DELIMITERS!r}; got {delimiter!r}."
        )
    try:
        "a".encode(encoding)
    except (LookupError, TypeError, ValueError) as error:
        raise ValueError(
            "encoding must be a text encoding of Python, such as 'utf-8' or 'cp1252'; got "
            f"{encoding!r}."
        ) from error
    try:
        with path.open(encoding=encoding, newline="") as lines:
            # The C engine accepts stray quotes. With a header, pandas renames repeated columns.
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
            f"{where} does not have the encoding {encoding!r}: {error}. Pass encoding=..., for "
            "example 'cp1252' for files from Excel."
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
            f"{where} has a single column, {names[0]!r}: {delimiter!r} is not its delimiter. Pass "
            "delimiter=..."
        )
    return table.iloc[1:].set_axis(names, axis=1).drop(columns="", errors="ignore")


def _strip(value: Any) -> Any:
    """Strip a cell that is a string; return None if it is blank."""
    return value.strip() or None if isinstance(value, str) else value


def _take_columns(
    table: DataFrame, columns: Mapping[str, str | None], where: str
) -> dict[str, list[Any]]:
    """Return the cells of each wanted column; a column that is None is "unknown" throughout."""
    names = [str(name) for name in table.columns]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{where} has several columns {repeated}; keep one of each.")
    rows = {}
    for part, name in columns.items():
        optional = part in ("speaker", "sex")
        if name is None and optional:
            rows[part] = ["unknown"] * len(table)
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
        rows[part] = [_strip(value) for value in table.iloc[:, names.index(name)]]
        try:
            check_missing([] if part == "sex" else rows[part], f"column {name!r} of {where}")
        except ValueError as error:
            raise ValueError(f"{error}{cure}") from error
    if table.empty:
        raise ValueError(f"{where} has no rows.")
    return rows


def _join(root: Any, paths: Sequence[Any]) -> list[Any]:
    """Return paths or segments below a folder, which need not exist if all are absolute."""
    if root is not None and (
        not isinstance(root, str | os.PathLike) or isinstance(os.fspath(root), bytes)
    ):
        raise TypeError(f"root must be a folder, as a path, or None; got {root!r}.")
    folder = Path(root or "").expanduser()

    def join(path: Any) -> Any:
        if isinstance(path, Segment):
            return replace(path, file=join(path.file))
        return str(folder / (path if isinstance(path, os.PathLike) else str(path)))

    return [join(path) for path in paths]


def build_corpus(
    rows: Mapping[str, list[Any]],
    mapping: Mapping[str, str] | None,
    name: str,
    where: str,
    report: str = "",
    hint: str = "",
) -> Bunch:
    """Check files and emotions, and keep the rows with known emotions.

    `report` is appended to the warning, `hint` to the error for a table without known emotions.
    """
    own = check_mapping(mapping)
    _check_files(rows["file"], where)
    words = [str(word) for word in rows["emotion"]]
    labels = [canonical_label(word, own) for word in words]
    unknown = Counter(word for word, label in zip(words, labels, strict=True) if label is None)
    kept = np.flatnonzero([label is not None for label in labels])
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
    if report:
        warn_caller(report, CorpusWarning)
    return Bunch(
        files=take_rows(rows["file"], kept),
        emotion=np.array(take_rows(labels, kept)),
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
            f"{len(absent)} of {len(paths)} files of {where} do not exist{examples(absent)}. "
            "Relative paths start from root."
        )
    parts: dict[Any, list[str]] = {}
    for identity, group in group_by_file(files).items():
        for file in group:
            parts.setdefault((identity, span(file)), []).append(str(file))
    repeated = [" = ".join(dict.fromkeys(names)) for names in parts.values() if len(names) > 1]
    if repeated:
        raise ValueError(
            f"{where} lists {len(repeated)} recording(s) more than once{examples(repeated)}. Keep "
            "one row for each."
        )
