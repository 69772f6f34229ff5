"""Rows that are read from files, or from a Dataset of PyTorch, when they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from copy import copy
from hashlib import md5
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skdidan.shards import Maps, is_dataset, open_part, take

__all__ = ["LazyRows", "blocks_of", "is_dataset", "open_dataset"]

_BLOCK = 2**22  # values read at once, 16 MiB in single precision

_Change = Callable[[NDArray[Any], NDArray[np.intp]], NDArray[Any]]


class LazyRows:
    """Rows of features that stay in files, or in a Dataset, until they are used.

    The networks, `CorpusScaler`, pipelines of them, `AnchoredEM` and `LAME` take `LazyRows` in
    place of an array, and read a batch at a time. All other estimators of the package read the rows
    as a whole.

    Taking rows by a slice, a mask or a list gives `LazyRows` again and reads nothing. A row by its
    number, and ``numpy.asarray``, give arrays.

    Parameters
    ----------
    parts : array, path, Dataset or list of these, of n_samples rows
        Rows, or shards of rows: arrays, such as memory maps or the data sets of h5py; paths of
        files that ``numpy.save`` has written; and map-style Datasets of PyTorch, whose items are
        rows, or tuples that begin with one. What follows in a tuple, such as a label, is not used.
        All rows have one shape.

    Attributes
    ----------
    shape : tuple of int, (n_samples, ...)
        Number of rows, and shape of one.
    dtype : numpy.dtype
        Type of the values. Items of a Dataset are read as float32 if the first has no higher
        precision, else as float64.

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
        maps = Maps()
        self._parts = [open_part(part, number, maps) for number, part in enumerate(shards)]
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
        self.has_padding: bool | None = None  # None until it is known, see `is_padded`
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
        taken._index, taken.has_padding = rows, None
        return taken

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[number] for number in range(len(self)))

    def __deepcopy__(self, memo: Any) -> Self:
        """Return the same rows: nothing changes them, and a copy of a memory map is in memory."""
        return self

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Read all rows."""
        if copy is False:
            raise ValueError("LazyRows are read from elsewhere, so their array is always a copy.")
        return self._read(self._index).astype(dtype or self.dtype, copy=False)

    def digest(self) -> str:
        """Return a hash of the values, the shape and the type, wherever the rows come from.

        Returns
        -------
        digest : str
            The same for rows of equal values. All rows are read.
        """
        found = md5(f"{self.shape} {self.dtype.str}".encode(), usedforsecurity=False)
        for _, values in self.blocks():
            found.update(values.tobytes())
        return found.hexdigest()

    def astype(self, dtype: Any) -> Self:
        """Return the same rows, to be converted to another type when they are read.

        Parameters
        ----------
        dtype : data type
            The new type.

        Returns
        -------
        converted : LazyRows
            The same rows.
        """
        converted = copy(self)
        converted.dtype = np.dtype(dtype)
        return converted

    def blocks(self) -> Iterator[tuple[int, NDArray[Any]]]:
        """Yield blocks of a few megabytes, each with the number of its first row.

        Yields
        ------
        start : int
            Number of the first row of the block.
        values : ndarray
            Its rows. There is one block at least, which may be empty.
        """
        size = max(1, _BLOCK // max(1, int(np.prod(self._row_shape))))
        for start in range(0, max(len(self), 1), size):
            yield start, np.asarray(self[start : start + size])

    def map(self, change: _Change, row_shape: tuple[int, ...] | None = None) -> LazyRows:
        """Return rows that `change` makes of these when they are read.

        Parameters
        ----------
        change : callable
            Called with n rows, shape (n, ...), and their numbers in this object, shape (n,);
            returns n rows.
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
        """Take rows of all parts by their numbers."""
        if len(self._parts) == 1:
            part = self._parts[0]
            return np.asarray(part[rows]) if isinstance(part, LazyRows) else take(part, rows)
        values = np.empty((len(rows), *self._parts[0].shape[1:]), dtype=self.dtype)
        numbers = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(numbers):
            part, is_here = self._parts[number], numbers == number
            first = self._ends[number] - part.shape[0]
            values[is_here] = take(part, rows[is_here] - first)
        return values


def blocks_of(X: Any) -> Iterable[tuple[int, Any]]:
    """Return the blocks of `LazyRows`, or other rows as a single one."""
    return X.blocks() if isinstance(X, LazyRows) else [(0, X)]


def open_dataset(X: Any) -> Any:
    """Return a Dataset of PyTorch as `LazyRows`, and any other object."""
    return LazyRows(X) if is_dataset(X) else X
