"""Parts of `LazyRows`: arrays, files that are mapped, and Datasets of PyTorch."""

from __future__ import annotations

import operator
import os
import reprlib
import sys
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skdidan.archive import file_stamp

__all__ = ["Maps", "is_dataset", "open_part", "take"]

_MOST_OPEN = 128  # files; many systems allow a process about a thousand


class Maps:
    """Memory maps of files by their paths; a process may keep few files open."""

    def __init__(self) -> None:
        self.open = lru_cache(_MOST_OPEN)(partial(np.load, mmap_mode="r"))

    def __reduce__(self) -> Any:
        return Maps, ()


class _File:
    """Rows of a .npy file, which is mapped when they are taken."""

    def __init__(self, path: str, maps: Maps) -> None:
        rows = maps.open(path)
        self._path, self._stamp, self._maps = path, file_stamp(path), maps
        self.shape, self.dtype = rows.shape, rows.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        if file_stamp(self._path) != self._stamp:  # reading could end the process
            raise ValueError(f"{self._path!r} has changed since LazyRows opened it.")
        return np.asarray(self._maps.open(self._path)[rows])


class _Items:
    """Rows of a map-style Dataset of PyTorch, taken as those of an array."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        first = _to_array(dataset[0], 0)
        is_single = first.dtype.kind == "f" and first.dtype.itemsize <= 4
        self.shape = (len(dataset), *first.shape)
        self.dtype = np.dtype(np.float32 if is_single else np.float64)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: NDArray[np.intp]) -> NDArray[Any]:
        numbers = rows.tolist()
        values = np.empty((len(numbers), *self.shape[1:]), dtype=self.dtype)
        for place, (number, item) in enumerate(zip(numbers, self._fetch(numbers), strict=True)):
            row = _to_array(item, number)
            if row.shape != self.shape[1:]:
                raise ValueError(
                    f"All items of a Dataset must be rows of one shape; item 0 has shape "
                    f"{self.shape[1:]}, and item {number} {row.shape}."
                )
            values[place] = row
        return values

    def _fetch(self, numbers: list[int]) -> list[Any]:
        if hasattr(self._dataset, "__getitems__"):  # PyTorch's name for several at once
            items = self._dataset.__getitems__(numbers)
            if len(items) != len(numbers):
                raise ValueError(
                    f"__getitems__ of {type(self._dataset).__name__} returned {len(items)} items "
                    f"for {len(numbers)} numbers."
                )
            return items
        items = []
        for number in numbers:
            try:
                items.append(self._dataset[number])
            except Exception as error:
                error.add_note(f"It was raised by item {number} of the Dataset.")
                raise
        return items


def is_dataset(X: Any) -> bool:
    """Tell whether an object is a Dataset of PyTorch, or a DataLoader."""
    data = sys.modules.get("torch.utils.data")
    return data is not None and isinstance(X, data.Dataset | data.DataLoader)


def open_part(part: Any, number: int, maps: Maps) -> Any:
    """Return a part as an object with a shape, a type and rows that can be taken."""
    if isinstance(part, str | os.PathLike):
        part = _open_file(os.path.abspath(os.path.expanduser(part)), number, maps)
    elif is_dataset(part):
        part = _open_dataset(part, number)
    elif hasattr(part, "detach"):
        part = _to_numpy(part)
    is_table = hasattr(part, "iloc") or hasattr(part, "tocsr") or isinstance(part, Sequence)
    try:
        kind = np.dtype(part.dtype).kind
        n_rows = operator.index(part.shape[0]) if len(part.shape) else 0
    except (AttributeError, TypeError):  # as of polars, or a length that is not known
        is_table, kind, n_rows = True, "", 0
    if is_table:
        raise TypeError(
            f"Part {number} must be an array, a path of a .npy file or a Dataset of PyTorch; got "
            f"{type(part).__name__}. Convert tables and sparse matrices to arrays first."
        )
    if n_rows == 0:
        raise ValueError(f"Part {number} of LazyRows has no row; its shape is {part.shape}.")
    if kind not in "fiub":
        raise ValueError(f"Part {number} must hold real numbers; it has dtype {part.dtype}.")
    _refuse_masks(part, f"Part {number}")
    return part


def _open_file(path: str, number: int, maps: Maps) -> _File:
    if not os.path.exists(path):
        raise FileNotFoundError(f"Part {number} of LazyRows, {path!r}, does not exist.")
    try:
        return _File(path, maps)
    except Exception as error:  # what is no such file causes errors of all kinds
        raise ValueError(
            f"Part {number} of LazyRows, {path!r}, is no file of an array of numbers, as "
            f"numpy.save writes it: {error}"
        ) from error


def _open_dataset(part: Any, number: int) -> Any:
    data = sys.modules["torch.utils.data"]
    if isinstance(part, data.DataLoader):
        raise TypeError(
            "A DataLoader makes batches, and skdidan makes its own: pass the Dataset inside it, "
            "loader.dataset."
        )
    if isinstance(part, data.IterableDataset) or not hasattr(part, "__len__"):
        raise TypeError(
            f"Part {number}, a {type(part).__name__}, cannot be read by row numbers: pass a "
            "map-style Dataset, with __getitem__ and __len__."
        )
    return _Items(part) if len(part) else np.empty((0, 0))


def take(part: Any, rows: NDArray[np.intp]) -> NDArray[Any]:
    """Take rows of a part by their numbers, in any order."""
    if isinstance(part, np.ndarray | _File | _Items):
        return np.asarray(part[rows])
    sorted_rows, places = np.unique(rows, return_inverse=True)  # as h5py wants them
    return np.asarray(part[sorted_rows])[places]


def _to_array(item: Any, number: int) -> NDArray[Any]:
    """Return the row in an item of a Dataset."""
    row = item[0] if isinstance(item, tuple) and item else item
    wanted = (
        f"Item {number} of the Dataset must be a row of numbers, or a tuple that begins with one"
    )
    _refuse_masks(row, f"Item {number} of the Dataset")
    try:
        values = _to_numpy(row) if hasattr(row, "detach") else np.asarray(row)
    except ValueError as error:  # of ragged lists
        raise TypeError(f"{wanted}: {error}") from error
    if values.ndim == 0 or values.dtype.kind not in "fiub":
        raise TypeError(f"{wanted}; got {reprlib.repr(item)}.")
    return values


def _to_numpy(tensor: Any) -> NDArray[Any]:
    """Return a tensor as an array; NumPy has no bfloat16, and no sparse arrays."""
    is_half = tensor.dtype.is_floating_point and tensor.dtype.itemsize < 4
    values: NDArray[Any] = (tensor.float() if is_half else tensor).to_dense().numpy(force=True)
    return values


def _refuse_masks(values: Any, name: str) -> None:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(
            f"{name} has masked entries. NumPy would compute with the values below the mask: fill "
            "them, or drop the rows."
        )
