"""Long recordings in windows of fixed length: trained on each, predicted for the whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from itertools import compress
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import MetaEstimatorMixin, is_classifier
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdidan.audio.files import Segment, audio_span, channel_of, find_sound
from skdidan.audio.reports import as_windows
from skdidan.audio.rows import waveform_rows
from skdidan.domains import Domains, check_sample_domain, open_target, source_path
from skdidan.estimators import GroupedEstimator
from skdidan.labels import is_missing
from skdidan.parameters import check_count, check_positive
from skdidan.pipeline.adapting import adapt_if
from skdidan.pipeline.pipelines import AdaptationPipeline
from skdidan.pipeline.refinement import Refiner
from skdidan.pipeline.steps import (
    check_reach,
    current_inner,
    draws_groups,
    find_parameters,
    find_parts,
    fit_last,
    last_step,
    mark_missing,
    scores_pairs,
    send_through,
    set_inner,
    unwrap,
    waits_for_target,
    weight_params,
)
from skdidan.probabilities import DomainwiseClassifier

__all__ = ["WindowedClassifier"]


def _estimator_has(method: str) -> Callable[[WindowedClassifier], bool]:
    return lambda meta: hasattr(current_inner(meta), method)


class WindowedClassifier(MetaEstimatorMixin, DomainwiseClassifier, GroupedEstimator):
    r"""Classify recordings by windows of fixed length, averaging the predictions.

    A recording of :math:`n` samples is cut into

    .. math:: 1 + \Bigl\lceil \frac{\max(n - w, 0)}{h} \Bigr\rceil

    windows of `w` samples in steps of `h`. The last window ends with the recording, and a recording
    shorter than `w` is one window. The classifier is trained on the windows, each with the label of
    its recording, and its predictions for the windows of a recording are averaged.

    Parameters
    ----------
    estimator : classifier
        Classifier of recordings: an `AdaptationPipeline` that begins with an audio transformer, or
        a search over one. If its spectrograms have a `duration`, set it to `window`: shorter
        windows are padded, and longer ones are cropped. A copy is fitted.
    window : float > 0 [s], default=2.0
        Length of a window.
    hop : float > 0 [s], default=1.0
        Step from a window to the next; at most `window`.
    sample_rate : int > 0 [Hz], default=16000
        Sample rate of waveforms, that of the transformer. Files are cut at their own rate.

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
    A search over this classifier holds out whole recordings. The ``validation_fraction`` of a
    network inside holds out whole groups, or recordings if there are no groups. A search inside
    holds out groups if its splitter does and `fit` gets them; otherwise windows of one recording
    stand on both sides of its folds.

    A recording counts in training as often as it has windows. `window` and `hop` may be changed
    after `fit`, for later predictions.

    Windows of a file are `Segment` objects. Windows of digital silence, as in a muted pause, are
    left out if a recording has others, unless a transformer replaces silence instead of raising an
    error (``on_error="warn"``), and then do not count in predictions. For this each recording is
    decoded once before the transformer reads its windows. A file that cannot be read is left whole,
    and the transformer's error names it; an error of a waveform names its row in `X` or `X_tgt`.

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

    _kept: ClassVar = frozenset({"estimator_"})

    def __init__(
        self, estimator: Any, *, window: float = 2.0, hop: float = 1.0, sample_rate: int = 16_000
    ) -> None:
        self.estimator = estimator
        self.window = window
        self.hop = hop
        self.sample_rate = sample_rate

    def _check_domains(self, domains: Domains) -> Domains:
        """Use each recording as a group if none are given, so that whole ones are held out."""
        if domains.groups is None and _takes_groups(self.estimator):
            return replace(domains, groups=np.arange(domains.n_source))
        return domains

    def _fit(self, domains: Domains) -> None:
        if domains.X_tgt is not None:
            check_reach([("estimator", self.estimator)])
        judged = _refuses_silence(self.estimator)
        source, target = domains.places()
        windows, rows = self._cut(domains.X_src, source, judged)
        windows_tgt, rows_tgt = None, np.empty(0, dtype=int)
        if domains.X_tgt is not None:
            windows_tgt, rows_tgt = self._cut(domains.X_tgt, target, judged)
        cut = domains.cut(windows, rows, windows_tgt, rows_tgt)
        before, weights = (
            getattr(self, "estimator_", None),
            weight_params(self.estimator, cut.weights),
        )
        self.estimator_ = fit_last("estimator", self.estimator, cut, before=before, params=weights)
        self.classes_ = self.estimator_.classes_

    @adapt_if(lambda windowed: waits_for_target(current_inner(windowed)), current_inner)
    def adapt(self, X_tgt: Any) -> Self:
        """Adapt the fitted classifier to the windows of a new target, without the source.

        Parameters
        ----------
        X_tgt : array-like, list or Target, of n_target rows
            Recordings of the target.

        Returns
        -------
        self : object
            The adapted classifier.
        """
        check_is_fitted(self)
        self._check_parameters()
        judged = _refuses_silence(self.estimator_)
        windows, rows = self._cut(open_target(X_tgt), lambda n: f"row {n} of X_tgt", judged)
        with as_windows(rows):
            self.estimator_ = deepcopy(self.estimator_).adapt(windows)
        return self

    def set_params(self, **params: Any) -> Self:
        """Set parameters; after `fit`, ``estimator__parameter`` also sets that of `estimator_`."""
        super().set_params(**params)
        set_inner(self, params)
        return self

    def predict(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Predict the class of each recording.

        Parameters
        ----------
        X : array-like, list or Target, of n_samples rows
            Recordings of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for recordings of the source, which an `AdaptationPipeline` transforms as such.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Class of the highest mean probability over the windows; without probabilities that of
            the highest mean score, or else of the most windows. None, or NaN for classes that are
            floats, if no window can be used, as in `AdaptationPipeline.predict`.
        """
        check_is_fitted(self)
        are_of_pairs = scores_pairs(last_step(self.estimator_))
        for method in ("predict_proba", "decision_function"):
            if _estimator_has(method)(self) and not (are_of_pairs and method[0] == "d"):
                break
        else:
            method = "predict"
        scores = self._average(method, X, sample_domain)
        if scores.ndim == 1:
            scores = np.column_stack([-scores, scores])
        missing = np.flatnonzero(np.isnan(scores).any(axis=1))
        return mark_missing(self.classes_[scores.argmax(axis=1)], missing)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Average the class probabilities of the windows of each recording.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._average("predict_proba", X, sample_domain)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Average the scores of the windows of each recording.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        scores : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            As the classifier gives them.
        """
        return self._average("decision_function", X, sample_domain)

    def embed(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Average the features of the windows of each recording.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        features : ndarray of float, shape (n_samples, n_features_out)
            Mean inputs of the output layer of a network, or of any other classifier.

        Raises
        ------
        TypeError
            If no transformer stands before the classifier.
        """
        return self._average("embed", X, sample_domain)

    def _average(self, method: str, X: Any, sample_domain: ArrayLike | None) -> NDArray[Any]:
        """Average the result of a method over the windows of each recording."""
        check_is_fitted(self)
        self._check_parameters()
        X = open_target(X)
        domain = None if sample_domain is None else check_sample_domain(X, sample_domain)
        windows, rows = self._cut(X, lambda n: f"row {n} of X", _refuses_silence(self.estimator_))
        path = None if domain is None else domain[rows]
        with as_windows(rows):
            if method == "embed":
                values = _embeddings(*send_through(self.estimator_, windows, path))
            else:
                predict = getattr(unwrap(self.estimator_), method)
                values = np.asarray(predict(windows, **source_path(predict, path)))
        return _average_windows(values, rows, self.classes_ if method == "predict" else None)

    def _cut(
        self, X: Any, place: Callable[[int], str], judged: bool
    ) -> tuple[list[Any], NDArray[np.int64]]:
        """List the windows of all recordings, and the number of the recording of each.

        If judged, windows without sound are left out where a recording has others.
        """
        recordings = waveform_rows(X)
        if isinstance(recordings[0], np.ndarray):
            self._check_rate()
            parts = [
                self._cut_waveform(recording, f"The waveform in {place(n)}", judged)
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
            # Where no window holds sound, all are left for the transformer to name.
            bounds = (list(compress(bounds, find_sound(row, bounds))) if judged else []) or bounds
        except (OSError, ValueError):
            return [row]  # for the transformer to name
        return [
            Segment(os.fspath(row), (first + start) / rate, (first + stop) / rate, channel_of(row))
            for start, stop in bounds
        ]

    def _bounds(self, n_samples: int, rate: int) -> list[tuple[int, int]]:
        """Return the first sample of each window, and the one after its last."""
        size, step = (max(1, round(seconds * rate)) for seconds in (self.window, self.hop))
        last = max(n_samples - size, 0)
        return [(start, min(start + size, n_samples)) for start in [*range(0, last, step), last]]

    def _check_parameters(self) -> None:
        if not (hasattr(self.estimator, "fit") and is_classifier(self.estimator)):
            raise TypeError(
                "estimator must be a classifier, or a pipeline or search that ends in one; got "
                f"{self.estimator!r}."
            )
        check_count("sample_rate", self.sample_rate)
        check_positive("window", self.window)
        check_positive("hop", self.hop)
        if self.hop * self.sample_rate < 1:
            raise ValueError(
                f"hop must be at least one sample; got hop={self.hop} s and "
                f"sample_rate={self.sample_rate} Hz."
            )
        if self.hop > self.window:
            raise ValueError(
                f"hop must not exceed window, or parts of a recording would lie in none; got "
                f"{self.hop} > {self.window} s."
            )
        for name, duration in find_parameters(self.estimator, "duration").items():
            if isinstance(duration, Real) and duration < self.window:
                raise ValueError(
                    "window must not exceed the duration of the spectrograms, which would crop it; "
                    f"got window={self.window} and {name}={duration} s."
                )

    def _check_rate(self) -> None:
        for name, rate in find_parameters(self.estimator, "sample_rate").items():
            if isinstance(rate, Real) and rate != self.sample_rate:
                raise ValueError(
                    "sample_rate must equal the sample_rate of the transformer; got "
                    f"sample_rate={self.sample_rate} and {name}={rate} Hz."
                )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.input_tags.string = True
        return tags


def _takes_groups(estimator: Any) -> bool:
    """Tell whether the last classifier of pipelines and refinements takes groups, or a selector."""
    if any(map(draws_groups, find_parts(estimator))):
        return True
    while isinstance(estimator, AdaptationPipeline | Refiner):
        is_refined = isinstance(estimator, Refiner)
        estimator = estimator.estimator if is_refined else estimator[-1]
    return estimator is not None and has_fit_parameter(estimator, "groups")


def _embeddings(last: Any, Z: Any) -> NDArray[Any]:
    """Return the inputs of the output layer of a network, or those of any other classifier."""
    if hasattr(last, "embed"):
        return last.embed(Z)
    if isinstance(Z, list):
        raise TypeError(
            f"embed averages features, but the inputs of {type(last).__name__} are recordings. "
            "Begin the estimator with an audio transformer, such as Functionals."
        )
    return np.asarray(Z)


def _average_windows(
    values: NDArray[Any], rows: NDArray[np.int64], classes: NDArray[Any] | None
) -> NDArray[np.float64]:
    """Average values, or votes for classes, over the usable windows of each recording."""
    if classes is None:
        is_usable = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    else:
        is_usable = np.array([not is_missing(value) for value in values])
        values = (values[:, np.newaxis] == classes).astype(float)
    values = np.where(np.expand_dims(is_usable, tuple(range(1, values.ndim))), values, 0.0)
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    sums = np.add.reduceat(values, starts, axis=0, dtype=float)
    counts = np.bincount(rows, weights=is_usable)
    return (sums.T / np.where(counts > 0, counts, np.nan)).T


def _refuses_silence(estimator: Any) -> bool:
    """Tell whether audio transformers in an estimator raise an error for silence."""
    settings = find_parameters(estimator, "on_error").values()
    return bool(settings) and all(value == "raise" for value in settings)
