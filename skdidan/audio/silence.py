"""Which rows silence stood in for."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Self

__all__ = ["SilenceWatch"]


class SilenceWatch:
    """Notes, within a ``with`` statement, for which rows of audio silence stands in.

    Parameters
    ----------
    numbers : sequence of int, optional
        The numbers of the rows in a whole of which they are a part: warnings and errors tell these.
    n_rows : int, optional
        How many rows the whole has.

    Attributes
    ----------
    silent : list of int
        The rows for which silence stood in, by their place among those that were read.
    runs : list of int
        How many rows were read each time. What other threads and processes read is not seen.
    """

    def __init__(self, numbers: Sequence[int] = (), n_rows: int = 0) -> None:
        self.numbers, self.n_rows = numbers, n_rows
        self.silent: list[int] = []
        self.runs: list[int] = []

    def __enter__(self) -> Self:
        self._token = _WATCH.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        _WATCH.reset(self._token)
        outer = self.current()
        outer.silent += self.silent
        outer.runs += self.runs

    @staticmethod
    def current() -> SilenceWatch:
        """Return the innermost one that is entered, or else one whose notes nobody reads."""
        return _WATCH.get() or SilenceWatch()

    def number(self, n_rows: int) -> tuple[Sequence[int], int]:
        """Return the numbers of some rows, and of how many rows they are a part.

        Parameters
        ----------
        n_rows : int
            How many rows there are.

        Returns
        -------
        numbers : sequence of int
            The number of each row in the whole; those from 0 where it is not known.
        n_rows : int
            The rows of the whole.
        """
        is_part = len(self.numbers) == n_rows
        return (self.numbers, self.n_rows) if is_part else (range(n_rows), n_rows)


_WATCH: ContextVar[SilenceWatch | None] = ContextVar("watch", default=None)
