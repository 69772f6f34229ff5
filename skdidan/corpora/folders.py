"""Audio files below a folder, and reports of what cannot be read."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from skdidan.audio.files import Segment, read_audio
from skdidan.reporting import warn_caller

__all__ = [
    "SUFFIXES",
    "AudioFiles",
    "CorpusWarning",
    "check_folder",
    "examples",
    "find_audio",
    "group_by_file",
    "span",
    "tally",
]

# In order of preference for recordings that exist in several formats: lossless ones first.
SUFFIXES = (".wav", ".flac", ".aiff", ".aif", ".ogg", ".opus", ".mp3")
# Audio formats that libsndfile cannot read, or that are rare.
_UNSUPPORTED = (
    *(".3ga", ".aac", ".ac3", ".amr", ".ape", ".au", ".caf", ".dss", ".gsm", ".m4a", ".m4b"),
    *(".mka", ".mp2", ".oga", ".ra", ".snd", ".spx", ".tta", ".voc", ".w64", ".weba", ".wma"),
    ".wv",
)


class CorpusWarning(UserWarning):
    """Some files of a corpus, or rows of a manifest, were left out."""


def find_audio(root: str | Path, *, check: bool = False) -> list[str]:
    """List the audio files below a folder, for example an unlabelled target.

    The search is recursive and takes .wav, .flac, .aiff, .aif, .ogg, .opus and .mp3 in any case.
    A recording in several formats is listed once. Hidden files are ignored.

    Parameters
    ----------
    root : str or Path
        Folder of the recordings.
    check : bool, default=False
        Whether to read each file and leave out those that `read_audio` refuses.

    Returns
    -------
    files : list of str, of n_files entries
        Sorted paths, which begin with `root` as given.

    Raises
    ------
    TypeError
        If `root` is not a path.
    NotADirectoryError
        If `root` is not a folder.
    ValueError
        If there is no audio, or with `check` no usable audio.

    Warns
    -----
    CorpusWarning
        Once, if something is left out: broken links, unsupported formats, folders that cannot be
        opened, unusable files, or other formats of a recording.

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
        raise ValueError(audio.describe_absence("files"))
    parts = [audio.report()]
    if copies := sorted(set(audio.files) - set(files), key=audio.name):
        parts.append(
            f"{len(copies)} audio file(s) below {str(audio.root)!r} are left out, since a file of "
            f"the same name with another suffix is taken{audio.examples(copies)}: rename files "
            "that differ."
        )
    if check:
        reasons = {}
        for file in files:
            try:
                read_audio(file)
            except (OSError, ValueError) as error:
                reasons[file] = str(error)
        if reasons:
            parts.append(
                f"{len(reasons)} of {len(files)} audio files below {str(audio.root)!r} cannot be "
                f"used and are left out: {' '.join(list(reasons.values())[:3])}"
            )
        files = [file for file in files if file not in reasons]
    report = " ".join(filter(None, parts))
    if not files:
        raise ValueError(f"root holds no usable audio: {report}")
    if report:
        warn_caller(report, CorpusWarning)
    return [str(file) for file in files]


