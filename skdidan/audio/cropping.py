"""Crop a waveform block by block, so that a long one is never in memory as a whole.

A keeper takes an iterator of blocks and the number of samples to expect, which may be a little off.
It returns the part that it keeps, or a description of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    *("Blocks", "Bounds", "Floats", "Keeper", "Window"),
    *("center", "find_parts", "loudest", "whole"),
]

Floats = NDArray[np.float32]
Blocks = Iterator[Floats]
Bounds = Sequence[tuple[int, int]]  # first sample and end of each part
Keeper = Callable[[Blocks, int], NDArray[Any]]  # of blocks and the expected number of samples

_SLACK = 10_000  # samples by which the centre may lie off the expected one


def whole(blocks: Blocks, n_expected: int = 0) -> Floats:
    """Keep the whole waveform."""
    kept = list(blocks)
    return kept[0] if len(kept) == 1 else np.concatenate(kept)


def loudest(blocks: Blocks, *, n_samples: int) -> Floats:
    r"""Keep the first window of the highest energy, :math:`\sum_t x_t^2`."""
    # The samples at which a window may still begin, and the energy of the waveform up to each of
    # them, and up to the end of the last.
    tail, energy = np.empty(0, dtype=np.float32), np.zeros(1)
    window, highest = None, -1.0
    for block in blocks:
        tail = np.concatenate([tail, block])
        if len(tail) < n_samples:
            continue
        last = len(energy) - 1
        energy = np.append(energy, np.square(tail[last:], dtype=np.float64))
        np.cumsum(energy[last:], out=energy[last:])
        gains = energy[n_samples:] - energy[:-n_samples]
        start = int(np.argmax(gains))
        if gains[start] > highest:
            highest = gains[start]
            window = tail[start : start + n_samples].copy()
        tail, energy = tail[len(gains) :].copy(), energy[len(gains) :].copy()
    return tail if window is None else window


def center(blocks: Blocks, n_expected: int, *, n_samples: int) -> Floats:
    """Keep the window in the middle."""
    first = max(0, (n_expected - n_samples) // 2 - _SLACK)
    last = first + n_samples + 2 * _SLACK
    n_seen, kept = 0, []
    for block in blocks:
        part = block[max(0, first - n_seen) : max(0, last - n_seen)]
        kept.append(part if len(part) == len(block) else part.copy())
        n_seen += len(block)
    start = max(0, (n_seen - n_samples) // 2) - first
    return np.concatenate(kept)[start : start + n_samples]


def find_parts(blocks: Blocks, n_expected: int, bounds: Bounds) -> NDArray[np.bool_]:
    """Tell which parts hold sound: samples neither all zero nor all the same.

    Parts are given by first sample and end; without any, the samples are checked and forgotten.
    """
    firsts, lasts = np.reshape(bounds, (-1, 2)).T
    lowest, highest = np.full(len(bounds), np.inf), np.full(len(bounds), -np.inf)
    n_seen = 0
    for block in blocks:
        first, last = firsts - n_seen, lasts - n_seen
        for n in np.flatnonzero((first < len(block)) & (last > 0)):
            part = block[max(0, first[n]) : last[n]]
            lowest[n] = min(lowest[n], part.min())
            highest[n] = max(highest[n], part.max())
        n_seen += len(block)
    is_click = (lasts - firsts == 1) & (lowest != 0)
    return (lowest < highest) | is_click


@dataclass(frozen=True)
class Window:
    """Keeps the loudest or central window of every waveform."""

    n_samples: int
    crop: str

    def __call__(self, blocks: Blocks, n_expected: int) -> Floats:
        """Keep the window of one waveform."""
        if self.crop == "center":
            return center(blocks, n_expected, n_samples=self.n_samples)
        return loudest(blocks, n_samples=self.n_samples)
