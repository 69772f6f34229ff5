"""The networks by name, and the making of a network for rows of a given shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from skdidan.neural.networks import CNN, MLP, VGG11
from skdidan.neural.transformers import NestedTransformer

__all__ = ["NETWORKS", "check_layers", "make_network"]

#: Networks by their names in the parameter `network` of the classifiers.
NETWORKS: dict[str, type[nn.Module]] = {
    "cnn": CNN,
    "mlp": MLP,
    "nested_transformer": NestedTransformer,
    "vgg11": VGG11,
}


def check_layers(align_on: Any) -> None:
    """Raise a ValueError unless the parameter `align_on` can name layers."""
    layers = [align_on] if isinstance(align_on, str) else align_on
    is_names = isinstance(layers, Sequence) and all(isinstance(name, str) for name in layers)
    if not is_names or not layers or len(set(layers)) < len(layers):
        raise ValueError(
            "align_on must be the name of a layer, or a sequence of different ones; got "
            f"{align_on!r}."
        )


def make_network(
    network: str | Callable[..., nn.Module],
    params: dict[str, Any],
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    has_lengths: bool,
) -> nn.Module:
    """Make a network for rows of a given shape."""
    if isinstance(network, str) and network == "auto":
        network = "mlp" if len(input_shape) == 1 else "cnn"
    if isinstance(network, str):
        if network not in NETWORKS:
            options = ["auto", *NETWORKS]
            raise ValueError(f"network must be one of {options}, or a class; got {network!r}.")
        network = NETWORKS[network]
    if isinstance(network, nn.Module) or not callable(network):
        raise TypeError(
            "network must be a name, a torch.nn.Module subclass or a function that makes a "
            f"module, not {type(network).__name__}: every fit starts from new weights."
        )
    try:
        inspect.signature(network).bind(input_shape, n_classes, **params)
    except (TypeError, ValueError) as error:  # a ValueError for what is built in
        raise TypeError(
            f"network is called as network(input_shape, n_classes, **network_params), which "
            f"does not fit {getattr(network, '__name__', network)}: {error}."
        ) from error
    module = network(input_shape, n_classes, **params)
    if not isinstance(module, nn.Module):
        raise TypeError(f"network must make a torch.nn.Module; got {type(module).__name__}.")
    if has_lengths and not getattr(module, "takes_padding", False):
        raise ValueError(
            f"{type(module).__name__} takes no spectrograms of different lengths, padded with NaN. "
            "Set the transformer's duration, use network='cnn', 'nested_transformer' or 'vgg11', "
            "or ignore the padding in your own network and set its attribute takes_padding = True."
        )
    return module.float()  # the type of the data, whatever torch's default is
