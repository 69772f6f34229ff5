"""Hold out rows of the source, weigh its classes, and number its corpora."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.utils.class_weight import compute_class_weight

from skdidan.domains import sortable_groups

__all__ = ["class_weights", "hold_out", "number_corpora", "row_weights"]


def hold_out(
    share: float | None, y: NDArray[Any], groups: NDArray[Any] | None, seed: int
) -> tuple[Any, Any]:
    """Return indices of the rows to train on, and of those that are held out."""
    if share is None:
        return slice(None), slice(0)  # which copy nothing
    splitter = StratifiedShuffleSplit if groups is None else GroupShuffleSplit
    groups = None if groups is None else sortable_groups(groups)
    split = splitter(1, test_size=share, random_state=seed)
    try:
        train, held_out = next(split.split(y, y, groups))
    except ValueError as error:
        kind = "rows" if groups is None else f"{len(np.unique(groups))} groups"
        raise ValueError(
            f"validation_fraction={share} cannot be held out of {len(y)} rows by {kind}: {error}"
        ) from error
    if lost := sorted(set(y.tolist()) - set(y[train].tolist())):
        raise ValueError(
            f"validation_fraction={share} holds out all rows of {lost}: "
            "their groups are too few. Lower it, or pass no groups."
        )
    return train, held_out


def class_weights(
    class_weight: Any, classes: NDArray[Any], y: NDArray[Any], rows: NDArray[Any] | None = None
) -> torch.Tensor:
    """Return the weights of the classes in the loss, by the parameter `class_weight`.

    With weights of the `rows`, a row counts by its weight in "balanced".
    """
    weights = compute_class_weight(class_weight, classes=classes, y=y)
    if rows is not None:
        sums = np.bincount(np.searchsorted(classes, y), weights=rows, minlength=len(classes))
        if lost := classes[sums == 0].tolist():
            raise ValueError(
                f"sample_weight is 0 in all rows to train on of the class(es) {lost}: drop them, "
                "or give one of their rows a weight."
            )
        if isinstance(class_weight, str):
            weights = rows.sum() / (len(classes) * sums)
    with np.errstate(over="ignore"):
        found = torch.tensor(weights, dtype=torch.float32)
    if not (found.isfinite() & (found > 0)).all():
        given = "class_weight" if rows is None else "class_weight and sample_weight"
        raise ValueError(
            f"{given} must give each class a finite number above 0, in single precision; got "
            f"{dict(zip(classes.tolist(), weights.tolist(), strict=True))}."
        )
    return found


def row_weights(rows: NDArray[Any] | None, device: torch.device) -> torch.Tensor | None:
    """Return weights of rows as a tensor, at most 1: their scale does not count."""
    if rows is None:
        return None
    return torch.tensor(rows / rows.max(), dtype=torch.float32, device=device)


def number_corpora(corpora: NDArray[Any]) -> NDArray[np.int64]:
    """Return the corpus numbers of source rows, counted from 0."""
    return np.unique(corpora, return_inverse=True)[1]
