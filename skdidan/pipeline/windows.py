"""Long recordings in windows of fixed length: trained on each, answered for the whole."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, MetaEstimatorMixin, is_classifier
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdidan.audio.files import (
    Segment,
    SilentAudioError,
    audio_span,
    convert_window,
    read_window,
)
from skdidan.audio.recordings import waveform_rows
from skdidan.domains import (
    Domains,
    check_missing,
    check_sample_domain,
    open_target,
    source_path,
)
from skdidan.estimators import GroupedEstimator
from skdidan.parameters import check_count, check_positive
from skdidan.pipeline.pipelines import AdaptationPipeline
from skdidan.pipeline.steps import (
    check_reach,
    fit_last,
    last_step,
    scores_pairs,
    send_through,
    unwrap,
)

__all__ = ["WindowedClassifier"]


def _estimator_has(method: str) -> Callable[[WindowedClassifier], bool]:
    return lambda meta: hasattr(getattr(meta, "estimator_", meta.estimator), method)


class WindowedClassifier(MetaEstimatorMixin, ClassifierMixin, GroupedEstimator):
    r"""Any classifier of audio, on windows of fixed length, averaged over each recording.

    A recording of :math:`n` samples is cut into

    .. math:: 1 + \Bigl\lceil \frac{\max(n - w, 0)}{h} \Bigr\rceil

    windows of `w` samples in steps of `h`; the last ends with the recording, however much it
    shares with the one before. A recording shorter than `w` is a window as it is. The classifier is
    trained on the windows, each with the label of its recording, and its answers to those of a
    recording are averaged.

    Parameters
    ----------
    estimator : classifier
        Its rows are recordings: an `AdaptationPipeline`, or a search over one, that begins with a
        transformer of audio. Where its spectrograms have a `duration`, this should be `window`:
        shorter windows are padded to it, and of longer ones a part would be lost. A copy is fitted.
    window : float > 0 [s], default=2.0
        Length of a window.
    hop : float > 0 [s], default=1.0
        Step from a window to the next; at most `window`.
    sample_rate : int > 0 [Hz], default=16000
        Rate that waveforms are taken to have; it must be that of the transformer. Files know their
        own.

    Attributes
    ----------
    estimator_ : classifier
        The classifier, fitted to windows.
    classes_ : ndarray, shape (n_classes,)
        The classes.

    See Also
    --------
    Segment : What stands for a window of a file.

    Notes
    -----
    Whatever holds out rows of this classifier, such as a search or its folds of speakers, holds out
    whole recordings. What is held out inside of `estimator`, by its ``validation_fraction``, is
    whole groups, or recordings where there are no groups. A search inside of `estimator` holds
    out groups if its splitter does and `fit` is given any; without, windows of a recording stand on
    both sides of its folds.

    A recording counts for as many rows of the training as it has windows. Set anew after `fit`,
    `window` and `hop` hold for what is asked from then on.

    Windows of a file are `Segment` objects, of which nothing is read until they are transformed. A
    file that cannot be opened is left whole, for the transformer to name. Windows of digital
    silence, as of a pause that was muted, are left out where there are others, once the transformer
    refuses one; by ``on_error="warn"`` it refuses none, and they count.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import CorpusScaler, DIDANClassifier, LogMelSpectrogram, WindowedClassifier
    >>> from skdidan import make_adaptation_pipeline
    >>> rng = np.random.default_rng(0)
    >>> X_src = [rng.normal(scale=0.1, size=n) for n in (8000, 20_000, 12_000, 30_000)]
    >>> pipeline = make_adaptation_pipeline(
    ...     LogMelSpectrogram(duration=0.5), CorpusScaler(), DIDANClassifier(max_epochs=1)
    ... )
    >>> classifier = WindowedClassifier(pipeline, window=0.5, hop=0.25)
    >>> classifier.fit(X_src, ["anger", "fear", "anger", "fear"], X_src[:3])
    WindowedClassifier(...)
    >>> classifier.predict_proba(X_src).shape
    (4, 2)
    """

    def __init__(
        self,
        estimator: Any,
        *,
        window: float = 2.0,
        hop: float = 1.0,
        sample_rate: int = 16_000,
    ) -> None:
        self.estimator = estimator
        self.window = window
        self.hop = hop
        self.sample_rate = sample_rate

    def _check_domains(self, domains: Domains) -> Domains:
        """By default each recording is a group, so that a validation set holds whole ones."""
        check_missing(domains.y_src, "y of the source")
        if domains.groups is None and _takes_groups(self.estimator):
            return replace(domains, groups=np.arange(domains.n_source))
        return domains

    def _fit(self, domains: Domains) -> None:
        if domains.X_tgt is not None:
            check_reach([("estimator", self.estimator)])

        def fit(has_silence: bool) -> Any:
            windows, rows = self._cut(domains.X_src, has_silence)
            windows_tgt, rows_tgt = None, np.empty(0, dtype=int)
            if domains.X_tgt is not None:
                windows_tgt, rows_tgt = self._cut(domains.X_tgt, has_silence)
            parts = [("X", rows), ("X_tgt", rows_tgt)]
            cut = domains.cut(windows, rows, windows_tgt, rows_tgt)
            with _naming_recordings([] if hasattr(self.estimator, "estimator") else parts):
                return fit_last("estimator", self.estimator, cut)

        self.estimator_ = _but_for_silence(fit)
        self.classes_ = self.estimator_.classes_

    def predict(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Predict the class of each recording.

        Parameters
        ----------
        X : array-like, list or Target, of n_samples rows
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for recordings of the source; told to an `AdaptationPipeline`.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The class of the highest mean probability over the windows; by a classifier without
            probabilities that of the highest mean score, or else of the most windows.
        """
        check_is_fitted(self)
        are_of_pairs = scores_pairs(last_step(self.estimator_))
        for method in ("predict_proba", "decision_function"):
            if _estimator_has(method)(self) and not (are_of_pairs and method[0] == "d"):
                scores = self._average(method, X, sample_domain)
                if scores.ndim == 1:
                    return self.classes_[(scores > 0).astype(int)]
                return self.classes_[scores.argmax(axis=1)]
        return self.classes_[self._average("predict", X, sample_domain).argmax(axis=1)]

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(
        self, X: Any, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Average the class probabilities of the windows of each recording.

        Parameters
        ----------
        X : array-like, list or Target, of n_samples rows
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for recordings of the source; told to an `AdaptationPipeline`.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._average("predict_proba", X, sample_domain)

    @available_if(_estimator_has("decision_function"))
    def decision_function(
        self, X: Any, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Average the scores of the windows of each recording.

        Parameters
        ----------
        X : array-like, list or Target, of n_samples rows
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for recordings of the source; told to an `AdaptationPipeline`.

        Returns
        -------
        scores : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            As the classifier gives them.
        """
        return self._average("decision_function", X, sample_domain)

    def embed(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[np.floating]:
        """Average the features of the windows of each recording.

        Parameters
        ----------
        X : array-like, list or Target, of n_samples rows
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for recordings of the source; told to an `AdaptationPipeline`.

        Returns
        -------
        features : ndarray of float, shape (n_samples, n_features_out)
            The mean of the inputs of the output layer of a network (see `DIDANClassifier`), or of
            what any other classifier is given.

        Raises
        ------
        TypeError
            If the classifier is given recordings as they are, without a transformer before it.
        """
        return self._average("embed", X, sample_domain)

    def _average(
        self, method: str, X: Any, sample_domain: ArrayLike | None
    ) -> NDArray[np.floating]:
        """Average what a method says of the windows of each recording."""
        check_is_fitted(self)
        self._check_parameters()
        X = open_target(X)
        domain = None if sample_domain is None else check_sample_domain(X, sample_domain)

        def ask(has_silence: bool) -> tuple[NDArray[Any], NDArray[np.int64]]:
            windows, rows = self._cut(X, has_silence)
            path = None if domain is None else domain[rows]
            with _naming_recordings([("X", rows)]):
                if method == "embed":
                    return _embeddings(*send_through(self.estimator_, windows, path)), rows
                answer = getattr(unwrap(self.estimator_), method)
                return np.asarray(answer(windows, **source_path(answer, path))), rows

        values, rows = _but_for_silence(ask)
        if method == "predict":
            values = values[:, np.newaxis] == self.classes_
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        sums = np.add.reduceat(values, starts, axis=0, dtype=float)
        return (sums.T / np.bincount(rows)).T

    def _cut(self, X: Any, has_silence: bool) -> tuple[list[Any], NDArray[np.int64]]:
        """List the windows of all recordings, and which recording each is of."""
        recordings = waveform_rows(X)
        if isinstance(recordings[0], np.ndarray):
            self._check_rate()
        parts = [self._windows(recording) for recording in recordings]
        if not has_silence:
            # A recording of nothing else is left for the transformer to name.
            parts = [[row for row in part if not self._is_silent(row)] or part for part in parts]
        rows = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return [window for part in parts for window in part], rows

    def _is_silent(self, window: Any) -> bool:
        try:
            if isinstance(window, np.ndarray):
                convert_window(window, "")
            else:
                read_window(window, self.sample_rate)
        except SilentAudioError:
            return True
        except (OSError, TypeError, ValueError):  # which the transformer reports in its own way
            pass
        return False

    def _windows(self, row: Any) -> list[Any]:
        if isinstance(row, np.ndarray):
            starts, size = self._starts(len(row), self.sample_rate)
            return [row[start : start + size] for start in starts]
        try:
            rate, first, last = audio_span(row)
        except (OSError, ValueError):
            return [row]  # which the transformer reports in its own way
        starts, size = self._starts(last - first, rate)
        if len(starts) == 1:
            return [row]
        ends = [min(first + start + size, last) for start in starts]
        return [
            Segment(os.fspath(row), (first + start) / rate, end / rate)
            for start, end in zip(starts, ends, strict=True)
        ]

    def _starts(self, n_samples: int, rate: int) -> tuple[list[int], int]:
        """Return the first samples of the windows, and how many samples each has."""
        size, step = (max(1, round(seconds * rate)) for seconds in (self.window, self.hop))
        last = max(n_samples - size, 0)
        return [*range(0, last, step), last], size

    def _check_parameters(self) -> None:
        if not is_classifier(self.estimator):
            raise TypeError(
                "estimator must be a classifier, or a pipeline or search that ends in one; got "
                f"{self.estimator!r}."
            )
        check_count("sample_rate", self.sample_rate)
        check_positive("window", self.window)
        check_positive("hop", self.hop)
        if self.hop > self.window:
            raise ValueError(
                f"hop must not exceed window, or parts of a recording would lie in none; got "
                f"{self.hop} > {self.window} s."
            )
        for name, duration in self._numbers("duration"):
            if duration < self.window:
                raise ValueError(
                    "window must not exceed the duration of the spectrograms, which is all that "
                    f"they hold of it; got window={self.window} and {name}={duration} s."
                )

    def _check_rate(self) -> None:
        for name, rate in self._numbers("sample_rate"):
            if rate != self.sample_rate:
                raise ValueError(
                    "sample_rate must be that which the transformer takes waveforms to have; got "
                    f"sample_rate={self.sample_rate} and {name}={rate} Hz."
                )

    def _numbers(self, parameter: str) -> Iterator[tuple[str, float]]:
        """Find a parameter of the steps, wherever it is a number."""
        for name, value in self.estimator.get_params().items():
            if name.split("__")[-1] == parameter and isinstance(value, Real):
                yield name, float(value)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _takes_groups(estimator: Any) -> bool:
    """Tell whether groups given to ``fit`` come to a classifier that takes them."""
    while isinstance(estimator, AdaptationPipeline):
        estimator = estimator[-1]
    return has_fit_parameter(estimator, "groups")


def _embeddings(last: Any, Z: Any) -> NDArray[Any]:
    """Return what the last layer of a network takes, or what any other classifier is given."""
    if hasattr(last, "embed"):
        return last.embed(Z)
    if isinstance(Z, list):
        raise TypeError(
            f"embed averages features, but {type(last).__name__} is given recordings as they are. "
            "Begin the estimator with a transformer of audio, such as Functionals."
        )
    return np.asarray(Z)


def _but_for_silence(call: Callable[[bool], Any]) -> Any:
    """Call with all windows, and, if one of them is silent, again with those that are not."""
    try:
        return call(True)
    except ValueError as error:
        # A search names the errors of its fits in one of its own.
        if not isinstance(error, SilentAudioError) and SilentAudioError.__name__ not in str(error):
            raise
    return call(False)


@contextmanager
def _naming_recordings(parts: Sequence[tuple[str, ArrayLike]]) -> Iterator[None]:
    """Say of an error that names the row of a waveform which recording that window is of."""
    try:
        yield
    except ValueError as error:
        if parts and (found := re.search(r"[Tt]he waveform in row (\d+)", str(error))):
            row = int(found[1])
            places = {
                f"recording {rows[row]} of {name}": None
                for name, rows in ((name, np.asarray(rows)) for name, rows in parts)
                if row < len(rows)
            }
            error.add_note(f"Rows are windows here; this one is of {' or of '.join(places)}.")
        raise
