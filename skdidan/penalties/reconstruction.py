"""Implicit distribution alignment: the domains are alike if one can be rebuilt from the other."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, one_hot

from skdidan.parameters import check_not_negative, check_positive
from skdidan.penalties.base import Penalty, as_shares, at_least_single, rounding
from skdidan.penalties.distances import mean_distance
from skdidan.penalties.sparse_coding import sparse_codes

__all__ = ["IDA"]


class IDA(Penalty):
    r"""Implicit distribution alignment: target rows rebuilt sparsely from source rows.

    .. math::
        \mathrm{IDA} = \frac{2}{n_t} \min_W \Bigl( \tfrac12
        \|\tilde F_t - W \tilde F_s\|_F^2 + \tau \|W\|_1 \Bigr)
        + \gamma \, D(F_s, F_t) + \delta \, L(W^*)

    where a tilde subtracts the domain's own mean and divides each row by its length, so that
    neither shrinking nor shifting the target makes it any cheaper (by a thousandth of the root mean
    square length of the rows, if its own is less), and :math:`D` is the
    `MeanDistance`, to which it adds what centring removed. Each rebuilt row costs between 0 (it
    equals a source row, up to the price of its code) and 1 (no source row correlates with it by
    more than :math:`\tau`).

    The codes :math:`W^*` are solved for (`sparse_codes`), not learned. At the minimum, holding
    them constant gives the exact gradient (envelope theorem), so none flows through the solver.

    **Labels.** What rebuilds the features of a target row shall rebuild its label, too. The codes
    weigh the source labels :math:`y` into evidence for each class, as in classification by sparse
    representation [2]_; with :math:`n_k` the number of source rows of class `k`,

    .. math::
        e_{ik} = \max\Bigl(0, \frac{1}{n_k} \sum_j W^*_{ij} y_{jk}\Bigr), \qquad
        p_{ik} = \frac{e_{ik}}{\sum_l e_{il}}, \qquad
        q_{ik} = \frac{p_{ik}^2}{\sum_l p_{il}^2}

    and the network's predictions :math:`g_i` of the target are drawn to the sharpened :math:`q_i`
    as far as the evidence is unanimous:

    .. math:: L = \frac{1}{n_t} \sum_i \bigl(\max_k p_{ik}\bigr) \|g_i - q_i\|^2

    No gradient flows through the evidence, and a row without any has no part in it.

    With `levels`, the labels are rebuilt at each of them: a level merges classes into groups, the
    columns of :math:`Y` and of the predictions are added up within each group, and :math:`L` is the
    mean over the levels; :math:`n_k` then counts the rows of a group. A class without rows in the
    batch has no evidence.

    The penalty of [1]_ is known here from its abstract alone; centring, scaling and all terms
    beside the reconstruction are this package's own reading of it.

    Parameters
    ----------
    sparsity : float > 0, default=0.1
        Price :math:`\tau` of the codes: the higher, the fewer source rows rebuild a target row.
    mean_weight : float >= 0, default=3.0
        Weight :math:`\gamma` of the distance between the means, to which the first term is blind;
        0 leaves it out.
    label_weight : float >= 0, default=1.0
        Weight :math:`\delta` of the rebuilt labels; 0 leaves them out.
    levels : sequence of sequences of int, each of shape (n_classes,), optional
        Levels of detail of the labels, each the number of the group of every class, as
        ``([0, 1, 0], [0, 1, 2])``; by default one, on which each class is a group of its own.
    tol : float > 0, default=0.1
        Relative duality gap to which the codes are solved in each call: an upper bound of their
        error, which is usually far smaller.

    Raises
    ------
    ValueError
        If `sparsity` or `tol` is not positive, a weight negative, or `levels` no lists of integers.

    References
    ----------
    .. [1] Zhao, Wang, Zong, Zheng, Lian, Zhao (2023). Deep implicit distribution alignment
       networks for cross-corpus speech emotion recognition. ICASSP, arXiv:2302.08921.
    .. [2] Wright, Yang, Ganesh, Sastry, Ma (2009). Robust face recognition via sparse
       representation. IEEE Transactions on Pattern Analysis and Machine Intelligence 31(2).

    Examples
    --------
    Two rows rebuilt from themselves cost only the price of their codes, ``2 * 0.1 - 0.1**2``.

    >>> import torch
    >>> from skdidan import IDA
    >>> features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(IDA(sparsity=0.1)(features, features)), 4)
    0.19

    Each of two different rows is rebuilt by its like; undecided predictions of both differ from
    the labels of these by ``0.5**2 + 0.5**2``.

    >>> source = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> ida = IDA(sparsity=0.1, mean_weight=0, label_weight=1)
    >>> terms = ida.terms(source, source, labels, torch.full((3, 2), 0.5))
    >>> round(float(terms["labels"]), 4)
    0.5
    """

    uses = ("labels", "predictions")
    _groups: Tensor  # of each class at each level, one-hot: shape (n_classes, n_levels, n_groups)

    def __init__(
        self,
        sparsity: float = 0.1,
        *,
        mean_weight: float = 3.0,
        label_weight: float = 1.0,
        levels: Sequence[Sequence[int]] | None = None,
        tol: float = 0.1,
    ) -> None:
        super().__init__()
        self.sparsity = check_positive("sparsity", sparsity)
        self.mean_weight = check_not_negative("mean_weight", mean_weight)
        self.label_weight = check_not_negative("label_weight", label_weight)
        self.levels = None if levels is None else _check_levels(levels)
        self.tol = check_positive("tol", tol)
        if self.levels is not None:
            groups = one_hot(torch.tensor(self.levels).T)
            self.register_buffer("_groups", groups, persistent=False)

    def extra_repr(self) -> str:
        """Name the parameters in the ``repr``."""
        names = "sparsity", "mean_weight", "label_weight", "levels", "tol"
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    @property
    def parts(self) -> list[str]:
        """Names of the terms that count: "features", "means", "labels"."""
        weights = {"features": 1.0, "means": self.mean_weight, "labels": self.label_weight}
        return [name for name, weight in weights.items() if weight]

    def terms(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return the weighted terms of the penalty.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.
        labels : Tensor, shape (n_source, n_classes), optional
            Class membership of the source rows, one-hot. Without labels and predictions nothing
            that needs them counts.
        predictions : Tensor, shape (n_target, n_classes), optional
            What the network takes for the class probabilities of the target rows: its outputs, if
            it regresses onto one-hot labels, else their softmax.

        Returns
        -------
        terms : dict of str to Tensor
            "features" (reconstruction and price of the codes), "means" and "labels", scalars of
            at least 0; those of weight 0 are left out. Half precision is computed in single
            precision.

        Raises
        ------
        ValueError
            If the features, labels, predictions and `levels` do not fit together.
        """
        known = self._known(source, target, labels=labels, predictions=predictions)
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            atoms, rows = _directions(source), _directions(target)
            codes = sparse_codes(atoms, rows, self.sparsity, tol=self.tol)
            residual = mse_loss(codes @ atoms, rows, reduction="sum")
            size = codes.abs().sum()
            terms = {"features": (residual + 2 * self.sparsity * size) / len(rows)}
            if self.mean_weight:
                terms["means"] = self.mean_weight * mean_distance(source, target)
            if self.label_weight and known:
                merged = [self._at_levels(known[name]) for name in self.uses]
                terms["labels"] = self.label_weight * _label_error(codes, *merged)
        return terms

    def _penalise(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
    ) -> Tensor:
        terms = self.terms(source, target, labels, predictions)
        return torch.stack(list(terms.values())).sum()

    def _at_levels(self, memberships: Tensor) -> Tensor:
        """Add up the columns of the classes of each group: shape (n_rows, n_levels, n_groups)."""
        if self.levels is None:
            return memberships.unsqueeze(1)
        n_classes = memberships.shape[1]
        if n_classes != len(self._groups):
            raise ValueError(
                f"levels must name a group for each of {n_classes} classes; got {self.levels}."
            )
        groups = self._groups.to(memberships)
        return (memberships @ groups.flatten(1)).unflatten(1, groups.shape[1:])

    def codes(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the sparse codes of the rebuilt target rows.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.

        Returns
        -------
        codes : Tensor, shape (n_target, n_source)
            Row `i` holds the weights of the source rows; without a gradient.

        Raises
        ------
        ValueError
            If these are not two matrices with rows, and equally many columns.
        """
        self._known(source, target)
        with torch.autocast(source.device.type, enabled=False):
            atoms, rows = map(_directions, map(at_least_single, (source, target)))
            return sparse_codes(atoms, rows, self.sparsity, tol=self.tol)


def _check_levels(levels: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the levels as lists of the numbers of groups, from 0 on."""
    try:
        named = [[operator.index(group) for group in level] for level in levels]
    except TypeError:
        named = []
    if not named or not named[0] or len({len(level) for level in named}) > 1:
        raise ValueError(
            "levels must hold equally long sequences of the numbers of groups, as [[0, 0, 1]], at "
            f"least one, or be None for the classes alone; got {levels!r}."
        )
    return [[sorted(set(level)).index(group) for group in level] for level in named]


def _directions(features: Tensor) -> Tensor:
    """Subtract the mean of the rows, then divide each by its length.

    A row shorter than a thousandth of the root mean square is not blown up to length one: the
    direction of a row at the mean is noise, and the gradient of its length has no bound. Nor is
    what rounding leaves of rows that are all alike.
    """
    mean = features.mean(dim=0)
    centred = features - mean
    squared = centred.square().sum(dim=1, keepdim=True)
    floor = torch.maximum(1e-6 * squared.detach().mean(), rounding(mean))
    return centred / squared.clamp_min(floor).sqrt()


def _label_error(codes: Tensor, labels: Tensor, predictions: Tensor) -> Tensor:
    """Error against the labels that the codes make of the source's, as far as these are sure."""
    balanced = labels / labels.sum(dim=0).clamp_min(1)
    evidence = (codes @ balanced.flatten(1)).unflatten(1, labels.shape[1:])
    return _error_of_sharpened(evidence.clamp_min(0), predictions)


def _error_of_sharpened(evidence: Tensor, predictions: Tensor) -> Tensor:
    """Error against the squared shares of non-negative evidence, weighted by the largest share."""
    shares = as_shares(evidence)
    error = (predictions - as_shares(shares.square())).square().sum(dim=-1)
    return (shares.amax(dim=-1) * error).mean()
