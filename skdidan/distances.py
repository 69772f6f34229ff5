"""The base of all penalties, and two on the moments of the features."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from skdidan.sparse_coding import check_tensors

__all__ = ["CORAL", "MeanDistance", "Penalty"]


class Penalty(nn.Module, ABC):
    """Base of the penalties: checks what it is given, then leaves the value to ``_penalise``.

    Attributes
    ----------
    uses : tuple of str
        What it takes beside the features, out of "labels", "predictions" and "source_predictions".
    """

    uses: ClassVar[tuple[str, ...]] = ()

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_predictions: Tensor | None = None,
    ) -> Tensor:
        """Penalise the difference of the domains.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.
        labels : Tensor, shape (n_source, n_classes), optional
            Class membership of the source rows, one-hot. This and what follows is ignored by
            penalties that do not name it in `uses`; what one uses is given together, or not at all.
        predictions : Tensor, shape (n_target, n_classes), optional
            What the network takes for the class probabilities of the target rows: its outputs, if
            it regresses onto one-hot labels, else their softmax.
        source_predictions : Tensor, shape (n_source, n_classes), optional
            The same of the source rows.

        Returns
        -------
        penalty : Tensor, scalar
            At least 0. Half precision is computed in single precision.

        Raises
        ------
        TypeError
            If one of these is no tensor.
        ValueError
            If the features are not two matrices with rows, and equally many columns, or labels and
            predictions do not fit them.
        """
        known = self._known(
            source,
            target,
            labels=labels,
            predictions=predictions,
            source_predictions=source_predictions,
        )
        # Differences of nearly equal sums, and the solver, need more than half precision has.
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            return self._penalise(source, target, **known)

    @abstractmethod
    def _penalise(self, source: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the penalty of features that fit, with what it uses by name, if this is known."""

    def _known(
        self, source: Tensor, target: Tensor, **memberships: Tensor | None
    ) -> dict[str, Tensor]:
        """Check all, and return the memberships that the penalty uses."""
        _check_features(source, target)
        given = {name: memberships.get(name) for name in self.uses}
        known = {name: given for name, given in given.items() if given is not None}
        if known and len(known) < len(self.uses):
            raise ValueError(
                f"{' and '.join(self.uses)} go together; got {', '.join(known)} alone."
            )

        n_rows = {"labels": source, "predictions": target, "source_predictions": source}
        n_classes = {}
        for name, membership in known.items():
            if not isinstance(membership, Tensor):
                raise TypeError(f"{name} must be a tensor; got {type(membership).__name__}.")
            if membership.ndim != 2 or len(membership) != len(n_rows[name]):
                raise ValueError(
                    f"{name} must be of shape ({len(n_rows[name])}, n_classes); got "
                    f"{tuple(membership.shape)}."
                )
            n_classes[name] = membership.shape[1]
        if len(set(n_classes.values())) > 1:
            raise ValueError(f"{' and '.join(known)} must agree in their columns; got {n_classes}.")
        return {name: membership.to(at_least_single(source)) for name, membership in known.items()}


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
        return mean_distance(source, target)


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
    if not source.is_floating_point() or not target.is_floating_point():
        raise ValueError(
            f"source and target must be of a floating type; got {source.dtype} and {target.dtype}."
        )
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1]:
        raise ValueError(
            "source and target must be matrices with equally many columns; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if not source.numel() or not target.numel():
        raise ValueError(
            "source and target need at least one row and one column; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )


def at_least_single(features: Tensor) -> Tensor:
    """Return features of half precision in single precision, others as they are."""
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


def rounding(mean: Tensor) -> Tensor:
    """Squared length below which a difference from the mean is nothing but rounding."""
    mean, precision = mean.detach(), torch.finfo(mean.dtype)
    return ((30 * precision.eps) ** 2 * mean.dot(mean)).clamp_min(precision.tiny)


def as_shares(evidence: Tensor) -> Tensor:
    """Scale each row of non-negative numbers to a sum of one; zeros stay zeros."""
    total = evidence.sum(dim=-1, keepdim=True)
    return evidence / total.clamp_min(torch.finfo(evidence.dtype).tiny)


def mean_distance(source: Tensor, target: Tensor) -> Tensor:
    """Return the value of `MeanDistance`."""
    mean_s, mean_t = source.mean(dim=0), target.mean(dim=0)
    between = mse_loss(mean_s, mean_t, reduction="sum") / 4
    # `torch.var_mean` along rows takes several times as long.
    variance_s = mse_loss(source, mean_s.expand_as(source), reduction="sum") / len(source)
    variance_t = mse_loss(target, mean_t.expand_as(target), reduction="sum") / len(target)
    total = between + (variance_s + variance_t) / 2
    return between / torch.maximum(total, rounding(mean_s))


def _covariance(features: Tensor) -> Tensor:
    centred = features - features.mean(dim=0)
    return centred.T @ centred / max(len(features) - 1, 1)
