"""Paired mini-batches of source and target, straight from tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Batch", "PairedBatches"]


class Batch(NamedTuple):
    """One step's rows of both domains.

    Attributes
    ----------
    source : Tensor, shape (n_source, ...)
        Source rows.
    target : Tensor, shape (n_target, ...)
        Target rows; none of them without a target.
    codes : Tensor of int64, shape (n_source,)
        Class codes of the source rows.
    """

    source: Tensor
    target: Tensor
    codes: Tensor


class PairedBatches:
    """Paired mini-batches: every row of the larger domain once an epoch, in a new order.

    The larger domain is dealt out in ``ceil(n / batch_size)`` batches whose sizes differ by one
    at most, so that none is a remainder. The smaller domain is shuffled and dealt out again as
    often as needed; no row stands twice in a batch.

    Parameters
    ----------
    source : Tensor, shape (n_source, ...)
        Source rows.
    target : Tensor, shape (n_target, ...), or None
        Target rows.
    codes : Tensor of int64, shape (n_source,)
        Class codes of the source rows.
    batch_size : int > 0
        Most rows of one domain in a batch.
    rng : numpy.random.Generator
        Where the orders come from.

    Examples
    --------
    >>> import numpy as np, torch
    >>> source, target = torch.arange(5.0), torch.arange(3.0)
    >>> batches = PairedBatches(source, target, torch.zeros(5).long(), 2, np.random.default_rng(0))
    >>> [(len(batch.source), len(batch.target)) for batch in batches]
    [(1, 1), (2, 2), (2, 2)]
    """

    def __init__(
        self,
        source: Tensor,
        target: Tensor | None,
        codes: Tensor,
        batch_size: int,
        rng: np.random.Generator,
    ) -> None:
        self.source = source
        self.codes = codes
        self.target = source[:0] if target is None else target
        self.batch_size = batch_size
        n_largest = max(len(self.source), len(self.target))
        self.n_batches = -(-n_largest // batch_size)
        self._source_orders = _Orders(len(self.source), rng)
        self._target_orders = _Orders(len(self.target), rng)

    def __len__(self) -> int:
        return self.n_batches

    def __iter__(self) -> Iterator[Batch]:
        n_largest = max(len(self.source), len(self.target))
        ends = np.arange(1, self.n_batches + 1) * n_largest // self.n_batches
        for size in np.diff(ends, prepend=0):
            source_rows = self._source_orders.take(int(size))
            target_rows = self._target_orders.take(int(size))
            yield Batch(self.source[source_rows], self.target[target_rows], self.codes[source_rows])


class _Orders:
    """An endless row of shuffled orders of one domain, dealt out piece by piece."""

    def __init__(self, n_rows: int, rng: np.random.Generator) -> None:
        self.n_rows = n_rows
        self.rng = rng
        self.left: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def take(self, size: int) -> Tensor:
        size = min(size, self.n_rows)
        if len(self.left) < size:
            order = self.rng.permutation(self.n_rows)
            is_due = np.isin(order, self.left)  # behind the others, or a batch would hold it twice
            self.left = np.concatenate([self.left, order[~is_due], order[is_due]])
        rows, self.left = self.left[:size], self.left[size:]
        return torch.from_numpy(rows)
