"""How good do predictions on an unlabelled target look? Functions of outputs and embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax, xlogy
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.preprocessing import normalize

from skdidan.parameters import check_positive

__all__ = [
    "NOT_NEGATIVE",
    "TARGET_CRITERIA",
    "Answers",
    "class_balance",
    "cluster_agreement",
    "cluster_silhouette",
    "information_maximisation",
    "mano",
    "neighbourhood_density",
    "nuclear_norm",
    "prediction_entropy",
]


class Answers(Protocol):
    """What a classifier says of rows."""

    @property
    def n_classes(self) -> int:
        """The number of classes that it knows."""

    @property
    def predicted(self) -> NDArray[Any]:
        """The predicted classes, shape (n_samples,)."""

    @property
    def probabilities(self) -> NDArray[Any]:
        """Their probabilities, shape (n_samples, n_classes)."""

    @property
    def scores(self) -> NDArray[Any]:
        """Scores before the softmax, shape (n_samples, n_classes)."""

    @property
    def embeddings(self) -> NDArray[Any]:
        """The features on which the classifier decides, shape (n_samples, n_features)."""


def prediction_entropy(probabilities: ArrayLike) -> float:
    r"""Mean entropy of the predictions, as a share of the largest possible; lower is better.

    .. math:: \frac{1}{n \log K} \sum_i H(p_i), \qquad H(p) = -\sum_k p_k \log p_k

    A predictor that puts all rows into one class, and is sure of it, has the best value, 0: the
    criterion does not notice that it is degenerate. Entropy as a validation criterion is that of
    [1]_.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    entropy : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If these are no probabilities of at least two classes.

    References
    ----------
    .. [1] Morerio, Cavazza, Murino (2018). Minimal-entropy correlation alignment for unsupervised
       deep domain adaptation. ICLR, arXiv:1711.10288.

    Examples
    --------
    >>> prediction_entropy([[0.5, 0.5], [1.0, 0.0]])
    0.5
    """
    p = _check_probabilities(probabilities)
    return float(_entropy(p).mean() / np.log(p.shape[1]))


def information_maximisation(probabilities: ArrayLike) -> float:
    r"""Mutual information of rows and predicted classes; higher is better.

    .. math:: \frac{1}{\log K} \Bigl( H(\bar p) - \frac1n \sum_i H(p_i) \Bigr), \qquad
              \bar p = \frac1n \sum_i p_i

    with the entropy `H` of `prediction_entropy`: each row shall be of one class, and all classes
    shall occur alike [1]_. A predictor that puts all rows into one class has the worst value, 0.
    Where the classes of the target are of unequal size, the best value is not that of the truth.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    information : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If these are no probabilities of at least two classes.

    References
    ----------
    .. [1] Shi, Sha (2012). Information-theoretical learning of discriminative clusters for
       unsupervised domain adaptation. ICML, arXiv:1206.6438.

    Examples
    --------
    >>> information_maximisation([[1.0, 0.0], [0.0, 1.0]])
    1.0
    >>> information_maximisation([[1.0, 0.0], [1.0, 0.0]])
    0.0
    """
    p = _check_probabilities(probabilities)
    information = (_entropy(p.mean(axis=0)) - _entropy(p).mean()) / np.log(p.shape[1])
    return float(information) if information > 1e-12 else 0.0  # rounding shall order nothing


def nuclear_norm(probabilities: ArrayLike) -> float:
    r"""Nuclear norm of the matrix of predictions, as a share of its bound; higher is better.

    .. math:: \frac{\|P\|_*}{\sqrt{n \min(n, K)}}

    the sum of the singular values of the probabilities :math:`P`, which is large if the rows are
    sure and the classes diverse [1]_. A predictor that puts all rows into one class, and is sure of
    it, has :math:`1 / \sqrt K` with :math:`n \ge K`: more than one that cannot decide, which has
    :math:`1 / K`, and than one that is right but little more sure.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    norm : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If these are no probabilities of at least two classes.

    References
    ----------
    .. [1] Cui, Wang, Zhuo, Li, Huang, Tian (2020). Towards discriminability and diversity: batch
       nuclear-norm maximization under label insufficient situations. CVPR, arXiv:2003.12237.

    Examples
    --------
    >>> round(nuclear_norm([[1.0, 0.0], [0.0, 1.0]]), 4)
    1.0
    >>> round(nuclear_norm([[1.0, 0.0], [1.0, 0.0]]), 4)
    0.7071
    """
    p = _check_probabilities(probabilities)
    return float(np.linalg.norm(p, "nuc") / np.sqrt(len(p) * min(p.shape)))


def neighbourhood_density(probabilities: ArrayLike, *, temperature: float = 0.05) -> float:
    r"""Soft neighbourhood density: how many neighbours a row has; higher is better.

    .. math:: \frac{1}{n \log(n - 1)} \sum_i H(d_i), \qquad
              d_{ij} \propto \exp(\tilde p_i^\top \tilde p_j / T), \quad j \ne i

    with rows :math:`\tilde p` of length one and the entropy `H` of `prediction_entropy`. Rows that
    lie in dense clusters of predictions have many equally near neighbours [1]_. A predictor that
    puts all rows into one class makes a single dense cluster and has the best value, 1.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_samples > 2
        Class probabilities of target rows.
    temperature : float > 0, default=0.05
        The temperature `T`, that of the paper.

    Returns
    -------
    density : float
        Between 0 and 1. The paper leaves out the division by :math:`\log(n - 1)`.

    Raises
    ------
    ValueError
        If these are no probabilities of at least two classes and three rows, or the temperature is
        not above 0.

    References
    ----------
    .. [1] Saito, Kim, Teterwak, Sclaroff, Darrell, Saenko (2021). Tune it the right way:
       unsupervised validation of domain adaptation via soft neighborhood density. ICCV,
       arXiv:2108.10860.

    Examples
    --------
    Two pairs: each row has one near neighbour.

    >>> round(neighbourhood_density([[1.0, 0], [1, 0], [0, 1], [0, 1]]), 4)
    0.0
    """
    p = normalize(_check_probabilities(probabilities, n_rows=3))
    check_positive("temperature", temperature)
    n = len(p)
    similarities = p @ p.T / temperature
    others = similarities[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return float(_entropy(softmax(others, axis=1)).mean() / np.log(n - 1))


def mano(scores: ArrayLike, *, threshold: float = 5.0) -> float:
    r"""Size of the normalised scores (MaNo); higher is better.

    .. math:: \Bigl( \frac{1}{n K} \sum_{ik} \sigma(q_i)_k^4 \Bigr)^{1/4}

    where :math:`\sigma` is the softmax if the scores :math:`q` are calibrated well enough, that is
    if the mean of :math:`-\log \mathrm{softmax}(q_i)_k` over rows and classes exceeds the
    threshold, else :math:`\sigma(q)_k \propto 1 + q_k + q_k^2 / 2`, which a badly calibrated
    network spoils less [1]_. The latter is of the scores less their mean in each row: a softmax
    does not see a shift, and so shall this. A predictor that puts all rows into one class, and is
    sure of it, has the best value.

    Parameters
    ----------
    scores : array-like, shape (n_samples, n_classes), n_classes > 1
        Scores of target rows before the softmax. The values of different networks are only
        comparable if their scores are of one scale.
    threshold : float, default=5.0
        The threshold, that of the paper.

    Returns
    -------
    size : float
        Between :math:`1 / K`, of one that cannot decide, and :math:`K^{-1/4}`.

    Raises
    ------
    ValueError
        If these are no finite scores of at least two classes.

    References
    ----------
    .. [1] Xie, Odonnat, Feofanov, Deng, Zhang, An (2024). MaNo: exploiting matrix norm for
       unsupervised accuracy estimation under distribution shifts. NeurIPS, arXiv:2405.18979.

    Examples
    --------
    >>> round(mano([[0.0, 0.0], [0.0, 0.0]]), 4)
    0.5
    """
    q = _check_matrix("scores", scores)
    if -log_softmax(q, axis=1).mean() > threshold:
        shares = softmax(q, axis=1)
    else:
        q = q - q.mean(axis=1, keepdims=True)
        largest = np.maximum(1, np.abs(q).max(axis=1, keepdims=True))
        taylor = (
            largest**-2 + q / largest / largest + (q / largest) ** 2 / 2
        )  # which cannot overflow
        shares = taylor / taylor.sum(axis=1, keepdims=True)
    return float(np.mean(shares**4) ** 0.25)


def class_balance(predicted: ArrayLike, n_classes: int) -> float:
    r"""Entropy of the shares of the predicted classes; higher is better.

    .. math:: -\frac{1}{\log K} \sum_k s_k \log s_k

    with the share :math:`s_k` of rows that are put into class `k`. It is 1 if all classes are
    predicted alike. A predictor that puts all rows into one class has the worst value, 0, but one
    that guesses has the best: it is a factor for products. In place of the mean probabilities, the
    "diversity" of [1]_, it counts predictions, since rows of which nothing is known are diverse in
    the mean.

    Parameters
    ----------
    predicted : array-like, shape (n_samples,)
        The predicted classes of target rows.
    n_classes : int > 1
        The number of classes `K` that could be predicted.

    Returns
    -------
    balance : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If there is no prediction, or more classes occur than there are.

    References
    ----------
    .. [1] Musgrave, Belongie, Lim (2022). Three new validators and a large-scale benchmark ranking
       for unsupervised domain adaptation. arXiv:2208.07360.

    Examples
    --------
    >>> class_balance(["joy", "fear", "joy", "fear"], 2)
    1.0
    >>> class_balance(["joy", "joy", "joy", "joy"], 2)
    0.0
    """
    counts = np.unique(np.asarray(predicted), return_counts=True)[1]
    if not 0 < len(counts) <= n_classes or n_classes < 2:
        raise ValueError(
            "predicted must hold rows of at most n_classes classes, of which there must be two or "
            f"more; got {len(counts)} classes and n_classes={n_classes}."
        )
    return float(_entropy(counts / counts.sum()) / np.log(n_classes)) + 0.0


def cluster_agreement(
    embeddings: ArrayLike,
    predicted: ArrayLike,
    *,
    random_state: int | np.random.RandomState | None = 0,
) -> float:
    r"""Agreement of the predictions with clusters of the embeddings; higher is better.

    Adjusted mutual information of the predicted classes and the clusters of k-means, of which there
    are as many as classes that are predicted: chance has 0, equal partitions 1 [1]_. Less than
    chance is returned as 0. A predictor that puts all rows into one class has 0.

    Parameters
    ----------
    embeddings : array-like, shape (n_samples, n_features)
        Embeddings of target rows.
    predicted : array-like, shape (n_samples,)
        Their predicted classes.
    random_state : int, RandomState or None, default=0
        Seed of k-means.

    Returns
    -------
    agreement : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If embeddings and predictions differ in number, or a number is not finite.

    References
    ----------
    .. [1] Musgrave, Belongie, Lim (2022). Three new validators and a large-scale benchmark ranking
       for unsupervised domain adaptation. arXiv:2208.07360.

    Examples
    --------
    >>> cluster_agreement([[0.0], [0.1], [5.0], [5.1]], ["joy", "joy", "fear", "fear"])
    1.0
    >>> cluster_agreement([[0.0], [0.1], [5.0], [5.1]], ["joy", "joy", "joy", "joy"])
    0.0
    """
    rows, codes = _check_clusters(embeddings, predicted)
    n_classes = codes.max() + 1
    if n_classes == 1:
        return 0.0  # by convention a single class agrees with a single cluster perfectly
    means = KMeans(n_classes, n_init=10, random_state=random_state).fit(rows)
    return max(0.0, float(adjusted_mutual_info_score(codes, means.labels_)))


def cluster_silhouette(embeddings: ArrayLike, predicted: ArrayLike) -> float:
    r"""Silhouette of the predicted classes in the embeddings; higher is better.

    The classes themselves are the clusters here: where k-means is asked for them instead, the score
    says how well the embeddings cluster, whatever is predicted.

    .. math:: \frac1n \sum_i \frac{b_i - a_i}{\max(a_i, b_i)}

    with the mean distances :math:`a_i` of row `i` to the others of its predicted class and
    :math:`b_i` to those of the nearest other class [1]_. A predictor that puts all rows into one
    class has the worst value, -1.

    Parameters
    ----------
    embeddings : array-like, shape (n_samples, n_features)
        Embeddings of target rows.
    predicted : array-like, shape (n_samples,)
        Their predicted classes.

    Returns
    -------
    silhouette : float
        Between -1 and 1.

    Raises
    ------
    ValueError
        If embeddings and predictions differ in number, or a number is not finite.

    References
    ----------
    .. [1] Rousseeuw (1987). Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis. Journal of Computational and Applied Mathematics 20.

    Examples
    --------
    >>> round(cluster_silhouette([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1]), 4)
    0.8997
    """
    rows, codes = _check_clusters(embeddings, predicted)
    if not 1 < codes.max() + 1 < len(codes):
        return -1.0
    return float(silhouette_score(rows, codes))


def _entropy(p: NDArray[Any]) -> NDArray[Any]:
    return -xlogy(p, p).sum(axis=-1)


def _check_matrix(name: str, values: ArrayLike, *, n_rows: int = 1) -> NDArray[np.float64]:
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] < 2 or len(matrix) < n_rows:
        raise ValueError(
            f"{name} must be a matrix of at least {n_rows} rows and a column for each of at least "
            f"two classes; got shape {matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be finite.")
    return matrix


def _check_probabilities(values: ArrayLike, *, n_rows: int = 1) -> NDArray[np.float64]:
    p = _check_matrix("probabilities", values, n_rows=n_rows)
    sums = p.sum(axis=1)
    # In half precision a probability is off by a thousandth.
    if p.min() < -1e-6 or np.abs(sums - 1).max() > 5e-3:
        raise ValueError(
            f"probabilities must be at least 0 and sum to 1 in each row; got entries from "
            f"{p.min():.4g} and sums from {sums.min():.4g} to {sums.max():.4g}."
        )
    p = np.maximum(p, 0)
    return p / p.sum(axis=1, keepdims=True)


def _check_clusters(
    embeddings: ArrayLike, predicted: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    rows = np.asarray(embeddings, dtype=np.float64)
    codes = np.unique(np.asarray(predicted), return_inverse=True)[1]
    if rows.ndim != 2 or codes.ndim != 1 or len(rows) != len(codes) or not len(rows):
        raise ValueError(
            "embeddings must be a matrix with a row for each of the predicted classes; got shapes "
            f"{rows.shape} and {codes.shape}."
        )
    if not np.isfinite(rows).all():
        raise ValueError("embeddings must be finite.")
    return rows, codes


#: Scores of what a classifier says of the target, by their names: the higher, the better.
TARGET_CRITERIA: dict[str, Callable[[Answers], float]] = {
    "balance": lambda answers: class_balance(answers.predicted, answers.n_classes),
    "clusters": lambda answers: cluster_agreement(answers.embeddings, answers.predicted),
    "density": lambda answers: neighbourhood_density(answers.probabilities),
    "entropy": lambda answers: -prediction_entropy(answers.probabilities),
    "information": lambda answers: information_maximisation(answers.probabilities),
    "mano": lambda answers: mano(answers.scores),
    "nuclear_norm": lambda answers: nuclear_norm(answers.probabilities),
    "silhouette": lambda answers: cluster_silhouette(answers.embeddings, answers.predicted),
}

#: Those of which a product makes sense: of two negative factors the worse would be better.
NOT_NEGATIVE = {"balance", "clusters", "density", "information", "mano", "nuclear_norm"}
