"""Base class of the penalties, and the numerical rules that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from inspect import signature
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from skdidan.penalties.sparse_coding import check_matrices
from skdidan.torch_state import Generators, copy_generator, draw_from, plain_mode

__all__ = [
    *("Penalty", "at_least_single", "draw_weights", "normalise_rows", "rounding_floor"),
    "unit_rows",
]


class Penalty(nn.Module, ABC):
    """Base of the penalties: ``forward`` checks the arguments, ``_penalise`` computes the value.

    Attributes
    ----------
    uses : tuple of str
        Inputs beside the features: any of "labels", "predictions", "source_predictions",
        "source_domains" and "corpus_features".
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
        corpus_features: Tensor | None = None,
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
        corpus_features : Tensor, shape (n_source + n_target, n_features), optional
            Features that tell the corpora apart, of the source rows and then of the target rows.

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
            corpus_features=corpus_features,
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
        used = {name: memberships.get(name) for name in self.uses}
        domains, aside = used.pop("source_domains", None), used.pop("corpus_features", None)
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
        if domains is not None:
            checked["source_domains"] = _whole(domains, source)
        if aside is not None:
            shape = len(source) + len(target), source.shape[1]
            if not isinstance(aside, Tensor) or aside.shape != shape:
                raise ValueError(
                    f"corpus_features must be a tensor of shape {shape}, as the features of all "
                    f"rows; got {tuple(getattr(aside, 'shape', ()))}."
                )
            checked["corpus_features"] = aside.to(at_least_single(source))
        return checked


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


def unit_rows(rows: Tensor, floor: Tensor | None = None) -> Tensor:
    """Divide each row by its length.

    Rows much shorter than the root mean square, or of a squared length below `floor`, keep a length
    below one: their direction is noise, and the gradient of a length is unbounded.
    """
    squared = rows.square().sum(dim=1, keepdim=True)
    least = (1e-6 * squared.detach().mean()).clamp_min(torch.finfo(rows.dtype).tiny)
    least = least if floor is None else torch.maximum(least, floor)
    return rows / squared.clamp_min(least).sqrt()


def draw_weights(module: nn.Module, rows: Tensor, generators: Generators | None) -> None:
    """Draw the weights of lazy layers for rows, without advancing torch's generator."""
    # The CPU's generator gives the same weights on all devices.
    with plain_mode(), draw_from(copy_generator(generators)), torch.no_grad():
        module(torch.zeros(1, rows.shape[1]))
        module.to(rows)
