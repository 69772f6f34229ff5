"""Laplacian-adjusted maximum likelihood (LAME): refine predictions by the nearest target rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator
from sklearn.metrics import pairwise_distances_argmin
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from skdidan.parameters import check_count, check_number, check_whole
from skdidan.pipeline.refinement import Refiner, log_priors

__all__ = ["LAME"]

_TOL = 1e-8  # change of the energy, relative
_SAME = 1e-4  # distance of equal rows, relative to that from the medians: networks round by batch
_FAR = 1e100  # beyond which squares overflow


class LAME(Refiner):
    r"""Refine the predictions of any classifier by the neighbours of each row in the target.

    Laplacian-adjusted maximum likelihood estimation [1]_ gives near rows similar probabilities, and
    keeps them close to those that the classifier predicts. With the predicted probabilities
    :math:`p_i` of the target rows, their refined probabilities :math:`y_i` minimise

    .. math:: E(Y) = \sum_i \sum_k y_{ik} \log \frac{y_{ik}}{p_{ik}}
              - \frac{\omega}{2} \sum_{ij} w_{ij}\, y_i^\top y_j ,
              \qquad w_{ij} = \tfrac12 \bigl( [j \in N(i)] + [i \in N(j)] \bigr)

    up to a local minimum. The neighbours :math:`N(i)` of row `i` are the nearest of the other
    target rows by the angle between standardised rows. From :math:`Y = P`, each iteration is

    .. math:: y_i \leftarrow \operatorname{softmax} \Bigl( \log p_i
              + \omega \sum_j w_{ij}\, y_j \Bigr) .

    Each :math:`p_{ik}` counts as at least 0.001, so that a class which the classifier rules out can
    come back. Nothing is trained. Several sources are used as `estimator` uses them;
    several target corpora are one target.

    Parameters
    ----------
    estimator : classifier, default=None
        A classifier with ``predict_proba``, fitted to both domains if its ``fit`` takes ``X_tgt``,
        else to the source. None takes
        ``LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)``.
    n_neighbors : int >= 0, default=5
        Number of neighbours of a row; at most all other rows. Many neighbours merge classes. 0
        keeps the predicted probabilities.
    weight : float >= 0, default=0.2
        Weight :math:`\omega` of the neighbours. 0 keeps the predicted probabilities. The paper has
        1, which merges classes if the predicted probabilities are far from 0 and 1.
    max_iter : int > 0, default=100
        Maximum number of iterations. Stops early once the energy changes by at most 1e-8 of itself.

    Attributes
    ----------
    estimator_ : classifier
        The fitted classifier.
    target_probabilities_ : ndarray of float, shape (n_target, n_classes), or None
        The refined probabilities of the target; None without a target, if there are no neighbours,
        or if all target rows are equal in double precision.
    energies_ : ndarray of float, shape (n_iterations + 1,)
        The energy of the predicted probabilities, and that after each iteration. It never rises.
    n_iter_ : int
        Number of iterations.
    classes_ : ndarray, shape (n_classes,)
        The classes of the source.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, or of bins of a spectrogram, and names of the columns of data frames.

    Notes
    -----
    Rows of the target of the fit are predicted by their refined probabilities, alone or among
    others. Other rows get one iteration with their nearest target rows as neighbours, each with
    :math:`w = 1`, the mean sum of weights per neighbour; the target does not change. Changes
    of `n_neighbors` and `weight` take effect with the next fit.

    With :math:`KL(a \| b) \ge \|a - b\|^2`, an iteration lowers the energy by at least
    :math:`1 + \omega \lambda / 2` times the squared change of :math:`Y`, for the lowest eigenvalue
    :math:`\lambda` of :math:`(w_{ij})`. This factor may be negative. An iteration that would raise
    the energy is repeated with half the step in the logarithms of :math:`Y`, which has the same
    fixed points. The code of the paper has whole steps, and no factor :math:`\tfrac12` in the
    energy that it prints, though its iteration minimises the one with it.

    Refinement helps most where a classifier knows little of the target. It gains less, or loses,
    after methods that use its structure already, such as `MCCClassifier` or `AnchoredEM`: the same
    rows count twice. Between three corpora it changed a logistic regression, `CorrelationAlignment`
    before it and `JDAR` by -0.4 to 0.8 points of UAR, and these inside `AnchoredEM` by -0.3 to 0.0;
    `AnchoredEM` alone gained 0.8 to 8.6 (``benchmarks/target_structure.py --settings speakers both
    neighbours all --features whisper_tiny_layer2 eGeMAPSv02 --seeds 1 --first-seed 10``; the
    default of `weight` was chosen on these tasks).

    Neighbours follow speakers as much as emotions. Put a `SpeakerScaler` before this classifier,
    not into `estimator`: the rows are compared as they are given. Rows of a spectrogram are
    compared by ``estimator_.embed``, the features of a network.

    References
    ----------
    .. [1] Boudiaf, Mueller, Ben Ayed, Bertinetto (2022). Parameter-free online test-time
       adaptation. CVPR, arXiv:2201.05718.

    Examples
    --------
    The target is shifted, so that the classifier misses many rows of "anger". Most of them have
    neighbours that it recognises.

    >>> import numpy as np
    >>> from skdidan import LAME
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["anger", "neutral"], 100)
    >>> X_src = rng.normal(size=(200, 5)) + 3 * (y == "anger")[:, np.newaxis]
    >>> X_tgt = X_src - 1.5
    >>> classifier = LAME(weight=1.0).fit(X_src, y, X_tgt)
    >>> before = classifier.estimator_.predict(X_tgt)
    >>> round(float(np.mean(before == y)), 2), round(float(classifier.score(X_tgt, y)), 2)
    (0.79, 0.94)
    """

    def __init__(
        self,
        estimator: BaseEstimator | None = None,
        *,
        n_neighbors: int = 5,
        weight: float = 0.2,
        max_iter: int = 100,
    ) -> None:
        self.estimator = estimator
        self.n_neighbors = n_neighbors
        self.weight = weight
        self.max_iter = max_iter

    def _check_parameters(self) -> None:
        super()._check_parameters()
        kind = "a whole number of at least 0"
        if check_whole("n_neighbors", self.n_neighbors, kind) < 0:
            raise ValueError(f"n_neighbors must be {kind}; got {self.n_neighbors!r}.")
        limit = "a number from 0 to 1e6"
        check_number("weight", self.weight, lambda: 0 <= self.weight <= 1e6, limit)
        check_count("max_iter", self.max_iter)

    def _make_axes(self, n_rows: int, n_features: int) -> Any:
        return StandardScaler()

    def _forget_target(self) -> None:
        self.target_probabilities_: Any = None
        self.energies_ = np.zeros(0)

    def _learn_target(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> None:
        n_neighbors = min(self.n_neighbors, len(Z) - 1)
        if not (n_neighbors and self.weight):
            return
        # Later predictions need the values of this fit.
        self._target, self._n_neighbors, self._weight = Z, n_neighbors, float(self.weight)
        graph = self._neighbours()
        affinity = csr_array((graph + graph.T) * (self._weight / 2))
        unary = log_softmax(log_priors(prior), axis=1)
        logs, step = unary, 1.0
        energies = [_energy(logs, unary, affinity)]
        while self.n_iter_ < self.max_iter:
            self.n_iter_ += 1
            moved = (1 - step) * logs + step * (unary + affinity @ np.exp(logs))
            moved = log_softmax(moved, axis=1)
            energy = _energy(moved, unary, affinity)
            is_raised = energy > energies[-1]
            if is_raised:
                step /= 2
            energies.append(energies[-1] if is_raised else energy)
            logs = logs if is_raised else moved
            if abs(energy - energies[-2]) <= _TOL * abs(energies[-2]):
                break
        self.energies_, self.target_probabilities_ = np.array(energies), np.exp(logs)

    def _refine(self, Z: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
        nearest = self._find_rows(Z)
        is_new = nearest < 0
        refined = self.target_probabilities_[nearest]
        if is_new.any():
            sums = self._neighbours(Z[is_new]) @ self.target_probabilities_
            refined[is_new] = softmax(log_priors(prior[is_new]) + self._weight * sums, axis=1)
        return refined

    def _find_rows(self, Z: NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the number of each row in the target; -1 for new rows."""
        known = {row.tobytes(): number for number, row in reversed([*enumerate(self._target)])}
        found = np.array([known.get(row.tobytes(), -1) for row in Z])
        rest = found < 0  # new rows, and those that a network has rounded
        if rest.any():
            target, rows = _centred(self._target, np.clip(Z[rest], -_FAR, _FAR))
            nearest = pairwise_distances_argmin(rows, target)
            distances = np.linalg.norm(rows - target[nearest], axis=1)
            limits = _SAME * np.linalg.norm(target[nearest], axis=1)
            found[rest] = np.where(distances > limits, -1, nearest)
        return found

    def _neighbours(self, Z: NDArray[np.float64] | None = None) -> csr_array:
        """Return 1 for each neighbour of new rows, or of the rows of the target, in the target."""
        rows = self._target if Z is None else Z
        target, rows = _centred(_directions(self._target), _directions(rows))
        search = NearestNeighbors(n_neighbors=self._n_neighbors, algorithm="brute").fit(target)
        return csr_array(search.kneighbors_graph(None if Z is None else rows))


def _centred(*parts: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Subtract the medians of the first part, so that distances by products lose no digits.

    The means would be far from all other rows beside an outlier.
    """
    centre = np.median(parts[0], axis=0)
    return [rows - centre for rows in parts]


def _directions(Z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows of length 1; rows of zeros stay."""
    largest = np.abs(Z).max(axis=1, keepdims=True)
    Z = Z / np.where(largest > 0, largest, 1.0)
    lengths = np.linalg.norm(Z, axis=1, keepdims=True)
    return Z / np.where(lengths > 0, lengths, 1.0)


def _energy(logs: NDArray[np.float64], unary: NDArray[np.float64], affinity: Any) -> float:
    probabilities = np.exp(logs)
    return float((probabilities * (logs - unary - affinity @ probabilities / 2)).sum())
