"""Probabilities from the outputs of a regression on one-hot labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["project_on_simplex"]


def project_on_simplex(points: NDArray[Any]) -> NDArray[Any]:
    """Project each row onto the probability simplex: shift it, then clip it at zero.

    Only entries above the shift stay positive. The largest entry is always one of them.
    """
    # The projection depends on differences alone, and 1 is lost beside numbers above 1e16.
    points = points - points.max(axis=1, keepdims=True)
    descending = -np.sort(-points, axis=1)
    ranks = np.arange(1, points.shape[1] + 1)
    shifts = (np.cumsum(descending, axis=1) - 1) / ranks
    n_positive = (descending > shifts).sum(axis=1)
    shift = np.take_along_axis(shifts, n_positive[:, np.newaxis] - 1, axis=1)
    return np.clip(points - shift, 0, None)
