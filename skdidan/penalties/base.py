"""Base class of the penalties, and the numerical rules that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skdidan.penalties.sparse_coding import check_matrices

__all__ = ["Penalty", "at_least_single", "normalise_rows", "rounding_floor"]


class Penalty(nn.Module, ABC):
    """Base of the penalties: ``forward`` checks the arguments, ``_penalise`` computes the value.

    Attributes
    ----------
    uses : tuple of str
        Inputs beside the features: any of "labels", "predictions", "source_predictions" and
        "source_domains".
    """

    uses: ClassVar[tuple[str, ...]] = ()

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        labels: Tensor | None = None,
        predictions: Tensor | None = None,
        source_predictions: Tensor | None = None,
        source_domains: Tensor | None = None,
    ) -> Tensor:
        """Penalise the difference between the domains.

        Parameters
        ----------
        source : Tensor, shape (n_source, n_features)
            Source features.
        target : Tensor, shape (n_target, n_features)
            Target features.
        labels : Tensor, shape (n_source, n_classes), optional
            One-hot labels of the source rows. A penalty ignores this and the following arguments
            unless `uses` names them. Of labels and predictions, give all that it uses, or none.
        predictions : Tensor, shape (n_target, n_classes), optional
            Predicted class probabilities of the target rows: the outputs of a network that
            regresses onto one-hot labels, the softmax of the outputs of any other.
        source_predictions : Tensor, shape (n_source, n_classes), optional
            Predicted class probabilities of the source rows.
        source_domains : Tensor of int, shape (n_source,), optional
            Number of the corpus of each source row; without it they are of a single one.

        Returns
        -------
        penalty : Tensor, scalar
            At least 0. Half-precision features are computed in single precision.

        Raises
        ------
        TypeError
            If an argument is not a tensor.
        ValueError
            If the features are not two matrices with rows and the same number of columns, or if
            labels, predictions and corpus numbers do not fit them.
        """
        memberships = self._check(
            source,
            target,
            labels=labels,
            predictions=predictions,
            source_predictions=source_predictions,
            source_domains=source_domains,
        )
        # Half precision is too coarse for differences of nearly equal sums and for the solver.
        with torch.autocast(source.device.type, enabled=False):
            source, target = at_least_single(source), at_least_single(target)
            return self._penalise(source, target, **memberships)

    def extra_repr(self) -> str:
        """Name the parameters that are attributes in the ``repr``."""
        names = [name for name in signature(type(self)).parameters if hasattr(self, name)]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)

    @abstractmethod
    def _penalise(self, source: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the penalty of checked features; inputs in `uses` are passed by name, if given."""

    def _check(
        self, source: Tensor, target: Tensor, **memberships: Tensor | None
    ) -> dict[str, Tensor]:
        """Check all arguments, and return the labels and predictions that the penalty uses."""
        check_matrices(source, target)
        if not source.numel() or not target.numel():
            raise ValueError(
                "source and target need at least one row and one column; got shapes "
                f"{tuple(source.shape)} and {tuple(target.shape)}."
            )
        domains = memberships.pop("source_domains", None) if "source_domains" in self.uses else None
        used = {name: memberships.get(name) for name in self.uses if name != "source_domains"}
        given = {name: value for name, value in used.items() if value is not None}
        if given and len(given) < len(used):
            raise ValueError(f"{' and '.join(used)} go together; got {', '.join(given)} alone.")

        n_rows = {"labels": source, "predictions": target, "source_predictions": source}
        n_classes = {}
        for name, membership in given.items():
            if not isinstance(membership, Tensor):
                raise TypeError(f"{name} must be a tensor; got {type(membership).__name__}.")
            if membership.ndim != 2 or len(membership) != len(n_rows[name]):
                raise ValueError(
                    f"{name} must be of shape ({len(n_rows[name])}, n_classes); got "
                    f"{tuple(membership.shape)}."
                )
            n_classes[name] = membership.shape[1]
        if len(set(n_classes.values())) > 1:
            raise ValueError(
                f"{' and '.join(given)} must have the same number of columns; got {n_classes}."
            )
        checked = {name: values.to(at_least_single(source)) for name, values in given.items()}
        return checked if domains is None else checked | {"source_domains": _whole(domains, source)}


def _whole(domains: Any, source: Tensor) -> Tensor:
    """Return the corpus numbers of the source rows, or raise an error."""
    is_whole = isinstance(domains, Tensor) and not domains.is_floating_point()
    if not is_whole or domains.shape != (len(source),):
        kind = getattr(domains, "dtype", type(domains).__name__)
        raise ValueError(
            f"source_domains must be a tensor of {len(source)} whole numbers; got {kind} of shape "
            f"{tuple(getattr(domains, 'shape', ()))}."
        )
    return domains.to(source.device)


def at_least_single(features: Tensor) -> Tensor:
    """Return half-precision features in single precision, and others unchanged."""
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features


def rounding_floor(mean: Tensor) -> Tensor:
    """Squared length up to which a difference from `mean` may be rounding error."""
    mean, precision = mean.detach(), torch.finfo(mean.dtype)
    return ((30 * precision.eps) ** 2 * mean.dot(mean)).clamp_min(precision.tiny)


def normalise_rows(evidence: Tensor) -> Tensor:
    """Scale each row of non-negative numbers to a sum of one; rows of zeros stay zero."""
    total = evidence.sum(dim=-1, keepdim=True)
    return evidence / total.clamp_min(torch.finfo(evidence.dtype).tiny)
