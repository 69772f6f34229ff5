"""The audio files below a folder, and what is there but cannot be read."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from skdidan.audio.files import Segment, read_audio
from skdidan.reporting import warn_caller

__all__ = [
    "SUFFIXES",
    "AudioFiles",
    "CorpusWarning",
    "by_place",
    "check_folder",
    "examples",
    "find_audio",
    "span",
    "tally",
]

# Preferred first, where an utterance is there twice: those that lose nothing, then the others.
SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".opus", ".mp3")
# Audio, too, in what libsndfile does not read, or is seldom asked to.
_OTHER_SUFFIXES = (
    *(".3ga", ".aac", ".ac3", ".amr", ".ape", ".au", ".caf", ".dss", ".gsm", ".m4a", ".m4b"),
    *(".mka", ".mp2", ".oga", ".ra", ".snd", ".spx", ".tta", ".voc", ".w64", ".weba", ".wma"),
    ".wv",
)


class CorpusWarning(UserWarning):
    """Some files of a corpus, or rows of a manifest, could not be placed or read."""


def find_audio(root: str | Path, *, check: bool = False) -> list[str]:
    """List the audio files below a folder, as of a target without labels.

    Files may be nested at any depth, as .wav, .flac, .aiff, .aif, .ogg, .opus or .mp3 in any case.
    A recording that is there in several formats counts once; hidden files do not count.

    Parameters
    ----------
    root : str or Path
        Folder of the recordings.
    check : bool, default=False
        Whether to read each file, and to leave out those that `read_audio` refuses.

    Returns
    -------
    files : list of str, of n_files entries
        Paths, below `root` as given, sorted.

    Raises
    ------
    TypeError
        If the root is no path.
    NotADirectoryError
        If the root is no folder.
    ValueError
        If there is no audio below it, or with `check` none that can be used.

    Warns
    -----
    CorpusWarning
        Once, if some files are dead links or of formats that are not read, differ from another in
        their suffixes alone or cannot be used, or some folders could not be opened; they are left
        out.

    See Also
    --------
    load_corpus : Files of a known corpus, with emotions and speakers.
    load_audio_folder : Files of a folder for each emotion.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdidan import find_audio
    >>> with tempfile.TemporaryDirectory() as root:
    ...     for name in ("monday/2.wav", "monday/1.mp3", "notes.txt"):
    ...         Path(root, name).parent.mkdir(exist_ok=True)
    ...         Path(root, name).touch()
    ...     files = find_audio(root)
    >>> [Path(file).name for file in files]
    ['1.mp3', '2.wav']
    """
    audio = AudioFiles(check_folder(root, "the folder of the recordings"))
    files = audio.recordings()
    if not files:
        raise ValueError(audio.nothing("files"))
    parts = [audio.report()]
    if copies := sorted(set(audio.files) - set(files), key=audio.name):
        parts.append(
            f"{len(copies)} audio file(s) below {str(audio.root)!r} are left out, since another of "
            f"the same name but for the suffix is taken{audio.examples(copies)}: rename those that "
            "differ."
        )
    if check:
        reasons = {file: reason for file in files if (reason := _what_is_wrong(file))}
        if reasons:
            parts.append(
                f"{len(reasons)} of {len(files)} audio files below {str(audio.root)!r} cannot be "
                f"used and are left out: {' '.join(list(reasons.values())[:3])}"
            )
        files = [file for file in files if file not in reasons]
    report = " ".join(filter(None, parts))
    if not files:
        raise ValueError(f"root holds no audio that can be used: {report}")
    if report:
        warn_caller(report, CorpusWarning)
    return [str(file) for file in files]


def _what_is_wrong(file: Path) -> str:
    """Say why a file cannot be used; nothing if it can."""
    try:
        read_audio(file)
    except (OSError, ValueError) as error:
        return str(error)
    return ""


class AudioFiles:
    """The audio files below a folder, and what is there but cannot be read.

    Hidden files and folders do not count. All lists are sorted by the paths below the folder.

    Parameters
    ----------
    root : Path
        The folder.

    Attributes
    ----------
    files : list of Path
        Files that can be read, going by their suffixes.
    dead : list of Path
        Links that lead to nothing. They may have led to audio, to labels or to a folder.
    closed : list of Path
        Folders that could not be opened.
    foreign : list of Path
        Audio in formats that are not read, unless it is there in one that is.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.closed: list[Path] = []
        self._paths = sorted(self._walk(), key=self.name)
        self.closed.sort(key=self.name)
        self.dead = [path for path in self._paths if not os.path.exists(path)]
        self.files = self.of(SUFFIXES)
        stems = {path.with_suffix("") for path in self.files}
        self.foreign = [
            path for path in self.of(_OTHER_SUFFIXES) if path.with_suffix("") not in stems
        ]

    def _walk(self) -> Iterator[Path]:
        walked = set()

        def note(error: OSError) -> None:
            self.closed.append(Path(error.filename))

        for folder, inner, names in os.walk(self.root, followlinks=True, onerror=note):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if (place := os.path.realpath(folder)) in walked:
                inner.clear()  # a link led back
                continue
            walked.add(place)
            yield from (Path(folder, name) for name in names if not name.startswith("."))

    def of(self, suffixes: Container[str]) -> list[Path]:
        """List the files with one of the suffixes, in any case."""
        return [
            path for path in self._paths if path.suffix.lower() in suffixes and os.path.isfile(path)
        ]

    def recordings(self) -> list[Path]:
        """List one file of each recording that is there in several formats."""
        best: dict[Path, Path] = {}
        for path in sorted(self.files, key=lambda path: SUFFIXES.index(path.suffix.lower())):
            best.setdefault(path.with_suffix(""), path)
        return sorted(best.values(), key=self.name)

    def name(self, path: Path) -> str:
        """Return the path of a file below the folder, with / between folders."""
        return path.relative_to(self.root).as_posix()

    def examples(self, paths: Iterable[Path]) -> str:
        """Name the first few files, for messages."""
        return examples([self.name(path) for path in paths])

    def report(self, foreign: Sequence[Path] | None = None) -> str:
        """Say what cannot be read, of the foreign files some or all; nothing if all can."""
        foreign = self.foreign if foreign is None else foreign
        below, parts = f"below {str(self.root)!r}", []
        if self.dead:
            parts.append(
                f"{len(self.dead)} file(s) {below} are dead links and are left out"
                f"{self.examples(self.dead)}: fetch them or mend the links."
            )
        if foreign:
            suffixes = tally(Counter(path.suffix.lower() for path in foreign))
            parts.append(
                f"{len(foreign)} audio file(s) {below} are of formats that are not read, {suffixes}"
                f"{self.examples(foreign)}: save them as .wav or .flac."
            )
        if self.closed:
            parts.append(
                f"{len(self.closed)} folder(s) {below} could not be opened"
                f"{self.examples(self.closed)}: permission may be missing."
            )
        return " ".join(parts)

    def nothing(self, layout: str) -> str:
        """Say that there is no audio, and what there is instead."""
        expected = f"expected {layout} as {' '.join(SUFFIXES)} below {str(self.root)!r}"
        return f"root holds no audio: {expected}; found {self.found()}. {self.report()}".rstrip()

    def found(self) -> str:
        """Count and name the audio files; if there are none, say what there is."""
        if self.files:
            return f"{self.count()}{self.examples(self.files)}"
        if self.root in self.closed:
            return "nothing"
        names = sorted(path.name for path in self.root.iterdir())
        return f"no audio file but {', '.join(names[:3])}" if names else "an empty folder"

    def count(self) -> str:
        """Count the audio files, for messages."""
        return f"{len(self.files)} audio file{'' if len(self.files) == 1 else 's'}"


