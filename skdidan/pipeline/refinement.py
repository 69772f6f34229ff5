"""Base of the classifiers that refine predictions by the structure of the whole target."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains, check_sample_domain, source_path
from skdidan.estimators import GroupedEstimator
from skdidan.pipeline.adapting import adapt_if
from skdidan.pipeline.steps import (
    check_reach,
    current_inner,
    fit_last,
    last_step,
    send_through,
    set_inner,
    waits_for_target,
    weight_params,
)
from skdidan.probabilities import DomainwiseClassifier
from skdidan.validation import TARGET_ROW, check_result, check_rows

__all__ = ["Refiner", "log_priors"]

_LEAST = 1e-3  # probability of a class that a classifier rules out


class Refiner(MetaEstimatorMixin, DomainwiseClassifier, GroupedEstimator):
    """Base of the classifiers that refine the predictions of a classifier for the target.

    A subclass returns the transformer of the rows in ``_make_axes``, learns from all transformed
    rows of the target in ``_learn_target``, which raises ``n_iter_`` above 0 if it does, and
    refines rows in ``_refine``.
    """

    _checks: ClassVar = {
        "allow_nd": True,
        "dtype": (np.float64, np.float32),
        "padding": True,
        "lazy": True,
    }
    _kept: ClassVar = frozenset({"estimator_"})

    estimator: BaseEstimator | None

    def _check_parameters(self) -> None:
        if self.estimator is not None and not (
            hasattr(self.estimator, "predict_proba") and is_classifier(self.estimator)
        ):
            raise TypeError(
                "estimator must be a classifier with predict_proba; got "
                f"{self.estimator!r}. sklearn.calibration.CalibratedClassifierCV adds it."
            )

    def _fit(self, domains: Domains) -> None:
        estimator = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
        if self.estimator is not None:
            estimator = self.estimator
        if domains.X_tgt is not None:
            check_reach([("estimator", estimator)])
        before = getattr(self, "estimator_", None)
        weights = weight_params(estimator, domains.weights)
        self.estimator_ = fit_last("estimator", estimator, domains, before=before, params=weights)
        self.classes_ = self.estimator_.classes_
        self._fit_target(domains.X_tgt, domains.corpora[domains.n_source :])

    def set_params(self, **params: Any) -> Self:
        """Set parameters; after `fit`, ``estimator__parameter`` also sets that of `estimator_`."""
        super().set_params(**params)
        set_inner(self, params)
        return self

    def _wants_target(self) -> bool:
        return not waits_for_target(self.estimator)

    @adapt_if(lambda refiner: waits_for_target(current_inner(refiner)), current_inner)
    def adapt(self, X_tgt: Any) -> Self:
        """Adapt the fitted classifier to a new target, without the source, and refine it there.

        Parameters
        ----------
        X_tgt : array-like or Target, shape (n_target, n_features) or (n_target, n_bins, n_frames)
            The unlabelled target.

        Returns
        -------
        self : object
            The adapted classifier.
        """
        check_is_fitted(self)
        self._check_parameters()
        X, before = check_rows(self, X_tgt, place=TARGET_ROW, **self._checks), dict(vars(self))
        try:
            self.estimator_ = deepcopy(self.estimator_).adapt(X)
            self._fit_target(X)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit_target(self, X_tgt: Any, numbers: Any = None) -> None:
        self.n_iter_ = 0
        self._forget_target()
        if X_tgt is None:
            return
        rows = self._rows(X_tgt, numbers)
        # Powers of two change no digit, and squares of large or small numbers have no place.
        self._exponents = np.frexp(np.abs(rows).max(axis=0))[1]
        rows = np.ldexp(rows, -self._exponents)
        if not np.ptp(rows, axis=0).any():  # they may differ by rounding once they are centred
            return
        self._axes = self._make_axes(*rows.shape).set_output(transform="default")
        Z = self._axes.fit_transform(rows)
        if Z.any():
            self._learn_target(Z, self._predict_unrefined(X_tgt, numbers))

    @abstractmethod
    def _make_axes(self, n_rows: int, n_features: int) -> Any:
        """Return a transformer of the rows of the target."""

    @abstractmethod
    def _forget_target(self) -> None:
        """Set what is learnt from the target to the values without a target."""

    @abstractmethod
    def _learn_target(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        """Learn from all transformed rows of the target and their predicted probabilities."""

    @abstractmethod
    def _refine(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        """Refine the predicted probabilities of transformed rows of the target."""

    def predict_proba(
        self, X: Any, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Predict the refined probability of each class.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target, seen in `fit` or new.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for rows of the source, whose probabilities are not refined.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        check_is_fitted(self)
        self._check_parameters()
        X = check_rows(self, X, **self._checks)
        numbers, is_target = None, np.ones(len(X), dtype=bool)
        if sample_domain is not None:
            numbers = check_sample_domain(X, sample_domain)
            is_target = numbers < 0
        probabilities = self._predict_unrefined(X, numbers)
        if self.n_iter_ and is_target.any():
            numbers = None if numbers is None else numbers[is_target]
            rows = np.ldexp(self._rows(X[is_target], numbers), -self._exponents)
            Z = self._axes.transform(rows)
            with np.errstate(over="ignore", invalid="ignore"):  # reported next
                probabilities[is_target] = self._refine(Z, probabilities[is_target])
            check_result(self, probabilities)
        return probabilities

    def predict(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Predict the class of the highest refined probability.

        Parameters
        ----------
        X, sample_domain
            As in `predict_proba`.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The predicted classes.
        """
        probabilities = self.predict_proba(X, sample_domain=sample_domain)
        return self.classes_[probabilities.argmax(axis=1)]

    @available_if(lambda refined: hasattr(last_step(refined.estimator_), "embed"))
    def embed(self, X: Any) -> NDArray[np.floating]:
        """Return the features of the network at the end of `estimator_`, if it is one.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target.

        Returns
        -------
        features : ndarray of float32, shape (n_samples, n_features_out)
            The inputs of the output layer.
        """
        last, Z = send_through(self.estimator_, check_rows(self, X, **self._checks))
        return last.embed(Z)

    def _predict_unrefined(self, X: Any, sample_domain: Any = None) -> NDArray[np.float64]:
        predict = self.estimator_.predict_proba
        found = predict(X, **source_path(predict, sample_domain))
        # A copy, because the refined rows are written into it.
        probabilities = np.array(found, dtype=np.float64)
        if not np.isfinite(probabilities).all():
            row = np.argwhere(~np.isfinite(probabilities))[0][0]
            raise ValueError(
                f"{self.estimator_!r} predicts {probabilities[row].tolist()} for row {row}, "
                "which are no probabilities."
            )
        return probabilities

    def _rows(self, X: NDArray[Any], sample_domain: Any = None) -> NDArray[np.float64]:
        """Return the rows to compare: features, or those that a network makes of spectrograms."""
        if X.ndim == 2:
            return np.asarray(X, dtype=np.float64)
        last, Z = send_through(self.estimator_, X, sample_domain)
        if not hasattr(last, "embed"):
            raise TypeError(
                f"X of shape {X.shape} is compared by the features of a network, and "
                f"{type(last).__name__} has no embed. Pass rows of features."
            )
        return last.embed(Z).astype(np.float64)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def log_priors(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return logarithms of probabilities, each of which counts as at least 0.001."""
    return np.log(np.maximum(probabilities, _LEAST))
