"""Optimizers by name or class, and the checks of their arguments."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from skdidan.parameters import check_arguments

__all__ = ["check_optimizer", "find_optimizer"]

_OWN = {"params", "lr", "weight_decay"}  # which the classifier gives


def find_optimizer(optimizer: Any) -> type[torch.optim.Optimizer]:
    """Return the class of the parameter `optimizer`, or raise a ValueError."""
    found: Any = getattr(torch.optim, optimizer, None) if isinstance(optimizer, str) else optimizer
    if _is_suitable(found):
        return found
    options = sorted(name for name, cls in vars(torch.optim).items() if _is_suitable(cls))
    raise ValueError(
        f"optimizer must be one of {options}, or a class of optimizers that takes lr and "
        f"weight_decay; got {optimizer!r}."
    )


def _is_suitable(cls: Any) -> bool:
    is_class = isinstance(cls, type) and issubclass(cls, torch.optim.Optimizer)
    return is_class and inspect.signature(cls).parameters.keys() >= _OWN


def check_optimizer(optimizer: Any, params: Any, lr: float, weight_decay: float) -> None:
    """Raise a ValueError unless an optimizer can be made of the parameters of these names."""
    cls: Any = find_optimizer(optimizer)
    params = {} if params is None else params
    check_arguments("optimizer_params", params, cls)
    if named := sorted(_OWN & params.keys()):
        raise ValueError(f"optimizer_params must not hold {named}: set lr and weight_decay.")
    weights = [torch.nn.Parameter(torch.zeros(shape)) for shape in ((1, 1), (1,))]
    try:
        cls(weights, lr=lr, weight_decay=weight_decay, **params)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"optimizer={optimizer!r} cannot be made with optimizer_params={params!r}: {error}"
        ) from error
