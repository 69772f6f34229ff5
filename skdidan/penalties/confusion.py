"""Minimum class confusion (MCC): a penalty on ambiguous predictions of the target."""

from __future__ import annotations

import torch
from torch import Tensor

from skdidan.parameters import check_positive
from skdidan.penalties.base import Penalty

__all__ = ["MCC"]


class MCC(Penalty):
    r"""Minimum class confusion: how much the target predictions confuse pairs of classes.

    .. math::
        \mathrm{MCC} = \frac1K \sum_k \sum_{l \ne k} \frac{C_{kl}}{\sum_m C_{km}}, \qquad
        C_{kl} = \sum_i w_i p_{ik} p_{il}, \qquad
        w_i = 1 + e^{-H(p_i)}

    Here :math:`p_i` is the softmax of a target row's logits at the temperature `T`, and :math:`H`
    its entropy. No gradient flows through the weights :math:`w` [1]_. The value is close to 0 when
    every class has confident predictions. It is at most :math:`1 - 1/K`, for uniform predictions. A
    class without rows in the batch adds up to :math:`1/K`, so batches should be large compared
    with `K`. A class whose probabilities underflow to 0 adds nothing.

    Pass logits in place of features. The source logits are ignored.

    Parameters
    ----------
    temperature : float > 0, default=2.5
        Temperature :math:`T`, which softens overconfident predictions. The default is that of the
        authors' code. Outputs of a regression onto one-hot labels are not logits; they differ by
        about 1 and need a small temperature, such as 0.2.

    Raises
    ------
    ValueError
        If `temperature` is not positive.

    References
    ----------
    .. [1] Jin, Wang, Long, Wang (2020). Minimum class confusion for versatile domain adaptation.
       ECCV, arXiv:1912.03699.

    Examples
    --------
    Rows undecided between two classes confuse them half of the time; confident rows do not.

    >>> import torch
    >>> from skdidan import MCC
    >>> source = torch.zeros(1, 2)
    >>> float(MCC()(source, torch.zeros(4, 2))), float(MCC()(source, 1000 * torch.eye(2)))
    (0.5, 0.0)
    """

    def __init__(self, temperature: float = 2.5) -> None:
        super().__init__()
        self.temperature = check_positive("temperature", temperature, single=True)

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        p = (target / self.temperature).softmax(dim=1)
        fixed = p.detach()
        weights = 1 + torch.exp(torch.xlogy(fixed, fixed).sum(dim=1, keepdim=True))
        confusion = p.T @ (weights * p)
        confused = (confusion - confusion.diagonal().diag()).sum(dim=1)
        return (confused / confusion.sum(dim=1).clamp_min(torch.finfo(target.dtype).tiny)).mean()
