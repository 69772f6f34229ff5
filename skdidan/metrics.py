"""Measures of a classification: unweighted and weighted average recall."""

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
    r"""Unweighted average recall: the mean over the classes of the share that was recognised.

    .. math:: \text{UAR} = \frac{1}{|C|} \sum_{c \in C}
              \frac{|\{i : y_i = c, \hat{y}_i = c\}|}{|\{i : y_i = c\}|}

    Every class counts the same, however many samples it has; chance is ``1 / len(labels)``.

    Parameters
    ----------
    y_true : array-like of str or int, shape (n_samples,)
        The true labels.
    y_pred : array-like of str or int, shape (n_samples,)
        The predicted labels.
    labels : array-like of str or int, shape (n_classes,), default=None
        The classes :math:`C`. None takes those of `y_true`; a class that was only ever predicted
        does not enter. A class given here without a true sample has no recall: it is left out of
        the mean, with a warning, so that a perfect prediction scores 1.

    Returns
    -------
    uar : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If truth and prediction differ in length, hold no sample, are not one-dimensional, or if no
        class of `labels` occurs in the truth.

    Warns
    -----
    sklearn.exceptions.UndefinedMetricWarning
        If a class of `labels` has no true sample.

    See Also
    --------
    war : The share of all samples that was recognised.

    Examples
    --------
    >>> uar(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.8333333333333333
    """
    truth, prediction = _check_labels(y_true, y_pred)
    classes = np.unique(truth)
    if labels is not None:
        asked = np.unique(np.asarray(labels))
        classes, absent = np.intersect1d(asked, classes), np.setdiff1d(asked, classes).tolist()
        if not len(classes):
            raise ValueError(f"None of the labels occurs in the truth; got labels={absent}.")
        if absent:
            warnings.warn(
                f"The recall of classes without a true sample is undefined: {absent}. The UAR is "
                "the mean over the others.",
                UndefinedMetricWarning,
                stacklevel=2,
            )
    return float(recall_score(truth, prediction, labels=classes, average="macro"))


def war(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Weighted average recall, the accuracy: the share of all samples that was recognised.

    .. math:: \text{WAR} = \frac{1}{n} |\{i : \hat{y}_i = y_i\}|

    It is the mean of the recalls of the classes, weighted by their numbers of samples.

    Parameters
    ----------
    y_true : array-like of str or int, shape (n_samples,)
        The true labels.
    y_pred : array-like of str or int, shape (n_samples,)
        The predicted labels.

    Returns
    -------
    war : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If truth and prediction differ in length, hold no sample, or are not one-dimensional.

    See Also
    --------
    uar : The mean over the classes, each counting the same.

    Examples
    --------
    >>> war(["anger", "anger", "anger", "fear"], ["anger", "anger", "fear", "fear"])
    0.75
    """
    return float(accuracy_score(*_check_labels(y_true, y_pred)))


def _check_labels(y_true: Any, y_pred: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    truth, prediction = column_or_1d(y_true), column_or_1d(y_pred)
    if len(truth) != len(prediction):
        raise ValueError(
            f"Truth and prediction differ in length: {len(truth)} != {len(prediction)}."
        )
    if len(truth) == 0:
        raise ValueError("Truth and prediction hold no sample.")
    return truth, prediction
