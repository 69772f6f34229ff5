"""Outputs of a network for a batch: logits, features, layers and corpus features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Outputs", "join_outputs"]


class Outputs(NamedTuple):
    """Outputs of a network for one batch.

    Attributes
    ----------
    logits : Tensor, shape (n_samples, n_classes)
        Outputs of the last, linear layer.
    features : Tensor, shape (n_samples, n_features)
        Inputs of the last layer. Penalties align the domains on them by default.
    layers : dict of str to Tensor, or None
        Layers that can be aligned, by name, from input to output. Each has shape
        (n_samples, n_units); the last one equals `features`.
    local_layers : dict of str to Tensor, or None
        The fully connected ones among `layers`, with equal values. Their gradient stops below the
        fully connected layers. None stands for `layers` themselves.
    corpus_features : Tensor, shape (n_samples, n_features), or None
        Features beside `features` that tell the corpora apart, for penalties that decouple them.
    """

    logits: Tensor
    features: Tensor
    layers: dict[str, Tensor] | None = None
    local_layers: dict[str, Tensor] | None = None
    corpus_features: Tensor | None = None

    def float(self) -> Outputs:
        """Return the same outputs in single precision."""

        def cast(layers: dict[str, Tensor] | None) -> dict[str, Tensor] | None:
            return layers and {name: layer.float() for name, layer in layers.items()}

        aside = None if self.corpus_features is None else self.corpus_features.float()
        layers = cast(self.layers), cast(self.local_layers)
        return Outputs(self.logits.float(), self.features.float(), *layers, aside)

    def layer(self, name: str = "features", *, local: bool = False) -> Tensor:
        """Return a layer by name.

        Parameters
        ----------
        name : str, default="features"
            "features", "logits", or a key of `layers`.
        local : bool, default=False
            Whether the gradient stops below the fully connected layers. Layers that are not fully
            connected are returned unchanged.

        Returns
        -------
        layer : Tensor, shape (n_samples, n_units)
            The layer.

        Raises
        ------
        ValueError
            If no layer has this name, if the layer is not a matrix with a row for each sample, or
            if `local_layers` lacks the last layer.
        """
        layers = self.layers or {}
        offered = {**layers, "features": self.features, "logits": self.logits}
        if name not in offered:
            raise ValueError(
                f"align_on must name layers of the network, {list(offered)}; got {name!r}."
            )
        layer = offered[name]
        if layer.ndim != 2 or len(layer) != len(self.logits):
            raise ValueError(
                f"Layer {name!r} must be of shape ({len(self.logits)}, n_units); got "
                f"{tuple(layer.shape)}. Flatten or pool it in the network."
            )
        if not local or not self.local_layers:
            return layer
        if name != "features":
            return self.local_layers.get(name, layer)
        last = next(reversed(layers), None)
        if last not in self.local_layers:
            raise ValueError(
                f"local_layers must hold the last layer, {last!r}, which is the features; got "
                f"{list(self.local_layers)}."
            )
        return self.local_layers[last]


def join_outputs(parts: Sequence[Outputs]) -> Outputs:
    """Join outputs for several batches, without their layers."""
    aside = [part.corpus_features for part in parts if part.corpus_features is not None]
    return Outputs(
        torch.cat([part.logits for part in parts]),
        torch.cat([part.features for part in parts]),
        corpus_features=torch.cat(aside) if aside else None,
    )
