"""Classification losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LOSSES", "SquaredError", "classification_loss"]


class SquaredError(nn.Module):
    r"""Squared error between the outputs and the one-hot labels, weighted by class.

    .. math:: \frac{\sum_i w_{y_i} \|g_i - e_{y_i}\|^2}{\sum_i w_{y_i}}

    Parameters
    ----------
    weight : Tensor, shape (n_classes,)
        Weights :math:`w` of the classes.

    Examples
    --------
    >>> import torch
    >>> loss = SquaredError(torch.ones(2))
    >>> float(loss(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([0, 1])))
    0.25
    """

    weight: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, y_idx: Tensor) -> Tensor:
        """Return the loss of outputs (n_samples, n_classes) for class indices (n_samples,)."""
        weight = self.weight[y_idx]
        return (weight * squared_errors(logits, y_idx)).sum() / weight.sum()


def squared_errors(logits: Tensor, y_idx: Tensor) -> Tensor:
    """Return the squared error of each row to its one-hot label, without weights."""
    one_hot = nn.functional.one_hot(y_idx, logits.shape[1]).to(logits.dtype)
    return (logits - one_hot).square().sum(dim=1)


def classification_loss(
    criterion: nn.Module, logits: Tensor, y_idx: Tensor, weights: Tensor | None
) -> Tensor:
    r"""Return a loss of `LOSSES` in which each row has a weight beside that of its class.

    .. math:: \frac{\sum_i s_i w_{y_i} \ell_i}{\sum_i s_i w_{y_i}}

    with the weights :math:`s` of the rows and :math:`w` of the classes. It is 0 for a batch whose
    rows all have weight 0.

    Examples
    --------
    The error of the second row, 0.5, has three times the weight.

    >>> loss, logits = SquaredError(torch.ones(2)), torch.tensor([[1.0, 0.0], [0.5, 0.5]])
    >>> float(classification_loss(loss, logits, torch.tensor([0, 1]), torch.tensor([1.0, 3.0])))
    0.375
    """
    if weights is None:
        return criterion(logits, y_idx)
    by_class: Tensor = criterion.weight  # type: ignore[assignment] # a buffer of both losses
    if isinstance(criterion, SquaredError):
        losses = by_class[y_idx] * squared_errors(logits, y_idx)
    else:
        smoothing = getattr(criterion, "label_smoothing", 0.0)
        losses = nn.functional.cross_entropy(
            logits, y_idx, by_class, reduction="none", label_smoothing=smoothing
        )
    total = (weights * by_class[y_idx]).sum().clamp_min(torch.finfo(weights.dtype).tiny)
    return (weights * losses).sum() / total


#: Classification losses by their names in the parameter `loss` of the classifiers.
LOSSES: dict[str, type[nn.Module]] = {
    "log_loss": nn.CrossEntropyLoss,
    "squared_error": SquaredError,
}
