"""Paired mini-batches of source and target, straight from tensors."""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ArrayRows", "Batch", "PairedBatches", "to_rows"]


class Batch(NamedTuple):
    """Rows of both domains for one training step.

    Attributes
    ----------
    source : Tensor, shape (n_source, ...)
        Source rows.
    target : Tensor, shape (n_target, ...)
        Target rows; empty without a target.
    y_idx : Tensor of int64, shape (n_source,)
        Class indices of the source rows.
    weights : Tensor of float, shape (n_source,), or None
        Weights of the source rows in the classification loss.
    """

    source: Tensor
    target: Tensor
    y_idx: Tensor
    weights: Tensor | None = None


class ArrayRows:
    """Rows of an array, such as one on disk, that become tensors where they are taken.

    Only the rows of a batch are then copied, on the CPU.
    """

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: Any) -> Tensor:
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return torch.tensor(self._array[rows], device="cpu")

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield tensors of so many rows, as the method of a tensor does."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def to_rows(array: NDArray[Any], device: torch.device) -> Tensor | ArrayRows:
    """Return rows to train on: on the device, or left where they are mapped from a file."""
    part: Any = array
    while device.type == "cpu" and part is not None:
        if isinstance(part, mmap):
            return ArrayRows(array)
        part = getattr(part, "base", None)
    return torch.tensor(array, device=device)


class PairedBatches:
    """Shuffled mini-batches of source and target rows.

    An epoch uses each row of the larger domain once, in ``ceil(n / batch_size)`` batches whose
    sizes differ by at most one. The smaller domain is reshuffled and reused as often as needed. No
    batch holds a row twice.

    Parameters
    ----------
    source : Tensor or ArrayRows, shape (n_source, ...)
        Source rows.
    target : Tensor or ArrayRows, shape (n_target, ...), or None
        Target rows.
    y_idx : Tensor of int64, shape (n_source,)
        Class indices of the source rows.
    batch_size : int > 0
        Maximum number of rows of one domain in a batch.
    rng : numpy.random.Generator
        Generator of the orders.
    weights : Tensor of float, shape (n_source,), or None
        Weights of the source rows in the classification loss.

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
        source: Tensor | ArrayRows,
        target: Tensor | ArrayRows | None,
        y_idx: Tensor,
        batch_size: int,
        rng: np.random.Generator,
        weights: Tensor | None = None,
    ) -> None:
        self.weights = weights
        self.source = source
        self.y_idx = y_idx
        self.target = source[:0] if target is None else target
        self.batch_size = batch_size
        self.n_largest = max(len(self.source), len(self.target))
        self.n_batches = -(-self.n_largest // batch_size)
        self._rng = rng
        self._source_orders = _Orders(len(self.source), rng)
        self._target_orders = _Orders(len(self.target), rng)

    def __len__(self) -> int:
        return self.n_batches

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what decides the next batches: the generator, and rows that are still to come."""
        rest = {"source": self._source_orders.rest, "target": self._target_orders.rest}
        orders = {name: torch.from_numpy(rows) for name, rows in rest.items()}
        return dict(self._rng.bit_generator.state), orders

    def set_state(self, generator: dict[str, Any], orders: dict[str, Tensor]) -> None:
        """Go on where another object gave this `state`."""
        self._rng.bit_generator.state = generator
        self._source_orders.rest = orders["source"].numpy()
        self._target_orders.rest = orders["target"].numpy()

    def __iter__(self) -> Iterator[Batch]:
        ends = np.arange(1, self.n_batches + 1) * self.n_largest // self.n_batches
        for size in np.diff(ends, prepend=0):
            source_rows = self._source_orders.take(int(size))
            target_rows = self._target_orders.take(int(size))
            source, y_idx = self.source[source_rows], self.y_idx[source_rows]
            weights = None if self.weights is None else self.weights[source_rows]
            yield Batch(source, self.target[target_rows], y_idx, weights)


class _Orders:
    """Endless sequence of shuffled row numbers of one domain."""

    def __init__(self, n_rows: int, rng: np.random.Generator) -> None:
        self.n_rows = n_rows
        self.rng = rng
        self.rest: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def take(self, size: int) -> Tensor:
        size = min(size, self.n_rows)
        if len(self.rest) < size:
            order = self.rng.permutation(self.n_rows)
            is_repeated = np.isin(order, self.rest)  # goes last, or a batch could hold it twice
            self.rest = np.concatenate([self.rest, order[~is_repeated], order[is_repeated]])
        rows, self.rest = self.rest[:size], self.rest[size:]
        return torch.from_numpy(rows)
