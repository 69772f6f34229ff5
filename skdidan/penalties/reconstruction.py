"""Implicit distribution alignment (IDA): sparse reconstruction of the target from the source."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, one_hot

from skdidan.parameters import check_not_negative, check_positive
from skdidan.penalties.base import (
    Penalty,
    at_least_single,
    normalise_rows,
    rounding_floor,
    unit_rows,
)
from skdidan.penalties.distances import MeanDistance
from skdidan.penalties.sparse_coding import sparse_codes

__all__ = ["IDA"]


class IDA(Penalty):
    r"""Implicit distribution alignment: reconstruct target rows sparsely from source rows.

    .. math::
        \mathrm{IDA} = \phi \, \frac{2}{n_t} \min_W \Bigl( \tfrac12
        \|\tilde F_t - W \tilde F_s\|_F^2 + \tau \|W\|_1 \Bigr)
        + \gamma \, D(F_s, F_t) + \delta \, L(W^*)

    The tilde subtracts the domain's mean and divides each row by its length. (The divisor is at
    least a thousandth of the root mean square length.) The first term therefore cannot be lowered
    by shrinking or shifting the target. It is an average over the target rows. A row that equals a
    source row adds at most :math:`2 \tau - \tau^2`. A row adds 1 if its product with each source
    row is at most :math:`\tau`. :math:`D` is the `MeanDistance`: it measures the difference between
    the means, which centring removes.

    `sparse_codes` solves for the codes :math:`W^*`; they are not learned. At the minimum, the
    gradient with the codes held constant is exact (envelope theorem), so none flows through the
    solver.

    **Labels.** The codes that reconstruct the features of a target row should also reconstruct its
    label. They combine the source labels :math:`y` into evidence for each class, as in
    classification by sparse representation [2]_. With :math:`n_k` source rows of class `k`,

    .. math::
        e_{ik} = \max\Bigl(0, \frac{1}{n_k} \sum_j W^*_{ij} y_{jk}\Bigr), \qquad
        p_{ik} = \frac{e_{ik}}{\sum_l e_{il}}, \qquad
        q_{ik} = \frac{p_{ik}^2}{\sum_l p_{il}^2}

    The sharpened evidence :math:`q_i` is the label that the network's predictions :math:`g_i` of
    the target should match. Rows with unanimous evidence have more weight:

    .. math:: L = \frac{1}{n_t} \sum_i \bigl(\max_k p_{ik}\bigr) \|g_i - q_i\|^2

    No gradient flows through the evidence. A row without evidence adds nothing. A class without
    rows in the batch has no evidence.

    With `levels`, the labels are reconstructed at each level, and :math:`L` is the mean over the
    levels. A level merges classes into groups: the columns of the labels and of the predictions are
    added up within each group, and :math:`n_k` counts the source rows of a group.

    Only the abstract of [1]_ was available. The centring, the scaling and all terms beside the
    reconstruction are this package's interpretation.

    Parameters
    ----------
    sparsity : float > 0, default=0.1
        Penalty weight :math:`\tau` of the codes. Higher values use fewer source rows per target
        row.
    feature_weight : float >= 0, default=1.0
        Weight :math:`\phi` of the reconstruction of the features; 0 leaves it out. Its codes are
        computed all the same, for the labels.
    mean_weight : float >= 0, default=3.0
        Weight :math:`\gamma` of the distance between the means, which the first term ignores;
        0 leaves it out.
    label_weight : float >= 0, default=1.0
        Weight :math:`\delta` of the reconstructed labels; 0 leaves them out.
    levels : sequence of sequences of int, each of shape (n_classes,), optional
        Levels of detail of the labels. Each level holds the group number of every class, as in
        ``([0, 1, 0], [0, 1, 2])``. By default, one level on which each class is its own group.
    tol : float > 0, default=0.1
        Relative duality gap of the codes in each call. It bounds their error, which is usually far
        smaller.

    Raises
    ------
    ValueError
        If `sparsity` or `tol` is not positive, a weight is negative or all are 0, or `levels` does
        not hold sequences of integers of one length.

    References
    ----------
    .. [1] Zhao, Wang, Zong, Zheng, Lian, Zhao (2023). Deep implicit distribution alignment
       networks for cross-corpus speech emotion recognition. ICASSP, arXiv:2302.08921.
    .. [2] Wright, Yang, Ganesh, Sastry, Ma (2009). Robust face recognition via sparse
       representation. IEEE Transactions on Pattern Analysis and Machine Intelligence 31(2).

    Examples
    --------
    Rows that reconstruct themselves leave only the penalty on the codes, ``2 * 0.1 - 0.1**2``.

    >>> import torch
    >>> from skdidan import IDA
    >>> features = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(IDA(sparsity=0.1)(features, features)), 4)
    0.19

    Each row is reconstructed by its own copy, so its reconstructed label is right. The error of
    undecided predictions is ``0.5**2 + 0.5**2``.

    >>> source = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    >>> labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    >>> ida = IDA(sparsity=0.1, mean_weight=0, label_weight=1)
    >>> terms = ida.terms(source, source, labels, torch.full((3, 2), 0.5))
    >>> round(float(terms["labels"]), 4)
    0.5
    """

    uses = ("labels", "predictions")
    _groups: Tensor  # one-hot group of each class and level: (n_classes, n_levels, n_groups)

    def __init__(
        self,
        sparsity: float = 0.1,
        *,
        feature_weight: float = 1.0,
        mean_weight: float = 3.0,
        label_weight: float = 1.0,
        levels: Sequence[Sequence[int]] | None = None,
        tol: float = 0.1,
    ) -> None:
        super().__init__()
        self.sparsity = check_positive("sparsity", sparsity, single=True)
        self.feature_weight = check_not_negative("feature_weight", feature_weight, single=True)
        self.mean_weight = check_not_negative("mean_weight", mean_weight, single=True)
        self.label_weight = check_not_negative("label_weight", label_weight, single=True)
        self.levels = None if levels is None else _check_levels(levels)
        self.tol = check_positive("tol", tol, single=True)
        if not self.parts:
            raise ValueError("feature_weight, mean_weight and label_weight must not all be 0.")
        if self.levels is not None:
            groups = one_hot(torch.tensor(self.levels).T)
            self.register_buffer("_groups", groups, persistent=False)

    @property
    def parts(self) -> list[str]:
        """Names of the terms with a positive weight: "features", "means", "labels"."""
        weights = self.feature_weight, self.mean_weight, self.label_weight
        names = "features", "means", "labels"
        return [name for name, weight in zip(names, weights, strict=True) if weight]

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
            One-hot labels of the source rows. The term "labels" needs labels and predictions.
        predictions : Tensor, shape (n_target, n_classes), optional
            Predicted class probabilities of the target rows: the outputs of a network that
            regresses onto one-hot labels, the softmax of the outputs of any other.

        Returns
        -------
        terms : dict of str to Tensor
            "features" (reconstruction and penalty on the codes), "means" and "labels", scalars of
            at least 0. Terms of weight 0 are left out. Half-precision features are computed in
            single precision.

        Raises
        ------
        ValueError
            If the features, labels, predictions and `levels` do not fit together.
        """
        memberships = self._check(source, target, labels=labels, predictions=predictions)
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            atoms, rows = _directions(source), _directions(target)
            codes = self._solve(atoms, rows)
            terms = {}
            if self.feature_weight:
                residual = mse_loss(codes @ atoms, rows, reduction="sum")
                error = (residual + 2 * self._size(codes)) / len(rows)
                terms["features"] = self.feature_weight * error
            if self.mean_weight:
                terms["means"] = self.mean_weight * MeanDistance()(source, target)
            if self.label_weight and memberships:
                merged = [self._at_levels(memberships[name]) for name in self.uses]
                terms["labels"] = self.label_weight * _label_error(codes, *merged)
        return terms

    def _penalise(self, source: Tensor, target: Tensor, **memberships: Tensor) -> Tensor:
        terms = self.terms(source, target, **memberships)
        return torch.stack(list(terms.values())).sum() if terms else source.new_zeros(())

    def _at_levels(self, memberships: Tensor) -> Tensor:
        """Add up the columns of each group: shape (n_rows, n_levels, n_groups)."""
        if self.levels is None:
            return memberships.unsqueeze(1)
        n_classes = memberships.shape[1]
        if n_classes != len(self._groups):
            raise ValueError(
                f"levels must hold a group for each of {n_classes} classes; got {self.levels}."
            )
        groups = self._groups.to(memberships)
        return (memberships @ groups.flatten(1)).unflatten(1, groups.shape[1:])

    def codes(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the sparse codes that reconstruct the target rows.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.

        Returns
        -------
        codes : Tensor, shape (n_target, n_source)
            Row `i` holds the weights of the source rows that reconstruct target row `i`. No
            gradient flows through them.

        Raises
        ------
        ValueError
            If the features are not two matrices with rows and the same number of columns.
        """
        self._check(source, target)
        with torch.autocast(source.device.type, enabled=False):
            atoms, rows = (_directions(at_least_single(part)) for part in (source, target))
            return self._solve(atoms, rows)

    def _solve(self, atoms: Tensor, rows: Tensor) -> Tensor:
        return sparse_codes(atoms, rows, self.sparsity, tol=self.tol)

    def _size(self, codes: Tensor) -> Tensor:
        """Return the penalty on the codes that `_solve` minimises beside half the squared error."""
        return self.sparsity * codes.abs().sum()


def _check_levels(levels: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the levels as lists, with the groups of each renumbered from 0."""
    try:
        numbers = [[operator.index(group) for group in level] for level in levels]
    except TypeError:
        numbers = []
    if not numbers or not numbers[0] or len({len(level) for level in numbers}) > 1:
        raise ValueError(
            "levels must hold at least one sequence of group numbers, all of one length, as in "
            f"[[0, 0, 1]]; None stands for the classes themselves; got {levels!r}."
        )
    return [[sorted(set(level)).index(group) for group in level] for level in numbers]


def _directions(features: Tensor) -> Tensor:
    """Subtract the mean of the rows, then divide each row by its length, see `unit_rows`."""
    mean = features.mean(dim=0)
    return unit_rows(features - mean, rounding_floor(mean))


def _label_error(codes: Tensor, labels: Tensor, predictions: Tensor) -> Tensor:
    """Return the weighted error between predictions and the labels that the codes reconstruct."""
    balanced = labels / labels.sum(dim=0).clamp_min(1)
    evidence = (codes @ balanced.flatten(1)).unflatten(1, labels.shape[1:])
    return _sharpened_error(evidence.clamp_min(0), predictions)


def _sharpened_error(evidence: Tensor, predictions: Tensor) -> Tensor:
    """Return the error of predictions against sharpened evidence, weighted by its largest share."""
    shares = normalise_rows(evidence)
    error = (predictions - normalise_rows(shares.square())).square().sum(dim=-1)
    return (shares.amax(dim=-1) * error).mean()
