"""Least squares under penalties that set whole rows of the map to zero."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import MultiTaskLasso

from skdidan.reporting import quiet

__all__ = ["GroupSparsity", "RowSparsity", "Sparsity"]

_Array = NDArray[Any]

# Duality gap over `tol`: it leaves a lower objective than reweighted least squares does, the common
# solver, when its steps lower the objective by less than the share `tol`.
_GAP = 100
# Scaled features need some hundred sweeps over the coordinates.
_MAX_SWEEPS = 2000
# Gradient steps, which cost a tenth of a sweep, and the steps between two duality gaps.
_MAX_STEPS, _CHECKED = 20_000, 10


class Sparsity(ABC):
    """A penalty on a map P of shape (n_features, n_classes), and the regression under it.

    `has_converged` is False after a regression that took the maximum number of `steps`.
    """

    steps: str

    def __init__(self) -> None:
        self.has_converged = True

    @abstractmethod
    def value(self, P: _Array) -> float:
        """Return the penalty."""

    @abstractmethod
    def regress(self, A: _Array, B: _Array, start: _Array, tol: float) -> _Array:
        """Minimise ``|B - A P|^2 + value(P)`` up to a duality gap of ``100 tol |B|^2``."""

    def objective(self, A: _Array, B: _Array, P: _Array) -> float:
        """Return ``|B - A P|^2 + value(P)``."""
        return float(np.square(B - A @ P).sum() + self.value(P))


class RowSparsity(Sparsity):
    """The sum of the lengths of the rows, times `alpha`."""

    steps = f"{_MAX_SWEEPS} sweeps over the features"

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def value(self, P: _Array) -> float:  # noqa: D102 # documented in the base
        return float(self.alpha * np.linalg.norm(P, axis=1).sum())

    def regress(self, A: _Array, B: _Array, start: _Array, tol: float) -> _Array:  # noqa: D102
        # scikit-learn's objective is this one over 2 len(A); its tol applies to half of this one.
        lasso = MultiTaskLasso(
            self.alpha / (2 * len(A)),
            fit_intercept=False,
            warm_start=True,
            tol=_GAP * tol / 2,
            max_iter=_MAX_SWEEPS,
            # On correlated features the random order needs up to ten times fewer sweeps.
            selection="random",
            random_state=0,
        )
        lasso.coef_ = start.T.copy()
        with quiet("sklearn", ConvergenceWarning):  # in favour of one warning of ours
            lasso.fit(A, B)
        self.has_converged &= lasso.n_iter_ < _MAX_SWEEPS
        return lasso.coef_.T


class GroupSparsity(Sparsity):
    r"""Lengths of groups of rows, each times its weight, and of rows, times `row_weight`.

    .. math:: \sum_g w_g \|P_g\|_F + \tau \sum_i \|P_i\|

    Parameters
    ----------
    members : ndarray of int, shape (n_features,)
        Number of the group of each row.
    group_weights : ndarray of float, shape (n_groups,)
        Weights :math:`w`.
    row_weight : float
        Weight :math:`\tau`. With 0, the weights of all groups must be above 0.
    """

    steps = f"{_MAX_STEPS} gradient steps"

    def __init__(self, members: _Array, group_weights: _Array, row_weight: float) -> None:
        super().__init__()
        self.members, self.group_weights, self.row_weight = members, group_weights, row_weight

    def value(self, P: _Array) -> float:  # noqa: D102 # documented in the base
        rows = np.linalg.norm(P, axis=1)
        return float(self.group_weights @ self._lengths(rows) + self.row_weight * rows.sum())

    def regress(self, A: _Array, B: _Array, start: _Array, tol: float) -> _Array:  # noqa: D102
        return self.descend(A, B, start, tol)[0]

    def shrink(self, P: _Array, step: float) -> _Array:
        """Minimise ``|Q - P|^2 / 2 + step value(Q)``: shorten the rows, then the groups."""
        rows = np.linalg.norm(P, axis=1)
        kept = np.maximum(rows - step * self.row_weight, 0)
        lengths = self._lengths(kept)
        kept_lengths = np.maximum(lengths - step * self.group_weights, 0)
        return P * (_ratio(kept, rows) * _ratio(kept_lengths, lengths)[self.members])[:, None]

    def descend(
        self, A: _Array, B: _Array, start: _Array, tol: float
    ) -> tuple[_Array, list[float]]:
        """Return the minimiser, and the objective after each step; it rises by rounding alone.

        Accelerated proximal gradient steps [1]_. A step that would raise the objective is taken
        back, and the momentum is lost [2]_.

        .. [1] Beck, Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear
           inverse problems. SIAM Journal on Imaging Sciences 2(1).
        .. [2] O'Donoghue, Candès (2015). Adaptive restart for accelerated gradient schemes.
           Foundations of Computational Mathematics 15.
        """
        if len(A) > sum(start.shape):  # fewer equations with the same errors, up to a rotation
            A, B = np.split(np.linalg.qr(np.hstack([A, B]), mode="r"), [A.shape[1]], axis=1)
        curvature = 2 * float(np.linalg.norm(A, 2)) ** 2
        step = 1 / curvature if curvature else 1.0
        bound = _GAP * tol * np.square(B).sum()
        P, ahead, momentum = start, start, 1.0
        values = [self.objective(A, B, P)]
        rounding = 8 * np.finfo(float).eps * values[0]
        for number in range(_MAX_STEPS):
            if number % _CHECKED == 0 and self._gap(A, B, P) <= bound:
                return P, values
            Q = self.shrink(ahead - 2 * step * (A.T @ (A @ ahead - B)), step)
            value = self.objective(A, B, Q)
            if value <= values[-1] + rounding:
                faster = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
                ahead = Q + (momentum - 1) / faster * (Q - P)
                P, momentum = Q, faster
                values.append(value)
            elif ahead is P:
                break  # for lack of precision
            else:
                ahead, momentum = P, 1.0
        self.has_converged &= self._gap(A, B, P) <= bound
        return P, values

    def _gap(self, A: _Array, B: _Array, P: _Array) -> float:
        """Return an upper bound of the distance of the objective to its minimum."""
        errors = B - A @ P
        square, product = np.square(errors).sum(), (errors * B).sum()
        wanted = product / square if square else 0.0
        share = self._largest_share(2 * np.linalg.norm(A.T @ errors, axis=1), max(wanted, 0.0))
        return float(square + self.value(P) - (2 * share * product - share**2 * square))

    def _largest_share(self, slopes: _Array, limit: float) -> float:
        """Return the largest share, up to a limit, of the slopes that the penalty outweighs."""

        def is_outweighed(share: float) -> bool:
            excess = np.maximum(share * slopes - self.row_weight, 0)
            return bool((self._lengths(excess) <= self.group_weights).all())

        if is_outweighed(limit):
            return limit
        low, high = 0.0, limit
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if is_outweighed(middle) else (low, middle)
        return low

    def _lengths(self, rows: _Array) -> _Array:
        """Return the length of each group from those of its rows."""
        return np.sqrt(np.bincount(self.members, rows**2, len(self.group_weights)))


def _ratio(part: _Array, whole: _Array) -> _Array:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
