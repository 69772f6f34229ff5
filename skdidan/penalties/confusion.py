"""Minimum class confusion: the target's predictions alone shall tell the classes apart."""

from __future__ import annotations

import torch
from torch import Tensor

from skdidan.parameters import check_positive
from skdidan.penalties.base import Penalty

__all__ = ["MCC"]


class MCC(Penalty):
    r"""Minimum class confusion: how far the predictions of the target waver between classes.

    .. math::
        \mathrm{MCC} = \frac1K \sum_k \sum_{l \ne k} \frac{C_{kl}}{\sum_m C_{km}}, \qquad
        C_{kl} = \sum_i w_i p_{ik} p_{il}, \qquad
        w_i = 1 + e^{-H(p_i)}

    with the softmax :math:`p_i` of a target row's logits at the temperature `T` and its entropy
    :math:`H`; no gradient flows through the weights :math:`w` [1]_. It is near 0 if every class has
    rows that are of it for sure, and :math:`1 - 1/K`, the most, if all are undecided. A class that
    no row of the batch is of costs up to :math:`1/K`, so that batches should be large against
    `K`; one whose probability is 0 to the last digit costs nothing.

    It takes logits in place of features, and those of the source have no part in it.

    Parameters
    ----------
    temperature : float > 0, default=2.5
        The temperature :math:`T`, which softens overconfident predictions; by default that of the
        authors' code. Outputs of a regression onto one-hot labels are no logits, but differ by
        about 1: a small one, such as 0.2, serves them as well as it may.

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
    Rows that are undecided between two classes confuse each half of the time.

    >>> import torch
    >>> from skdidan import MCC
    >>> source = torch.zeros(1, 2)
    >>> float(MCC()(source, torch.zeros(4, 2))), float(MCC()(source, 1000 * torch.eye(2)))
    (0.5, 0.0)
    """

    def __init__(self, temperature: float = 2.5) -> None:
        super().__init__()
        self.temperature = check_positive("temperature", temperature)

    def extra_repr(self) -> str:
        """Name the parameter in the ``repr``."""
        return f"temperature={self.temperature}"

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        probable = (target / self.temperature).softmax(dim=1)
        known = probable.detach()
        weights = 1 + torch.exp(torch.xlogy(known, known).sum(dim=1, keepdim=True))
        confusion = probable.T @ (weights * probable)
        confused = (confusion - confusion.diagonal().diag()).sum(dim=1)
        return (confused / confusion.sum(dim=1).clamp_min(torch.finfo(target.dtype).tiny)).mean()
