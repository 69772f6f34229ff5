"""Adversarial penalties: a discriminator tells the domains apart, and the features deceive it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.parameter import is_lazy

from skdidan.parameters import check_boolean, check_counts
from skdidan.penalties.base import Penalty, draw_weights, normalise_rows
from skdidan.torch_state import Generators, plain_mode

__all__ = ["ConditionalDomainAdversary", "DomainAdversary"]


class DomainAdversary(Penalty):
    r"""Cross-entropy of a domain discriminator with gradient reversal at the features.

    .. math::
        -\frac{1}{2 n_s} \sum_i \log d(s_i) - \frac{1}{2 n_t} \sum_j \log \bigl(1 - d(t_j)\bigr)

    The discriminator :math:`d` is a multilayer perceptron with a logistic output. Gradient descent
    trains it to tell the domains apart. The features receive the negative gradient (gradient
    reversal), which trains them to deceive it. This is the alignment of domain-adversarial neural
    networks [1]_; they add the two terms, which are averaged here. If the domains do not differ,
    the best discriminator guesses, at a value of :math:`\log 2`.

    The discriminator is trainable: pass ``adversary.parameters()`` to the optimizer. The first call
    draws its weights with the shapes, type and device of the features; call it once before
    counting or casting them. Drawing them does not advance torch's generator: the rest of the
    network trains as it would without, and two equal adversaries start with equal weights.

    Parameters
    ----------
    hidden : sequence of int, default=(100,)
        Units of each hidden layer of the discriminator, all rectified.

    Raises
    ------
    ValueError
        If `hidden` is not a sequence of whole numbers of at least 1, or if the number of columns
        changes between calls.

    References
    ----------
    .. [1] Ganin, Ustinova, Ajakan, Germain, Larochelle, Laviolette, Marchand, Lempitsky (2016).
       Domain-adversarial training of neural networks. Journal of Machine Learning Research 17,
       arXiv:1505.07818.

    Examples
    --------
    The discriminator learns, and a step against the gradient moves the features to deceive it.

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

    generators: Generators | None = None  # of a fit

    def __init__(self, hidden: Sequence[int] = (100,)) -> None:
        super().__init__()
        sizes = *check_counts("hidden", hidden), 1
        with plain_mode():
            layers = [layer for n in sizes for layer in (nn.LazyLinear(n), nn.ReLU())]
        self.discriminator = nn.Sequential(*layers[:-1])

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        return self._cross_entropy(source, target)

    def _cross_entropy(self, source: Tensor, target: Tensor, *weights: Tensor) -> Tensor:
        """Average the mean losses of the domains; `weights` are of source, then target rows."""
        rows = torch.cat([source, target])
        if rows.requires_grad:
            rows.register_hook(torch.neg)  # the reversal of the gradient
        logits_s, logits_t = self._logits(rows).squeeze(1).tensor_split([len(source)])
        losses = softplus(-logits_s), softplus(logits_t)
        if not weights:
            return torch.stack([loss.mean() for loss in losses]).mean()
        means = [(w * loss).sum() / w.sum() for w, loss in zip(weights, losses, strict=True)]
        return torch.stack(means).mean()

    def _logits(self, rows: Tensor) -> Tensor:
        first = cast(nn.Linear, self.discriminator[0])
        if is_lazy(first.weight):
            draw_weights(self.discriminator, rows, self.generators)
        n_columns = first.weight.shape[1]
        if rows.shape[1] != n_columns:
            raise ValueError(
                f"The discriminator was made for rows of {n_columns} columns; got {rows.shape[1]}. "
                "Make one adversary for each layer. Give a conditional one predictions of the "
                "same classes in every call."
            )
        return self.discriminator(rows.to(first.weight.dtype))


class ConditionalDomainAdversary(DomainAdversary):
    r"""Domain adversary on the features combined with the predictions.

    The discriminator of `DomainAdversary` receives the outer product :math:`f_i \otimes g_i` of the
    features and the class probabilities, so that it compares the domains class by class. Entropy
    conditioning gives confident rows more weight:

    .. math:: w_i = 1 + e^{-H(g_i)}, \qquad H(g) = -\sum_k g_k \log g_k

    These are the conditional adversarial networks of [1]_ ("CDAN+E") with two differences: no
    gradient flows through the probabilities and weights, and the outer product is never sampled,
    however large. Negative predictions are set to 0, and each row is scaled to a sum of 1; a row
    without a positive prediction becomes uniform. Without predictions the penalty equals
    `DomainAdversary`.

    Parameters
    ----------
    hidden : sequence of int, default=(100,)
        Units of each hidden layer of the discriminator, all rectified.
    entropy_conditioning : bool, default=True
        Whether to weight the rows ("CDAN+E") or not ("CDAN").

    Raises
    ------
    ValueError
        If `hidden` is not a sequence of whole numbers of at least 1, `entropy_conditioning` is not
        a bool, or the number of columns changes between calls.

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

    def _penalise(self, source: Tensor, target: Tensor, **memberships: Tensor) -> Tensor:
        if not memberships:
            return self._cross_entropy(source, target)
        both = memberships["source_predictions"], memberships["predictions"]
        probabilities = [_probabilities(p.detach()) for p in both]
        joint = [
            (rows.unsqueeze(2) * classes.unsqueeze(1)).flatten(1)
            for rows, classes in zip((source, target), probabilities, strict=True)
        ]
        if not self.entropy_conditioning:
            return self._cross_entropy(*joint)
        weights = [1 + torch.exp(torch.xlogy(p, p).sum(dim=1)) for p in probabilities]
        return self._cross_entropy(*joint, *weights)


def _probabilities(predictions: Tensor) -> Tensor:
    """Scale each row to a sum of one; rows without a positive entry become uniform."""
    positive = predictions.clamp_min(0)
    return normalise_rows(torch.where(positive.amax(dim=1, keepdim=True) > 0, positive, 1.0))
