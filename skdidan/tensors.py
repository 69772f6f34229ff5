"""Tensors by name as bytes of safetensors, several groups together."""

from __future__ import annotations

import safetensors.torch
from torch import Tensor

__all__ = ["group_of", "named", "pack", "unpack"]


def named(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under names that begin with that of their group."""
    return {f"{group}.{name}": tensor for name, tensor in tensors.items()}


def group_of(group: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of a group under their own names."""
    start = f"{group}."
    return {k.removeprefix(start): tensor for k, tensor in tensors.items() if k.startswith(start)}


def pack(tensors: dict[str, Tensor]) -> bytes:
    """Return tensors as bytes; each is copied, since safetensors refuses shared memory."""
    return safetensors.torch.save(
        {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    )


def unpack(content: bytes) -> dict[str, Tensor]:
    """Return the tensors of bytes that `pack` has made, on the CPU."""
    return safetensors.torch.load(content)
