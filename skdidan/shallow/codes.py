"""Exact sparse codes of short rows: the lasso for many target rows at once."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["exact_codes"]

_Array = NDArray[Any]

_STEPS_PER_COLUMN = 20  # most rows take two or three
_VIOLATION = 1e-10  # of a constraint, relative to the product of the lengths of its two rows
_DEPENDENT = 1e-10  # squared length of the part of a row outside the span of others, relative


def exact_codes(
    source: _Array, target: _Array, sparsity: float
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    r"""Reconstruct each target row from few source rows; return the codes and which are found.

    Minimises :math:`\tfrac12 \|t - w F\|^2 + \tau \|w\|_1` for each row `t` of `target`, with the
    rows of `source` in `F`. At the minimum the residual is the nearest point to `t` whose product
    with each source row is at most :math:`\tau`. The dual active-set method of Goldfarb and Idnani
    (1983, doi:10.1007/BF02591962) finds it: it adds the most violated constraint, and drops those
    whose multiplier, the absolute code, falls to zero. All targets step together. The time of a
    step grows with the number of columns to the third power: rows should be short. Codes that are
    not found, after many steps or for lack of precision, are zero.
    """
    codes, is_found = np.zeros((len(target), len(source))), np.zeros(len(target), dtype=bool)
    sets = _ActiveSets(source, target, sparsity)
    with suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
        lengths = np.sqrt(np.square(target).sum(axis=1))
        slack = _VIOLATION * (sparsity + lengths * np.sqrt(np.square(source).sum(axis=1).max()))
        for _ in range(_STEPS_PER_COLUMN * (source.shape[1] + 1)):
            done = sets.add_most_violated(slack)
            rows, slots = np.nonzero((sets.multipliers > 0) & done[:, None])
            signed = np.copysign(sets.multipliers[rows, slots], sets.signs[rows, slots])
            codes[sets.rows[rows], sets.atoms[rows, slots]] = signed
            is_found[sets.rows[done]] = np.isfinite(slack[sets.rows[done]])
            sets.keep(~done)
            if not len(sets.rows):
                break
            sets.step()
    return codes, is_found


class _ActiveSets:
    """The active constraints of each open target row, one a slot; the last one is being added.

    A free slot has the normal and the multiplier 0. No more constraints than columns are active,
    since their normals are linearly independent.
    """

    def __init__(self, source: _Array, target: _Array, sparsity: float) -> None:
        n, n_columns = target.shape
        shape = n, min(n_columns, len(source)) + 1
        self.source, self.sparsity = source, sparsity
        self.rows, self.target = np.arange(n), target
        self.atoms, self.signs = np.zeros(shape, dtype=int), np.ones(shape)
        self.normals, self.multipliers = np.zeros((*shape, n_columns)), np.zeros(shape)
        self.is_fresh = np.ones(n, dtype=bool)  # no constraint is being added

    def residuals(self) -> NDArray[Any]:
        """Return the point of each row that its multipliers give."""
        return self.target - np.einsum("nq,nqk->nk", self.multipliers, self.normals)

    def add_most_violated(self, slack: NDArray[Any]) -> NDArray[np.bool_]:
        """Begin to add a constraint where none is being added; return which rows violate none."""
        fresh = np.flatnonzero(self.is_fresh)
        products = self.residuals()[fresh] @ self.source.T
        atoms = np.abs(products).argmax(axis=1)
        largest = products[np.arange(len(fresh)), atoms]
        self.atoms[fresh, -1], self.signs[fresh, -1] = atoms, np.sign(largest)
        self.normals[fresh, -1] = np.sign(largest)[:, None] * self.source[atoms]
        done = np.zeros(len(self.rows), dtype=bool)
        done[fresh] = np.abs(largest) <= self.sparsity + slack[self.rows[fresh]]
        return done

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Close the other rows."""
        for name in ("rows", "target", "atoms", "signs", "normals", "multipliers", "is_fresh"):
            setattr(self, name, getattr(self, name)[kept])

    def step(self) -> None:
        """Move towards each new constraint until it is met, or a multiplier falls to zero.

        A met constraint takes a free slot, and a multiplier that falls to zero frees its slot.
        Rows that can do neither are closed.
        """
        lengths, dropped, is_free = self._move()
        met = np.flatnonzero(self.is_fresh)
        slots = is_free[met].argmax(axis=1)
        for values in (self.atoms, self.signs, self.normals, self.multipliers):
            values[met, slots] = values[met, -1]
        others = np.flatnonzero(~self.is_fresh)
        for values in (self.normals, self.multipliers):
            values[met, -1] = values[others, dropped[others]] = 0
        self.keep(np.isfinite(lengths))

    def _move(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Change the multipliers; return the steps, the slots that fall first, the free slots."""
        normals, new = self.normals[:, :-1], self.normals[:, -1]
        is_free: NDArray[Any] = ~np.any(normals, axis=2)
        products = normals @ normals.transpose(0, 2, 1)
        products += is_free[..., None] * np.eye(is_free.shape[1])  # or they would be singular
        falls = np.linalg.solve(products, normals @ new[..., None])[..., 0]
        direction = new - np.einsum("nq,nqk->nk", falls, normals)
        square = np.square(direction).sum(axis=1)
        is_outside = np.any(is_free, axis=1) & (square > _DEPENDENT * np.square(new).sum(axis=1))
        violation = (new * self.residuals()).sum(axis=1) - self.sparsity
        whole = np.where(is_outside, violation / square, np.inf)
        ratios = np.where(falls > 0, self.multipliers[:, :-1] / falls, np.inf)
        part = ratios.min(axis=1)
        lengths, self.is_fresh = np.minimum(whole, part), whole <= part
        change = np.where(np.isfinite(lengths), lengths, 0)[:, None]
        self.multipliers -= change * np.pad(falls, ((0, 0), (0, 1)), constant_values=-1)
        np.maximum(self.multipliers, 0, out=self.multipliers)
        return lengths, ratios.argmin(axis=1), is_free
