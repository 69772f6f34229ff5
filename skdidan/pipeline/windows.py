"""Classify long recordings by windows of fixed length."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import compress
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, is_classifier
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdidan.audio.files import Segment, audio_span, find_sound
from skdidan.audio.rows import waveform_rows
from skdidan.domains import (
    check_missing,
    n_rows,
    open_target,
    source_groups,
    source_path,
    source_rows,
    split_domains,
    take_rows,
)
from skdidan.parameters import check_count, check_positive
from skdidan.pipeline.pipelines import AdaptationPipeline
from skdidan.pipeline.steps import last_step, scores_pairs, send_through, unwrap

__all__ = ["WindowedClassifier"]


def _estimator_has(method: str) -> Callable[[WindowedClassifier], bool]:
    return lambda meta: hasattr(getattr(meta, "estimator_", meta.estimator), method)


class WindowedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    r"""Train a classifier on windows of recordings and average its predictions per recording.

    A recording of :math:`n` samples is cut into

    .. math:: 1 + \Bigl\lceil \frac{\max(n - w, 0)}{h} \Bigr\rceil

    windows of `w` samples in steps of `h`. The last window ends with the recording and may overlap
    more with the one before. A recording shorter than `w` is one window. The classifier is trained
    on all windows, each with the label of its recording; its predictions are averaged over the
    windows of a recording.

    Parameters
    ----------
    estimator : classifier
        A classifier of recordings: an `AdaptationPipeline`, or a search over one, that begins with
        an audio transformer. The `duration` of its spectrograms should equal `window`: shorter
        windows are padded, and longer ones would lose a part. A copy is fitted.
    window : float > 0 [s], default=2.0
        Length of a window.
    hop : float > 0 [s], default=1.0
        Step between windows; at most `window`.
    sample_rate : int > 0 [Hz], default=16000
        Rate of waveforms, equal to that of the audio transformer. Files are cut at their own rate.

    Attributes
    ----------
    estimator_ : classifier
        The classifier, fitted to windows.
    classes_ : ndarray, shape (n_classes,)
        The classes.

    See Also
    --------
    Segment : A window of a file.

    Notes
    -----
    A search over this classifier, with any folds, holds out whole recordings. Inside `estimator`,
    ``validation_fraction`` holds out whole groups, or whole recordings without groups. A search
    inside `estimator` holds out groups if its splitter does and `fit` gets groups; otherwise
    windows of one recording are on both sides of its folds.

    A recording counts as many times in the training as it has windows. If `window` and `hop` are
    set after `fit`, they apply to later predictions.

    Windows of a file are `Segment` objects. Windows of digital silence, such as a muted pause, are
    left out if the recording has others, unless an audio transformer has ``on_error="warn"``. To
    find them, each recording is decoded once before the transformer reads its windows. An error in
    a waveform names its row in `X` or `X_tgt`; a file that cannot be read is passed on whole, and
    the transformer's error names it.

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

    # A plain Pipeline, or a search, routes these without being asked to; groups are its splitter's.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": True, "groups": False}

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

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Cut the recordings into windows and train the classifier on them.

        Parameters
        ----------
        X : array-like or list, of n_source rows
            Recordings of the source: paths, or waveforms of shape (n_samples,) each; with
            `sample_domain` both domains stacked.
        y : array-like, of as many entries as X
            Their labels. Entries of target rows are dropped unread.
        X_tgt : array-like, list or Target, of n_target rows, optional
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row.
        groups : array-like, of as many entries as X, optional
            The group of each recording, such as its speaker, for the classifier. By default each
            recording is a group, if the classifier takes groups.

        Returns
        -------
        self : WindowedClassifier
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is out of range, the domains do not fit together, or a recording cannot
            be used.
        TypeError
            If the rows are neither all paths nor all waveforms; if `estimator` is not a classifier,
            does not pass the target on to an estimator inside it, or takes no groups but gets some.

        Warns
        -----
        NoTargetWarning
            By the classifier, if it takes a target and none is given.
        """
        if not is_classifier(self.estimator):
            raise TypeError(
                "estimator must be a classifier, or a pipeline or search that ends in one; got "
                f"{self.estimator!r}."
            )
        X, X_tgt = open_target(X), open_target(X_tgt)
        _, y_src, _ = split_domains(X, y, X_tgt, sample_domain=sample_domain)
        check_missing(y_src, "y of the source")
        source_groups(X, groups, sample_domain)
        if groups is None and _takes_groups(self.estimator):
            groups = np.arange(n_rows(X))
        domain = None if sample_domain is None else np.asarray(sample_domain)

        judged = _refuses_silence(self.estimator)
        windows, rows = self._cut(X, "X", judged)
        windows_tgt = None if X_tgt is None else self._cut(X_tgt, "X_tgt", judged)[0]
        pipeline = AdaptationPipeline([("estimator", self.estimator)]).fit(
            windows,
            None if y is None else take_rows(y, rows),
            windows_tgt,
            sample_domain=None if domain is None else domain[rows],
            groups=None if groups is None else np.asarray(groups)[rows],
        )
        self.estimator_ = pipeline[-1]
        self.classes_ = self.estimator_.classes_
        return self

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
            The class with the highest mean probability over the windows. Without probabilities, the
            class with the highest mean score; without scores, the class of the most windows.
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
            Averages of the scores of the classifier.
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
            Mean of the inputs to the output layer of a network (see `DIDANClassifier`), or to any
            other classifier.

        Raises
        ------
        TypeError
            If no transformer comes before the classifier, so that its inputs are recordings.
        """
        return self._average("embed", X, sample_domain)

    def _average(
        self, method: str, X: Any, sample_domain: ArrayLike | None
    ) -> NDArray[np.floating]:
        """Average the results of a method over the windows of each recording."""
        check_is_fitted(self)
        X = open_target(X)
        domain = None if sample_domain is None else np.asarray(sample_domain)
        if domain is not None:
            source_rows(X, domain)

        windows, rows = self._cut(X, "X", _refuses_silence(self.estimator_))
        path = None if domain is None else domain[rows]
        if method == "embed":
            values = _embeddings(*send_through(self.estimator_, windows, path))
        else:
            call = getattr(unwrap(self.estimator_), method)
            values = np.asarray(call(windows, **source_path(call, path)))
        if method == "predict":
            values = values[:, np.newaxis] == self.classes_
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        sums = np.add.reduceat(values, starts, axis=0, dtype=float)
        return (sums.T / np.bincount(rows)).T

    def _cut(self, X: Any, name: str, judged: bool) -> tuple[list[Any], NDArray[np.int64]]:
        """List the windows of all recordings, and the number of the recording of each.

        If judged, windows without sound are left out where a recording has others.
        """
        self._check_parameters()
        recordings = waveform_rows(X)
        if isinstance(recordings[0], np.ndarray):
            self._check_rate()
            parts = [
                self._cut_waveform(recording, f"The waveform in row {n} of {name}", judged)
                for n, recording in enumerate(recordings)
            ]
        else:
            parts = [self._cut_file(recording, judged) for recording in recordings]
        rows = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return [window for part in parts for window in part], rows

    def _cut_waveform(self, row: NDArray[Any], name: str, judged: bool) -> list[NDArray[Any]]:
        bounds = self._bounds(len(row), self.sample_rate)
        if judged:
            bounds = list(compress(bounds, find_sound(row, bounds, name)))
            if not bounds:
                raise ValueError(f"{name} is silent in each of its windows.")
        return [row[start:stop] for start, stop in bounds]

    def _cut_file(self, row: Any, judged: bool) -> list[Any]:
        try:
            rate, first, last = audio_span(row)
            bounds = self._bounds(last - first, rate)
            if len(bounds) == 1:
                return [row]
            # If no window holds sound, keep all: the transformer will refuse and name one.
            bounds = (list(compress(bounds, find_sound(row, bounds))) if judged else []) or bounds
        except (OSError, ValueError):
            return [row]  # the transformer will refuse and name it
        return [
            Segment(os.fspath(row), (first + start) / rate, (first + stop) / rate)
            for start, stop in bounds
        ]

    def _bounds(self, n_samples: int, rate: int) -> list[tuple[int, int]]:
        """Return the first sample of each window, and the one after its last."""
        size, step = (max(1, round(seconds * rate)) for seconds in (self.window, self.hop))
        last = max(n_samples - size, 0)
        return [(start, min(start + size, n_samples)) for start in [*range(0, last, step), last]]

    def _check_parameters(self) -> None:
        check_count("sample_rate", self.sample_rate)
        check_positive("window", self.window)
        check_positive("hop", self.hop)
        if self.hop > self.window:
            raise ValueError(
                f"hop must not exceed window, or windows would miss parts of a recording; got "
                f"{self.hop} > {self.window} s."
            )
        for name, duration in self._numbers("duration"):
            if duration < self.window:
                raise ValueError(
                    "window must not exceed the duration of the spectrograms, which would crop it; "
                    f"got window={self.window} and {name}={duration} s."
                )

    def _check_rate(self) -> None:
        for name, rate in self._numbers("sample_rate"):
            if rate != self.sample_rate:
                raise ValueError(
                    "sample_rate must equal that of the audio transformer; got "
                    f"sample_rate={self.sample_rate} and {name}={rate} Hz."
                )

    def _numbers(self, parameter: str) -> Iterator[tuple[str, float]]:
        """Yield the values of a parameter of the steps that are numbers, with their names."""
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
    """Tell whether ``fit`` passes groups on to a classifier that takes them."""
    while isinstance(estimator, AdaptationPipeline):
        estimator = estimator[-1]
    return has_fit_parameter(estimator, "groups")


def _embeddings(last: Any, Z: Any) -> NDArray[Any]:
    """Return the inputs to the output layer of a network, or to any other classifier."""
    if hasattr(last, "embed"):
        return last.embed(Z)
    if isinstance(Z, list):
        raise TypeError(
            f"embed averages features, but the inputs of {type(last).__name__} are recordings. "
            "Begin the estimator with an audio transformer, such as Functionals."
        )
    return np.asarray(Z)


def _refuses_silence(estimator: Any) -> bool:
    """Tell whether audio transformers in an estimator raise an error for silence."""
    params = estimator.get_params().items()
    settings = [value for name, value in params if name.split("__")[-1] == "on_error"]
    return bool(settings) and all(value == "raise" for value in settings)
