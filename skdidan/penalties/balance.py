"""Marginal and conditional discrepancies of several sources, balanced by A-distances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import torch
from torch import Tensor

from skdidan.parameters import check_boolean, check_fraction
from skdidan.penalties.base import at_least_single
from skdidan.penalties.discrepancies import MMD, discrepancy, local_discrepancy
from skdidan.penalties.sparse_coding import check_matrices

__all__ = ["BalancedMMD", "a_distance"]

_Domain = tuple[Tensor, Tensor | None]  # rows and, if known, their labels or predictions
_RIDGE = 0.1  # relative to the variance of a feature
_LEAST, _MOST = 0.05, 0.95  # of a dynamic balance
_FEWEST = 2  # rows of a class in each domain, for a distance of the class


class BalancedMMD(MMD):
    r"""Marginal and conditional `MMD` of several sources, balanced by how far the domains differ.

    .. math::
        \frac1V \sum_{v=1}^{V} \bigl( (1 - \mu) \, \mathrm{MMD}^2(F_v, F_t)
        + \mu \, \mathrm{LMMD}(F_v, F_t) \bigr)

    Each source corpus :math:`v` of the batch is compared with the target by itself, by `MMD` and by
    `LMMD`, which compares class by class. The balance :math:`\mu` is set anew at the beginning of
    each epoch of a classifier, by `prepare`, from all rows of both domains:

    .. math::
        \mu = \frac{\bar d}{d + \bar d}, \qquad \bar d = \frac{1}{|C|} \sum_{c \in C} d_c

    :math:`d` is the `a_distance` between all rows of the source and the target, and :math:`d_c`
    that between the source rows of class `c` and the target rows that are predicted as `c`.
    :math:`C` holds the classes with at least two rows in both domains. Each distance is at least 0,
    and :math:`\mu` lies in [0.05, 0.95]. So the conditional term counts more if the domains differ
    within the classes, and the marginal one if they differ as wholes.

    Without labels and predictions the penalty is the mean of the MMD of the sources. Without
    `source_domains` there is one source.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples of the mean squared distance in the kernels.
    balance : "dynamic" or float in [0, 1], default="dynamic"
        The balance :math:`\mu`, if it is to stay the same. A dynamic one begins at 0.5.
    between_sources : bool, default=False
        Whether to average over all pairs of domains: the sources are then compared with each other,
        too, by their labels.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number that is not positive, or `balance` or
        `between_sources` is out of range.

    Examples
    --------
    The rows of one source equal the target, those of the other are far away.

    >>> import torch
    >>> from skdidan import MMD, BalancedMMD
    >>> target = torch.tensor([[0.0], [1.0]])
    >>> source, domains = torch.cat([target, target + 9]), torch.tensor([0, 0, 1, 1])
    >>> value = BalancedMMD(balance=0)(source, target, source_domains=domains)
    >>> bool(value == MMD()(target + 9, target) / 2)
    True
    """

    uses = ("labels", "predictions", "source_domains")
    parts = ("marginal", "conditional")

    def __init__(
        self,
        widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        *,
        balance: str | float = "dynamic",
        between_sources: bool = False,
    ) -> None:
        super().__init__(widths)
        self.balance = _check_balance(balance)
        self.between_sources = check_boolean("between_sources", between_sources)
        self.current_balance = 0.5 if isinstance(self.balance, str) else self.balance

    def terms(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_domains: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the two terms of the penalty, times their shares.

        Parameters
        ----------
        source, target, labels, predictions, source_domains : Tensor
            As in ``forward``.

        Returns
        -------
        terms : dict of str to Tensor
            "marginal" and "conditional", scalars of at least 0.
        """
        known = {"labels": labels, "predictions": predictions, "source_domains": source_domains}
        memberships = self._check(source, target, **known)
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            means = self._means(source, target, **memberships)
        shares = 1 - self.current_balance, self.current_balance
        return {
            name: share * mean for name, share, mean in zip(self.parts, shares, means, strict=True)
        }

    @torch.no_grad()
    def prepare(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor,
        predictions: Tensor,
        source_domains: Tensor | None = None,
    ) -> dict[str, float]:
        """Set a dynamic balance from all rows of both domains, as classifiers do once an epoch.

        Parameters
        ----------
        source, target, labels, predictions, source_domains : Tensor
            As in ``forward``, for all rows. The corpus numbers are not used.

        Returns
        -------
        values : dict of str to float
            The "balance".
        """
        if self.balance == "dynamic" and bool((source.sum() + target.sum()).isfinite()):
            true, predicted = labels.argmax(dim=1), predictions.argmax(dim=1)
            classes = [(source[true == c], target[predicted == c]) for c in range(labels.shape[1])]
            distances = [
                max(a_distance(*pair), 0.0) for pair in classes if min(map(len, pair)) >= _FEWEST
            ]
            marginal = max(a_distance(source, target), 0.0)
            conditional = sum(distances) / max(len(distances), 1)
            if marginal + conditional > 0:
                share = conditional / (marginal + conditional)
                self.current_balance = min(max(share, _LEAST), _MOST)
        return {"balance": self.current_balance}

    def _penalise(self, source: Tensor, target: Tensor, **memberships: Tensor) -> Tensor:
        return torch.stack(list(self.terms(source, target, **memberships).values())).sum()

    def _means(
        self, source: Tensor, target: Tensor, **memberships: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the mean MMD and the mean LMMD of the pairs of domains."""
        marginal, conditional = [], []
        for (first, labels), (second, predictions) in self._pairs(source, target, **memberships):
            kernel = self._kernel(torch.cat([first, second]))
            marginal.append(discrepancy(kernel, len(first)))
            if labels is None or predictions is None:
                conditional.append(marginal[-1])
            else:
                conditional.append(local_discrepancy(kernel, labels, predictions))
        return torch.stack(marginal).mean(), torch.stack(conditional).mean()

    def _pairs(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_domains: Tensor | None = None,
    ) -> Iterable[tuple[_Domain, _Domain]]:
        """Return the pairs of domains to compare, each with its rows and their memberships."""
        parts = [torch.ones(len(source), dtype=torch.bool, device=source.device)]
        if source_domains is not None:
            parts = [source_domains == number for number in source_domains.unique()]
        sources = [(source[part], None if labels is None else labels[part]) for part in parts]
        if self.between_sources:
            return combinations([*sources, (target, predictions)], 2)
        return ((each, (target, predictions)) for each in sources)


def a_distance(source: Tensor, target: Tensor) -> float:
    r"""Proxy A-distance: how well a linear classifier tells two domains apart.

    .. math:: d = 2 (1 - 2 \epsilon)

    :math:`\epsilon` is the error of a linear domain classifier, the mean of those on both domains
    [1]_. It is cross-validated with one row left out at a time. The classifier is a ridge
    regression onto the signs of the domains, on features of variance 1, in which both domains have
    the same weight; so the left-out predictions have a closed form. The result does not depend on a
    random state. The time is that of one product of the features with themselves, and of solving
    for as many weights as features.

    Parameters
    ----------
    source : Tensor, shape (n_source, n_features)
        Rows of one domain.
    target : Tensor, shape (n_target, n_features)
        Rows of the other.

    Returns
    -------
    distance : float
        2 if no row is mistaken, 0 for a guess, and as low as -2 for few rows of equal domains.

    Raises
    ------
    TypeError
        If an argument is not a tensor.
    ValueError
        If the features are not two matrices with the same number of columns.

    References
    ----------
    .. [1] Ben-David, Blitzer, Crammer, Pereira (2006). Analysis of representations for domain
       adaptation. NeurIPS.

    Examples
    --------
    >>> import torch
    >>> from skdidan import a_distance
    >>> a_distance(torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[7.0], [8.0], [9.0]]))
    2.0
    """
    check_matrices(source, target)
    parts = [part.detach().cpu().double() for part in (source, target)]
    rows = torch.cat(parts)
    signs = torch.cat([rows.new_ones(len(source)), -rows.new_ones(len(target))])
    weights = torch.cat([rows.new_full((len(part),), 0.5 / len(part)) for part in parts])
    centred = rows - weights @ rows
    variance = weights @ centred.square()
    rows = centred / variance.clamp_min(torch.finfo(rows.dtype).tiny).sqrt()
    ridge = rows.T @ (weights[:, None] * rows) + _RIDGE * torch.eye(rows.shape[1], dtype=rows.dtype)
    mapped = torch.linalg.solve(ridge, rows.T).T
    fitted = mapped @ (rows.T @ (weights * signs))
    leverage = weights * (1 + (mapped * rows).sum(dim=1))
    left_out = signs - (signs - fitted) / (1 - leverage).clamp_min(1e-12)
    error = float(weights[signs * left_out <= 0].sum())
    return 2 * (1 - 2 * error)


def _check_balance(balance: str | float) -> str | float:
    if isinstance(balance, str) and balance == "dynamic":
        return balance
    if isinstance(balance, str):
        raise ValueError(f'balance must be "dynamic" or a number in [0, 1]; got {balance!r}.')
    return check_fraction("balance", balance)
