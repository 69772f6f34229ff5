"""Audio files below a folder, and reports of what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from skdidan.audio.cropping import find_parts
from skdidan.audio.files import list_channels, read_window
from skdidan.audio.gauge import Gauge
from skdidan.corpora.faults import AS_AUDIO, SUFFIXES, UNREADABLE, Fault, Faults, examples
from skdidan.parameters import check_boolean
from skdidan.paths import explain_absence, find_path

__all__ = ["SAME_STEM", "AudioFiles", "check_folder", "find_audio"]

_BROKEN = Fault("broken links", "fetch the files or repair the links")
_PIPE = Fault("pipes or devices", "write what they hold to files")
_CLOSED = Fault("cannot be opened", "check the permissions", kind="folder(s)")
SAME_STEM = Fault("the same name as another file, but for the suffix", "rename files that differ")


def find_audio(root: str | Path, *, check: bool = False, channel: int | str = "mix") -> list[Any]:
    """List the audio files below a folder, for example an unlabelled target.

    The search is recursive and takes the suffixes of all formats that libsndfile reads, .wav,
    .flac, .aiff, .ogg, .opus, .mp3, .sph, .au, .caf and others, in any case. A recording in several
    formats is listed once: in the first of these formats, or, with `check`, in the first that is
    usable. Hidden files are ignored.

    Parameters
    ----------
    root : str or Path
        Folder of the recordings.
    check : bool, default=False
        Whether to read each file and leave out those that `read_audio` refuses.
    channel : "mix", int >= 0 or "split", default="mix"
        Channel of each recording, counted from 0; "mix" is the average of all, and "split" makes
        each channel a recording of its own, as for calls with one speaker on each.

    Returns
    -------
    files : list of str or Segment, of n_files entries
        Sorted paths, which begin with `root` as given. Segments, if a channel is chosen; for
        "split", one for each channel of a file.

    Raises
    ------
    TypeError
        If `root` is not a path.
    NotADirectoryError
        If `root` is not a folder.
    ValueError
        If there is no audio, or with `check` or "split" no usable audio; or if `channel` is none.

    Warns
    -----
    CorpusWarning
        Once, if something is left out: broken links, formats that cannot be read, folders that
        cannot be opened, unusable files, or other formats of a recording. Also if listed files are
        empty, pointers of Git LFS, or copies of or links to others; with `check`, if they are
        shorter than 0.1 s or below -80 dB. Its attribute `reasons` holds them all.

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
    ...         _ = Path(root, name).write_text(name)
    ...     files = find_audio(root)
    >>> [Path(file).name for file in files]
    ['1.mp3', '2.wav']
    """
    check_boolean("check", check)
    audio = AudioFiles(check_folder(root, "the folder of the recordings"))
    recordings = audio.recordings()
    if not recordings:
        raise ValueError(audio.describe_absence("audio", f"files as {AS_AUDIO}"))
    rows: list[Any] = []
    reasons: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for formats in recordings:
        found: dict[Any, str | None] = {}
        while formats and not found:
            found = _usable(str(formats.pop(0)), channel, check, reasons)
        rows += found
        doubts |= {str(row): doubt for row, doubt in found.items() if doubt is not None}
        audio.faults |= {str(path): SAME_STEM for path in formats}
    rows.sort(key=audio.name)
    audio.faults |= audio.unread(rows)
    unusable = ""
    if reasons:
        unusable = (
            f"{len(reasons)} of {len(rows) + len(reasons)} audio files below {str(audio.root)!r} "
            f"cannot be used and are left out: {' '.join(list(reasons.values())[:3])}"
        )
    if doubts:
        first = ", ".join(f"{row} {doubt}" for row, doubt in [*doubts.items()][:3])
        listed = f"{len(doubts)} below {str(audio.root)!r} are listed, but hardly speech: {first}."
        unusable = f"{unusable} {listed}"
    audio.faults.inspect(rows)
    report = " ".join(filter(None, [audio.report(), unusable.strip()]))
    if not rows:
        raise ValueError(f"{str(audio.root)!r} holds no usable audio: {report}")
    audio.faults.warn(report, {**doubts, **reasons})
    return rows


def _usable(
    file: str, channel: int | str, check: bool, reasons: dict[str, str]
) -> dict[Any, str | None]:
    """Map the rows of a file to doubts; note the reasons of those that cannot be used."""
    channels = _attempt(partial(list_channels, channel=channel), [file], reasons)
    rows = channels.get(file, [])
    return _attempt(_doubt, rows, reasons) if check else dict.fromkeys(rows)


def _attempt(
    function: Callable[[Any], Any], rows: Iterable[Any], reasons: dict[str, str]
) -> dict[Any, Any]:
    """Map rows to the results of a function; note why others cannot be read."""
    results = {}
    for row in rows:
        try:
            results[row] = function(row)
        except (OSError, ValueError) as error:
            reasons[str(row)] = str(error)
    return results


def _doubt(row: Any) -> str | None:
    """Read a file or segment, and say why it is hardly one of speech."""
    gauge = Gauge()
    read_window(row, 16_000, partial(find_parts, bounds=()), gauge=gauge)  # no waveform is held
    return gauge.doubt()


class AudioFiles:
    """Audio files below a folder, sorted by path; hidden files and folders are ignored."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults = Faults(self.name)
        self._paths = sorted(self._walk(), key=self.name)
        self.files = self.with_suffix(SUFFIXES)
        for path in self._paths:
            if not os.path.isfile(path):
                self.faults[str(path)] = _PIPE if os.path.exists(path) else _BROKEN
        self.unreadable = self.unread(self.files)
        self.faults |= self.unreadable

    def _walk(self) -> Iterator[Path]:
        def note(error: OSError) -> None:
            self.faults[str(error.filename)] = _CLOSED

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

    def recordings(self) -> list[list[Path]]:
        """List the files of each recording, the preferred format first."""
        formats: dict[Path, list[Path]] = {}
        for path in self.by_preference():
            formats.setdefault(path.with_suffix(""), []).append(path)
        return sorted(formats.values(), key=lambda files: self.name(files[0]))

    def unread(self, usable: Iterable[Any]) -> dict[str, Fault]:
        """Return the faults of files whose format is not read, unless another one is usable."""
        stems = {Path(file).with_suffix("") for file in usable}
        return {
            str(path): UNREADABLE[path.suffix.lower()]
            for path in self.with_suffix(UNREADABLE)
            if path.with_suffix("") not in stems
        }

    def name(self, path: str | os.PathLike[str]) -> str:
        """Return the path of a file below the folder, with / between folders."""
        return Path(path).relative_to(self.root).as_posix()

    def report(self) -> str:
        """Describe what is wrong with files, or return an empty string."""
        return self.faults.describe(f"below {str(self.root)!r}")

    def describe_absence(self, what: str, layout: str, more: str = "") -> str:
        """Say that there is none of `what`, in any `layout`, and what was found instead."""
        found = f"expected {layout} below {str(self.root)!r}; found {self.found()}{more}"
        return f"root holds no {what}: {found}. {self.report()}".rstrip()

    def found(self) -> str:
        """Count and list the audio files, or else describe what there is."""
        if self.files:
            return f"{self.count()}{examples([self.name(path) for path in self.files])}"
        if str(self.root) in self.faults:
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
    # Unlike Path.expanduser, this leaves a ~ alone that names no user.
    given = str(Path(os.path.expanduser(root)))
    folder = find_path(given)
    if folder is None or not os.path.isdir(folder):  # Path.is_dir refuses a name that is too long
        fault = "is a file" if folder else "does not exist (nothing is downloaded)"
        reason = "" if folder else explain_absence(given)
        raise NotADirectoryError(f"root must be {expected}; got {given!r}, which {fault}.{reason}")
    return Path(folder)
