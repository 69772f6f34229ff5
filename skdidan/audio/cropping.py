"""Crop a waveform block by block, so that a long one is never in memory as a whole.

A keeper takes the blocks one by one and then returns the part it keeps, or a description of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Center", "Loudest", "Selection", "Sound", "Whole", "Window"]

_SLACK = 10_000  # samples by which the centre may lie off the expected one


class Whole:
    """Keeps the whole waveform."""

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.float32]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Keep the block."""
        self._blocks.append(block)

    def result(self) -> NDArray[np.float32]:
        """Return the blocks as one waveform."""
        return self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks)


class Loudest:
    r"""Keeps the first window of the highest energy, :math:`\sum_t x_t^2`."""

    def __init__(self, n_samples: int) -> None:
        self._n_samples = n_samples
        # The samples at which a window may still begin, and the energy of the waveform up to each
        # of them, and up to the end of the last.
        self._tail = np.empty(0, dtype=np.float32)
        self._energy = np.zeros(1)
        self._window: NDArray[np.float32] | None = None
        self._highest = -1.0

    def add(self, block: NDArray[np.float32]) -> None:
        """Compare the windows that end in the block."""
        self._tail = np.concatenate([self._tail, block])
        if len(self._tail) < self._n_samples:
            return
        n_known = len(self._energy)
        energy = np.empty(len(self._tail) + 1)
        energy[:n_known] = self._energy
        np.square(self._tail[n_known - 1 :], out=energy[n_known:], dtype=np.float64)
        np.cumsum(energy[n_known - 1 :], out=energy[n_known - 1 :])
        gains = energy[self._n_samples :] - energy[: -self._n_samples]
        start = int(np.argmax(gains))
        if gains[start] > self._highest:
            self._highest = gains[start]
            self._window = self._tail[start : start + self._n_samples].copy()
        self._tail, self._energy = self._tail[len(gains) :].copy(), energy[len(gains) :].copy()

    def result(self) -> NDArray[np.float32]:
        """Return the window."""
        return self._tail if self._window is None else self._window


class Center:
    """Keeps the window in the middle."""

    def __init__(self, n_samples: int, n_expected: int) -> None:
        self._n_samples = n_samples
        self._first = max(0, (n_expected - n_samples) // 2 - _SLACK)
        self._last = self._first + n_samples + 2 * _SLACK
        self._n_seen = 0
        self._blocks: list[NDArray[np.float32]] = []

    def add(self, block: NDArray[np.float32]) -> None:
        """Keep the samples that may belong to the window."""
        first, last = (max(0, edge - self._n_seen) for edge in (self._first, self._last))
        if first < last and first < len(block):
            part = block[first:last]
            self._blocks.append(part if len(part) == len(block) else part.copy())
        self._n_seen += len(block)

    def result(self) -> NDArray[np.float32]:
        """Return the window."""
        start = max(0, (self._n_seen - self._n_samples) // 2) - self._first
        return np.concatenate(self._blocks)[start : start + self._n_samples]


class Sound:
    """Finds the parts of a waveform with sound: samples neither all zero nor all the same.

    Parts are given by first sample and end; without any, the samples are checked and forgotten.
    """

    def __init__(self, bounds: Sequence[tuple[int, int]]) -> None:
        self._first, self._last = np.reshape(bounds, (-1, 2)).T
        self._lowest = np.full(len(bounds), np.inf)
        self._highest = -self._lowest
        self._n_seen = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Update the extremes of each part with its samples in the block."""
        first, last = self._first - self._n_seen, self._last - self._n_seen
        for n in np.flatnonzero((first < len(block)) & (last > 0)):
            part = block[max(0, first[n]) : last[n]]
            self._lowest[n] = min(self._lowest[n], part.min())
            self._highest[n] = max(self._highest[n], part.max())
        self._n_seen += len(block)

    def keeper(self, n_expected: int) -> Sound:
        """Return the object itself, which looks at a single waveform."""
        return self

    def result(self) -> NDArray[np.bool_]:
        """Return whether each part holds sound."""
        is_click = (self._last - self._first == 1) & (self._lowest != 0)
        return (self._lowest < self._highest) | is_click


@dataclass(frozen=True)
class Window:
    """The loudest or central window of every waveform."""

    n_samples: int
    crop: str

    def keeper(self, n_expected: int) -> Center | Loudest:
        """Return a keeper for a waveform of `n_expected` samples."""
        if self.crop == "center":
            return Center(self.n_samples, n_expected)
        return Loudest(self.n_samples)


Selection = Sound | Window
