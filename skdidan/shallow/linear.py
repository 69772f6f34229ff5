"""Base classes of linear classifiers that regress the class labels and align the domains."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains
from skdidan.estimators import DomainEstimator
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.probabilities import ProbabilisticClassifier
from skdidan.reporting import warn_caller
from skdidan.shallow.eigenproblems import power_of_two
from skdidan.shallow.jda import conditional_contrasts
from skdidan.shallow.sparsity import RowSparsity, Sparsity
from skdidan.shallow.subspaces import marginal_contrast
from skdidan.simplex import project_on_simplex
from skdidan.validation import check_result, check_rows

__all__ = ["LinearClassifier", "MeanAligner"]

_Array = NDArray[Any]
_Equations = tuple[_Array, _Array]


class LinearClassifier(ProbabilisticClassifier, DomainEstimator):
    """A linear map from features to one score per class, under the penalty of `_penalty`."""

    # Names of the weights of the penalty, all of them parameters.
    _weights: ClassVar[tuple[str, ...]] = ("alpha",)
    coef_: _Array
    intercept_: _Array

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        X_tgt = X_src[:0] if X_tgt is None else X_tgt
        scale = power_of_two(self, X_src, X_tgt)
        X_src, X_tgt = X_src / scale, X_tgt / scale
        # The map of the scaled rows is longer by `scale`. A huge penalty gives zeros in any case.
        weights = [min(getattr(self, name) / scale, 1e100) for name in self._weights]
        sparsity = self._penalty(*weights)
        self.classes_, y_idx = np.unique(y_src, return_inverse=True)
        mean, labels = X_src.mean(axis=0), np.eye(len(self.classes_))[y_idx]
        source, target, prior = X_src - mean, X_tgt - mean, labels.mean(axis=0)
        root = len(source) ** 0.5
        self.objective_: list[Any] = []
        self.pseudo_labels_: NDArray[Any] | None = None
        equations = source / root, (labels - prior) / root
        P = self._map(source, y_idx, target, prior, equations, sparsity)
        self.coef_, self.intercept_ = P.T / scale, prior - mean @ P
        self.feature_importances_ = np.linalg.norm(P, axis=1) / scale
        names = " or ".join(self._weights)
        if not P.any():
            warn_caller(
                f"All coefficients of {type(self).__name__} are zero, so each row gets the same "
                f"class. Scale the features first (CorpusScaler), or lower {names}.",
            )
        if not sparsity.has_converged:
            warn_caller(
                f"A map of {type(self).__name__} did not converge in {sparsity.steps}. "
                f"Scale the features first (CorpusScaler), or raise {names} or tol.",
                ConvergenceWarning,
            )

    def _penalty(self, *weights: float) -> Sparsity:
        """Return the penalty on the map, given its weights for scaled rows."""
        return RowSparsity(*weights)

    @abstractmethod
    def _map(
        self,
        source: _Array,
        y_idx: _Array,
        target: _Array,
        prior: _Array,
        regression: _Equations,
        sparsity: Sparsity,
    ) -> _Array:
        """Find P, and set `objective_`, `n_iter_` and `pseudo_labels_`.

        The mean of the source is subtracted from the rows of both domains; without a target, it has
        no rows. `y_idx` holds the class indices of the source, `prior` the share of each class, and
        `regression` both sides of the equations of the regression on the source.
        """

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Compute the scores of target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        scores : ndarray of float, shape (n_samples, n_classes)
            One score per class; for two classes the score of the second minus that of the first, of
            shape (n_samples,).
        """
        scores = self._scores(X)
        return scores if len(self.classes_) > 2 else scores[:, 1] - scores[:, 0]

    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Estimate class probabilities of target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            The probabilities nearest to the regressed one-hot labels: their Euclidean projection
            onto the simplex (Duchi et al., 2008, ICML).
        """
        return project_on_simplex(self._scores(X))

    def _scores(self, X: Any) -> NDArray[np.floating]:
        check_is_fitted(self)
        with np.errstate(over="ignore", invalid="ignore"):  # reported next
            scores = check_rows(self, X) @ self.coef_.T + self.intercept_
        check_result(self, scores)
        return scores

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The class of the highest score, for each row.
        """
        y_idx = self._scores(X).argmax(axis=1)
        return self.classes_[y_idx]

    def _check_parameters(self) -> None:
        check_not_negative("trade_off", self.trade_off)
        check_count("max_iter", self.max_iter)
        check_positive("tol", self.tol)


class MeanAligner(LinearClassifier):
    """Regression that brings the means of both domains and of each class together."""

    def _map(
        self,
        source: _Array,
        y_idx: _Array,
        target: _Array,
        prior: _Array,
        regression: _Equations,
        sparsity: Sparsity,
    ) -> _Array:
        rows = np.concatenate([source, target])
        marginal = contrasts = marginal_contrast(len(source), len(target))
        P = np.zeros((source.shape[1], len(prior)))
        y_idx_tgt = np.empty(0, dtype=int)
        for iteration in range(1, self.max_iter + 1):
            self.n_iter_ = iteration
            differences = self.trade_off**0.5 * contrasts.T @ rows
            A = np.concatenate([regression[0], differences])
            B = np.concatenate([regression[1], np.zeros((len(differences), len(prior)))])
            P = sparsity.regress(A, B, P, self.tol)
            self.objective_.append(sparsity.objective(A, B, P))
            if iteration == self.max_iter or not len(target):
                break
            predicted = (target @ P + prior).argmax(axis=1)
            if np.array_equal(predicted, y_idx_tgt):
                break
            y_idx_tgt, self.pseudo_labels_ = predicted, self.classes_[predicted]
            contrasts = np.hstack([marginal, conditional_contrasts(y_idx, y_idx_tgt)])
        return P
