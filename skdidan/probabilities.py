"""Classifiers with probabilities: their logarithms, and scores on rows of the source."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if

__all__ = ["DomainwiseClassifier", "ProbabilisticClassifier", "log_of"]


def log_of(probabilities: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithms of probabilities; that of 0 is -inf, without a warning."""
    with np.errstate(divide="ignore"):
        return np.log(probabilities)


class ProbabilisticClassifier(ClassifierMixin):
    """Base of the classifiers that predict the same for rows of both domains."""

    @available_if(attrgetter("predict_proba"))
    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X : array-like, of n_samples rows
            Rows, as `predict_proba` takes them.

        Returns
        -------
        log_probabilities : ndarray of float, shape (n_samples, n_classes)
            The logarithms; -inf for a probability of 0.
        """
        return log_of(self.predict_proba(X))


class DomainwiseClassifier(ClassifierMixin):
    """Base of the classifiers that may treat rows of the source otherwise than the target."""

    # A search that is given sample_domain for `fit` hands it on to no score unless asked to.
    __metadata_request__score: ClassVar = {"sample_domain": False}

    @available_if(attrgetter("predict_proba"))
    def predict_log_proba(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Return the logarithm of `predict_proba`.

        Parameters
        ----------
        X, sample_domain
            As in `predict_proba`.

        Returns
        -------
        log_probabilities : ndarray of float, shape (n_samples, n_classes)
            The logarithms; -inf for a probability of 0.
        """
        return log_of(self.predict_proba(X, sample_domain=sample_domain))

    def score(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Return the accuracy of the predictions.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.
        y : array-like, shape (n_samples,)
            True labels.
        sample_weight : array-like of float, shape (n_samples,), optional
            Weight of each row.

        Returns
        -------
        score : float
            The accuracy.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return float(accuracy_score(y, predicted, sample_weight=sample_weight))