class AudioFiles:
    """Audio files below a folder, sorted by path; hidden files and folders are ignored."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.closed: list[Path] = []  # folders that could not be opened
        self._paths = sorted(self._walk(), key=self.name)
        self.closed.sort(key=self.name)
        self.broken = [path for path in self._paths if not os.path.exists(path)]  # links
        self.files = self.with_suffix(SUFFIXES)
        # Audio in other formats, unless the same file exists in a supported one.
        stems = {path.with_suffix("") for path in self.files}
        self.unsupported = [
            path for path in self.with_suffix(_UNSUPPORTED) if path.with_suffix("") not in stems
        ]

    def _walk(self) -> Iterator[Path]:
        def note(error: OSError) -> None:
            self.closed.append(Path(error.filename))

        walked = set()
        for folder, inner, names in os.walk(self.root, followlinks=True, onerror=note):
            inner[:] = [name for name in inner if not name.startswith(".")]
            if (target := os.path.realpath(folder)) in walked:
                inner.clear()  # a link forms a cycle
                continue
            walked.add(target)
            yield from (Path(folder, name) for name in names if not name.startswith("."))

    def with_suffix(self, suffixes: Container[str]) -> list[Path]:
        """List the files with one of the suffixes, in any case."""
        return [
            path for path in self._paths if path.suffix.lower() in suffixes and os.path.isfile(path)
        ]

    def by_preference(self) -> list[Path]:
        """List the files: by format, and those of one format by the depth of their folders."""
        return sorted(
            self.files, key=lambda path: (SUFFIXES.index(path.suffix.lower()), len(path.parts))
        )

    def recordings(self) -> list[Path]:
        """List each recording once, in its preferred format."""
        best = {path.with_suffix(""): path for path in reversed(self.by_preference())}
        return sorted(best.values(), key=self.name)

    def name(self, path: Path) -> str:
        """Return the path of a file below the folder, with / between folders."""
        return path.relative_to(self.root).as_posix()

    def examples(self, paths: Iterable[Path]) -> str:
        """List the first few files, for messages."""
        return examples([self.name(path) for path in paths])

    def report(self) -> str:
        """Describe what cannot be read, or return an empty string."""
        below, parts = f"below {str(self.root)!r}", []
        if self.broken:
            parts.append(
                f"{len(self.broken)} file(s) {below} are broken links and are left out"
                f"{self.examples(self.broken)}: fetch the files or repair the links."
            )
        if self.unsupported:
            suffixes = tally(Counter(path.suffix.lower() for path in self.unsupported))
            parts.append(
                f"{len(self.unsupported)} audio file(s) {below} have unsupported formats, "
                f"{suffixes}{self.examples(self.unsupported)}: save them as .wav or .flac."
            )
        if self.closed:
            parts.append(
                f"{len(self.closed)} folder(s) {below} could not be opened"
                f"{self.examples(self.closed)}: check the permissions."
            )
        return " ".join(parts)

    def describe_absence(self, layout: str) -> str:
        """Say that there is no audio, and what was found instead."""
        expected = f"expected {layout} as {' '.join(SUFFIXES)} below {str(self.root)!r}"
        return f"root holds no audio: {expected}; found {self.found()}. {self.report()}".rstrip()

    def found(self) -> str:
        """Count and list the audio files, or else describe what there is."""
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
    """Return a `root` argument as a path; errors say which folder is `expected`."""
    if not isinstance(root, str | os.PathLike) or isinstance(os.fspath(root), bytes):
        raise TypeError(f"root must be {expected}, as a path; got {root!r}.")
    if not os.fspath(root):
        raise ValueError(f"root must be {expected}; got ''. The current folder is '.'.")
    folder = Path(root).expanduser()
    if not os.path.isdir(folder):  # Path.is_dir raises an error if the name is too long
        fault = "is a file" if os.path.exists(folder) else "does not exist (nothing is downloaded)"
        raise NotADirectoryError(f"root must be {expected}; got {str(folder)!r}, which {fault}.")
    return folder


def group_by_file(files: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group paths and segments by the file on disk that they point to; skip waveforms."""
    identify = cache(_file_identity)
    groups: dict[Any, list[Any]] = {}
    for file in files:
        if isinstance(file, str | os.PathLike):
            groups.setdefault(identify(os.fspath(file)), []).append(file)
    return groups


def _file_identity(path: str) -> Any:
    """Return a value that all paths and links to a file share."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def span(file: Any) -> tuple[float, float]:
    """Return the start and end [s] of a file or segment; the end may be infinite."""
    if not isinstance(file, Segment):
        return 0.0, math.inf
    return file.start, math.inf if file.end is None else file.end


def examples(names: Sequence[str]) -> str:
    """List the first three names, for messages."""
    return ", e.g. " + ", ".join(names[:3]) if names else ""


def tally(counts: Mapping[str, int]) -> str:
    """List the ten most frequent names with their counts, for messages."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = [f"{len(names) - 10} more"] if len(names) > 10 else []
    return ", ".join([*(f"{name!r} ({counts[name]})" for name in names[:10]), *more])
