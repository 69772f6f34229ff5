"""Criteria that judge predictions on an unlabelled target from outputs and embeddings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax, xlogy
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from skdidan.labels import check_labels
from skdidan.parameters import check_number, check_positive, check_whole
from skdidan.validation import check_seed

__all__ = [
    "NOT_NEGATIVE",
    "TARGET_CRITERIA",
    "class_balance",
    "cluster_agreement",
    "cluster_silhouette",
    "information_maximisation",
    "mano",
    "neighbourhood_density",
    "nuclear_norm",
    "prediction_entropy",
]

_BLOCK_SIZE = 2**20  # similarities of pairs of rows that are held at once


def prediction_entropy(probabilities: ArrayLike) -> float:
    r"""Mean entropy of the predictions, relative to its maximum; lower is better.

    .. math:: \frac{1}{n \log K} \sum_i H(p_i), \qquad H(p) = -\sum_k p_k \log p_k

    A criterion of [1]_. Confidently predicting one class for all rows has the best value, 0.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    entropy : float between 0 and 1

    Raises
    ------
    ValueError
        If the rows are not probabilities of at least two classes.

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
    r"""Mutual information between rows and predicted classes; higher is better.

    .. math:: \frac{1}{\log K} \Bigl( H(\bar p) - \frac1n \sum_i H(p_i) \Bigr), \qquad
              \bar p = \frac1n \sum_i p_i

    with the entropy `H` of `prediction_entropy` [1]_. Confident predictions of equally frequent
    classes have the best value, 1, even if the true classes differ in size. Predicting one class
    for all rows has the worst value, 0.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    information : float between 0 and 1

    Raises
    ------
    ValueError
        If the rows are not probabilities of at least two classes.

    References
    ----------
    .. [1] Shi, Sha (2012). Information-theoretical learning of discriminative clusters for
       unsupervised domain adaptation. ICML, arXiv:1206.6438.

    Examples
    --------
    >>> diverse, one_class = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]
    >>> information_maximisation(diverse), information_maximisation(one_class)
    (1.0, 0.0)
    """
    p = _check_probabilities(probabilities)
    information = (_entropy(p.mean(axis=0)) - _entropy(p).mean()) / np.log(p.shape[1])
    return float(information) if information > 1e-12 else 0.0  # no ranking by rounding errors


def nuclear_norm(probabilities: ArrayLike) -> float:
    r"""Nuclear norm of the prediction matrix, relative to its bound; higher is better.

    .. math:: \frac{\|P\|_*}{\sqrt{n \min(n, K)}}

    The sum of the singular values of the probabilities :math:`P` is large if the rows are confident
    and the classes diverse [1]_. With :math:`n \ge K`, confidently predicting one class for all
    rows has :math:`1 / \sqrt K`, above uniform (:math:`1 / K`) and some correct but unsure ones.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_classes > 1
        Class probabilities of target rows.

    Returns
    -------
    norm : float between 0 and 1

    Raises
    ------
    ValueError
        If the rows are not probabilities of at least two classes.

    References
    ----------
    .. [1] Cui, Wang, Zhuo, Li, Huang, Tian (2020). Towards discriminability and diversity: batch
       nuclear-norm maximization under label insufficient situations. CVPR, arXiv:2003.12237.

    Examples
    --------
    >>> diverse, one_class = [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]
    >>> round(nuclear_norm(diverse), 4), round(nuclear_norm(one_class), 4)
    (1.0, 0.7071)
    """
    p = _check_probabilities(probabilities)
    return float(np.linalg.norm(p, "nuc") / np.sqrt(len(p) * min(p.shape)))


