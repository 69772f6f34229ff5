"""Classification losses."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["LOSSES", "SquaredError"]


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
        one_hot = nn.functional.one_hot(y_idx, logits.shape[1]).to(logits.dtype)
        weight = self.weight[y_idx]
        error = (logits - one_hot).square().sum(dim=1)
        return (weight * error).sum() / weight.sum()


#: Classification losses by their names in the parameter `loss` of the classifiers.
LOSSES: dict[str, type[nn.Module]] = {
    "log_loss": nn.CrossEntropyLoss,
    "squared_error": SquaredError,
}