def check_folder(root: Any, expected: str) -> Path:
    """Return a folder that a caller gave as `root`; errors say what it is expected to be."""
    if not isinstance(root, str | os.PathLike) or isinstance(os.fspath(root), bytes):
        raise TypeError(f"root must be {expected}, as a path; got {root!r}.")
    if not os.fspath(root):
        raise ValueError(f"root must be {expected}; got ''. The current folder is '.'.")
    folder = Path(root).expanduser()
    if not os.path.isdir(folder):  # the method of a path raises an error for a name too long
        raise NotADirectoryError(
            f"root must be {expected}; got {str(folder)!r}, which is "
            f"{'a file' if os.path.exists(folder) else 'not there (nothing is downloaded)'}."
        )
    return folder


def by_place(files: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group paths and segments by their files on disk; waveforms are left out."""
    places: dict[str, Any] = {}
    found: dict[Any, list[Any]] = {}
    for file in files:
        if isinstance(file, str | os.PathLike):
            path = os.fspath(file)
            if path not in places:
                places[path] = _place(path)
            found.setdefault(places[path], []).append(file)
    return found


def _place(path: str) -> Any:
    """Return what all paths and links to a file have in common."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def span(file: Any) -> tuple[float, float]:
    """Return where a file, or a segment of it, begins and ends [s]; the end may be infinite."""
    if not isinstance(file, Segment):
        return 0.0, math.inf
    return file.start, math.inf if file.end is None else file.end


def examples(names: Sequence[str], n: int = 3) -> str:
    """Name the first few, for messages."""
    return ", e.g. " + ", ".join(names[:n]) if names else ""


def tally(counts: Mapping[str, int], n: int = 10) -> str:
    """List the most frequent names with how often they occur, for messages."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = [f"{len(names) - n} more"] if len(names) > n else []
    return ", ".join([*(f"{name!r} ({counts[name]})" for name in names[:n]), *more])
