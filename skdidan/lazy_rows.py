"""Rows that are read from files, or from a Dataset of PyTorch, when they are used."""

from __future__ import annotations

import os
import reprlib
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["LazyRows", "is_dataset"]

_BLOCK = 2**22  # values read at once, 16 MiB in single precision

_Change = Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]


class LazyRows:
    """Rows of features that stay in files, or in a Dataset, until they are used.

    The networks, `CorpusScaler`, pipelines of them and the classifiers that refine them take
    `LazyRows` in place of an array, and hold the rows of a batch in memory. All other estimators
    read the rows as a whole.

    Taking rows by a slice, a mask or a list gives `LazyRows` again and reads nothing. A row by its
    number, and ``numpy.asarray``, give arrays.

    Parameters
    ----------
    parts : array-like, path, Dataset or sequence of these, shape (n_samples, ...)
        Rows, or shards of rows: arrays, such as memory maps or the data sets of h5py; paths of
        files that ``numpy.save`` has written; and map-style Datasets of PyTorch, whose items are
        rows, or tuples that begin with one. What follows in a tuple, such as a label, is not used.
        All rows have one shape.

    Attributes
    ----------
    shape : tuple of int, (n_samples, ...)
        Number of rows, and shape of one.
    dtype : numpy.dtype
        Type of the values. Items of a Dataset are float32, unless the first is of float64 or of
        whole numbers: then they are float64.

    Raises
    ------
    ValueError
        If there is no row, if the shapes of rows differ, or if a part holds no real numbers.
    TypeError
        If a part is none of the above.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import LazyRows
    >>> rows = LazyRows([np.zeros((3, 2)), np.ones((4, 2))])
    >>> rows[2:5]
    LazyRows(shape=(3, 2), dtype=float64)
    >>> np.asarray(rows[2:5])
    array([[0., 0.],
           [1., 1.],
           [1., 1.]])
    """

    def __init__(self, parts: Any) -> None:
        shards = parts if isinstance(parts, list | tuple) else [parts]
        if not shards:
            raise ValueError("LazyRows needs at least one part; got an empty list.")
        self._parts = [_open(part, number) for number, part in enumerate(shards)]
        shapes = [tuple(part.shape[1:]) for part in self._parts]
        if odd := [number for number, shape in enumerate(shapes) if shape != shapes[0]]:
            raise ValueError(
                "All parts must have rows of one shape; those of part 0 have shape "
                f"{shapes[0]}, and those of part {odd[0]} {shapes[odd[0]]}."
            )
        self._ends = np.cumsum([part.shape[0] for part in self._parts])
        self._index = np.arange(self._ends[-1])  # of the rows in all parts
        self._row_shape = shapes[0]
        self._change: _Change | None = None
        self.dtype = np.result_type(*(part.dtype for part in self._parts))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and shape of one."""
        return len(self), *self._row_shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return 1 + len(self._row_shape)

    def __len__(self) -> int:
        return len(self._index)

    def __repr__(self) -> str:
        return f"LazyRows(shape={self.shape}, dtype={self.dtype})"

    def __getitem__(self, index: Any) -> Any:
        """Return a row by its number as an array, or several as `LazyRows`, which reads none."""
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # as scikit-learn takes rows
        if isinstance(index, tuple):
            raise TypeError(
                f"LazyRows can only be indexed by rows; got {index!r}. Read them first: "
                "numpy.asarray(rows)."
            )
        rows = self._index[index]
        if rows.ndim == 0:
            return self._read(rows[np.newaxis])[0]
        if rows.ndim > 1:
            raise IndexError(f"LazyRows can be indexed by one axis of rows; got {index!r}.")
        taken = copy(self)
        taken._index = rows
        vars(taken).pop("ends_in_nan", None)  # known of all rows
        return taken

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows."""
        if copy is False:
            raise ValueError("LazyRows are read from elsewhere, so their array is always a copy.")
        return self._read(self._index).astype(dtype or self.dtype, copy=False)

    @cached_property
    def ends_in_nan(self) -> bool:
        """Whether a spectrogram has NaN in the first bin of its last frame, as padding is."""
        return any(np.isnan(values[:, 0, -1]).any() for _, values in self.blocks())

    def astype(self, dtype: Any) -> Self:
        """Return the same rows, to be converted to another type when they are read."""
        converted = copy(self)
        converted.dtype = np.dtype(dtype)
        return converted

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Read all rows in blocks of a few megabytes; yield the number of the first, and them."""
        size = max(1, _BLOCK // max(1, int(np.prod(self._row_shape))))
        for start in range(0, len(self), size):
            yield start, np.asarray(self[start : start + size])

    def map(self, change: _Change, row_shape: tuple[int, ...] | None = None) -> LazyRows:
        """Return rows that `change` makes of these when they are read.

        Parameters
        ----------
        change : callable
            It maps some rows, shape (n, ...), and their numbers among these, shape (n,), to as many
            rows.
        row_shape : tuple of int, optional
            Shape of a new row. None keeps it.

        Returns
        -------
        changed : LazyRows
            The new rows, of the same type.
        """
        changed = LazyRows(self)
        changed._change = change
        changed._row_shape = self._row_shape if row_shape is None else row_shape
        return changed

    def _read(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        """Read rows by their numbers in all parts, in any order."""
        if not len(rows):
            return np.empty((0, *self._row_shape), dtype=self.dtype)
        with np.errstate(over="ignore"):  # what is too large becomes infinite, which is checked
            values = self._gather(rows)
            if self._change is not None:
                values = self._change(values, rows)
            return values.astype(self.dtype, copy=False)

    def _gather(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if len(self._parts) == 1:
            return _take(self._parts[0], rows)
        values = np.empty((len(rows), *self._parts[0].shape[1:]), dtype=self.dtype)
        numbers = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(numbers):
            part, is_here = self._parts[number], numbers == number
            values[is_here] = _take(part, rows[is_here] - (self._ends[number] - len(part)))
        return values


class _Items:
    """Rows of a map-style Dataset of PyTorch, taken as those of an array."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        first = _to_array(dataset[0], 0)
        self.shape = (len(dataset), *first.shape)
        self.dtype = np.dtype(np.float32 if first.dtype == np.float32 else np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        numbers = rows.tolist()
        fetch = getattr(self._dataset, "__getitems__", None)  # PyTorch's name for many at once
        items = [self._dataset[n] for n in numbers] if fetch is None else fetch(numbers)
        values = np.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        for place, (number, item) in enumerate(zip(numbers, items, strict=True)):
            row = _to_array(item, number)
            if row.shape != self.shape[1:]:
                raise ValueError(
                    f"All items of a Dataset must be rows of one shape; item 0 has shape "
                    f"{self.shape[1:]}, and item {number} {row.shape}."
                )
            values[place] = row
        return values


def is_dataset(X: Any) -> bool:
    """Tell whether an object is a Dataset of PyTorch."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(X, data.Dataset)


def _open(part: Any, number: int) -> Any:
    """Return a part as an object with a shape, a type and rows that can be taken."""
    if isinstance(part, str | os.PathLike):
        part = np.load(os.path.expanduser(part), mmap_mode="r")
    elif is_dataset(part):
        if isinstance(part, sys.modules["torch.utils.data"].IterableDataset) or not hasattr(
            part, "__len__"
        ):
            raise TypeError(
                f"Part {number}, a {type(part).__name__}, cannot be read by row numbers: pass a "
                "map-style Dataset, with __getitem__ and __len__."
            )
        part = _Items(part) if len(part) else np.empty((0, 0))
    elif hasattr(part, "detach"):
        part = part.detach().numpy(force=True)
    if isinstance(part, Sequence) or not (hasattr(part, "shape") and hasattr(part, "dtype")):
        raise TypeError(
            f"Part {number} must be an array, a path of a .npy file or a Dataset of PyTorch; got "
            f"{type(part).__name__}."
        )
    if len(part.shape) == 0 or part.shape[0] == 0:
        raise ValueError(f"Part {number} of LazyRows has no row; its shape is {part.shape}.")
    if np.dtype(part.dtype).kind not in "fiub":
        raise ValueError(f"Part {number} must hold real numbers; it has dtype {part.dtype}.")
    return part


def _take(part: Any, rows: NDArray[np.intp]) -> NDArray[Any]:
    if isinstance(part, np.ndarray | LazyRows | _Items):
        return np.asarray(part[rows])
    sorted_rows, places = np.unique(rows, return_inverse=True)  # as h5py wants them
    return np.asarray(part[sorted_rows])[places]


def _to_array(item: Any, number: int) -> NDArray[Any]:
    """Return the row in an item of a Dataset."""
    row = item[0] if isinstance(item, tuple) and item else item
    if hasattr(row, "detach"):
        row = row.detach()
        is_half = row.dtype.is_floating_point and row.dtype.itemsize < 4  # NumPy has no bfloat16
        row = (row.float() if is_half else row).numpy(force=True)
    wanted = (
        f"Item {number} of the Dataset must be a row of numbers, or a tuple that begins with one"
    )
    try:
        values = np.asarray(row)
    except ValueError as error:  # of ragged lists
        raise TypeError(f"{wanted}: {error}") from error
    if values.ndim == 0 or values.dtype.kind not in "fiub":
        raise TypeError(f"{wanted}; got {reprlib.repr(item)}.")
    return values
