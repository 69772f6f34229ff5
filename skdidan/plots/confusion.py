"""Confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.multiclass import unique_labels

from skdidan.labels import check_labels, check_occurrence, is_missing, plain_labels
from skdidan.plots.drawing import find_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion"]


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the confusion matrix, with each row in percent of the true class.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n_samples,)
        True and predicted labels. A prediction may be missing (None or NaN): it is wrong.
    labels : sequence, optional
        Classes in the order of the plot. Default: all in the data, sorted. A row sums to less than
        100 % if other classes are predicted.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If lengths differ, or no class of `labels` is in the data.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skdidan import plot_confusion
    >>> ax = plot_confusion(["fear", "joy"], ["fear", "fear"], ax=Figure().subplots())
    >>> ax.images[0].get_array().tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    pairs = ("y_true", y_true), ("y_pred", y_pred)
    sizes = [len(check_labels(y, name, allow_missing=True)) for name, y in pairs]
    if sizes[0] != sizes[1]:
        raise ValueError(f"y_true and y_pred differ in length: {sizes[0]} != {sizes[1]}.")
    true, predicted = (
        [label for label in plain_labels(y) if not is_missing(label)] for y in (y_true, y_pred)
    )
    asked = unique_labels(true + predicted) if labels is None else labels
    classes = check_labels(asked, "labels")
    check_occurrence(classes, true)
    counts = confusion_matrix(y_true, y_pred, labels=classes)
    n_true = np.sum(np.asarray(y_true) == classes[:, np.newaxis], axis=1, keepdims=True)
    display = ConfusionMatrixDisplay(counts / np.maximum(n_true, 1), display_labels=classes)
    display.plot(
        values_format=".0%", xticks_rotation=45, cmap="Blues", colorbar=False, ax=find_axes(ax)
    )
    return display.ax_
