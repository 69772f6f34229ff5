"""The generators that a fit draws its initial weights and dropout from."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from skdidan.neural.factory import NETWORKS
from skdidan.torch_state import Generators, new_generators, own_generators

__all__ = ["find_generators", "is_ours"]


def is_ours(network: Any) -> bool:
    """Tell whether a network, by its name or class, is one of this package."""
    return isinstance(network, str) or any(network is known for known in NETWORKS.values())


def find_generators(
    classifier: Any, seed: int = 0, device: str | torch.device = "cpu"
) -> AbstractContextManager[Generators]:
    """Seed generators for a fit: torch's global ones, in turn, if code of others may draw in it."""
    has_others = classifier.callbacks or classifier.augmentation or not is_ours(classifier.network)
    if not has_others and type(classifier).__module__.startswith("skdidan."):
        return nullcontext(new_generators(seed, torch.device(device)))
    return own_generators(seed, torch.device(device))
