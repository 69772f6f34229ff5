"""Warnings about recordings, and a way to learn which of them could not be used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

from skdidan.reporting import warn_caller

__all__ = [
    *("AudioWarning", "DoubtfulAudioWarning"),
    *("WAVEFORM", "as_windows", "collect_unusable", "report_doubtful", "report_unusable"),
]

#: Name of a row in errors and warnings.
WAVEFORM = "The waveform in row {}"

_N_NAMED = 5
_collector: ContextVar[dict[int, str] | None] = ContextVar("collector", default=None)
_recordings: ContextVar[NDArray[np.integer] | None] = ContextVar("recordings", default=None)


class AudioWarning(UserWarning):
    """Some recordings could not be used and were replaced by silence.

    They are missing, corrupt, empty or silent, or hold NaN, as may their features. A method that
    takes a source and a target warns of each separately.

    Parameters
    ----------
    message : str
        The number of these rows, and the reasons of the first few.
    rows : sequence of int, default=()
        Their numbers, from 0, in the `X` given; the attribute `rows` is a list of them.
    reasons : mapping from int to str, optional
        The reason of every such row; the attribute `reasons` is a dict of them.
    """

    def __init__(
        self, message: str, rows: Sequence[int] = (), reasons: Mapping[int, str] | None = None
    ) -> None:
        super().__init__(message)
        self.rows = list(rows)
        self.reasons = dict(reasons or {})


class DoubtfulAudioWarning(UserWarning):
    """Some files can be read, but are hardly speech: shorter than 0.1 s or below -80 dB.

    They are used like all others. The level is the root mean square of the samples; 0 dB is that of
    a full-scale square wave.

    Parameters
    ----------
    message : str
        The number of these rows, and what is odd about the first few.
    reasons : mapping from int to str, optional
        What is odd about every such row, by its number, from 0, in the `X` given; the attribute
        `reasons` is a dict of them.
    """

    def __init__(self, message: str, reasons: Mapping[int, str] | None = None) -> None:
        super().__init__(message)
        self.reasons = dict(reasons or {})


@contextmanager
def collect_unusable() -> Iterator[dict[int, str]]:
    """Collect the reasons of all rows that audio transformers replace by silence meanwhile.

    The innermost collector of the present thread gets them, by their numbers.
    """
    found: dict[int, str] = {}
    token = _collector.set(found)
    try:
        yield found
    finally:
        _collector.reset(token)


@contextmanager
def as_windows(recordings: NDArray[np.integer]) -> Iterator[None]:
    """Make warnings name recordings in place of windows, given the recording of each window."""
    token = _recordings.set(recordings)
    try:
        yield
    finally:
        _recordings.reset(token)


def report_unusable(reasons: Mapping[int, str], n_rows: int) -> None:
    """Warn of rows that are replaced by silence, and hand them to the collector."""
    found = _collector.get()
    if found is not None:
        found.update(reasons)
    noun, named = _by_recording(reasons)
    message = f"{len(reasons)} of {n_rows} {noun} cannot be used and are replaced by silence."
    warn_caller(AudioWarning(f"{message} {_first(named)}", list(named), named))


def report_doubtful(reasons: Mapping[int, str], n_rows: int) -> None:
    """Warn of rows that are used, but hardly speech."""
    noun, named = _by_recording(reasons)
    message = f"{len(reasons)} of {n_rows} {noun} are hardly speech, and are used all the same."
    warn_caller(DoubtfulAudioWarning(f"{message} {_first(named)}", named))


def _by_recording(reasons: Mapping[int, str]) -> tuple[str, dict[int, str]]:
    """Return the noun of the rows, and the first reason of each recording."""
    recordings = _recordings.get()
    if recordings is None:
        return "rows", dict(reasons)
    named: dict[int, str] = {}
    for window, reason in reasons.items():
        recording = int(recordings[window])
        text = reason.removeprefix(WAVEFORM.format(window))
        name = "" if text == reason else WAVEFORM.format(recording)
        named.setdefault(recording, f"{name}{text}")
    return "windows", named


def _first(reasons: Mapping[int, str]) -> str:
    rest = f" And {len(reasons) - _N_NAMED} more." if len(reasons) > _N_NAMED else ""
    return f"{' '.join(list(reasons.values())[:_N_NAMED])}{rest}"
