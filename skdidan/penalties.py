"""Penalties on the difference between source and target features: ``forward(source, target)``.

Each is a `torch.nn.Module` without trainable parameters that maps features of shapes
(n_source, n_features) and (n_target, n_features) to a scalar, for use in any training loop.
"""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, one_hot

from skdidan.parameters import check_not_negative, check_positive
from skdidan.sparse_coding import check_tensors, sparse_codes

__all__ = ["CORAL", "IDA", "LMMD", "MMD", "PENALTIES", "MeanDistance", "Penalty"]


class Penalty(nn.Module, ABC):
    """Base of the penalties: checks the features, then leaves the value to ``_penalise``."""

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """Penalise the difference of the domains.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.

        Returns
        -------
        penalty : Tensor, scalar
            At least 0. Half precision is computed in single precision.

        Raises
        ------
        ValueError
            If these are not two matrices with rows, and equally many columns.
        """
        _check_features(source, target)
        # Differences of nearly equal sums, and the solver, need more than half precision has.
        with torch.autocast(source.device.type, enabled=False):
            return self._penalise(_at_least_single(source), _at_least_single(target))

    @abstractmethod
    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the penalty of features that fit."""


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

    uses_labels = True
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

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
    ) -> Tensor:
        """Penalise the difference of the domains: the sum of the `terms`."""
        terms = self.terms(source, target, labels, predictions)
        return torch.stack(list(terms.values())).sum()

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
        _check_features(source, target)
        _check_labels(source, target, labels, predictions)
        with torch.autocast(source.device.type, enabled=False):
            source, target = _at_least_single(source), _at_least_single(target)
            atoms, rows = _directions(source), _directions(target)
            codes = sparse_codes(atoms, rows, self.sparsity, tol=self.tol)
            residual = mse_loss(codes @ atoms, rows, reduction="sum")
            size = codes.abs().sum()
            terms = {"features": (residual + 2 * self.sparsity * size) / len(rows)}
            if self.mean_weight:
                terms["means"] = self.mean_weight * _mean_distance(source, target)
            if self.label_weight and labels is not None and predictions is not None:
                merged = self._at_levels(labels.to(atoms)), self._at_levels(predictions.to(atoms))
                terms["labels"] = self.label_weight * _label_error(codes, *merged)
        return terms

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        return self(source, target)

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
        _check_features(source, target)
        with torch.autocast(source.device.type, enabled=False):
            atoms, rows = map(_directions, map(_at_least_single, (source, target)))
            return sparse_codes(atoms, rows, self.sparsity, tol=self.tol)


class MeanDistance(Penalty):
    r"""Distance between the domain means, as a share of the variance.

    .. math::
        D = \frac{b}{b + \tfrac12 (v_s + v_t)}, \qquad
        b = \tfrac14 \|\bar f_s - \bar f_t\|^2, \qquad
        v = \frac1n \sum_i \|f_i - \bar f\|^2

    This is the share of the features' variance that the domain explains if both domains count
    alike (the correlation ratio): 0 for equal means, 1 where each domain is a single point. Unlike
    the bare squared distance it cannot be lowered by shrinking the features. Two domains at the
    same single point cost nothing.

    Examples
    --------
    Means three apart, and variances of 1 and 0: ``2.25 / (2.25 + 0.5)``.

    >>> import torch
    >>> from skdidan import MeanDistance
    >>> source, target = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[1.0, 3.0]])
    >>> round(float(MeanDistance()(source, target)), 4)
    0.8182
    """

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        return _mean_distance(source, target)


class MMD(Penalty):
    r"""Squared maximum mean discrepancy under a sum of Gaussian kernels.

    .. math::
        \mathrm{MMD}^2 = \frac{1}{n_s^2} \sum_{i,j} k(s_i, s_j)
        + \frac{1}{n_t^2} \sum_{i,j} k(t_i, t_j) - \frac{2}{n_s n_t} \sum_{i,j} k(s_i, t_j),
        \qquad k(a, b) = \sum_m e^{-\|a - b\|^2 / (m \beta)}

    with :math:`\beta` the mean squared distance between two different rows of the batch (no
    gradient flows through it). This biased estimate is never negative and is zero for identical
    samples. It is the alignment of deep adaptation networks [1]_, after [2]_.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        Multiples :math:`m` of the mean squared distance.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number that is not positive.

    References
    ----------
    .. [1] Long, Cao, Wang, Jordan (2015). Learning transferable features with deep adaptation
       networks. ICML, arXiv:1502.02791.
    .. [2] Gretton, Borgwardt, Rasch, Schölkopf, Smola (2012). A kernel two-sample test. Journal of
       Machine Learning Research 13.

    Examples
    --------
    One row against another: ``2 - 2 exp(-1)``, for the mean squared distance is their own.

    >>> import torch
    >>> from skdidan import MMD
    >>> round(float(MMD(widths=[1.0])(torch.tensor([[0.0]]), torch.tensor([[3.0]]))), 4)
    1.2642
    """

    def __init__(self, widths: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> None:
        super().__init__()
        self.widths = tuple(check_positive("widths", float(width)) for width in widths)
        if not self.widths:
            raise ValueError("widths must hold at least one number.")

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        kernel = self._kernel(torch.cat([source, target]))
        n_source = len(source)
        within = kernel[:n_source, :n_source].mean() + kernel[n_source:, n_source:].mean()
        return within - 2 * kernel[:n_source, n_source:].mean()

    def _kernel(self, rows: Tensor) -> Tensor:
        squared = _squared_distances(rows)
        n = len(rows)
        # Identical rows leave a mean of zero: any positive width then gives kernel values of one.
        tiny = 1e3 * torch.finfo(rows.dtype).tiny
        mean = (squared.detach().sum() / max(n * (n - 1), 1)).clamp_min(tiny)
        return torch.stack([torch.exp(-squared / (width * mean)) for width in self.widths]).sum(0)


class LMMD(MMD):
    r"""Local maximum mean discrepancy: the `MMD` of each class, averaged.

    .. math::
        \mathrm{LMMD} = \frac{1}{|C|} \sum_{c \in C} \Bigl\| \sum_i w^s_{ic} \phi(s_i)
        - \sum_j w^t_{jc} \phi(t_j) \Bigr\|^2, \qquad w_{ic} = y_{ic} / \textstyle\sum_k y_{kc}

    in the space of the kernels of `MMD`, with the labels :math:`y` of the source and, for the
    target, the predicted class probabilities, through which no gradient flows: the alignment of
    deep subdomain adaptation networks [1]_. :math:`C` holds the classes of the batch, those that
    some source row has and some target row may have. Without labels and predictions all rows are of
    one class, which is `MMD`.

    Parameters
    ----------
    widths : sequence of float > 0, default=(0.25, 0.5, 1.0, 2.0, 4.0)
        As in `MMD`.

    Raises
    ------
    ValueError
        If `widths` is empty or holds a number that is not positive.

    References
    ----------
    .. [1] Zhu, Zhuang, Wang, Ke, Chen, Bian, Xiong, He (2020). Deep subdomain adaptation network
       for image classification. IEEE Transactions on Neural Networks and Learning Systems 32(4),
       arXiv:2106.09388.

    Examples
    --------
    Two classes that have changed places: the same rows in both domains, and yet apart.

    >>> import torch
    >>> from skdidan import LMMD
    >>> rows, labels = torch.tensor([[0.0], [3.0]]), torch.eye(2)
    >>> lmmd = LMMD()
    >>> float(lmmd(rows, rows, labels, labels)), float(lmmd(rows, rows, labels, labels.flip(0))) > 1
    (0.0, True)
    """

    uses_labels = True

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
    ) -> Tensor:
        """Penalise the difference of the domains, class by class.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.
        labels : Tensor, shape (n_source, n_classes), optional
            Class membership of the source rows, one-hot.
        predictions : Tensor, shape (n_target, n_classes), optional
            What the network takes for the class probabilities of the target rows; below 0 is 0.

        Returns
        -------
        penalty : Tensor, scalar
            At least 0. Half precision is computed in single precision.

        Raises
        ------
        ValueError
            If the features, labels and predictions do not fit together.
        """
        _check_features(source, target)
        _check_labels(source, target, labels, predictions)
        if labels is None or predictions is None:
            return super().forward(source, target)
        with torch.autocast(source.device.type, enabled=False):
            rows = torch.cat([_at_least_single(source), _at_least_single(target)])
            parts = labels.to(rows), predictions.detach().to(rows).clamp_min(0)
            totals = [part.sum(dim=0) for part in parts]
            tiny = torch.finfo(rows.dtype).tiny
            shared = (totals[0] > 0) & (totals[1] > 0)
            of_source, of_target = (
                part / total.clamp_min(tiny) * shared
                for part, total in zip(parts, totals, strict=True)
            )
            weights = torch.cat([of_source, -of_target])
            squared = (weights * (self._kernel(rows) @ weights)).sum()
            return squared.clamp_min(0) / shared.sum().clamp_min(1)


class CORAL(Penalty):
    r"""Squared Frobenius distance between the covariances, after Deep CORAL [1]_.

    .. math:: \mathrm{CORAL} = \frac{1}{4 d^2} \| C_s - C_t \|_F^2

    with unbiased covariances of the `d` features. The covariance of a single row counts as zero.

    References
    ----------
    .. [1] Sun, Saenko (2016). Deep CORAL: correlation alignment for deep domain adaptation. ECCV
       workshops, arXiv:1607.01719.

    Examples
    --------
    Variances 2 and 8 in one dimension: ``(2 - 8)**2 / 4``.

    >>> import torch
    >>> from skdidan import CORAL
    >>> float(CORAL()(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [4.0]])))
    9.0
    """

    def _penalise(self, source: Tensor, target: Tensor) -> Tensor:
        difference = _covariance(source) - _covariance(target)
        return difference.square().sum() / (4 * source.shape[1] ** 2)


def _check_features(source: Tensor, target: Tensor) -> None:
    check_tensors(source, target)
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "source and target must be matrices with equally many columns; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if not len(source) or not len(target):
        raise ValueError(
            f"source and target need at least one row; got {len(source)} and {len(target)}."
        )


def _check_labels(
    source: Tensor, target: Tensor, labels: Tensor | None, predictions: Tensor | None
) -> None:
    if labels is None and predictions is None:
        return
    if labels is None or predictions is None:
        raise ValueError("labels of the source and predictions of the target go together.")
    if (
        labels.ndim != 2
        or len(labels) != len(source)
        or predictions.shape != (len(target), labels.shape[1])
    ):
        raise ValueError(
            "labels and predictions must be matrices with a row for each source and target row, "
            f"{len(source)} and {len(target)}, and a column for each class; got shapes "
            f"{tuple(labels.shape)} and {tuple(predictions.shape)}."
        )


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


def _at_least_single(features: Tensor) -> Tensor:
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


def _directions(features: Tensor) -> Tensor:
    """Subtract the mean of the rows, then divide each by its length.

    A row shorter than a thousandth of the root mean square is not blown up to length one: the
    direction of a row at the mean is noise, and the gradient of its length has no bound. Nor is
    what rounding leaves of rows that are all alike.
    """
    mean = features.mean(dim=0)
    centred = features - mean
    squared = centred.square().sum(dim=1, keepdim=True)
    floor = torch.maximum(1e-6 * squared.detach().mean(), _rounding(mean))
    return centred / squared.clamp_min(floor).sqrt()


def _rounding(mean: Tensor) -> Tensor:
    """Squared length below which a difference from the mean is nothing but rounding."""
    mean, precision = mean.detach(), torch.finfo(mean.dtype)
    return ((30 * precision.eps) ** 2 * mean.dot(mean)).clamp_min(precision.tiny)


def _shares(evidence: Tensor) -> Tensor:
    """Scale each row of non-negative numbers to a sum of one; zeros stay zeros."""
    total = evidence.sum(dim=-1, keepdim=True)
    return evidence / total.clamp_min(torch.finfo(evidence.dtype).tiny)


def _label_error(codes: Tensor, labels: Tensor, predictions: Tensor) -> Tensor:
    """Error against the labels that the codes make of the source's, as far as these are sure."""
    balanced = labels / labels.sum(dim=0).clamp_min(1)
    evidence = (codes @ balanced.flatten(1)).unflatten(1, labels.shape[1:])
    return _error_of_sharpened(evidence.clamp_min(0), predictions)


