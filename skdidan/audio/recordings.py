"""The base of all audio transformers, and the loader of waveforms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from skdidan.archive import replaced_file
from skdidan.audio.cache import RowCache, make_cache_folder
from skdidan.audio.cropping import Floats, Window, whole
from skdidan.audio.mapped import RowFile
from skdidan.audio.reports import (
    AudioWarning,
    DoubtfulAudioWarning,
    report_doubtful,
    report_unusable,
)
from skdidan.audio.rows import Convert, read_rows, row_name, waveform_rows
from skdidan.parameters import check_count, check_jobs, check_option, check_path, check_verbose
from skdidan.stopwatch import feature_work

__all__ = ["AudioLoader", "AudioTransformer", "AudioWarning", "DoubtfulAudioWarning"]


class AudioTransformer(TransformerMixin, BaseEstimator):
    """Base of the stateless transformers whose rows are paths or waveforms.

    The `_converter` of a subclass returns the function from a waveform to a row; the row is an
    array of numbers and must not depend on other rows. `_check_parameters`, `_window` (the part of
    each waveform to read) and `_stack` (from rows to output) may be overridden, too. A subclass may
    add parameters.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate of the waveforms; files of another rate are resampled.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a recording that cannot be used, or use silence and report an
        `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the row of each recording; None caches nothing.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan.audio import AudioTransformer
    >>> class Peak(AudioTransformer):
    ...     def _converter(self):
    ...         return lambda waveform: np.abs(waveform).max(keepdims=True)
    >>> Peak(sample_rate=10).fit_transform([[0.1, -0.5, 0.2], [0.0, 0.25]])
    array([[0.5 ],
           [0.25]], dtype=float32)
    """

    #: Parameters that do not change the values of a row.
    not_in_cache_key: ClassVar = frozenset({"on_error", "memory", "n_jobs", "verbose"})
    # A plain Pipeline, or a search, routes it without being asked to.
    __metadata_request__fit: ClassVar = {"X_tgt": True}

    def __init__(
        self,
        sample_rate: int = 16_000,
        *,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.sample_rate = sample_rate
        self.on_error = on_error
        self.memory = memory
        self.n_jobs = n_jobs
        self.verbose = verbose

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

        Raises
        ------
        ValueError
            If a parameter is out of range, or `memory` cannot be a folder.
        TypeError
            If the rows are neither all paths nor all waveforms.
        """
        self._check_parameters()
        make_cache_folder(self.memory)
        self._rows(X)
        self._is_fitted = True  # from now on a folder that is absent is left so
        return self

    def transform(self, X: Any) -> Any:
        """Compute the row of each recording, or read it from `memory`.

        Parameters
        ----------
        X : list, array-like or Target, of n rows
            Paths in any container (also of pandas, polars or pyarrow), a list of waveforms, each
            of shape (n_samples,), or an array of waveforms, shape (n, n_samples). Waveforms must
            have the rate `sample_rate`. Floats have full scale 1; integers (uint8, int8, int16,
            int32) are scaled by the range of their type.

        Returns
        -------
        features : ndarray of float32, shape (n, ...), or list of n ndarray
            One row per recording, in order; see the class for its shape.

        Raises
        ------
        FileNotFoundError, ValueError
            If a parameter is out of range; with ``on_error="raise"``, if a row cannot be used;
            if padding recordings of different lengths takes more than 4 GiB.
        ImportError
            If a parameter needs a package that is missing, or librosa cannot be loaded.
        TypeError
            If the rows are neither all paths nor all waveforms.

        Warns
        -----
        AudioWarning
            With ``on_error="warn"``, once per call, if rows cannot be used.
        DoubtfulAudioWarning
            Once per call, if files that are read are shorter than 0.1 s or below -80 dB.
        UserWarning
            Once per call, if `memory` cannot be written to.
        """
        with feature_work():
            self._check_parameters()
            rows = self._rows(X)
            features = self._allocate(len(rows))
            self._fill(features, rows)
            return self._stack(features)

    def to_memmap(self, X: Any, path: str | os.PathLike[str]) -> np.memmap[Any, Any]:
        """Compute the row of each recording into a file, and map the features from there.

        The features of many recordings need no memory: each row is written as soon as it is
        computed. The networks train on such an array batch by batch.

        Parameters
        ----------
        X : list, array-like or Target, of n rows
            As in `transform`.
        path : str or path-like
            The ``.npy`` file, which is replaced once all rows are there.

        Returns
        -------
        features : memmap of float32, shape (n, ...)
            The values of `transform`, read-only.

        Raises
        ------
        FileNotFoundError, ValueError, ImportError, TypeError
            As in `transform`, if the rows differ in shape, or if `path` is no path.
        OSError
            If the file cannot be written, or `path` is a folder or a device.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np
        >>> from skdidan import LogMelSpectrogram
        >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 16000))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     X = LogMelSpectrogram(duration=1.0).to_memmap(noise, f"{folder}/source.npy")
        ...     X.shape
        (2, 64, 101)
        """
        path = os.path.expanduser(check_path("path", path))
        with feature_work():
            self._check_parameters()
            rows = self._rows(X)
            with replaced_file(path) as file:
                self._fill(RowFile(file, len(rows)), rows)
        return np.lib.format.open_memmap(path, mode="r")

    def _fill(self, features: Any, rows: list[Any]) -> None:
        """Assign the row of each recording to its number in `features`."""
        cache = RowCache(self)
        keys = [cache.key(row) for row in rows]
        missing = {}
        for number, key in enumerate(keys):
            stored = cache.read(key)
            if stored is None:
                missing[number] = rows[number]
            else:
                features[number] = stored
        if missing:
            self._compute(missing, features, lambda n, row: cache.write(keys[n], row))

    def _compute(
        self, rows: dict[int, Any], features: Any, store: Callable[[int, NDArray[Any]], None]
    ) -> None:
        """Compute rows and store each at once; replace bad rows by silence, with a warning."""
        convert, finish = self._stages()
        window = self._window()
        bad: dict[int, str] = {}
        doubts: dict[int, str] = {}
        results = read_rows(
            convert,
            rows,
            sample_rate=self.sample_rate,
            keep=window or whole,
            n_jobs=self.n_jobs,
            block_size=self._block_size(),
            verbose=self.verbose,
            doubts=doubts,
        )
        with closing(results):
            for number, row in zip(rows, finish(results), strict=True):
                if not isinstance(row, Exception) and not np.isfinite(row).all():
                    row = self._not_finite(row_name(rows[number], number), row)
                if not isinstance(row, Exception):
                    features[number] = row
                    store(number, row)
                elif self.on_error == "raise":
                    row.add_note(
                        'on_error="warn" replaces all such rows by silence and reports them.'
                    )
                    raise row
                else:
                    bad[number] = str(row)
        if bad:
            n_samples = self.sample_rate if window is None else window.n_samples
            silence = np.zeros(min(n_samples, self.sample_rate), dtype=np.float32)
            (stand_in,) = finish(iter([convert(silence)]))
            for number in bad:
                features[number] = stand_in.copy()
            report_unusable(bad, len(features))
        if doubts:
            report_doubtful(doubts, len(features))

    def _not_finite(self, recording: str, row: NDArray[Any]) -> ValueError:
        """Return the error for features of a recording that are NaN or infinite."""
        bad = np.flatnonzero(~np.isfinite(row))
        names: Any = getattr(self, "get_feature_names_out", list)()
        first = repr(names[bad[0]]) if len(names) == np.size(row) else f"number {bad[0]}"
        return ValueError(
            f"{recording} gives {len(bad)} of {np.size(row)} features that are not finite, the "
            f"first {first}. It may hold next to no sound."
        )

    def _check_parameters(self) -> None:
        check_count("sample_rate", self.sample_rate)
        check_option("on_error", self.on_error, ("raise", "warn"))
        check_jobs("n_jobs", self.n_jobs)
        check_verbose(self.verbose)

    def _rows(self, X: Any) -> list[Any]:
        return waveform_rows(X)

    def _window(self) -> Window | None:
        """Return the part of each waveform to read; None is all."""
        return None

    def _block_size(self) -> int | None:
        """Return how many rows may be read before the first of them is finished; None is all."""
        return None

    def _converter(self) -> Convert:
        """Return the function from a waveform to its row."""
        # Not abstract: a subclass may define `_stages` in its place, as `Embeddings` does.
        raise NotImplementedError(f"{type(self).__name__} must define _converter.")

    def _stages(self) -> tuple[Convert, Callable[[Iterator[Any]], Iterator[Any]]]:
        """Return the function of each job, and that from the iterator of results to one of rows.

        The second keeps the order and passes on exceptions. By default the results are the rows.
        """
        return self._converter(), iter

    def _allocate(self, n_rows: int) -> Any:
        """Return a list or an array to be filled with rows."""
        return [None] * n_rows

    def _stack(self, features: Any) -> Any:
        """Return the output for the rows that `_allocate` made room for."""
        return np.stack(features)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        # The rows of a two-dimensional array must be waveforms, not any numbers.
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


class AudioLoader(AudioTransformer):
    """Read audio files as mono float32 waveforms at one sample rate.

    ``transform`` takes paths and returns a list of waveforms, shape (n_samples,), full scale 1.

    Parameters
    ----------
    sample_rate : int > 0 [Hz], default=16000
        Rate of the waveforms; files of another rate are resampled.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a file that cannot be used, or use one second of zeros and report an
        `AudioWarning`. No row is dropped, since rows must stay aligned with labels. A transformer
        that takes the waveforms meets the zeros as silence: give it the same `on_error`, or paths.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the waveform of each recording; None caches nothing.
    n_jobs : int, optional
        Number of parallel threads, as in joblib: None is 1, -1 is all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    See Also
    --------
    read_audio : The same for one file.
    LogMelSpectrogram : Takes paths directly, so that the waveforms are never in memory together.

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

    def _converter(self) -> Convert:
        return np.asarray

    def _stack(self, features: list[Floats]) -> list[Floats]:
        return features

    def _rows(self, X: Any) -> list[Any]:
        rows = super()._rows(X)
        if isinstance(rows[0], np.ndarray):
            raise TypeError(
                "AudioLoader takes paths; X holds waveforms already. Pass them to the next step."
            )
        return rows
