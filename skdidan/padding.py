"""Pad spectrograms of different lengths with frames of NaN, to fit into one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["count_frames", "is_padded", "join_rows", "pad_alike"]

_MAX_PADDING = 2**32  # bytes, 4 GiB


def count_frames(
    X: NDArray[Any], place: Callable[[int], str] = "row {}".format
) -> NDArray[np.int64]:
    """Count the frames of each spectrogram (n, n_bins, n_frames) before its padding, at least 1.

    Raise a ValueError for NaN before the padding. `place` names a row by its number.
    """
    n_frames = X.shape[2]
    with np.errstate(over="ignore"):
        if not np.isnan(X.sum()):
            return np.full(len(X), n_frames)
    is_missing = np.isnan(X)
    is_frame = ~is_missing.all(axis=1)
    if not is_frame.any(axis=1).all():
        empty = np.flatnonzero(~is_frame.any(axis=1)).tolist()
        raise ValueError(
            f"X holds nothing but NaN in {len(empty)} of {len(X)} rows, the first of them "
            f"{place(empty[0])}. Remove these recordings."
        )
    counts = n_frames - is_frame[:, ::-1].argmax(axis=1)
    is_missing &= (np.arange(n_frames) < counts[:, np.newaxis])[:, np.newaxis]
    if is_missing.any():
        row, bin_, frame = np.argwhere(is_missing)[0].tolist()
        raise ValueError(
            f"X contains NaN within a recording, first in {place(row)}, bin {bin_}, frame "
            f"{frame}: that row has {counts[row]} frames. Only whole frames after the last one may "
            "be NaN."
        )
    return counts


def is_padded(X: NDArray[Any] | None) -> bool:
    """Tell whether X, as `count_frames` accepts it, holds spectrograms of different lengths."""
    return X is not None and X.ndim == 3 and bool(np.isnan(X[:, 0, -1]).any())


def pad_alike(parts: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """Pad arrays of spectrograms to the longest with frames of NaN; return other arrays as is."""
    if any(part.ndim != 3 for part in parts):
        return list(parts)
    n_frames = max(part.shape[2] for part in parts)
    n_bytes = sum(part[:, :, :1].nbytes * (n_frames - part.shape[2]) for part in parts)
    if n_bytes > _MAX_PADDING:
        is_longest = np.concatenate(
            [(part.shape[2] == n_frames) & ~np.isnan(part[:, 0, -1]) for part in parts]
        )
        raise ValueError(
            f"This pads {len(is_longest)} rows to the {n_frames} frames of row "
            f"{is_longest.argmax()}, which needs more than 4 GiB of padding. Give a duration, cut "
            "long recordings into windows (WindowedClassifier), or process them separately."
        )
    return [part if part.shape[2] == n_frames else _pad(part, n_frames) for part in parts]


def join_rows(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Stack the rows of arrays, after padding spectrograms with `pad_alike`."""
    return np.concatenate(pad_alike(parts))


def _pad(X: NDArray[Any], n_frames: int) -> NDArray[Any]:
    return np.pad(X, [(0, 0), (0, 0), (0, n_frames - X.shape[2])], constant_values=np.nan)
