"""Load a corpus from a folder for each emotion."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sklearn.utils import Bunch

from skdidan.corpora.faults import AS_AUDIO, examples
from skdidan.corpora.folders import AudioFiles, check_folder
from skdidan.corpora.inventory import guess_layout
from skdidan.corpora.manifests import build_corpus
from skdidan.emotions import canonical_label, check_mapping

__all__ = ["load_audio_folder"]


def load_audio_folder(
    root: str | Path,
    *,
    speaker: str | None = None,
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Bunch:
    """Load a corpus from a folder that holds a folder for each emotion.

    The folder of an emotion is searched recursively, as by `find_audio`. A recording in several
    formats is listed once. Hidden files are ignored.

    Parameters
    ----------
    root : str or Path
        Folder of the corpus.
    speaker : str, optional
        Regular expression that finds the speaker in the path of a file below `root`, such as
        ``Sad/bert-1.wav``, with ``/`` between folders: its first group, or else the whole match.
        ``"/([a-z]+)-"`` finds "bert". By default all speakers are "unknown".
    mapping : mapping from str to str, optional
        Labels of your own for names of folders or labels of emotions, as in `load_corpus`.
    name : str, optional
        Name of the corpus. Default: the name of the folder.

    Returns
    -------
    corpus : Bunch
        As returned by `load_corpus`, sorted by path.

    Raises
    ------
    TypeError
        If `root` is not a path or `speaker` not a string.
    NotADirectoryError
        If `root` is not a folder.
    ValueError
        If no folder of an emotion holds audio, or `speaker` is not a valid regular expression or
        does not match every file.

    Warns
    -----
    CorpusWarning
        Once, if something is left out, such as the folders of unknown emotions, or cannot be used,
        as in `find_audio`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import load_audio_folder
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for file in ("Angry/anna-1.wav", "Sad/bert-1.wav"):
    ...         Path(root, file).parent.mkdir()
    ...         _ = Path(root, file).write_text(file)
    ...     corpus = load_audio_folder(root, speaker="([a-z]+)-")
    >>> corpus.emotion.tolist(), corpus.speaker.tolist()
    (['anger', 'sadness'], ['anna', 'bert'])
    """
    audio = AudioFiles(check_folder(root, "a folder that holds a folder for each emotion"))
    files = [formats[0] for formats in audio.recordings()]
    if not files:
        raise ValueError(audio.describe_absence("audio", f"<emotion>/<file> as {AS_AUDIO}"))
    paths, own = [audio.name(file) for file in files], check_mapping(mapping)
    nested = [path for path in paths if any(canonical_label(x, own) for x in path.split("/")[1:-1])]
    hint = (
        f" {len(nested)} files have the name of an emotion in a deeper folder{examples(nested)}: "
        "list files, emotions and speakers in a table for load_manifest."
    )
    rows = {
        "file": [str(file) for file in files],
        "emotion": [path.split("/")[0] if "/" in path else "(no folder)" for path in paths],
        "speaker": ["unknown"] * len(paths) if speaker is None else _find_speakers(speaker, paths),
        "sex": ["unknown"] * len(paths),
    }
    name, where = name or audio.root.resolve().name, f"the folder {str(audio.root)!r}"
    try:
        return build_corpus(rows, own, name, where, audio.faults, hint if nested else "")
    except ValueError as error:
        text = str(error)
        if not any("/" in path for path in paths):
            text = (
                f"root must hold a folder for each emotion; {str(audio.root)!r} holds only "
                f"recordings{examples(paths)}."
            )
        if known := [found for found, _ in guess_layout(root) if found != "folders"]:
            use = f"use load_corpus({known[0]!r}, ...)."
            text += f" The names of its files are those of {known[0]}: {use}"
        raise ValueError(text) from error


def _find_speakers(pattern: Any, names: Sequence[str]) -> list[str]:
    if not isinstance(pattern, str):
        raise TypeError(f"speaker must be a regular expression, as a str; got {pattern!r}.")
    try:
        finder = re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"speaker must be a regular expression; got {pattern!r}: {error}."
        ) from error
    group = min(finder.groups, 1)
    found = [finder.search(name) for name in names]
    speakers = [match and (match[group] or match[0]) for match in found]
    pairs = list(zip(found, names, strict=True))
    if all(m and m.end(group if m[group] else 0) <= name.find("/") for m, name in pairs):
        raise ValueError(
            f"speaker={pattern!r} finds only folders of emotions, such as {speakers[0]!r} in "
            f"{names[0]!r}: begin it with /, as in '/([a-z]+)'."
        )
    if lost := [name for name, speaker in zip(names, speakers, strict=True) if not speaker]:
        raise ValueError(
            f"speaker matches no part of {len(lost)} of {len(names)} files{examples(lost)}; the "
            f"regular expression is {pattern!r}."
        )
    return [speaker for speaker in speakers if speaker]
