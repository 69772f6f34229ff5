"""Rows of paths or waveforms: list them, and read and convert them in parallel."""

from __future__ import annotations

import os
import reprlib
from array import array
from collections.abc import Callable, Generator, Iterator, Mapping, Set
from contextlib import suppress
from functools import partial
from itertools import islice
from numbers import Real
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed
from tqdm import tqdm

from skdidan.audio.cropping import Floats, Keeper, whole
from skdidan.audio.files import Segment, file_name, read_window
from skdidan.audio.gauge import Gauge
from skdidan.audio.reports import WAVEFORM
from skdidan.domains import open_target
from skdidan.labels import to_python
from skdidan.parameters import check_path
from skdidan.reporting import quiet

__all__ = ["Convert", "read_rows", "row_name", "waveform_rows"]

#: Maps a waveform to its row, or to what the second function of `_stages` makes into the row.
Convert = Callable[[Floats], Any]

_INTEGERS = ("uint8", "int8", "int16", "int32")
_LARGEST_BATCH = 32  # rows in a task
_SHARES = 8  # tasks per job at least, so that no job runs out of work early


def waveform_rows(X: Any) -> list[Any]:
    """List the rows of `X`: paths, or waveforms as one-dimensional arrays."""
    X = open_target(X)
    if isinstance(X, (Set, Mapping)):
        raise TypeError(f"X must be a list or an array; a {type(X).__name__} has no order of rows.")
    if kind := _misfit(X, alone=True):
        raise TypeError(f"X must hold one path or waveform per row; got one alone, {kind}.")
    if isinstance(X, Iterator):
        raise TypeError(f"X must be a list or an array; got {X!r}. Pass list(X).")
    if isinstance(X, (str, os.PathLike)) or not hasattr(X, "__len__"):
        raise TypeError(f"X must hold one path or waveform per row; got {X!r} alone. Pass [{X!r}].")
    if hasattr(X, "shape"):
        X = np.asarray(X)
        if X.ndim == 2 and X.shape[1] == 1 and X.dtype.kind in "OUT":
            X = X[:, 0]
        if (X.ndim, X.dtype.kind) not in {*((1, k) for k in "OSTU"), *((2, k) for k in "iuf")}:
            raise TypeError(
                "X must be an array of paths, shape (n,), or of waveforms, shape (n, n_samples); "
                f"got shape {X.shape} and dtype {X.dtype}. Pass only the column of the paths, or "
                "average the channels."
            )
    rows = to_python(X)
    if not rows:
        raise ValueError("X has 0 sample(s), at least one path or waveform is needed.")
    for n, row in enumerate(rows):
        if kind := _misfit(row):
            raise TypeError(f"Row {n} is {kind}.")
    is_path = [isinstance(row, (str, os.PathLike)) for row in rows]
    if all(is_path):
        # Entries of os.scandir cannot be sent to other processes, but their paths can.
        return [row if isinstance(row, Segment) else check_path("path", row) for row in rows]
    if any(is_path):
        odd = is_path.index(False)
        raise TypeError(f"X holds paths, but row {odd} is not one: {reprlib.repr(rows[odd])}.")
    return [_as_waveform(row, n) for n, row in enumerate(rows)]


def _misfit(row: Any, *, alone: bool = False) -> str | None:
    """Name a usual form of a recording that is neither a path nor a waveform, and the cure."""
    if isinstance(row, Mapping):
        return "a dict: pass its path, or its array alone, at the sample_rate of the transformer"
    if isinstance(row, (bytes, bytearray, memoryview)) or hasattr(row, "read"):
        return (
            f"of type {type(row).__name__}: pass the path of a file on disk, or the decoded "
            "waveform; os.fsdecode makes a path of bytes"
        )
    parts = row[:3] if isinstance(row, (list, tuple)) else ()
    is_path = [isinstance(part, (str, os.PathLike)) for part in parts]
    if any(is_path) and not alone:
        if all(is_path):
            return f"a {type(row).__name__} of paths: pass one path per row"
        return "a tuple (file, start, end): pass skdidan.Segment(file, start, end)"
    if is_path == [False] * 2 and sum(isinstance(part, Real) for part in parts) == 1:
        return (
            "a pair of a waveform and its sample rate: pass the waveform alone, at the sample_rate "
            "of the transformer"
        )
    return None


