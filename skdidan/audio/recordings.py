"""Rows of paths or waveforms: read in parallel, and what all audio transformers share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from tqdm import tqdm

from skdidan.audio.cropping import Window
from skdidan.audio.files import Segment, check_path, convert_window, read_window
from skdidan.audio.silence import SilenceWatch
from skdidan.domains import open_target
from skdidan.parameters import check_count, check_option
from skdidan.reporting import warn_caller

__all__ = ["AudioLoader", "AudioTransformer", "AudioWarning", "map_waveforms", "waveform_rows"]

_ON_ERROR = ("raise", "warn")
_INTEGERS = ("uint8", "int8", "int16", "int32")
_N_NAMED = 5
_BATCH = 32  # rows handed to a job at once, at most,
_SHARES = 8  # and each job gets at least so many batches, lest one has nothing left to do


class AudioWarning(UserWarning):
    """Some audio could not be used and stands as silence.

    Parameters
    ----------
    message : str
        How many rows these are, and what is wrong with the first few.
    rows : sequence of int, default=()
        Their numbers.

    Attributes
    ----------
    rows : list of int
        The numbers of all rows for which silence stands, counted from 0 in the `X` that was read.
        A method that takes a source and a target warns of each by itself.
    """

    def __init__(self, message: str, rows: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.rows = list(rows)


def waveform_rows(X: Any) -> list[Any]:
    """List the rows of `X`: paths, or waveforms as one-dimensional arrays.

    Parameters
    ----------
    X : array-like or list or Target, of n rows
        Paths (list, array or Series of str, path-like or `Segment`), waveforms (list of
        one-dimensional arrays) or a two-dimensional array, shape (n, n_samples).

    Returns
    -------
    rows : list of str and Segment, or list of ndarray, shape (n_samples,)
        The rows in order; nothing is read yet.

    Raises
    ------
    TypeError
        If the rows are neither all paths nor all waveforms, or a path is of bytes.
    ValueError
        If there is no row.
    """
    X = open_target(X)
    if isinstance(X, (Set, Mapping)):
        raise TypeError(f"X must be a list or an array; a {type(X).__name__} has no order of rows.")
    if isinstance(X, Iterator):
        raise TypeError(f"X must be a list or an array; got {X!r}. Pass list(X).")
    if isinstance(X, (str, bytes, os.PathLike)) or not hasattr(X, "__len__"):
        raise TypeError(f"X must hold one path or waveform per row; got {X!r} alone. Pass [{X!r}].")
    if hasattr(X, "shape"):
        X = np.asarray(X)
        if X.ndim == 2 and X.shape[1] == 1 and X.dtype.kind in "OUT":
            X = X[:, 0]
        if (X.ndim, X.dtype.kind) not in {(1, "O"), (1, "U"), (1, "T"), *((2, k) for k in "iuf")}:
            raise TypeError(
                "X must be an array of paths, shape (n,), or of waveforms, shape (n, n_samples); "
                f"got shape {X.shape} and dtype {X.dtype}."
            )
    if not len(X):
        raise ValueError("X has 0 sample(s), at least one path or waveform is needed.")
    is_path = [isinstance(row, (str, bytes, os.PathLike)) for row in X]
    if all(is_path):
        # What os.scandir yields cannot be sent to other processes, but its path can.
        return [row if isinstance(row, Segment) else check_path("path", row) for row in X]
    if any(is_path):
        odd = is_path.index(False)
        raise TypeError(f"X holds paths, but row {odd} is not one: {list(X)[odd]!r}.")
    return [_as_waveform(row, n) for n, row in enumerate(X)]


def _as_waveform(row: Any, n: int) -> NDArray[Any]:
    if isinstance(row, tuple) and len(row) == 2 and np.ndim(row[1]) == 0 < np.ndim(row[0]):
        raise TypeError(f"Row {n} is a pair (waveform, sample rate); pass the waveform alone.")
    waveform = np.asarray(row)
    if waveform.ndim != 1:
        raise TypeError(
            f"The waveform in row {n} must have one axis, (n_samples,); got shape "
            f"{waveform.shape}. Average the channels first."
        )
    if waveform.dtype.kind != "f" and waveform.dtype.name not in _INTEGERS:
        raise TypeError(
            f"The waveform in row {n} has dtype {waveform.dtype}, whose full scale is not known. "
            f"Pass floats within [-1, 1] or one of {', '.join(_INTEGERS)}."
        )
    return waveform


def _apply(
    function: Callable[[NDArray[np.float32]], Any],
    row: Any,
    n: int,
    sample_rate: int,
    window: Window | None,
    strict: bool,
) -> tuple[Any, Exception | None]:
    """Return ``function(waveform)`` and what was wrong with the row, if anything."""
    try:
        if isinstance(row, np.ndarray):
            waveform = convert_window(row, f"The waveform in row {n}", window)
        else:
            waveform = read_window(row, sample_rate, window)
    except (OSError, ValueError) as error:
        longest = sample_rate if window is None else min(sample_rate, window.n_samples)
        silence = np.zeros(longest, dtype=np.float32)
        return (None if strict else function(silence)), error
    return function(waveform), None


def map_waveforms(
    function: Callable[[NDArray[np.float32]], Any],
    rows: list[Any],
    *,
    sample_rate: int,
    window: Window | None = None,
    on_error: str = "raise",
    n_jobs: int | None = None,
    block_size: int | None = None,
    verbose: int = 0,
) -> Iterator[Any]:
    """Read each row and apply a function to its waveform, in parallel, in the order of the rows.

    Reading and computing happen in the same job, so that the waveforms of a corpus never stand in
    memory together.

    Parameters
    ----------
    function : callable
        From a waveform, ndarray of float32, shape (n_samples,), to anything.
    rows : list
        What `waveform_rows` returns.
    sample_rate : int > 0 [Hz]
        Rate to which files are resampled; waveforms are taken to have it.
    window : Window, optional
        Which part of each waveform the function gets; None is all. Of a long one no more than a few
        blocks and this part stand in memory, though every sample is read and checked.
    on_error : {"raise", "warn"}, default="raise"
        What to do about a row that cannot be used: raise, or put one second of silence in its
        place and report all such rows in one `AudioWarning` at the end.
    n_jobs : int, optional
        Jobs of joblib, in threads unless ``joblib.parallel_config`` names another backend.
    block_size : int > 0, optional
        Rows after which the jobs wait until all of their results are taken. None never waits: where
        results are taken slowly, those of a whole corpus may then stand in memory.
    verbose : int, default=0
        Show a progress bar if not 0.

    Yields
    ------
    result : object
        ``function(waveform)`` of each row.

    Raises
    ------
    FileNotFoundError, ValueError
        With ``on_error="raise"``: the first row that cannot be used, by file name or row number.
    """
    strict = on_error == "raise"
    apply = partial(_apply, function, sample_rate=sample_rate, window=window, strict=strict)
    watch = SilenceWatch.current()
    numbers, n_rows = watch.number(len(rows))
    results = _in_blocks(apply, list(zip(rows, numbers, strict=True)), n_jobs, block_size)
    bar = tqdm(results, total=len(rows), unit="clip", disable=not verbose)
    errors = {}
    for place, (result, error) in enumerate(bar):
        if error is not None:
            if strict:
                # joblib would warn of the rows under way, beside an error that says what matters.
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    results.close()
                error.add_note('on_error="warn" reports all such rows and lets silence stand in.')
                raise error
            errors[place] = str(error)
        yield result
    watch.silent += errors
    watch.runs.append(len(rows))
    if errors:
        rest = f" And {len(errors) - _N_NAMED} more." if len(errors) > _N_NAMED else ""
        message = (
            f"{len(errors)} of {n_rows} rows cannot be used and stand as silence. "
            f"{' '.join(list(errors.values())[:_N_NAMED])}{rest}"
        )
        warn_caller(AudioWarning(message, [int(numbers[place]) for place in errors]))


def _in_blocks(
    apply: Callable[[Any, int], Any],
    rows: list[tuple[Any, int]],
    n_jobs: int | None,
    block_size: int | None,
) -> Generator[Any]:
    """Yield ``apply(row, n)`` of each row, in order, from a new round of jobs for each block."""
    block_size = block_size or len(rows)
    # Threads: the decoder, the resampler and the Fourier transform release the interpreter lock,
    # while processes would each import the package first. parallel_config overrides the hint.
    # Several rows per task, where there are many: handing one over takes longer than a short read.
    n_shares = _SHARES * effective_n_jobs(n_jobs or 1)
    with Parallel(
        n_jobs=n_jobs,
        prefer="threads",
        return_as="generator",
        batch_size=max(1, min(_BATCH, block_size // n_shares)),
    ) as parallel:
        for start in range(0, len(rows), block_size):
            block = rows[start : start + block_size]
            yield from parallel(delayed(apply)(row, n) for row, n in block)


class AudioTransformer(TransformerMixin, BaseEstimator):
    """Base of the stateless transformers whose rows are paths or waveforms.

    A subclass stores ``sample_rate, on_error, n_jobs, verbose``, checks its other parameters in
    `_check_parameters` and maps rows by `_map`. Its ``transform`` treats each row by itself, which
    the ``memory`` of a pipeline relies on.
    """

    sample_rate: int
    on_error: str
    n_jobs: int | None
    verbose: int

    # A plain Pipeline, or a search, routes these without being asked to.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": True}

    def fit(self, X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: Any = None) -> Self:
        """Check the parameters and the kind of the rows; nothing is learnt and no file is read.

        Parameters
        ----------
        X : list, array-like or Target, of n_samples rows
            As in `transform`.
        y, X_tgt, sample_domain
            Not used; every estimator of the package takes them.

        Returns
        -------
        self : object
            The transformer itself.
        """
        self._check_parameters()
        self._rows(X)
        return self

    def _check_parameters(self) -> None:
        check_count("sample_rate", self.sample_rate)
        check_option("on_error", self.on_error, _ON_ERROR)

    def _rows(self, X: Any) -> list[Any]:
        return waveform_rows(X)

    def _map(
        self,
        function: Callable[[NDArray[np.float32]], Any],
        rows: list[Any],
        *,
        window: Window | None = None,
        block_size: int | None = None,
    ) -> Iterator[Any]:
        return map_waveforms(
            function,
            rows,
            sample_rate=self.sample_rate,
            window=window,
            on_error=self.on_error,
            n_jobs=self.n_jobs,
            block_size=block_size,
            verbose=self.verbose,
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        # Not any two-dimensional array will do: its rows must be waveforms.
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _identity(waveform: NDArray[np.float32]) -> NDArray[np.float32]:
    return waveform


class AudioLoader(AudioTransformer):
    """Read audio files as mono float32 waveforms at one sample rate.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate of the waveforms; files of another rate are resampled.
    on_error : {"raise", "warn"}, default="raise"
        What to do about a file that is missing, corrupt, empty, silent or holds NaN: raise an
        error that names it, or put one second of zeros in its place and report all such files in
        one `AudioWarning`. Rows are never dropped, since they must stay aligned with labels. A
        transformer that takes the waveforms meets the zeros as a silent row, so give it the same
        `on_error`, or give it the paths without a loader.
    n_jobs : int, optional
        Files read at once, in threads; as in joblib, None is 1 and -1 all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    See Also
    --------
    read_audio : The same for one file.
    LogMelSpectrogram : Takes paths as well, and then never holds all waveforms in memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from skdidan import AudioLoader
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=22050)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "noise.flac")
    ...     soundfile.write(path, noise, 22050)
    ...     waveforms = AudioLoader(sample_rate=16_000).fit_transform([path])
    >>> len(waveforms), waveforms[0].shape
    (1, (16000,))
    """

    def __init__(
        self,
        sample_rate: int = 16_000,
        *,
        on_error: str = "raise",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.on_error = on_error
        self.n_jobs = n_jobs
        self.verbose = verbose

    def transform(self, X: Any) -> list[NDArray[np.float32]]:
        """Read the files.

        Parameters
        ----------
        X : list, array-like or Target, of str or path-like, shape (n_samples,)
            Paths of audio files.

        Returns
        -------
        waveforms : list of ndarray of float32, each of shape (n_samples_of_the_clip,)
            One waveform per path, in order; full scale is 1.

        Raises
        ------
        FileNotFoundError, ValueError
            With ``on_error="raise"``: a file is missing, corrupt, empty, silent or holds NaN.
        TypeError
            If `X` holds anything but paths.
        """
        self._check_parameters()
        return list(self._map(_identity, self._rows(X)))

    def _rows(self, X: Any) -> list[Any]:
        rows = super()._rows(X)
        if isinstance(rows[0], np.ndarray):
            raise TypeError(
                "AudioLoader takes paths; X holds waveforms already. Pass them to the next step."
            )
        return rows
