"""Rows that are written to a .npy file as they are computed."""

from __future__ import annotations

from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["RowFile"]


class RowFile:
    """Rows of one shape in float32, assigned by number in any order, as to a list.

    Parameters
    ----------
    file : binary file
        A new file to write to.
    n_rows : int > 0
        Number of rows.
    """

    def __init__(self, file: BinaryIO, n_rows: int) -> None:
        self._file, self._n_rows = file, n_rows
        self._first: tuple[int, tuple[int, ...]] | None = None  # number and shape of a row
        self._start = 0

    def __len__(self) -> int:
        return self._n_rows

    def __setitem__(self, number: int, row: ArrayLike) -> None:
        row = np.asarray(row, dtype="<f4")
        if self._first is None:
            self._first = number, row.shape
            layout = {"descr": "<f4", "fortran_order": False, "shape": (self._n_rows, *row.shape)}
            np.lib.format.write_array_header_1_0(self._file, layout)
            self._start = self._file.tell()
        elif row.shape != self._first[1]:
            raise ValueError(
                f"to_memmap needs rows of one shape, but row {self._first[0]} has shape "
                f"{self._first[1]} and row {number} has {row.shape}. Crop them to one "
                "length, as by the parameter duration of LogMelSpectrogram."
            )
        content = row.tobytes()
        self._file.seek(self._start + number * len(content))
        self._file.write(content)
