"""Adversaries: a discriminator learns to tell the domains apart, the features to deceive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.parameter import is_lazy

from skdidan.parameters import check_boolean, check_counts
from skdidan.penalties.base import Penalty, as_shares

__all__ = ["ConditionalDomainAdversary", "DomainAdversary"]


class _ReverseGradient(torch.autograd.Function):
    """The identity, whose gradient is turned round."""

    @staticmethod
    def forward(ctx: Any, features: Tensor) -> Tensor:
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return -gradient


class DomainAdversary(Penalty):
    r"""Cross-entropy of a domain discriminator, whose gradient is reversed at the features.

    .. math::
        -\frac{1}{2 n_s} \sum_i \log d(s_i) - \frac{1}{2 n_t} \sum_j \log \bigl(1 - d(t_j)\bigr)

    where :math:`d`, a multilayer perceptron with a logistic output, is trained to lower it. The
    features receive the negative of the gradient (gradient reversal): whoever descends on it
    trains the discriminator to tell the domains apart and the features to deceive it, which is the
    alignment of domain-adversarial neural networks [1]_, which add the two terms up, where they are
    averaged here. Against the best discriminator, alike domains have the value of guessing,
    :math:`\log 2`.

    It has weights to be learnt: the optimizer takes its ``parameters()``, too. Their shapes, type
    and device are those of the features of its first call; call it once before counting or
    casting them. That draws them without advancing torch's generator, so that the rest of a network
    trains as it would without, and adversaries made alike start alike.

    Parameters
    ----------
    hidden : sequence of int, default=(100,)
        Units of each hidden layer of the discriminator, all rectified.

    Raises
    ------
    ValueError
        If `hidden` does not list whole numbers of at least 1, or later features have another
        number of columns than the first.

    References
    ----------
    .. [1] Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
       Domain-adversarial training of neural networks. Journal of Machine Learning Research 17,
       arXiv:1505.07818.

    Examples
    --------
    The discriminator learns, and a step against the gradient makes the features deceive it.

    >>> import torch
    >>> from skdidan import DomainAdversary
    >>> source, target = torch.zeros(8, 2), torch.ones(8, 2)
    >>> adversary = DomainAdversary()
    >>> optimizer = torch.optim.Adam(adversary.parameters(), lr=0.01)
    >>> for _ in range(30):
    ...     optimizer.zero_grad()
    ...     loss = adversary(source, target)
    ...     loss.backward()
    ...     optimizer.step()
    >>> loss.item() < 0.5
    True
    >>> value = adversary(source, target.requires_grad_())
    >>> value.backward()
    >>> (adversary(source, target - target.grad) > value).item()
    True
    """

    def __init__(self, hidden: Sequence[int] = (100,)) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.LazyLinear(n) for n in check_counts("hidden", hidden)]
        rectified = [layer for hidden_layer in layers for layer in (hidden_layer, nn.ReLU())]
        self.discriminator = nn.Sequential(*rectified, nn.LazyLinear(1))

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        return self._cross_entropy(source, target)

    def _cross_entropy(
        self,
        source: Tensor,
        target: Tensor,
        source_weights: Tensor | None = None,
        target_weights: Tensor | None = None,
    ) -> Tensor:
        """Average over the domains, each of them with the weights of its rows."""
        rows = _ReverseGradient.apply(torch.cat([source, target]))
        logits_s, logits_t = self._logits(rows).squeeze(1).tensor_split([len(source)])
        losses = softplus(-logits_s), softplus(logits_t)
        weights = source_weights, target_weights
        means = [
            loss.mean() if weight is None else (weight * loss).sum() / weight.sum()
            for loss, weight in zip(losses, weights, strict=True)
        ]
        return torch.stack(means).mean()

    def _logits(self, rows: Tensor) -> Tensor:
        first = cast(nn.Linear, self.discriminator[0])
        if is_lazy(first.weight):
            self._draw_weights(rows)
        n_columns = first.weight.shape[1]
        if rows.shape[1] != n_columns:
            raise ValueError(
                f"The discriminator has learnt from rows of {n_columns} columns; got "
                f"{rows.shape[1]}. Take an adversary for each layer, and, where these multiply the "
                "columns, give it predictions of the same classes in each call."
            )
        return self.discriminator(rows.to(first.weight.dtype))

    def _draw_weights(self, rows: Tensor) -> None:
        # On the CPU, whose generator gives the same weights for all devices.
        with torch.random.fork_rng([]), torch.inference_mode(False), torch.no_grad():
            self.discriminator(torch.zeros(1, rows.shape[1]))
            self.discriminator.to(rows)


class ConditionalDomainAdversary(DomainAdversary):
    r"""Domain adversary of the features together with the predictions.

    The discriminator of `DomainAdversary` sees the outer product :math:`f_i \otimes g_i` of the
    features and the class probabilities, so that it compares domains class by class. With entropy
    conditioning a row counts by

    .. math:: 1 + e^{-H(g_i)}, \qquad H(g) = -\sum_k g_k \log g_k

    that is, the more, the surer its prediction. These are the conditional adversarial networks of
    [1]_ ("CDAN+E"), but for two things: no gradient flows through the probabilities and weights,
    and the outer product is not sampled, however large. Predictions below 0 count as 0, and each
    row is scaled to a sum of 1; one without any above 0 is undecided. Without predictions it is
    `DomainAdversary`.

    Parameters
    ----------
    hidden : sequence of int, default=(100,)
        As in `DomainAdversary`.
    entropy_conditioning : bool, default=True
        Whether the rows are weighted ("CDAN+E") or all count alike ("CDAN").

    Raises
    ------
    ValueError
        As `DomainAdversary`.

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2018). Conditional adversarial domain adaptation. NeurIPS,
       arXiv:1705.10667.

    Examples
    --------
    >>> import torch
    >>> from skdidan import ConditionalDomainAdversary
    >>> adversary = ConditionalDomainAdversary()
    >>> features, predictions = torch.ones(2, 8, 5), torch.full((2, 8, 3), 1 / 3)
    >>> value = adversary(*features, predictions=predictions[0], source_predictions=predictions[1])
    >>> adversary.discriminator[0].weight.shape, bool(value > 0)
    (torch.Size([100, 15]), True)
    """

    uses = ("predictions", "source_predictions")

    def __init__(
        self, hidden: Sequence[int] = (100,), *, entropy_conditioning: bool = True
    ) -> None:
        super().__init__(hidden)
        self.entropy_conditioning = check_boolean("entropy_conditioning", entropy_conditioning)

    def extra_repr(self) -> str:
        """Name the parameter in the ``repr``."""
        return f"entropy_conditioning={self.entropy_conditioning}"

    def _penalise(
        self,
        source: Tensor,
        target: Tensor,
        predictions: Tensor | None = None,
        source_predictions: Tensor | None = None,
    ) -> Tensor:
        if predictions is None or source_predictions is None:
            return self._cross_entropy(source, target)
        probable = [_probabilities(p.detach()) for p in (source_predictions, predictions)]
        joint = [
            (rows.unsqueeze(2) * classes.unsqueeze(1)).flatten(1)
            for rows, classes in zip((source, target), probable, strict=True)
        ]
        if not self.entropy_conditioning:
            return self._cross_entropy(*joint)
        weights = [1 + torch.exp(torch.xlogy(p, p).sum(dim=1)) for p in probable]
        return self._cross_entropy(*joint, *weights)


def _probabilities(predictions: Tensor) -> Tensor:
    """Scale each row to a sum of one; where nothing is above 0, all classes are alike."""
    positive = predictions.clamp_min(0)
    return as_shares(torch.where(positive.amax(dim=1, keepdim=True) > 0, positive, 1.0))