def neighbourhood_density(probabilities: ArrayLike, *, temperature: float = 0.05) -> float:
    r"""Soft neighbourhood density of the predictions; higher is better.

    .. math:: \frac{1}{n \log(n - 1)} \sum_i H(d_i), \qquad
              d_{ij} \propto \exp(\tilde p_i^\top \tilde p_j / T), \quad j \ne i

    with rows :math:`\tilde p` of length one and the entropy `H` of `prediction_entropy`. Rows in
    dense clusters of predictions have many neighbours at similar distances [1]_. The paper does not
    divide by :math:`\log(n - 1)`. Predicting one class for all rows has the best value, 1.

    Parameters
    ----------
    probabilities : array-like, shape (n_samples, n_classes), n_samples > 2, n_classes > 1
        Class probabilities of target rows.
    temperature : float > 0, default=0.05
        Temperature `T`; the default is that of the paper.

    Returns
    -------
    density : float between 0 and 1

    Raises
    ------
    ValueError
        If rows are fewer than three or not probabilities, or the temperature is not above 0.

    References
    ----------
    .. [1] Saito, Kim, Teterwak, Sclaroff, Darrell, Saenko (2021). Tune it the right way:
       unsupervised validation of domain adaptation via soft neighborhood density. ICCV,
       arXiv:2108.10860.

    Examples
    --------
    >>> round(neighbourhood_density([[1.0, 0], [1, 0], [0, 1], [0, 1]]), 4)  # one neighbour each
    0.0
    """
    p = normalize(_check_probabilities(probabilities, n_rows=3))
    check_positive("temperature", temperature)
    n = len(p)
    total = 0.0
    for rows in gen_batches(n, 1 + _BLOCK_SIZE // n):
        similarities = p[rows] @ p.T / temperature
        np.fill_diagonal(similarities[:, rows], -np.inf)  # no row is its own neighbour
        total += _entropy(softmax(similarities, axis=1)).sum()
    return float(total / n / np.log(n - 1))


def mano(scores: ArrayLike, *, threshold: float = 5.0) -> float:
    r"""Matrix norm of the normalised scores (MaNo); higher is better.

    .. math:: \Bigl( \frac{1}{n K} \sum_{ik} \sigma(q_i)_k^4 \Bigr)^{1/4}

    If the mean of :math:`-\log \mathrm{softmax}(q_i)_k` over rows and classes of the scores
    :math:`q` exceeds the threshold, :math:`\sigma` is the softmax. Otherwise the scores are badly
    calibrated, and :math:`\sigma(q)_k \propto 1 + q_k + q_k^2 / 2` [1]_ of scores centred by row
    is more robust, and ignores a shift as the softmax does. Confidently predicting one class for
    all rows has the best value.

    Parameters
    ----------
    scores : array-like, shape (n_samples, n_classes), n_classes > 1
        Scores of target rows before the softmax. Only scores of the same scale can be compared.
    threshold : float or infinity, default=5.0
        The default is that of the paper.

    Returns
    -------
    norm : float between :math:`1 / K`, for equal scores, and :math:`K^{-1/4}`

    Raises
    ------
    ValueError
        If the rows are not finite scores of at least two classes.

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
    if not (isinstance(threshold, float) and threshold == np.inf):  # which is never exceeded
        check_number("threshold", threshold, lambda: True, "a number")
    if -log_softmax(q, axis=1).mean() > threshold:
        shares = softmax(q, axis=1)
    else:
        q = q - q.mean(axis=1, keepdims=True)
        largest = np.maximum(1, np.abs(q).max(axis=1, keepdims=True))  # against overflow
        taylor = largest**-2 + q / largest / largest + (q / largest) ** 2 / 2
        shares = taylor / taylor.sum(axis=1, keepdims=True)
    return float(np.mean(shares**4) ** 0.25)


def class_balance(predicted: ArrayLike, n_classes: int) -> float:
    r"""Entropy of the class frequencies of the predictions; higher is better.

    .. math:: -\frac{1}{\log K} \sum_k s_k \log s_k

    with the share :math:`s_k` of rows predicted as class `k`. Predicting one class for all rows has
    the worst value, 0, but random guesses have the best: use it as a factor of a product. The
    "diversity" of [1]_ uses mean probabilities, which are diverse for uninformative ones as well.

    Parameters
    ----------
    predicted : array-like, shape (n_samples,)
        Predicted classes of target rows.
    n_classes : int > 1
        Number of classes `K` of the classifier.

    Returns
    -------
    balance : float between 0 and 1

    Raises
    ------
    ValueError
        If there is no prediction, one is missing, or more than `n_classes` classes are predicted.

    References
    ----------
    .. [1] Musgrave, Belongie, Lim (2022). Three new validators and a large-scale benchmark ranking
       for unsupervised domain adaptation. arXiv:2208.07360.

    Examples
    --------
    >>> class_balance(["joy", "fear", "joy", "fear"], 2), class_balance(["joy", "joy"], 2)
    (1.0, 0.0)
    """
    counts = np.unique(check_labels(predicted, "predicted"), return_counts=True)[1]
    if check_whole("n_classes", n_classes) < 2 or not 0 < len(counts) <= n_classes:
        raise ValueError(
            "predicted must hold at least one and at most n_classes classes, and n_classes must be "
            f"at least 2; got {len(counts)} classes and n_classes={n_classes}."
        )
    return float(_entropy(counts / counts.sum()) / np.log(n_classes)) + 0.0


def cluster_agreement(
    embeddings: ArrayLike,
    predicted: ArrayLike,
    *,
    random_state: int | np.random.RandomState | None = 0,
) -> float:
    r"""Agreement between predictions and clusters of the embeddings; higher is better.

    Adjusted mutual information between the predicted classes and as many clusters by k-means [1]_:
    1 for equal partitions, 0 at or below chance. Predicting one class for all rows has 0.

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
    agreement : float between 0 and 1

    Raises
    ------
    ValueError
        If the numbers of rows differ, a number is not finite, or a prediction is missing.

    References
    ----------
    .. [1] Musgrave, Belongie, Lim (2022). Three new validators and a large-scale benchmark ranking
       for unsupervised domain adaptation. arXiv:2208.07360.

    Examples
    --------
    >>> rows = [[0.0], [0.1], [5.0], [5.1]]
    >>> cluster_agreement(rows, [0, 0, 1, 1]), cluster_agreement(rows, [0, 0, 0, 0])
    (1.0, 0.0)
    """
    check_seed(random_state)
    rows, y_idx = _check_clusters(embeddings, predicted)
    n_classes = y_idx.max() + 1
    if n_classes == 1:
        return 0.0  # the adjusted mutual information of two single clusters is 1
    means = KMeans(n_classes, n_init=10, random_state=random_state).fit(rows)
    return max(0.0, float(adjusted_mutual_info_score(y_idx, means.labels_)))


def cluster_silhouette(embeddings: ArrayLike, predicted: ArrayLike) -> float:
    r"""Silhouette of the predicted classes as clusters of the embeddings; higher is better.

    .. math:: \frac1n \sum_i \frac{b_i - a_i}{\max(a_i, b_i)}

    with the mean distances :math:`a_i` of row `i` to the other rows of its predicted class and
    :math:`b_i` to those of the nearest other class [1]_. Predicting one class for all has -1.

    Parameters
    ----------
    embeddings : array-like, shape (n_samples, n_features)
        Embeddings of target rows.
    predicted : array-like, shape (n_samples,)
        Their predicted classes.

    Returns
    -------
    silhouette : float between -1 and 1

    Raises
    ------
    ValueError
        If the numbers of rows differ, a number is not finite, or a prediction is missing.

    References
    ----------
    .. [1] Rousseeuw (1987). Silhouettes: a graphical aid to the interpretation and validation of
       cluster analysis. Journal of Computational and Applied Mathematics 20.

    Examples
    --------
    >>> round(cluster_silhouette([[0.0], [1.0], [10.0], [11.0]], [0, 0, 1, 1]), 4)
    0.8997
    """
    rows, y_idx = _check_clusters(embeddings, predicted)
    if not 1 < y_idx.max() + 1 < len(y_idx):
        return -1.0
    return float(silhouette_score(rows, y_idx))


def _entropy(p: NDArray[Any]) -> NDArray[Any]:
    return -xlogy(p, p).sum(axis=-1)


def _check_matrix(name: str, values: Any, n_rows: int = 1, n_columns: int = 2) -> NDArray[Any]:
    try:
        matrix = np.ma.asarray(values, dtype=np.float64).filled(np.nan)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a matrix of numbers: {error}") from error
    if matrix.ndim != 2 or len(matrix) < n_rows or matrix.shape[1] < n_columns:
        raise ValueError(
            f"{name} must be a matrix with at least {n_rows} rows and {n_columns} columns; got "
            f"shape {matrix.shape}."
        )
    if len(bad := np.argwhere(~np.isfinite(matrix))):
        row, column = bad[0]
        raise ValueError(
            f"{name} must be finite; got {matrix[row, column]} in row {row}, column {column}."
        )
    return matrix


def _check_probabilities(values: ArrayLike, *, n_rows: int = 1) -> NDArray[np.float64]:
    p = _check_matrix("probabilities", values, n_rows=n_rows)
    sums = p.sum(axis=1)
    # Half-precision probabilities have errors of about a thousandth.
    if p.min() < -1e-6 or np.abs(sums - 1).max() > 5e-3:
        raise ValueError(
            "probabilities must be at least 0 and sum to 1 in each row; got a minimum of "
            f"{p.min():.4g} and sums from {sums.min():.4g} to {sums.max():.4g}."
        )
    return normalize(np.maximum(p, 0), norm="l1")


def _check_clusters(embeddings: Any, predicted: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    rows = _check_matrix("embeddings", embeddings, n_columns=1)
    y_idx = np.unique(check_labels(predicted, "predicted"), return_inverse=True)[1]
    if y_idx.shape != (len(rows),):
        raise ValueError(
            "embeddings must have one row for each entry of predicted; got shapes "
            f"{rows.shape} and {y_idx.shape}."
        )
    # A power of two changes no digit, and squares of large or small numbers would have no place.
    rows = np.ldexp(rows, -np.frexp(np.abs(rows).max())[1])
    return rows - np.median(rows, axis=0), y_idx  # far from zero, distances would lose digits


#: Criteria of predictions on the target, by their names; higher is better. They take objects with
#: the attributes n_classes, predicted, probabilities, scores and embeddings.
TARGET_CRITERIA: dict[str, Callable[[Any], float]] = {
    "balance": lambda target: class_balance(target.predicted, target.n_classes),
    "clusters": lambda target: cluster_agreement(target.embeddings, target.predicted),
    "density": lambda target: neighbourhood_density(target.probabilities),
    "entropy": lambda target: -prediction_entropy(target.probabilities),
    "information": lambda target: information_maximisation(target.probabilities),
    "mano": lambda target: mano(target.scores),
    "nuclear_norm": lambda target: nuclear_norm(target.probabilities),
    "silhouette": lambda target: cluster_silhouette(target.embeddings, target.predicted),
}

#: Criteria that may be multiplied; a product of two negative factors would reverse their order.
NOT_NEGATIVE = {"balance", "clusters", "density", "information", "mano", "nuclear_norm"}
