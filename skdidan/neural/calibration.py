"""Calibrate probabilities on held-out rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

__all__ = ["CALIBRATIONS", "fit_temperature"]

#: Values of the parameter `calibration` beside None.
CALIBRATIONS = ("temperature",)


def fit_temperature(scores: NDArray[np.float64], y_idx: NDArray[np.int64]) -> float:
    r"""Return the temperature whose softmax fits the labels of held-out rows best.

    .. math:: \min_T -\sum_i \log \operatorname{softmax}(s_i / T)_{y_i}

    The sum is convex in :math:`1 / T`. The method is temperature scaling [1]_.

    Parameters
    ----------
    scores : ndarray, shape (n_samples, n_classes)
        Outputs of a network.
    y_idx : ndarray of int, shape (n_samples,)
        Indices of the classes.

    Returns
    -------
    temperature : float
        Between 1e-3 and 1e3 times the standard deviation of the scores.

    References
    ----------
    .. [1] Guo, Pleiss, Sun, Weinberger (2017). On calibration of modern neural networks. ICML,
       arXiv:1706.04599.

    Examples
    --------
    >>> scores = np.array([[4.0, 0.0]] * 4)
    >>> round(4 / fit_temperature(scores, np.array([0, 0, 0, 1])), 3)  # log 3: three of four
    1.099
    """
    spread = float(np.std(scores)) or 1.0
    rows = np.arange(len(y_idx))

    def error(log_inverse: float) -> float:
        return -float(log_softmax(np.exp(log_inverse) * scores / spread, axis=1)[rows, y_idx].sum())

    bound = np.log(1e3)
    found = minimize_scalar(error, bounds=(-bound, bound), options={"xatol": 1e-9})
    return float(spread / np.exp(found.x))
