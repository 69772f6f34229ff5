"""Instance weighting: larger weights for source rows that resemble the target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.optimize import brentq
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdidan.domains import Domains
from skdidan.estimators import DomainEstimator
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.probabilities import ProbabilisticClassifier
from skdidan.reporting import warn_caller
from skdidan.shallow.eigenproblems import SQUARABLE, power_of_two
from skdidan.shallow.subspaces import kernel_scale
from skdidan.validation import check_rows

__all__ = ["KMM", "WeightedClassifier", "check_weighable", "inner_has"]

_Bounds = tuple[float, float]


class KMM(DomainEstimator):
    r"""Kernel mean matching (KMM): weights that give the source the mean of the target.

    The weights :math:`\beta` bring the weighted mean of the source rows close to the mean of the
    target rows, in the space of a Gaussian kernel :math:`k(x, z) = e^{-\gamma \|x - z\|^2}` [1]_:

    .. math:: \min_\beta \tfrac12 \beta^\top K \beta - \kappa^\top \beta
        \quad \text{subject to} \quad 0 \le \beta_i \le B, \quad
        \Bigl| \tfrac{1}{n_s} \sum_i \beta_i - 1 \Bigr| \le \varepsilon ,

    with :math:`K_{ij} = k(x_i, x_j)` for source rows and
    :math:`\kappa_i = \frac{n_s}{n_t} \sum_j k(x_i, x^t_j)` over the target.

    Parameters
    ----------
    gamma : float > 0, default=None
        Scale of the kernel. None takes one over the variance of the rows of both domains, summed
        over the features; the mean squared distance of two rows is then ``2 / gamma``.
    max_weight : float >= 1, default=1000.0
        Upper bound `B` of each weight.
    eps : float >= 0, default=None
        Tolerance :math:`\varepsilon` of the mean weight. None takes :math:`1 - 1 / \sqrt{n_s}`, as
        the paper does.
    tol : float > 0, default=1e-4
        Tolerance of the objective, relative to
        :math:`\tfrac12 n_s^2 \, \overline{k(x^t, x^t)}`: half the squared norm of the mean of the
        target, times :math:`n_s^2`.
    max_iter : int > 0, default=10_000
        Maximum number of iterations.

    Attributes
    ----------
    weights_ : ndarray of float, shape (n_source,)
        The weights :math:`\beta`.
    n_iter_ : int
        Number of iterations.
    gamma_ : float
        The scale used.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    The solver is an accelerated projected gradient method with restarts [2]_. It stops when the
    Frank-Wolfe gap, an upper bound of the distance to the minimum, falls below the tolerance.

    References
    ----------
    .. [1] Huang, Smola, Gretton, Borgwardt, Schölkopf (2006). Correcting sample selection bias by
       unlabeled data. NeurIPS.
    .. [2] O'Donoghue, Candès (2015). Adaptive restart for accelerated gradient schemes. Foundations
       of Computational Mathematics 15, arXiv:1204.3982.

    Examples
    --------
    The target resembles the second half of the source:

    >>> import numpy as np
    >>> from skdidan import KMM
    >>> rng = np.random.default_rng(0)
    >>> X_src = rng.normal(size=(60, 2)) + np.repeat([0, 5], 30)[:, None]
    >>> weights = KMM().fit(X_src, X_tgt=rng.normal(size=(40, 2)) + 5).weights_
    >>> bool(weights[:30].sum() < 0.05 * weights.sum())
    True
    """

    def __init__(
        self,
        gamma: float | None = None,
        *,
        max_weight: float = 1000.0,
        eps: float | None = None,
        tol: float = 1e-4,
        max_iter: int = 10_000,
    ) -> None:
        self.gamma = gamma
        self.max_weight = max_weight
        self.eps = eps
        self.tol = tol
        self.max_iter = max_iter

    def _fit(self, domains: Domains) -> None:
        X_src, _, X_tgt = domains
        if X_tgt is None:
            self.weights_, self.n_iter_, self.gamma_ = np.ones(len(X_src)), 0, self.gamma or 1.0
            return
        rows = np.concatenate([X_src, X_tgt])
        power_of_two(self, rows, limit=SQUARABLE)
        self.gamma_ = self.gamma or kernel_scale(rows)
        # Far from zero, differences would lose precision. The mean would be far beside an outlier.
        rows = rows - np.median(rows, axis=0)
        source, target = rows[: len(X_src)], rows[len(X_src) :]
        n = len(source)
        eps = 1 - 1 / math.sqrt(n) if self.eps is None else self.eps
        bounds = n * max(0.0, 1 - eps), n * (1 + eps)
        K = rbf_kernel(source, gamma=self.gamma_)
        kappa = n * rbf_kernel(source, target, gamma=self.gamma_).mean(axis=1)
        scale = 0.5 * n**2 * rbf_kernel(target, gamma=self.gamma_).mean()
        self.weights_, self.n_iter_, gap = _solve(
            K, kappa, float(self.max_weight), bounds, self.tol * scale, self.max_iter
        )
        if gap > self.tol * scale:
            warn_caller(
                f"KMM did not converge in max_iter={self.max_iter} iterations: the relative gap "
                f"{gap / scale:.1e} exceeds tol={self.tol:.1e}. Increase max_iter or tol.",
            )

    def _check_parameters(self) -> None:
        if self.gamma is not None:
            check_positive("gamma", self.gamma)
        if check_positive("max_weight", self.max_weight) < 1:
            raise ValueError(
                f"max_weight must be at least 1, the mean of the weights; got {self.max_weight!r}."
            )
        if self.eps is not None:
            check_not_negative("eps", self.eps)
        check_positive("tol", self.tol)
        check_count("max_iter", self.max_iter)


def inner_has(method: str) -> Any:
    """Return whether the fitted, given or default estimator of a meta-estimator has a method."""
    return lambda meta: hasattr(getattr(meta, "estimator_", meta._default()), method)


class WeightedClassifier(MetaEstimatorMixin, ProbabilisticClassifier, DomainEstimator):
    """Train any classifier on the source, weighted to resemble the target.

    Several sources are pooled.

    Parameters
    ----------
    estimator : classifier, default=None
        A classifier whose ``fit`` takes ``sample_weight``. None takes
        `sklearn.linear_model.LogisticRegression`.
    weighting : estimator, default=None
        Its ``fit(X_src, y_src, X_tgt)`` sets ``weights_``, one per source row. None takes `KMM`.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    weights_ : ndarray of float, shape (n_source,)
        The weights of the source rows.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import WeightedClassifier
    >>> rng = np.random.default_rng(0)
    >>> X_src = rng.normal(size=(60, 2))
    >>> y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    >>> classifier = WeightedClassifier().fit(X_src, y_src, X_src[:20] + 1)
    >>> classifier.predict([[2.0, 0.0]])
    array(['anger'], dtype='<U7')
    """

    def __init__(
        self, estimator: BaseEstimator | None = None, *, weighting: BaseEstimator | None = None
    ) -> None:
        self.estimator = estimator
        self.weighting = weighting

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        classifier = clone(self._default())
        self.weights_ = np.ones(len(X_src)) if X_tgt is None else self._weigh(X_src, y_src, X_tgt)
        lost = sorted({*y_src.tolist()} - {*y_src[self.weights_ != 0].tolist()})
        if lost:
            raise ValueError(
                f"All source rows of {lost} have weight 0: no target row resembles them. Use a "
                "smaller gamma in KMM, or drop these classes."
            )
        self.estimator_ = classifier.fit(X_src, y_src, sample_weight=self.weights_)
        self.classes_ = self.estimator_.classes_

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The predicted classes.
        """
        return self._call("predict", X)

    @available_if(inner_has("predict_proba"))
    def predict_proba(self, X: Any) -> NDArray[np.floating]:
        """Predict the probability of each class for target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._call("predict_proba", X)

    @available_if(inner_has("decision_function"))
    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Compute the scores of the classifier for target rows.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        scores : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            Scores in the shape that the classifier returns.
        """
        return self._call("decision_function", X)

    def _call(self, method: str, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        return getattr(self.estimator_, method)(check_rows(self, X))

    def _weigh(self, X_src: Any, y_src: Any, X_tgt: Any) -> NDArray[Any]:
        weighting = KMM() if self.weighting is None else self.weighting
        weights: Any = None
        if hasattr(weighting, "fit"):
            fitted = clone(weighting, safe=False).fit(X_src, y_src, X_tgt)
            weights = getattr(fitted, "weights_", None)
        if np.shape(weights) != (len(X_src),):
            raise TypeError(
                "weighting must be an estimator whose fit sets weights_, one weight per source "
                f"row, such as KMM(); got {self.weighting!r}."
            )
        return weights

    def _check_parameters(self) -> None:
        check_weighable(self._default())

    def _default(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags = get_tags(self._default()).classifier_tags
        return tags


def check_weighable(estimator: Any) -> None:
    """Raise a TypeError unless an estimator is a classifier whose ``fit`` takes weights of rows."""
    if isinstance(estimator, type) or not (hasattr(estimator, "fit") and is_classifier(estimator)):
        raise TypeError(f"estimator must be a classifier; got {estimator!r:.200}.")
    if not has_fit_parameter(estimator, "sample_weight"):
        raise TypeError(
            "The fit method of estimator must take sample_weight; that of "
            f"{type(estimator).__name__} does not."
        )


def _solve(
    K: NDArray[Any], kappa: NDArray[Any], upper: float, bounds: _Bounds, tol: float, max_iter: int
) -> tuple[NDArray[Any], int, float]:
    """Minimise ``w' K w / 2 - kappa' w`` over a box and a slab; return w, iterations and gap."""
    step = 1 / float(scipy.linalg.eigvalsh(K, subset_by_index=[len(K) - 1] * 2)[0])
    weights = momentum = _project(np.ones(len(K)), upper, bounds)
    inertia, gap = 1.0, math.inf
    for iteration in range(1, max_iter + 1):  # noqa: B007 - returned after the loop
        slope = K @ weights - kappa
        gap = float(slope @ (weights - _lowest_vertex(slope, upper, bounds)))
        if gap <= tol:
            break
        moved = _project(momentum - step * (K @ momentum - kappa), upper, bounds)
        if (momentum - moved) @ (moved - weights) > 0:  # the momentum points uphill: restart
            inertia, momentum = 1.0, weights
            moved = _project(weights - step * slope, upper, bounds)
        before, inertia = inertia, 0.5 * (1 + math.sqrt(1 + 4 * inertia**2))
        momentum = moved + (before - 1) / inertia * (moved - weights)
        weights = moved
    return weights, iteration, gap


def _project(point: NDArray[Any], upper: float, bounds: _Bounds) -> NDArray[Any]:
    """Return the nearest point with entries in [0, upper] and a sum within the bounds."""
    inside = np.clip(point, 0, upper)
    total = min(max(inside.sum(), bounds[0]), bounds[1])
    if inside.sum() == total:
        return inside

    def excess(shift: float) -> float:
        return float(np.clip(point + shift, 0, upper).sum() - total)

    low, high = -float(point.max()), upper - float(point.min())
    return np.clip(point + brentq(excess, low, high, xtol=1e-15, rtol=1e-15), 0, upper)


def _lowest_vertex(slope: NDArray[Any], upper: float, bounds: _Bounds) -> NDArray[Any]:
    """Minimise a linear function over the feasible set: set the lowest slopes to `upper` first."""
    order = np.argsort(slope, kind="stable")
    # The sum must reach the lower bound; beyond it, only negative slopes lower the function.
    total = min(max(bounds[0], upper * np.count_nonzero(slope < 0)), bounds[1])
    vertex = np.empty_like(slope)
    vertex[order] = np.clip(total - upper * np.arange(len(slope)), 0, upper)
    return vertex
