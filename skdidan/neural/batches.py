"""Paired mini-batches of source and target, straight from tensors."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from skdidan.lazy_rows import LazyRows

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
    corpora : Tensor of int64, shape (n_source,), or None
        Corpus number of each source row, counted from 0.
    """

    source: Tensor
    target: Tensor
    y_idx: Tensor
    weights: Tensor | None = None
    corpora: Tensor | None = None


class ArrayRows:
    """Rows of an array, such as one on disk, that become tensors where they are taken.

    Only the rows of a batch are then copied, to a device.
    """

    def __init__(self, array: NDArray[Any] | LazyRows, device: torch.device | str = "cpu") -> None:
        self._array = array
        self._device = torch.device(device)

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: Any) -> Tensor:
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        values = np.asarray(self._array[rows])
        is_view = values.base is not None
        taken = torch.tensor(values, device="cpu") if is_view else torch.from_numpy(values)
        if self._device.type == "cuda":  # from pinned memory, so that the copy need not wait
            return taken.pin_memory().to(self._device, non_blocking=True)
        return taken.to(self._device)

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield tensors of so many rows, as the method of a tensor does."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


def to_rows(
    array: NDArray[Any] | LazyRows, device: torch.device, rows: Any = slice(None)
) -> Tensor | ArrayRows:
    """Return some rows to train on: on the device, or left in the files that hold them.

    A memory map is left there for training on the CPU, and `LazyRows` always.
    """
    if isinstance(array, LazyRows):
        return ArrayRows(array[rows], device)
    if device.type == "cpu" and _is_mapped(array):
        return ArrayRows(LazyRows(array)[rows])
    return torch.tensor(array[rows], device=device)


def _is_mapped(array: NDArray[Any]) -> bool:
    part: Any = array
    while part is not None and not isinstance(part, mmap):
        part = getattr(part, "base", None)
    return part is not None


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
    corpora : Tensor of int64, shape (n_source,), or None
        Corpus number of each source row. None stands for a single corpus.
    is_even : bool, default=False
        Whether each batch holds as many rows of one source corpus as of another, up to one, but at
        least one row of each, and at most all rows of a small one. The number of batches stays the
        same, so an epoch leaves out rows of a large corpus and repeats those of a small one.

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
        corpora: Tensor | None = None,
        is_even: bool = False,
    ) -> None:
        self.weights = weights
        self.source = source
        self.y_idx = y_idx
        self.corpora = torch.zeros_like(y_idx) if corpora is None else corpora
        self.target = source[:0] if target is None else target
        self.batch_size = batch_size
        self.n_largest = max(len(self.source), len(self.target))
        self.n_batches = -(-self.n_largest // batch_size)
        self._rng = rng
        numbers = self.corpora.numpy(force=True) if is_even else np.zeros(len(source))
        rows = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
        self._source_orders = [_Orders(of_corpus, rng) for of_corpus in rows]
        self._target_orders = _Orders(np.arange(len(self.target)), rng)

    def __len__(self) -> int:
        return self.n_batches

    def state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what decides the next batches: the generator, and rows that are still to come."""
        orders = {name: torch.from_numpy(each.rest) for name, each in self._named_orders().items()}
        return dict(self._rng.bit_generator.state), orders

    def set_state(self, generator: dict[str, Any], orders: dict[str, Tensor]) -> None:
        """Go on where another object gave this `state`."""
        self._rng.bit_generator.state = generator
        for name, each in self._named_orders().items():
            each.rest = orders[name].numpy()

    def _named_orders(self) -> dict[str, _Orders]:
        of_source = {f"source{i}": each for i, each in enumerate(self._source_orders)}
        return {**of_source, "target": self._target_orders}

    def __iter__(self) -> Iterator[Batch]:
        ends = np.arange(1, self.n_batches + 1) * self.n_largest // self.n_batches
        target = self.target[:0]
        for start, end in pairwise([0, *ends.tolist()]):
            source_rows = self._take_source(start, end)
            if len(self.target):
                target = self.target[self._target_orders.take(end - start)]
            source, y_idx = self.source[source_rows], self.y_idx[source_rows]
            weights = None if self.weights is None else self.weights[source_rows]
            yield Batch(source, target, y_idx, weights, self.corpora[source_rows])

    def _take_source(self, start: int, end: int) -> Tensor:
        """Take the source rows of a batch; over an epoch the corpora get equal shares."""
        n = len(self._source_orders)
        if n == 1:
            return self._source_orders[0].take(end - start)
        shares = [(end + i) // n - (start + i) // n for i in range(n)]
        orders = zip(self._source_orders, shares, strict=True)
        return torch.cat([of_corpus.take(max(share, 1)) for of_corpus, share in orders])


class _Orders:
    """Endless sequence of shuffled row numbers of one domain, or of one of its corpora."""

    def __init__(self, rows: NDArray[np.int64], rng: np.random.Generator) -> None:
        self.rows = rows
        self.rng = rng
        self.rest: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def take(self, size: int) -> Tensor:
        size = min(size, len(self.rows))
        if len(self.rest) < size:
            order = self.rows[self.rng.permutation(len(self.rows))]
            is_repeated = np.isin(order, self.rest)  # goes last, or a batch could hold it twice
            self.rest = np.concatenate([self.rest, order[~is_repeated], order[is_repeated]])
        rows, self.rest = self.rest[:size], self.rest[size:]
        return torch.from_numpy(rows)
