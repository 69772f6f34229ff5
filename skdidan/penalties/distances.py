"""Penalties on moments of the features: distances between means and covariances."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import mse_loss

from skdidan.penalties.base import Penalty, rounding_floor

__all__ = ["CORAL", "MeanDistance"]


class MeanDistance(Penalty):
    r"""Distance between the domain means, relative to the variance of the features.

    .. math::
        D = \frac{b}{b + \tfrac12 (v_s + v_t)}, \qquad
        b = \tfrac14 \|\bar f_s - \bar f_t\|^2, \qquad
        v = \frac1n \sum_i \|f_i - \bar f\|^2

    This is the share of the variance that the domain explains when both domains have equal weight
    (the correlation ratio). It is 0 for equal means and 1 if each domain is a single point. Unlike
    the squared distance itself, it cannot be lowered by shrinking the features. Two domains at the
    same single point have a distance of 0.

    Examples
    --------
    Means three apart, and variances of 1 and 0: ``2.25 / (2.25 + 0.5)``.

    >>> import torch
    >>> from skdidan import MeanDistance
    >>> source, target = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 3.0]])
    >>> round(float(MeanDistance()(source, target)), 4)
    0.8182
    """

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        mean_s, mean_t = source.mean(dim=0), target.mean(dim=0)
        between = mse_loss(mean_s, mean_t, reduction="sum") / 4
        # torch.var_mean over rows takes several times as long.
        variance_s = mse_loss(source, mean_s.expand_as(source), reduction="sum") / len(source)
        variance_t = mse_loss(target, mean_t.expand_as(target), reduction="sum") / len(target)
        total = between + (variance_s + variance_t) / 2
        return between / torch.maximum(total, rounding_floor(mean_s))


class CORAL(Penalty):
    r"""Squared Frobenius distance between the covariances, as in Deep CORAL.

    .. math:: \mathrm{CORAL} = \frac{1}{4 d^2} \| C_s - C_t \|_F^2

    with unbiased covariances of the `d` features [1]_. A single row has a covariance of zero.

    See Also
    --------
    skdidan.CorrelationAlignment : The transformer (CORAL), for features and any classifier.

    References
    ----------
    .. [1] Sun, Saenko (2016). Deep CORAL: correlation alignment for deep domain adaptation. ECCV
       workshops, arXiv:1607.01719.

    Examples
    --------
    Variances 2 and 8 in one dimension: ``(2 - 8)**2 / 4``.

    >>> import torch
    >>> from skdidan import CORAL
    >>> float(CORAL()(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])))
    9.0
    """

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        difference = _covariance(source) - _covariance(target)
        return difference.square().sum() / (4 * source.shape[1] ** 2)


def _covariance(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=0)
    return centred.T @ centred / max(len(features) - 1, 1)