def _error_of_sharpened(evidence: Tensor, predictions: Tensor) -> Tensor:
    """Error against the squared shares of non-negative evidence, weighted by the largest share."""
    shares = _shares(evidence)
    error = (predictions - _shares(shares.square())).square().sum(dim=-1)
    return (shares.amax(dim=-1) * error).mean()


def _mean_distance(source: Tensor, target: Tensor) -> Tensor:
    mean_s, mean_t = source.mean(dim=0), target.mean(dim=0)
    between = mse_loss(mean_s, mean_t, reduction="sum") / 4
    # `torch.var_mean` along rows takes several times as long.
    variance_s = mse_loss(source, mean_s.expand_as(source), reduction="sum") / len(source)
    variance_t = mse_loss(target, mean_t.expand_as(target), reduction="sum") / len(target)
    total = between + (variance_s + variance_t) / 2
    return between / torch.maximum(total, _rounding(mean_s))


def _squared_distances(rows: Tensor) -> Tensor:
    """Squared distances between all rows; exactly zero from a row to itself and never negative."""
    centred = rows - rows.detach().mean(dim=0)  # the products below lose less far from the origin
    squared = centred.square().sum(dim=1)
    distances = squared.unsqueeze(1) + squared.unsqueeze(0) - 2 * centred @ centred.T
    return distances.clamp_min(0).fill_diagonal_(0)


def _covariance(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=0)
    return centred.T @ centred / max(len(features) - 1, 1)


#: All penalties by their names in the training history and in the tests of their contract.
PENALTIES: dict[str, type[Penalty]] = {
    "coral": CORAL,
    "ida": IDA,
    "lmmd": LMMD,
    "mean_distance": MeanDistance,
    "mmd": MMD,
}
