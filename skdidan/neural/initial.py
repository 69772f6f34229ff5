"""Pretrained weights that a network begins with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["load_weights", "read_weights"]


def read_weights(given: Any) -> dict[str, Tensor]:
    """Return the weights of the parameter `initial_weights` by name; none if it is None."""
    if given is None:
        return {}
    content = given
    if isinstance(given, str | os.PathLike):
        try:
            content = torch.load(given, map_location="cpu", weights_only=True)
        except Exception as error:  # what is no such file causes errors of all kinds
            raise ValueError(
                f"initial_weights={os.fspath(given)!r} is no file of weights that torch.save has "
                f"written: {error}"
            ) from error
    try:
        weights = {str(name): _as_tensor(values) for name, values in dict(content).items()}
    except (RuntimeError, TypeError, ValueError):
        weights = {}
    if not weights:
        raise ValueError(
            "initial_weights must be a dict of tensors or arrays by the names of the weights, such "
            f"as module.state_dict(), or a file with one; got {type(content).__name__}."
        )
    if odd := [name for name, values in weights.items() if not values.isfinite().all()]:
        raise ValueError(f"initial_weights hold NaN or infinity in {odd}.")
    return weights


def _as_tensor(values: Any) -> Tensor:
    """Return a tensor on the CPU, of which nothing else has a gradient."""
    if isinstance(values, Tensor):
        return values.detach().cpu()
    return torch.tensor(np.asarray(values), device="cpu")


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Set weights of a network, or raise a ValueError that names those that do not fit."""
    own = {name: tuple(values.shape) for name, values in network.state_dict().items()}
    given = {name: tuple(values.shape) for name, values in weights.items()}
    if odd := {name: shape for name, shape in given.items() if own.get(name) != shape}:
        raise ValueError(
            f"initial_weights do not fit the network: it has no {odd}, but {own}. Leave out what "
            "is to be drawn, such as the output layer."
        )
    network.load_state_dict(weights, strict=False)
