"""Reliability of the probabilities of a classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_consistent_length, column_or_1d

from skdidan.parameters import check_count
from skdidan.plots.drawing import COLOURS, MARKERS, find_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_calibration"]


def plot_calibration(
    y_true: ArrayLike,
    probabilities: ArrayLike,
    classes: ArrayLike,
    *,
    n_bins: int = 10,
    name: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Plot how often predictions of each confidence are right: a reliability curve.

    The confidence of a row is its highest probability. Rows are put into `n_bins` bins of equal
    width; each bin is a point at its mean confidence and its share of correct predictions, whose
    size grows with its number of rows. On the diagonal the probabilities are right; below it, the
    classifier is overconfident. The legend has the expected calibration error [1]_

    .. math:: \text{ECE} = \sum_b \frac{n_b}{n} |\text{accuracy}_b - \text{confidence}_b|

    Parameters
    ----------
    y_true : array-like, shape (n_samples,)
        True labels.
    probabilities : array-like, shape (n_samples, n_classes)
        As from ``predict_proba``.
    classes : array-like, shape (n_classes,)
        Labels of the columns, as ``classes_``.
    n_bins : int > 0, default=10
        Number of bins from 0 to 1; empty ones have no point.
    name : str, optional
        Name of the curve in the legend. Several calls draw several curves into the same axes.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If shapes disagree, or probabilities are not between 0 and 1 with sums of 1.
    ImportError
        If matplotlib is not installed.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks. ICML.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skdidan import plot_calibration
    >>> probabilities = [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]]
    >>> ax = plot_calibration(list("aabb"), probabilities, ["a", "b"], ax=Figure().subplots())
    >>> ax.get_legend().get_texts()[1].get_text()
    'ECE 0.225'
    """
    check_count("n_bins", n_bins)
    truth, shares = column_or_1d(y_true), np.asarray(probabilities, dtype=float)
    labels = column_or_1d(classes)
    check_consistent_length(truth, shares)
    if shares.ndim != 2 or shares.shape[1] != len(labels) or not len(shares):
        raise ValueError(
            f"probabilities must have at least one row, and a column for each of {len(labels)} "
            f"classes; got shape {shares.shape}."
        )
    is_share = (shares >= 0) & (shares <= 1)
    if not is_share.all() or not np.allclose(shares.sum(axis=1), 1, atol=1e-3):
        raise ValueError("probabilities must be between 0 and 1, and sum to 1 in each row.")
    is_correct = labels[shares.argmax(axis=1)] == truth
    n_rows, confidence, accuracy = _bin(shares.max(axis=1), is_correct, n_bins)
    error = float(np.average(np.abs(accuracy - confidence), weights=n_rows))
    ax = find_axes(ax)
    if not any(line.get_label() == "perfect" for line in ax.lines):
        ax.plot([0, 1], [0, 1], color="#666666", ls=":", lw=1.2, label="perfect")
    number = len(ax.lines) - 1
    colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
    label = f"{name}, ECE {error:.3f}" if name else f"ECE {error:.3f}"
    ax.plot(confidence, accuracy, color=colour, lw=1.5, marker=marker, ms=4, label=label)
    ax.scatter(confidence, accuracy, s=400 * n_rows / n_rows.sum(), c=colour, alpha=0.3, lw=0)
    ax.set(xlabel="confidence", ylabel="share of correct predictions")
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.spines[["top", "right"]].set_visible(False)
    # Above the axes, since curves may be anywhere in them.
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    return ax


def _bin(
    confidence: NDArray[np.float64], is_correct: NDArray[Any], n_bins: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the number of rows, mean confidence and accuracy of each bin that is not empty."""
    places = np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    n_rows = np.bincount(places, minlength=n_bins)
    filled = n_rows > 0
    means = [
        np.bincount(places, weights=values, minlength=n_bins)[filled] / n_rows[filled]
        for values in (confidence, is_correct)
    ]
    return n_rows[filled], means[0], means[1]
