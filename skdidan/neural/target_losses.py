"""Losses of target rows alone: entropy, diversity, and contrast with the whole target."""

from __future__ import annotations

import torch
from torch import Tensor

from skdidan.penalties.base import unit_rows

__all__ = ["TargetBank", "diversity", "mean_entropy", "neighbour_contrast"]

_LEAST_SHARE = 1e-8  # of a class that is not expected at all
_LEAST = torch.finfo(torch.float32).tiny


class TargetBank:
    """Outputs of a network for all rows of the target, to compare those of a batch with.

    Parameters
    ----------
    features : Tensor, shape (n_target, n_features)
        Features of the rows.
    logits : Tensor, shape (n_target, n_classes)
        Outputs of the last layer.
    shares : Tensor, shape (n_classes,)
        Expected shares of the classes in the target, with a sum of one.

    Attributes
    ----------
    features, shares
        As above.
    directions : Tensor, shape (n_target, n_features)
        The features, scaled to length one.
    probabilities : Tensor, shape (n_target, n_classes)
        Softmax of the outputs.
    """

    def __init__(self, features: Tensor, logits: Tensor, shares: Tensor) -> None:
        self.features = features.detach().float().clone()
        self.directions = unit_rows(self.features)
        self.probabilities = logits.detach().float().softmax(dim=1)
        self.shares = shares

    def overwrite(self, rows: Tensor, features: Tensor, logits: Tensor) -> None:
        """Replace what is known of some rows, given their numbers."""
        self.features[rows] = features.detach().float()
        self.directions[rows] = unit_rows(self.features[rows])
        self.probabilities[rows] = logits.detach().float().softmax(dim=1)


def mean_entropy(logits: Tensor) -> Tensor:
    r"""Return the mean entropy of predictions: 0 where all are certain.

    .. math:: -\frac1n \sum_i \sum_k p_{ik} \log p_{ik}

    Parameters
    ----------
    logits : Tensor, shape (n_samples, n_classes)
        Outputs whose softmax are the probabilities :math:`p`.

    Examples
    --------
    >>> round(float(mean_entropy(torch.zeros(3, 2))), 3)  # log 2
    0.693
    """
    log_p = logits.float().log_softmax(dim=1)
    return -(log_p.exp() * log_p).sum(dim=1).mean()


def diversity(logits: Tensor, shares: Tensor) -> Tensor:
    r"""Return the divergence of the mean prediction from expected shares: 0 where they are equal.

    .. math:: \sum_k \bar p_k \log \frac{\bar p_k}{\pi_k}, \qquad \bar p = \frac1n \sum_i p_i

    With equal shares :math:`\pi` it is :math:`\sum_k \bar p_k \log \bar p_k + \log K`.

    Parameters
    ----------
    logits : Tensor, shape (n_samples, n_classes)
        Outputs whose softmax are the probabilities :math:`p`.
    shares : Tensor, shape (n_classes,)
        Expected shares :math:`\pi`, with a sum of one.

    Examples
    --------
    >>> certain = torch.tensor([[50.0, 0.0], [50.0, 0.0]])
    >>> round(float(diversity(certain, torch.tensor([0.5, 0.5]))), 3)  # log 2
    0.693
    """
    mean = logits.float().softmax(dim=1).mean(dim=0).clamp_min(_LEAST)
    return (mean * (mean.log() - shares.clamp_min(_LEAST_SHARE).log())).sum()


def neighbour_contrast(
    features: Tensor, rows: Tensor, bank: Tensor, n_neighbours: int, temperature: float
) -> Tensor:
    r"""Return the contrast of rows with their nearest neighbours in the whole target.

    .. math:: -\frac1n \sum_i \frac1K \sum_{j \in N(i)}
              \log \frac{\exp(f_i \cdot F_j / \tau)}{\sum_{m \ne i} \exp(f_i \cdot F_m / \tau)}

    The :math:`K` neighbours :math:`N(i)` have the largest :math:`f_i \cdot F_j`, without :math:`i`
    itself. There are fewer if the target is small, and none in a target of one row: the loss is 0.

    Parameters
    ----------
    features : Tensor, shape (n_samples, n_features)
        Features of a batch. They are scaled to length one.
    rows : Tensor of int, shape (n_samples,)
        Their numbers in the bank.
    bank : Tensor, shape (n_target, n_features)
        Directions :math:`F` of the whole target. They get no gradient.
    n_neighbours : int > 0
        Number :math:`K` of neighbours.
    temperature : float > 0
        Temperature :math:`\tau`.

    Examples
    --------
    >>> bank = torch.eye(3)
    >>> loss = neighbour_contrast(bank[:1], torch.tensor([0]), bank, 1, 0.1)
    >>> round(float(loss), 3)  # two others, equally near: log 2
    0.693
    """
    n_neighbours = min(n_neighbours, len(bank) - 1)
    if n_neighbours == 0:
        return features.sum() * 0.0
    similarities = unit_rows(features.float()) @ bank.T / temperature
    is_self = rows[:, None] == torch.arange(len(bank), device=rows.device)
    similarities = similarities.masked_fill(is_self, -torch.inf)
    nearest = similarities.detach().topk(n_neighbours, dim=1).indices
    return -similarities.log_softmax(dim=1).gather(1, nearest).mean()
