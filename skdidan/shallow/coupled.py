"""Parts of the alignments by coupled maps: reduced rows, scatter of classes, codes, equations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from sklearn.utils.extmath import svd_flip

from skdidan.parameters import check_count
from skdidan.shallow.eigenproblems import centre_rows, leading_svd, power_of_two

__all__ = [
    *("Codes", "Reduction", "count_components", "discriminant", "reduce_rows"),
    *("solve_map", "unit_scale"),
]

_Array = NDArray[Any]

_MOST_AXES = 500  # of the rows, before the maps
_SEPARATION = 1e-5  # weight of the scatter between the classes, as in the code of the authors
_EPS = float(np.finfo(float).eps)
_RIDGE = 1e-12  # share of the trace that makes a singular matrix invertible


class Reduction(NamedTuple):
    """Rows of all domains in their principal axes, with a mean squared length of 1."""

    mean: _Array  # (n_features,)
    axes: _Array  # (n_features, n_axes)
    rows: _Array  # (n, n_axes), equal to (X - mean) @ axes

    def expand(self, P: _Array, n_components: int) -> _Array:
        """Return the components of a map in the space of the features; missing ones are zero."""
        missing = np.zeros((n_components - P.shape[1], len(self.axes)))
        return np.concatenate([(self.axes @ P).T, missing])


def reduce_rows(estimator: Any, X: _Array) -> Reduction:
    """Project rows onto their principal axes, at most 500 and at least one."""
    mean, centred = centre_rows(estimator, X.astype(np.float64))
    size = power_of_two(estimator, centred)
    U, sigma, Vt = leading_svd(centred / size, min(_MOST_AXES, *X.shape))
    n_axes = max(1, np.count_nonzero(sigma > _EPS * max(X.shape) * sigma[0]))
    axes = svd_flip(U, Vt, u_based_decision=False)[1][:n_axes].T
    rows = centred / size @ axes
    length = float(np.sqrt(np.square(rows).sum(axis=1).mean())) or 1.0
    return Reduction(mean, axes / (size * length), rows / length)


def count_components(value: Any, default: int, n: int, n_features: int) -> int:
    """Return `n_components` for n rows of both domains, or raise a ValueError."""
    limit = max(1, min(_MOST_AXES, n - 1, n_features))
    if value is None:
        return min(default, limit)
    if check_count("n_components", value) > limit:
        raise ValueError(
            f"n_components must be below n_samples={n} of both domains, and at most "
            f"n_features={n_features} and {_MOST_AXES}; got {value}. Use at most {limit}, or None."
        )
    return int(value)


def discriminant(X: _Array, y: _Array) -> _Array:
    """Return the scatter within the classes minus 1e-5 times that between them, over n.

    Negative eigenvalues are set to zero, or a map could grow without a bound.
    """
    classes, y_idx = np.unique(y, return_inverse=True)
    members = np.eye(len(classes))[y_idx]
    means = members.T @ X / members.sum(axis=0)[:, np.newaxis]
    within, between = X - means[y_idx], means[y_idx] - X.mean(axis=0)
    values, V = np.linalg.eigh((within.T @ within - _SEPARATION * between.T @ between) / len(X))
    return (V * np.maximum(values, 0)) @ V.T


class Codes(NamedTuple):
    """The codes Z = images factors', of one row per target row, which are never formed."""

    factors: _Array  # (n_source, n_components)
    images: _Array  # (n_target, n_components)

    @classmethod
    def of(cls, source: _Array, target: _Array, lengths: _Array, ridge: float) -> Codes:
        """Reconstruct mapped rows of the target from those of the source.

        Minimises ``|target - Z source|^2 + ridge sum_i |z_i|^2 / lengths_i`` with the column z_i
        for source row i. Without a ridge, the codes are the shortest of those with the least error.
        """
        if not ridge:
            # Maps shrink: directions at rounding level would give codes without bound.
            return cls(np.linalg.pinv(source, rcond=1e-8).T, target)
        weighted = lengths[:, np.newaxis] * source
        gram = weighted.T @ source + ridge * np.eye(source.shape[1])
        return cls(scipy.linalg.solve(gram, weighted.T, assume_a="pos").T, target)

    def lengths(self) -> _Array:
        """Return the norm of the codes of each source row."""
        R: Any = np.linalg.qr(self.images, mode="r")
        return np.linalg.norm(self.factors @ R.T, axis=1)

    def apply(self, source: _Array) -> _Array:
        """Return the reconstructed target of mapped rows of the source."""
        return self.images @ (self.factors.T @ source)

    def map_source(
        self, source: _Array, target: _Array, P: _Array, L: _Array, share: float, coupling: float
    ) -> _Array:
        """Minimise ``tr P_s' L P_s + share |target - Z source P_s|^2 + coupling |P_s - P|^2``.

        `target` holds mapped rows.
        """
        sums = source.T @ self.factors
        A = L + share * sums @ (self.images.T @ self.images) @ sums.T + coupling * np.eye(len(L))
        return solve_map(A, share * sums @ (self.images.T @ target) + coupling * P)


def solve_map(A: _Array, B: _Array) -> _Array:
    """Solve A P = B for a symmetric A without negative eigenvalues."""
    ridge = max(_RIDGE * np.trace(A), np.finfo(float).tiny)
    return scipy.linalg.solve(A + ridge * np.eye(len(A)), B, assume_a="pos")


def unit_scale(*mapped: _Array) -> _Array:
    """Return the factors that give each component unit variance over all rows; 0 for constants."""
    spread = np.concatenate(mapped).std(axis=0)
    return np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
