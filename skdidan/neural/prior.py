"""Expected shares of the classes in the target, and the penalty that holds predictions to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from skdidan.neural.terms import PenaltyTerm

__all__ = ["PriorDistance", "expected_shares", "prior_terms"]

_WEIGHT = 10.0  # within the sum that the trade-off multiplies


def prior_terms(prior: Any, classes: NDArray[Any], y: NDArray[Any]) -> dict[str, PenaltyTerm]:
    """Return the penalty of the parameter `target_prior` by its name; none if it is None."""
    shares = expected_shares(prior, classes, y)
    return {} if shares is None else {"target_prior": PenaltyTerm(PriorDistance(shares), _WEIGHT)}


class PriorDistance(nn.Module):
    r"""Squared distance between the mean prediction for the target and the expected class shares.

    .. math:: \Bigl\| \frac1{n_t} \sum_i g_i - \pi \Bigr\|^2

    Labels of the target are unknown, so an alignment may give up a class: it predicts the class for
    no row at all, and its own predictions then confirm this. Shares that are only roughly right
    prevent it.

    Parameters
    ----------
    shares : Tensor, shape (n_classes,)
        Expected shares :math:`\pi`, with a sum of one.

    Examples
    --------
    All predictions fall on the first of two classes: ``(1 - 0.5)**2 + (0 - 0.5)**2``.

    >>> predictions = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> float(PriorDistance(torch.tensor([0.5, 0.5]))(None, None, predictions=predictions))
    0.5
    """

    uses = ("predictions",)
    shares: Tensor

    def __init__(self, shares: Tensor) -> None:
        super().__init__()
        self.register_buffer("shares", shares)

    def forward(self, source: Any, target: Any, *, predictions: Tensor) -> Tensor:
        """Return the distance; the features are ignored."""
        return (predictions.float().mean(dim=0) - self.shares).square().sum()


def expected_shares(prior: Any, classes: NDArray[Any], y: NDArray[Any]) -> Tensor | None:
    """Return the shares of the sorted classes that the parameter `target_prior` expects."""
    if prior is None:
        return None
    if isinstance(prior, str):
        if prior not in ("uniform", "source"):
            raise ValueError(
                'target_prior must be "uniform", "source", a dict of shares, an array of shares or '
                f"None; got {prior!r}."
            )
        counts = np.unique(y, return_counts=True)[1] if prior == "source" else np.ones(len(classes))
        return torch.tensor(counts / counts.sum(), dtype=torch.float32)
    labels = classes.tolist()
    if isinstance(prior, Mapping):
        if set(prior) != set(labels):
            raise ValueError(f"target_prior must name the classes {labels}; got {dict(prior)}.")
        prior = [prior[label] for label in labels]
    try:
        shares = np.asarray(prior, dtype=np.float64)
    except (TypeError, ValueError):
        shares = np.full(1, np.nan)
    if shares.shape != classes.shape or not (np.isfinite(shares) & (shares >= 0)).all():
        raise ValueError(
            f"target_prior must hold a finite share of at least 0 for each of {labels}; got "
            f"{prior!r}."
        )
    if not np.isclose(shares.sum(), 1, rtol=0, atol=1e-3):
        raise ValueError(f"The shares of target_prior must add up to 1; got {shares.sum():.6g}.")
    return torch.tensor(shares / shares.sum(), dtype=torch.float32)
