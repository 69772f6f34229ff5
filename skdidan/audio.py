"""From audio files to mono waveforms at one sample rate, and what all audio transformers share."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import soundfile
import soxr  # type: ignore[import-untyped] # it has no types
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from tqdm import tqdm

from skdidan.cropping import Whole, Window
from skdidan.decoders import BLOCK, count_frames, missing_part, open_audio, skip_frames
from skdidan.domains import open_target
from skdidan.parameters import check_count, check_option
from skdidan.reporting import warn_caller
from skdidan.silence import SilenceWatch

__all__ = [
    "AudioLoader",
    "AudioTransformer",
    "AudioWarning",
    "Segment",
    "audio_span",
    "map_waveforms",
    "read_audio",
    "waveform_rows",
]

_LOWEST_RATE = 1000  # Hz
_LOUDEST = 8.0  # a float file may exceed full scale by a little, integers cast to float by far
_ON_ERROR = ("raise", "warn")
_INTEGERS = ("uint8", "int8", "int16", "int32")
_N_NAMED = 5
_BLOCK = BLOCK
_BATCH = 32  # rows handed to a job at once, at most,
_SHARES = 8  # and each job gets at least so many batches, lest one has nothing left to do
# Seconds by which a file may be shorter than a segment of it, whose end a table rounds, or than its
# header says, which in some compressed formats counts what an encoder added.
_ROUNDING = 0.1


class AudioWarning(UserWarning):
    """Some audio could not be used and stands as silence."""


@dataclass(frozen=True, init=False)
class Segment:
    """A part of an audio file, which can stand wherever a path can.

    Only the frames of the part are read, of an MP3 file also those before. A segment is path-like,
    and as a path it is that of the whole file.

    Parameters
    ----------
    file : str or path-like
        The audio file.
    start : float or timedelta >= 0 [s], default=0
        Where the part begins: seconds, or a timedelta of Python, NumPy or pandas.
    end : float or timedelta > start [s], optional
        Where it ends; None or NaT is the end of the file, and so is an end up to 0.1 s beyond it,
        since tables are rounded.

    Raises
    ------
    TypeError
        If `start` or `end` is no time.
    ValueError
        If `start` is negative or infinite, or `end` not beyond it.

    See Also
    --------
    skdidan.from_audformat : Segments of a table.

    Examples
    --------
    >>> from datetime import timedelta
    >>> from skdidan import Segment
    >>> Segment("interview.wav", 1.5, timedelta(seconds=4))
    Segment(file='interview.wav', start=1.5, end=4.0)
    """

    file: str
    start: float
    end: float | None

    def __init__(self, file: str | os.PathLike[str], start: Any = 0.0, end: Any = None) -> None:
        start, end = _seconds("start", start) or 0.0, _seconds("end", end)
        if not 0 <= start < math.inf:
            raise ValueError(f"start must be a finite time of at least 0 s; got {start:g} s.")
        if end is not None and not start < end < math.inf:
            raise ValueError(
                f"end must be a finite time beyond start, {start:g} s, or None for the end of the "
                f"file; got {end:g} s."
            )
        # The one way to set the attributes of a frozen dataclass.
        object.__setattr__(self, "file", os.fspath(file))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "end", end)

    def __fspath__(self) -> str:
        return self.file

    def __str__(self) -> str:
        end = "its end" if self.end is None else f"{self.end:g} s"
        return f"{self.file!r} from {self.start:g} s to {end}"


def _seconds(name: str, time: Any) -> float | None:
    """Return a time in seconds; None for None, NaN and NaT."""
    if time is None or type(time).__name__ in ("NaTType", "NAType") or time != time:
        return None
    if isinstance(time, np.timedelta64):
        return float(time / np.timedelta64(1, "s"))
    if hasattr(time, "total_seconds"):
        return float(time.total_seconds())
    if isinstance(time, Real) and not isinstance(time, bool):
        return float(time)
    raise TypeError(f"{name} must be a time, in seconds or as a timedelta; got {time!r}.")


def read_audio(path: str | os.PathLike[str], *, sample_rate: int = 16_000) -> NDArray[np.float32]:
    """Read an audio file as one mono waveform at one sample rate.

    Channels are averaged, then the waveform is resampled (soxr, high quality) where the rate of
    the file differs.

    Parameters
    ----------
    path : str, path-like or Segment
        File of a format that libsndfile reads: .wav, .flac, .ogg, .mp3 and others. Of a `Segment`
        only the part that it names is read.
    sample_rate : int > 0 [Hz], default=16000
        Rate of the returned waveform.

    Returns
    -------
    waveform : ndarray of float32, shape (n_samples,)
        Samples; full scale is 1.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    PermissionError
        If it may not be read.
    ValueError
        If the file cannot be decoded, is cut off or damaged as far as that can be known, has a
        sample rate below 1000 Hz, holds no samples, NaN or infinite samples, samples far beyond
        full scale, or zeros only; if a segment lies beyond the end of its file; or if
        `sample_rate` is not a whole number of at least 1.

    Notes
    -----
    What is cut off is missed where a file does not say how much it holds: NIST .sph and some other
    old formats, MP3 without a count of frames in its first one, and what a program wrote to a pipe
    or in more than 2 GB. Damage in the middle is found in FLAC and Ogg, not in MP3 or where samples
    are not compressed. Of several recordings joined in one Ogg or MP3 file the first is read.

    An MP3 file is always decoded from its start, since what follows a seek may be wrong; its
    segments therefore take longer the later they begin. One without a count is decoded twice, the
    first time for its length.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np, soundfile
    >>> from skdidan import read_audio
    >>> tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "tone.wav")
    ...     soundfile.write(path, np.column_stack([tone, tone]), 8000)
    ...     waveform = read_audio(path)
    >>> waveform.shape, waveform.dtype
    ((16000,), dtype('float32'))
    """
    return _read(path, check_count("sample_rate", sample_rate), None)


def _read(
    path: str | os.PathLike[str], sample_rate: int, window: Window | None
) -> NDArray[np.float32]:
    """Read a file block by block and keep a window of it, or all; every sample is checked."""
    name = _name(path)
    with open_audio(os.fspath(path), name) as file:
        rate = file.samplerate
        cut = missing_part(file.extra_info)
        if file.frames and cut:
            raise ValueError(f"{name} is truncated: {cut}.")
        first, last = _span(file, path, name)
        n_frames = last - first
        if rate < _LOWEST_RATE:
            raise ValueError(f"{name} has a sample rate of {rate} Hz, which is not one of speech.")
        if first:
            skip_frames(file, first, name)
        blocks = _mono_blocks(file, n_frames, sample_rate, name)
        try:
            part = _collect(blocks, round(n_frames * sample_rate / rate), window, name)
        except soundfile.SoundFileError as error:
            raise ValueError(f"{name} cannot be decoded: {error}") from error
        # Of Ogg files that are damaged in their middle it is known only now.
        if cut := missing_part(file.extra_info):
            raise ValueError(f"{name} is damaged: {cut}.")
        return part


def _name(path: str | os.PathLike[str]) -> str:
    return f"The audio file {path if isinstance(path, Segment) else repr(os.fspath(path))}"


def _span(file: soundfile.SoundFile, path: str | os.PathLike[str], name: str) -> tuple[int, int]:
    """Return the number of the first frame of a file, or segment, and of that after the last."""
    n_frames, rate = count_frames(file, os.fspath(path), name), file.samplerate
    if not isinstance(path, Segment):
        return 0, n_frames
    first, duration = round(path.start * rate), n_frames / rate
    if first >= n_frames or (path.end or 0.0) > duration + _ROUNDING:
        raise ValueError(f"{name} lies beyond the end of the file, which lasts {duration:g} s.")
    last = n_frames if path.end is None else round(path.end * rate)
    return first, min(last, n_frames)


def _mono_blocks(
    file: soundfile.SoundFile, n_frames: int, sample_rate: int, name: str
) -> Iterator[NDArray[np.float32]]:
    """Yield the next frames, with channels averaged, at a sample rate."""
    stream = None
    if file.samplerate != sample_rate:
        stream = soxr.ResampleStream(file.samplerate, sample_rate, 1, dtype="float32", quality="HQ")
    n_left = n_frames
    while n_left:
        frames = file.read(min(n_left, _BLOCK), dtype="float32", always_2d=True)
        n_left -= len(frames)
        if not len(frames):
            if n_left > _ROUNDING * file.samplerate:
                raise ValueError(
                    f"{name} is truncated: it holds {n_frames - n_left} of {n_frames} frames."
                )
            n_left = 0
        block = frames[:, 0] if frames.shape[1] == 1 else frames.mean(axis=1)
        yield block if stream is None else stream.resample_chunk(block, last=not n_left)


def audio_span(path: str | os.PathLike[str]) -> tuple[int, int, int]:
    """Tell where a file, or a `Segment` of it, begins and ends, from its header if that knows.

    Parameters
    ----------
    path : str, path-like or Segment
        As in `read_audio`.

    Returns
    -------
    rate : int [Hz]
        The sample rate of the file.
    first, last : int
        Number of the first sample, and of the one after the last.

    Raises
    ------
    FileNotFoundError, PermissionError
        As in `read_audio`.
    ValueError
        If the file cannot be decoded, or a segment lies beyond its end.
    """
    name = _name(path)
    with open_audio(os.fspath(path), name) as file:
        return file.samplerate, *_span(file, path, name)


def _collect(
    blocks: Iterator[NDArray[np.float32]], n_expected: int, window: Window | None, name: str
) -> NDArray[np.float32]:
    """Check the samples of all blocks and keep a window of them, or all."""
    keeper = Whole() if window is None else window.keeper(n_expected)
    n_samples, n_bad, peak = 0, 0, 0.0
    for block in blocks:
        if not block.size:  # of a resampler that waits for more
            continue
        n_samples += block.size
        extremes = float(block.min()), float(block.max())
        if not all(map(math.isfinite, extremes)):
            n_bad += int(block.size - np.isfinite(block).sum())
        peak = max(peak, *map(abs, extremes))
        if not n_bad:
            keeper.add(block)
    if not n_samples:
        raise ValueError(f"{name} is empty: it holds 0 samples.")
    if n_bad:
        raise ValueError(f"{name} holds NaN or infinite samples: {n_bad} of {n_samples}.")
    if peak > _LOUDEST:
        raise ValueError(
            f"{name} has a peak of {peak:g}, but floats have full scale 1: pass integers as they "
            "are, or divide by their range."
        )
    if not peak:
        raise ValueError(f"{name} is silent: all of its {n_samples} samples are zero.")
    return keeper.result()


def _to_float(row: NDArray[Any]) -> NDArray[np.float32]:
    if row.dtype == np.uint8:
        # Unsigned 8-bit audio has its zero in the middle of the range.
        row = (row - 128.0) / 128.0
    elif row.dtype.kind == "i":
        row = row / -float(np.iinfo(row.dtype).min)
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is reported by its row
        return row.astype(np.float32)


def waveform_rows(X: Any) -> list[Any]:
    """List the rows of `X`: paths, or waveforms as one-dimensional arrays.

    Parameters
    ----------
    X : array-like or list or Target, of n rows
        Paths (list, array or Series of str, path-like or `Segment`), waveforms (list of
        one-dimensional arrays) or a two-dimensional array, shape (n, n_samples).

    Returns
    -------
    rows : list of str or path-like, or list of ndarray, shape (n_samples,)
        The rows in order; nothing is read yet.

    Raises
    ------
    TypeError
        If the rows are neither all paths nor all waveforms.
    ValueError
        If there is no row.
    """
    X = open_target(X)
    if isinstance(X, (Set, Mapping)):
        raise TypeError(f"X must be a list or an array; a {type(X).__name__} has no order of rows.")
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
    is_path = [isinstance(row, (str, os.PathLike)) for row in X]
    if all(is_path):
        return list(X)
    if any(is_path):
        odd = is_path.index(False)
        raise TypeError(f"X holds paths, but row {odd} is not one: {X[odd]!r}.")
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
            blocks = (_to_float(row[i : i + _BLOCK]) for i in range(0, len(row), _BLOCK))
            waveform = _collect(blocks, len(row), window, f"The waveform in row {n}")
        else:
            waveform = _read(row, sample_rate, window)
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
        warn_caller(
            f"{len(errors)} of {n_rows} rows cannot be used and stand as silence. "
            f"{' '.join(list(errors.values())[:_N_NAMED])}{rest}",
            AudioWarning,
        )


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
