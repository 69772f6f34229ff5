"""Unweighted and weighted average recall (UAR, WAR) of a classification."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import accuracy_score, recall_score
from sklearn.utils import column_or_1d

__all__ = ["uar", "war"]


def uar(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> float:
    r"""Unweighted average recall (UAR): the mean of the recalls of the classes.

    .. math:: \text{UAR} = \frac{1}{|C|} \sum_{c \in C}
              \frac{|\{i : y_i = c, \hat{y}_i = c\}|}{|\{i : y_i = c\}|}

    All classes have the same weight, whatever their number of samples. Chance level is
    ``1 / len(labels)``.

    Parameters
    ----------
    y_true : array-like of str or int, shape (n_samples,)
        True labels.
    y_pred : array-like of str or int, shape (n_samples,)
        Predicted labels.
    labels : array-like of str or int, shape (n_classes,), default=None
        Classes :math:`C`. None stands for those of `y_true`, without classes that are only
        predicted. A class without a true sample has no recall: it is left out of the mean, with a
        warning, so that a perfect prediction has a UAR of 1.

    Returns
    -------
    uar : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If true and predicted labels differ in length, are empty or not one-dimensional, or if no
        class of `labels` has a true sample.

    Warns
    -----
    sklearn.exceptions.UndefinedMetricWarning
        If a class of `labels` has no true sample.

    See Also
    --------
    war : Share of all samples that are predicted correctly.

    Examples
    --------
    >>> uar(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.8333333333333333
    """
    truth, prediction = _check_labels(y_true, y_pred)
    classes = np.unique(truth)
    if labels is not None:
        given = np.asarray(labels)
        classes, absent = np.intersect1d(given, classes), np.setdiff1d(given, classes).tolist()
        if not len(classes):
            raise ValueError(f"labels must occur in the true labels; got labels={absent}.")
        if absent:
            warnings.warn(
                f"The recall of classes without a true sample is undefined: {absent}. The UAR is "
                "the mean over the other classes.",
                UndefinedMetricWarning,
                stacklevel=2,
            )
    return float(recall_score(truth, prediction, labels=classes, average="macro"))


def war(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Weighted average recall (WAR), the accuracy: the share of correct predictions.

    .. math:: \text{WAR} = \frac{1}{n} |\{i : \hat{y}_i = y_i\}|

    It is the mean of the recalls of the classes, weighted by their number of samples.

    Parameters
    ----------
    y_true : array-like of str or int, shape (n_samples,)
        True labels.
    y_pred : array-like of str or int, shape (n_samples,)
        Predicted labels.

    Returns
    -------
    war : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If true and predicted labels differ in length, are empty or not one-dimensional.

    See Also
    --------
    uar : Mean of the recalls of the classes, all with the same weight.

    Examples
    --------
    >>> war(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.75
    """
    return float(accuracy_score(*_check_labels(y_true, y_pred)))


def _check_labels(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    truth, prediction = column_or_1d(y_true), column_or_1d(y_pred)
    if len(truth) != len(prediction):
        raise ValueError(f"y_true and y_pred differ in length: {len(truth)} != {len(prediction)}.")
    if len(truth) == 0:
        raise ValueError("y_true and y_pred must hold at least one sample; got none.")
    return truth, prediction
