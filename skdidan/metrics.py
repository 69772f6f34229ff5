"""Unweighted and weighted average recall (UAR, WAR) of a classification."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, recall_score

from skdidan.labels import check_labels, check_occurrence, is_missing

__all__ = ["fill_missing", "uar", "war"]


def uar(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> float:
    r"""Unweighted average recall (UAR): the mean of the recalls of the classes.

    .. math:: \text{UAR} = \frac{1}{|C|} \sum_{c \in C}
              \frac{|\{i : y_i = c, \hat{y}_i = c\}|}{|\{i : y_i = c\}|}

    All classes have the same weight, unlike in `war`. Chance level is ``1 / len(labels)``.

    Parameters
    ----------
    y_true, y_pred : array-like of str or int, shape (n_samples,)
        True and predicted labels.
    labels : array-like of str or int, shape (n_classes,), optional
        Classes :math:`C`; by default those of `y_true`. A class without a true sample has no recall
        and is left out of the mean, so that a perfect prediction has a UAR of 1.

    Returns
    -------
    uar : float between 0 and 1

    Raises
    ------
    ValueError
        If lengths differ, labels are empty, missing or not one-dimensional, or no class has a true
        sample.

    Warns
    -----
    sklearn.exceptions.UndefinedMetricWarning
        If a class of `labels` has no true sample.

    Examples
    --------
    >>> uar(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.8333333333333333
    """
    truth, prediction = _check_labels(y_true, y_pred)
    classes = np.unique(truth)
    if labels is not None:
        asked = check_labels(labels, "labels")
        absent = sorted(set(asked[~np.isin(asked, classes)].tolist()), key=str)
        check_occurrence(asked, classes)
        classes = classes[np.isin(classes, asked)]
        if absent:
            message = f"The UAR leaves out labels without a true sample in y_true: {absent}."
            warnings.warn(message, UndefinedMetricWarning, stacklevel=2)
    return float(recall_score(truth, prediction, labels=classes, average="macro"))


def war(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Weighted average recall (WAR), the accuracy: the share of correct predictions.

    .. math:: \text{WAR} = \frac{1}{n} |\{i : \hat{y}_i = y_i\}|

    It is the mean of the recalls of the classes, weighted by their number of samples, unlike `uar`.

    Parameters
    ----------
    y_true, y_pred : array-like of str or int, shape (n_samples,)
        True and predicted labels.

    Returns
    -------
    war : float between 0 and 1

    Raises
    ------
    ValueError
        If true and predicted labels differ in length, are empty, missing or not one-dimensional.

    Examples
    --------
    >>> war(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.75
    """
    return float(accuracy_score(*_check_labels(y_true, y_pred)))


def fill_missing(y_true: Any, y_pred: Any) -> Any:
    """Replace missing predictions, as of unusable recordings, by labels that are wrong."""
    truth, predicted = list(y_true), list(y_pred)
    missing = [row for row, label in enumerate(predicted) if is_missing(label)]
    if not missing:
        return y_pred
    for row in missing:
        predicted[row] = next((label for label in truth if label != truth[row]), None)
    return predicted


def _check_labels(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    truth, prediction = check_labels(y_true, "y_true"), check_labels(y_pred, "y_pred")
    if len(truth) != len(prediction):
        raise ValueError(f"y_true and y_pred differ in length: {len(truth)} != {len(prediction)}.")
    if len(truth) == 0:
        raise ValueError("y_true and y_pred must hold at least one sample; got none.")
    return truth, prediction
