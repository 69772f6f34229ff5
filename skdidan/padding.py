"""Pad spectrograms of different lengths with frames of NaN, to fit into one array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdidan.lazy_rows import LazyRows, blocks_of

__all__ = ["count_frames", "is_padded", "join_rows", "pad", "pad_alike"]

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


def is_padded(X: NDArray[Any] | LazyRows | None) -> bool:
    """Tell whether X, as `count_frames` accepts it, holds spectrograms of different lengths."""
    if X is None or X.ndim != 3:
        return False
    if isinstance(X, LazyRows) and X.has_padding is not None:
        return X.has_padding
    found = not _are_whole(X).all()
    if isinstance(X, LazyRows):
        X.has_padding = found
    return found


def pad_alike(parts: Sequence[NDArray[Any] | LazyRows]) -> list[Any]:
    """Pad arrays of spectrograms to the longest with frames of NaN; return other arrays as is."""
    if any(part.ndim != 3 for part in parts):
        return list(parts)
    n_frames = max(part.shape[2] for part in parts)
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    n_bytes = sum(part[:, :, :1].nbytes * (n_frames - part.shape[2]) for part in arrays)
    if n_bytes > _MAX_PADDING:
        is_longest = np.concatenate(
            [(part.shape[2] == n_frames) & _are_whole(part) for part in parts]
        )
        raise ValueError(
            f"This pads {len(is_longest)} rows to the {n_frames} frames of row "
            f"{is_longest.argmax()}, which needs more than 4 GiB of padding. Give a duration, cut "
            "long recordings into windows (WindowedClassifier), or process them separately."
        )
    return [
        part if part.shape[2] == n_frames else pad(part, n_frames - part.shape[2]) for part in parts
    ]


def join_rows(parts: Sequence[NDArray[Any] | LazyRows]) -> Any:
    """Stack the rows of arrays, after padding spectrograms with `pad_alike`."""
    padded = pad_alike(parts)
    is_lazy = any(isinstance(part, LazyRows) for part in padded)
    return LazyRows(padded) if is_lazy else np.concatenate(padded)


def pad(X: NDArray[Any] | LazyRows, n_missing: int) -> Any:
    """Append frames of NaN to spectrograms (n, n_bins, n_frames)."""
    if isinstance(X, LazyRows):
        return X.map(partial(_pad, n_missing), (X.shape[1], X.shape[2] + n_missing))
    return _pad(n_missing, X)


def _are_whole(X: NDArray[Any] | LazyRows) -> NDArray[np.bool_]:
    """Tell the spectrograms that are as long as the longest from padded ones."""
    return np.concatenate([~np.isnan(part[:, 0, -1]) for _, part in blocks_of(X)])


def _pad(n_missing: int, X: NDArray[Any], rows: Any = None) -> NDArray[Any]:
    return np.pad(X, [(0, 0), (0, 0), (0, n_missing)], constant_values=np.nan)