def _as_waveform(row: Any, n: int) -> NDArray[Any]:
    # NumPy takes the bytes of any other object with a buffer for samples of 8 bits.
    if not (hasattr(row, "__array__") or isinstance(row, (list, tuple, array, Real))):
        raise TypeError(
            f"Row {n} is of type {type(row).__name__}; it must be a path, or an array or list of "
            "samples."
        )
    try:
        waveform = np.asarray(row)
    except (RuntimeError, TypeError, ValueError) as error:  # of tensors, or ragged lists
        raise TypeError(f"Row {n} is no waveform, since it makes no array: {error}") from error
    if waveform.ndim != 1:
        shape = waveform.shape
        cure = f"Average the channels: row.mean(axis={np.argmin(shape)})." if shape else ""
        raise TypeError(
            f"The waveform in row {n} must have one axis, (n_samples,); got shape {shape}. {cure}"
        )
    if waveform.dtype.kind != "f" and waveform.dtype.name not in _INTEGERS:
        raise TypeError(
            f"The waveform in row {n} has dtype {waveform.dtype}, whose full scale is not known. "
            f"Pass floats within [-1, 1] or one of {', '.join(_INTEGERS)}."
        )
    return waveform


def row_name(row: Any, number: int) -> str:
    """Name a row in errors."""
    return WAVEFORM.format(number) if isinstance(row, np.ndarray) else file_name(row)


def read_rows(
    function: Convert,
    rows: Mapping[int, Any],
    *,
    sample_rate: int,
    keep: Keeper = whole,
    n_jobs: int | None = None,
    block_size: int | None = None,
    verbose: int = 0,
    doubts: dict[int, str] | None = None,
) -> Generator[Any]:
    """Read rows and apply a function to each waveform, in parallel; yield the results in order.

    The result of a row that cannot be read is the exception. `doubts` gets what is odd about rows
    that can be read, by their numbers.
    Each job reads a row and applies the function, so that the waveforms of a corpus are never in
    memory together. Each block of rows is a new round of jobs.
    """
    apply = delayed(partial(_apply, function, sample_rate, keep))
    block_size = block_size or len(rows)
    # Threads: the decoder, the resampler and the Fourier transform release the interpreter lock,
    # while processes would each import the package first. parallel_config overrides the hint.
    # Several rows per task, if there are many: dispatching a task takes longer than a short read.
    n_shares = _SHARES * effective_n_jobs(n_jobs or 1)
    # Backends such as multiprocessing return lists.
    has_generators = get_active_backend(prefer="threads")[0].supports_return_generator
    return_as = "generator" if has_generators else "list"
    batch_size = max(1, min(_LARGEST_BATCH, block_size // n_shares))
    parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as=return_as, batch_size=batch_size)
    with parallel, tqdm(total=len(rows), unit="clip", disable=not verbose) as bar:
        queue = iter(rows.items())
        while block := list(islice(queue, block_size)):
            results = parallel(apply(number, row) for number, row in block)
            try:
                for (number, _), (result, doubt) in zip(block, results, strict=True):
                    bar.update()
                    if doubt is not None and doubts is not None:
                        doubts[number] = doubt
                    yield result
            finally:
                # If the caller stops early, joblib would warn about unfinished rows. A worker may
                # just have restored the caller's filters, which can make an error of the warning.
                with suppress(UserWarning), quiet("joblib", UserWarning):
                    getattr(results, "close", list)()


def _apply(
    function: Convert, sample_rate: int, keep: Keeper, number: int, row: Any
) -> tuple[Any, str | None]:
    """Return ``function(waveform)``, or the exception if the row cannot be read, and a doubt."""
    name, gauge = row_name(row, number), Gauge()
    try:
        waveform = read_window(row, sample_rate, keep, name, gauge)
    except (OSError, ValueError) as error:
        return error, None
    # Waveforms are the caller's own, as are their lengths and levels.
    doubt = None if isinstance(row, np.ndarray) else gauge.doubt()
    return function(waveform), doubt and f"{name} {doubt}."
