"""Anchored expectation maximisation: refine predictions by the clusters of the target."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.pipeline.refinement import Refiner, log_priors

__all__ = ["AnchoredEM"]

_TOL = 1e-4  # change of a probability


class AnchoredEM(Refiner):
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
    Several sources are used as `estimator` uses them; several target corpora are one
    target.

    Refinement helps most where a classifier knows little of the target. It gains less, or loses,
    after methods that use its structure already, such as `MCCClassifier`: the same clusters count
    twice. Compare both (``benchmarks/target_structure.py``).

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
    >>> from skdidan import AnchoredEM
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["anger", "neutral"], 100)
    >>> X_src = rng.normal(size=(200, 2)) + 4 * (y == "anger")[:, np.newaxis]
    >>> X_tgt = X_src - 2.5
    >>> classifier = AnchoredEM().fit(X_src, y, X_tgt)
    >>> before = classifier.estimator_.predict(X_tgt)
    >>> round(float(np.mean(before == y)), 2), round(float(classifier.score(X_tgt, y)), 2)
    (0.65, 1.0)
    """

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
        super()._check_parameters()
        check_count("n_components", self.n_components)
        check_not_negative("sharpness", self.sharpness)
        check_not_negative("anchor", self.anchor)
        check_positive("ridge", self.ridge)
        check_count("max_iter", self.max_iter)

    def _make_axes(self, n_rows: int, n_features: int) -> Any:
        pca = PCA(min(self.n_components, n_rows, n_features), svd_solver="full")
        return make_pipeline(StandardScaler(), pca)

    def _forget_target(self) -> None:
        self.means_: Any = None
        self.covariance_: Any = None

    def _learn_target(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        probabilities = prior
        while self.n_iter_ < self.max_iter:
            self.n_iter_ += 1
            self.means_, self.covariance_ = _gaussians(Z, probabilities, self.ridge)
            before, probabilities = probabilities, self._refine(Z, prior)
            if np.abs(probabilities - before).max() <= _TOL:
                break

    def _refine(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        directions = scipy.linalg.solve(self.covariance_, self.means_.T, assume_a="pos")
        scores = Z @ directions - (self.means_.T * directions).sum(axis=0) / 2
        weight = self.sharpness / math.sqrt(Z.shape[1])
        return softmax(self.anchor * log_priors(prior) + weight * scores, axis=1)


def _gaussians(
    Z: NDArray[Any], probabilities: NDArray[Any], ridge: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of the classes, and their common covariance with its ridge."""
    counts = probabilities.sum(axis=0)
    means = (probabilities.T @ Z) / np.maximum(counts, np.finfo(float).tiny)[:, np.newaxis]
    total = Z.T @ Z / len(Z)
    covariance = total - (means.T * (counts / len(Z))) @ means
    return means, covariance + ridge * np.trace(total) / len(total) * np.eye(len(total))
