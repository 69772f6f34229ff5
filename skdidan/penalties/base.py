"""The base of all penalties, and the rounding rules that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skdidan.penalties.sparse_coding import check_tensors

__all__ = ["Penalty", "as_shares", "at_least_single", "rounding"]


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
