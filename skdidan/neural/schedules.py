"""Schedules of the trade-off and of the learning rate."""

from __future__ import annotations

import math

from skdidan.parameters import check_count, check_not_negative, check_whole

__all__ = ["cooldown", "ramp"]


def ramp(progress: float) -> float:
    r"""Return the share of the trade-off at a training progress, rising smoothly from 0 to 1.

    .. math:: \frac{2}{1 + e^{-10 p}} - 1

    at progress `p` from 0 to 1. The schedule is that of Ganin and Lempitsky (2015),
    arXiv:1409.7495: the classifier is trained first, and then aligned.

    Examples
    --------
    >>> ramp(0.0), round(ramp(0.1), 4), round(ramp(1.0), 4)
    (0.0, 0.4621, 0.9999)
    """
    check_not_negative("progress", progress)
    return 2 / (1 + math.exp(-10 * progress)) - 1


def cooldown(epoch: int, n_epochs: int) -> float:
    r"""Return the factor on the learning rate, falling linearly over the last 30 % of the epochs.

    .. math:: \min\Bigl(1, \frac{\max(n - e, 0)}{0.3 n}\Bigr)

    in epoch `e` of `n`, counted from 0. At a high learning rate, predictions on the unlabelled
    target change from epoch to epoch. The schedule is that of [1]_.

    References
    ----------
    .. [1] Hägele, Bakouch, Kosson, Ben Allal, von Werra, Jaggi (2024). Scaling laws and
       compute-optimal training beyond fixed training durations. NeurIPS, arXiv:2405.18392.

    Examples
    --------
    >>> [round(cooldown(epoch, 10), 2) for epoch in range(11)]
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.67, 0.33, 0.0]
    """
    check_whole("epoch", epoch)
    check_count("n_epochs", n_epochs)
    return min(1.0, max(n_epochs - epoch, 0) / (0.3 * n_epochs))
