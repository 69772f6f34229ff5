"""Refinement of predictions by the clusters of the target."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, MetaEstimatorMixin, is_classifier
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains, check_sample_domain, source_path
from skdidan.estimators import GroupedEstimator, check_rows
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.pipeline.steps import (
    check_reach,
    fit_last,
    last_step,
    send_through,
    waits_for_target,
)
from skdidan.probabilities import DomainwiseClassifier

__all__ = ["RefinedClassifier"]

_LEAST = 1e-3  # probability of a class that a classifier rules out
_TOL = 1e-4  # change of a probability


class RefinedClassifier(MetaEstimatorMixin, DomainwiseClassifier, GroupedEstimator):
    r"""Refine the predictions of any classifier by the clusters of the target.

    Emotions form clusters in a corpus even where a classifier trained on another corpus misplaces
    their borders. Each class is a Gaussian in the first :math:`q` principal components :math:`z_i`
    of the standardised target rows. All classes share one covariance. The probabilities
    :math:`p_{ik}` that the classifier predicts are the prior of row :math:`i`, which keeps the
    clusters from swapping classes. From :math:`r = p`, expectation maximisation repeats

    .. math::
        \mu_k &= \frac{\sum_i r_{ik} z_i}{\sum_i r_{ik}}, \qquad
        C = \frac1n \sum_i z_i z_i^\top - \sum_k \frac{\sum_i r_{ik}}{n} \mu_k \mu_k^\top
        + \rho \frac{\operatorname{tr} \Sigma}{q} I, \\
        r_{ik} &\propto p_{ik}^{\alpha} \exp\Bigl( \frac{\kappa}{\sqrt q} \bigl(
        z_i^\top C^{-1} \mu_k - \tfrac12 \mu_k^\top C^{-1} \mu_k \bigr) \Bigr)

    with the covariance :math:`\Sigma` of all :math:`z_i`. In the last formula each :math:`p_{ik}`
    counts as at least 0.001, so that a class which the classifier rules out can come back. The
    factor :math:`\kappa / \sqrt q` tempers the evidence of the components, which are not
    independent. No class frequencies are assumed. New rows are predicted by the last formula.

    Parameters
    ----------
    estimator : classifier, default=None
        A classifier with ``predict_proba``, fitted to both domains if its ``fit`` takes ``X_tgt``,
        else to the source. None takes
        ``LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)``.
    n_components : int > 0, default=20
        Number :math:`q` of principal components; at most the number of target rows or features.
    sharpness : float >= 0, default=6.0
        Weight :math:`\kappa` of the clusters. 0 keeps the predicted probabilities, but for the
        minimum of 0.001, if `anchor` is 1.
    anchor : float >= 0, default=1.0
        Weight :math:`\alpha` of the predictions of the classifier.
    ridge : float > 0, default=0.1
        Share :math:`\rho` of the mean variance that is added to each variance.
    max_iter : int > 0, default=30
        Maximum number of iterations. Stops early once no probability changes by more than 1e-4.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    means_ : ndarray of float, shape (n_classes, n_components), or None
        Means :math:`\mu_k` of the classes in the target; None if no target was given, or if all of
        its rows are equal in double precision.
    covariance_ : ndarray of float, shape (n_components, n_components), or None
        The covariance :math:`C` within a class.
    n_iter_ : int
        Number of iterations.
    classes_ : ndarray, shape (n_classes,)
        The classes of the source.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, or of bins of a spectrogram, and names of the columns of data frames.

    Notes
    -----
    Clusters follow speakers as much as emotions. Put a `SpeakerScaler` before this classifier, not
    into `estimator`: the rows are clustered as they are given.

    Rows of a spectrogram are clustered by ``estimator_.embed``, the features of a network.

    References
    ----------
    G. J. McLachlan, D. Peel: "Finite Mixture Models", Wiley 2000, chapter 3 (mixtures of Gaussians
    with a common covariance). The priors per row and the factor are this package's choice.

    Examples
    --------
    The target is shifted, so that the classifier misses many rows of "anger". Refinement moves the
    border into the gap.

    >>> import numpy as np
    >>> from skdidan import RefinedClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["anger", "neutral"], 100)
    >>> X_src = rng.normal(size=(200, 2)) + 4 * (y == "anger")[:, np.newaxis]
    >>> X_tgt = X_src - 2.5
    >>> classifier = RefinedClassifier().fit(X_src, y, X_tgt)
    >>> before = classifier.estimator_.predict(X_tgt)
    >>> round(float(np.mean(before == y)), 2), round(float(classifier.score(X_tgt, y)), 2)
    (0.65, 1.0)
    """

    _checks: ClassVar = {"allow_nd": True, "dtype": (np.float64, np.float32), "padding": True}
    _kept: ClassVar = frozenset({"estimator_"})

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        n_components: int = 20,
        sharpness: float = 6.0,
        anchor: float = 1.0,
        ridge: float = 0.1,
        max_iter: int = 30,
    ) -> None:
        self.estimator = estimator
        self.n_components = n_components
        self.sharpness = sharpness
        self.anchor = anchor
        self.ridge = ridge
        self.max_iter = max_iter

    def _check_parameters(self) -> None:
        check_count("n_components", self.n_components)
        check_not_negative("sharpness", self.sharpness)
        check_not_negative("anchor", self.anchor)
        check_positive("ridge", self.ridge)
        check_count("max_iter", self.max_iter)
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
        self.estimator_ = fit_last(
            "estimator", estimator, domains, before=getattr(self, "estimator_", None)
        )
        self.classes_ = self.estimator_.classes_
        self._refine(domains.X_tgt, domains.corpora[domains.n_source :])

    def _wants_target(self) -> bool:
        return not waits_for_target(self.estimator)

    @available_if(lambda refined: waits_for_target(refined.estimator))
    def adapt(self, X_tgt: Any) -> Self:
        """Adapt the fitted classifier to a new target, without the source, and find its clusters.

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
        X, before = check_rows(self, X_tgt, **self._checks), dict(vars(self))
        try:
            self.estimator_ = deepcopy(self.estimator_).adapt(X)
            self._refine(X)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _refine(self, X_tgt: Any, numbers: Any = None) -> None:
        """Find the clusters of the target, if there is one."""
        self.means_: Any = None
        self.covariance_: Any = None
        self.n_iter_ = 0
        if X_tgt is not None:
            prior = self._predict_unrefined(X_tgt, numbers)
            self._cluster(self._rows(X_tgt, numbers), prior)

    def _cluster(self, rows: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        # Powers of two change no digit, and squares of large or small numbers have no place.
        self._exponents = np.frexp(np.abs(rows).max(axis=0))[1]
        rows = np.ldexp(rows, -self._exponents)
        axes = StandardScaler(), PCA(min(self.n_components, *rows.shape), svd_solver="full")
        self._axes = make_pipeline(*axes).set_output(transform="default")
        Z, probabilities = self._axes.fit_transform(rows), prior
        # Equal rows may differ by rounding once they are centred.
        if not (np.ptp(rows, axis=0).any() and Z.any()):
            return
        while self.n_iter_ < self.max_iter:
            self.n_iter_ += 1
            self.means_, self.covariance_ = _gaussians(Z, probabilities, self.ridge)
            before, probabilities = probabilities, self._posterior(Z, prior)
            if np.abs(probabilities - before).max() <= _TOL:
                break

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
        if self.means_ is not None and is_target.any():
            numbers = None if numbers is None else numbers[is_target]
            rows = np.ldexp(self._rows(X[is_target], numbers), -self._exponents)
            Z = self._axes.transform(rows)
            probabilities[is_target] = self._posterior(Z, probabilities[is_target])
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
        """Return the rows to cluster: features, or those that a network makes of spectrograms."""
        if X.ndim == 2:
            return X.astype(np.float64)
        last, Z = send_through(self.estimator_, X, sample_domain)
        if not hasattr(last, "embed"):
            raise TypeError(
                f"X of shape {X.shape} is clustered by the features of a network, and "
                f"{type(last).__name__} has no embed. Pass rows of features."
            )
        return last.embed(Z).astype(np.float64)

    def _posterior(self, Z: NDArray[Any], prior: NDArray[Any]) -> NDArray[np.float64]:
        directions = scipy.linalg.solve(self.covariance_, self.means_.T, assume_a="pos")
        scores = Z @ directions - (self.means_.T * directions).sum(axis=0) / 2
        log_prior = np.log(np.maximum(prior, _LEAST))
        weight = self.sharpness / math.sqrt(Z.shape[1])
        return softmax(self.anchor * log_prior + weight * scores, axis=1)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


def _gaussians(
    Z: NDArray[Any], probabilities: NDArray[Any], ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of the classes, and their common covariance with its ridge."""
    counts = probabilities.sum(axis=0)
    means = (probabilities.T @ Z) / np.maximum(counts, np.finfo(float).tiny)[:, np.newaxis]
    total = Z.T @ Z / len(Z)
    covariance = total - (means.T * (counts / len(Z))) @ means
    return means, covariance + ridge * np.trace(total) / len(total) * np.eye(len(total))
