"""Find what is wrong with the files of a corpus, without decoding any, and report all of it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from skdidan.audio.decoders import impostor
from skdidan.audio.formats import NOT_READ
from skdidan.reporting import warn_caller

__all__ = [
    *("AS_AUDIO", "SUFFIXES", "UNREADABLE", "CorpusWarning", "Fault", "Faults"),
    *("examples", "group_by_file", "sample", "span", "tally"),
]

# Formats that libsndfile reads. In order of preference for recordings that exist in several
# formats: lossless ones first.
SUFFIXES = (
    ".wav .wave .bwf .rf64 .w64 .flac .fla .aiff .aif .aifc .caf .caff .au .snd .sph .nist .nis "
    ".voc .ircam .paf .avr .pvf .svx .8svx .sds .ogg .oga .ogx .opus .mp3 .mpga .mpa .mp2 .mp1"
).split()
AS_AUDIO = ".wav .flac .aiff .ogg .opus .mp3 or another format of libsndfile"  # in messages


class Fault(NamedTuple):
    """A reason why a file is of no use, or in doubt; messages count files by all but `detail`."""

    reason: str
    cure: str
    fate: str = "are left out"
    detail: str = ""
    kind: str = "file(s)"


#: Known formats that libsndfile does not read, by suffix.
UNREADABLE = {suffix: Fault(*texts) for suffix, texts in NOT_READ.items()}
_CLOSED = Fault("no permission", "check the permissions")
_TWICE = Fault("the same recording as another file", "keep one of each", "are listed")
_SMALL = 1024  # bytes, fewer than any recording and more than a pointer in its place


class CorpusWarning(UserWarning):
    """Some files of a corpus, or rows of a manifest, were left out or cannot be used.

    Parameters
    ----------
    message : str
        The number of files for each reason, with a few names.
    reasons : mapping from str to str, default=()
        The reason of every such file, by path; the attribute `reasons` is a dict of them.
    """

    def __init__(self, message: str, reasons: Mapping[str, str] | tuple[()] = ()) -> None:
        super().__init__(message)
        self.reasons = dict(reasons)


class Faults(dict[str, Fault]):
    """The faults of files, by path; `name` shortens a path in messages."""

    def __init__(self, name: Callable[[str], str] = str) -> None:
        self.name = name

    def inspect(self, files: Iterable[Any]) -> None:
        """Add files that will not be readable, or have the content of another.

        Opens files of less than 1 kB, and of files of equal size a few bytes, or if these are the
        same, all.
        """
        sound = []
        for path in dict.fromkeys(map(os.fspath, files)):
            fault = UNREADABLE.get(os.path.splitext(path)[1].lower())
            if fault is None and not os.access(path, os.R_OK):
                fault = _CLOSED
            if fault is None and os.path.getsize(path) < _SMALL and (found := impostor(path)):
                fault = Fault(*found.split(": ", 1))
            if fault is None:
                sound.append(path)
            else:
                self[path] = fault._replace(fate="cannot be read")
        groups = [sound]
        for content in (os.path.getsize, sample, _digest):
            parts = [part for group in groups for part in _group(group, content).values()]
            groups = [part for part in parts if len(part) > 1]
        for first, *copies in groups:
            self |= dict.fromkeys(copies, _TWICE._replace(detail=self.name(first)))

    def describe(self, where: str) -> str:
        """Say for each fault how many files have it, with examples and the cure."""
        names: dict[Fault, list[str]] = {}
        for path, fault in self.items():
            detail = f" ({fault.detail})" if fault.detail else ""
            names.setdefault(fault._replace(detail=""), []).append(self.name(path) + detail)
        return " ".join(
            f"{len(found)} {fault.kind} {where} {fault.fate} ({fault.reason})"
            f"{examples(sorted(found))}: {fault.cure}."
            for fault, found in names.items()
        )

    def warn(self, report: str, reasons: Mapping[str, str] | tuple[()] = ()) -> None:
        """Warn of all faults and of further `reasons`, if there is anything to report."""
        own = {path: ": ".join(filter(None, (x.reason, x.detail))) for path, x in self.items()}
        if report:
            warn_caller(CorpusWarning(report, {**own, **dict(reasons)}))


def sample(path: str | os.PathLike[str]) -> tuple[int, bytes]:
    """Return the size of a file and bytes from its middle, which few other files share."""
    size = os.path.getsize(path)
    if not os.access(path, os.R_OK):
        return size, b""
    with open(path, "rb") as file:
        file.seek(size // 2)
        return size, file.read(4096)


def _digest(path: str) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _group(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def group_by_file(files: Iterable[Any]) -> dict[Any, list[Any]]:
    """Group paths and segments by the file on disk that they point to; skip waveforms."""
    identify = cache(_file_identity)
    paths = (file for file in files if isinstance(file, str | os.PathLike))
    return _group(paths, lambda file: identify(os.fspath(file)))


def _file_identity(path: str) -> Any:
    """Return a value that all paths and links to a file share."""
    try:
        status = os.stat(path)
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def span(file: Any) -> tuple[float, float]:
    """Return the start and end [s] of a file or segment; the end may be infinite."""
    start, end = getattr(file, "start", 0.0), getattr(file, "end", None)
    return start, math.inf if end is None else end


def examples(names: Sequence[str]) -> str:
    """List the first three names, for messages."""
    return ", e.g. " + ", ".join(names[:3]) if names else ""


def tally(counts: Mapping[str, int]) -> str:
    """List the ten most frequent names with their counts, for messages."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    more = [f"{len(names) - 10} more"] if len(names) > 10 else []
    return ", ".join([*(f"{name!r} ({counts[name]})" for name in names[:10]), *more])
