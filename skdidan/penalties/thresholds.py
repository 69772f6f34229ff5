"""Adaptive thresholds of pseudo-labels, which rise with the confidence of the predictions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from skdidan.parameters import check_fraction

__all__ = ["AdaptiveThreshold"]


class AdaptiveThreshold(nn.Module):
    r"""Threshold of each class, from running means of the predictions of the target.

    .. math:: \tau_k = T \, \tilde p_k / \max_l \tilde p_l

    :math:`T` is a running mean of the largest probability of a row, and :math:`\tilde p` one of the
    mean predictions. Both begin at one over the number of classes, as in [1]_. So thresholds rise
    with the confidence of the network, and are lower for classes that it predicts less. Each call
    in training mode is a batch. In evaluation mode the means stay.

    Parameters
    ----------
    decay : float in [0, 1], default=0.99
        Share of the running means that each batch leaves.

    References
    ----------
    .. [1] Wang, Chen, Heng, Hou, Fan, Wu, Wang, Savvides, Shinozaki, Raj, Schiele, Xie (2023).
       FreeMatch: self-adaptive thresholding for semi-supervised learning. ICLR, arXiv:2205.07246.

    Examples
    --------
    >>> threshold = AdaptiveThreshold(decay=0)
    >>> threshold(torch.tensor([[0.9, 0.1], [0.6, 0.4]]))
    tensor([0.7500, 0.2500])
    """

    def __init__(self, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = check_fraction("decay", decay)
        self._means = torch.empty(0)  # of the largest probabilities, then of those of each class

    @torch.no_grad()
    def forward(self, predictions: Tensor) -> Tensor:
        """Return the thresholds (n_classes,) after a batch of predictions (n_rows, n_classes)."""
        now = torch.cat([predictions.amax(dim=1).mean().reshape(1), predictions.mean(dim=0)])
        means = self._means.to(now)
        if not means.numel():
            means = torch.full_like(now, 1 / predictions.shape[1])
        if self.training:
            self._means = means = torch.lerp(now, means, self.decay)
        return means[0] * means[1:] / means[1:].amax().clamp_min(torch.finfo(means.dtype).tiny)

    def get_extra_state(self) -> Tensor:
        """Return the running means, whose number is not known before the first batch."""
        return self._means

    def set_extra_state(self, state: Tensor) -> None:
        """Set the running means."""
        self._means = state
