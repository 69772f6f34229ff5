"""Networks that return logits and the features on which domains are aligned.

Each is built as ``network(input_shape, n_classes, ...)`` and maps a batch to `Outputs`. A network
of the caller's own does the same; a plain tuple ``(logits, features)`` is as good. One whose
attribute ``takes_padding`` is true is given spectrograms of different lengths, too, in which the
frames after the end of a recording are NaN: see `frame_mask`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skdidan.parameters import check_counts

__all__ = ["CNN", "MLP", "NETWORKS", "VGG11", "Outputs", "frame_mask", "make_network"]


class Outputs(NamedTuple):
    """What a network says of a batch.

    Attributes
    ----------
    logits : Tensor, shape (n_samples, n_classes)
        Outputs of the last, linear layer.
    features : Tensor, shape (n_samples, n_features)
        Its inputs, on which penalties align the domains by default.
    layers : dict of str to Tensor, or None
        Layers offered for alignment by their names, each of shape (n_samples, n_units), from the
        input to the output; the last of them are `features`.
    local_layers : dict of str to Tensor, or None
        Those of `layers` that are fully connected, the last among them: equal in value, but their
        gradient reaches the fully connected layers only and stops below them. None stands for
        `layers` themselves.
    """

    logits: Tensor
    features: Tensor
    layers: dict[str, Tensor] | None = None
    local_layers: dict[str, Tensor] | None = None

    def layer(self, name: str = "features", *, local: bool = False) -> Tensor:
        """Return a layer by its name.

        Parameters
        ----------
        name : str, default="features"
            "features", "logits", or a key of `layers`.
        local : bool, default=False
            Whether its gradient shall stop below the fully connected layers. A layer further
            down has no such form and is returned as it is.

        Returns
        -------
        layer : Tensor, shape (n_samples, n_units)
            The layer.

        Raises
        ------
        ValueError
            If the network offers no layer of this name, or not as a matrix with a row per sample,
            or no local form of its last layer beside those of others.
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
                "local_layers must hold the last of the layers, which are the features, "
                f"{last!r}; got {list(self.local_layers)}."
            )
        return self.local_layers[last]


def frame_mask(X: Tensor) -> Tensor:
    """Mark the frames of spectrograms of different lengths.

    Parameters
    ----------
    X : Tensor, shape (n_samples, n_bins, n_frames)
        Spectrograms; frames after the end of a recording are NaN.

    Returns
    -------
    mask : Tensor of bool, shape (n_samples, n_frames)
        True for the frames of a recording, False for the padding.

    Examples
    --------
    >>> import torch
    >>> frame_mask(torch.tensor([[[1.0, float("nan")]], [[2.0, 3.0]]])).tolist()
    [[True, False], [True, True]]
    """
    return ~X[:, 0].isnan()


class _FullyConnected(nn.Module):
    """Rectified fully connected layers, called fc1, fc2, ..., and a linear output layer."""

    def __init__(
        self, n_inputs: int, hidden: Sequence[int], n_classes: int, dropout: float
    ) -> None:
        super().__init__()
        sizes = n_inputs, *check_counts("hidden", hidden)
        if len(sizes) == 1:
            raise ValueError("hidden must hold at least one layer, whose units are the features.")
        layers = [nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(sizes)]
        self.embedding = nn.ModuleDict({f"fc{i}": layer for i, layer in enumerate(layers, 1)})
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(sizes[-1], n_classes))

    def _embed(self, X: Tensor) -> dict[str, Tensor]:
        layers = {}
        for name, layer in self.embedding.items():
            X = layers[name] = layer(X)
        return layers


class MLP(_FullyConnected):
    """Multilayer perceptron on feature vectors.

    It offers its hidden layers, "fc1", "fc2", ..., for alignment.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of a row; flattened where it has more than one axis.
    n_classes : int
        Number of classes.
    hidden : sequence of int, default=(128, 64)
        Units of each hidden layer, all rectified; those of the last are the features.
    dropout : float in [0, 1), default=0.2
        Share of inputs of the output layer that are dropped in training.

    Raises
    ------
    ValueError
        If `hidden` does not list whole numbers of at least 1.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__(math.prod(input_shape), hidden, n_classes, dropout)

    def forward(self, X: Tensor) -> Outputs:
        """Map rows ``(n_samples, *input_shape)`` to their outputs."""
        layers = self._embed(X.flatten(1))
        features = list(layers.values())[-1]
        return Outputs(self.output(features), features, layers)


class _Convolutional(_FullyConnected):
    """Convolutions, pooling over time and frequency, fully connected layers, the output."""

    takes_padding = True

    def __init__(
        self,
        encoder: nn.Module,
        n_pooled: int,
        hidden: Sequence[int],
        n_classes: int,
        dropout: float,
    ) -> None:
        super().__init__(n_pooled, hidden, n_classes, dropout)
        self.encoder = encoder
        # Channels last convolves in about two thirds of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch omits it

    def forward(self, X: Tensor) -> Outputs:
        """Map spectrograms (n_samples, n_bins, n_frames) to their outputs."""
        pooled = self._pool_padded(X) if X[:, 0, -1].isnan().any() else self._pool(X)
        layers = self._embed(pooled)
        local = self._embed(pooled.detach()) if self.training else layers
        features = list(layers.values())[-1]
        return Outputs(self.output(features), features, {"pooled": pooled, **layers}, local)

    def _pool(self, X: Tensor) -> Tensor:
        maps = self.encoder(X.unsqueeze(1))
        return maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))

    def _pool_padded(self, X: Tensor) -> Tensor:
        """Do the same to recordings of different lengths, each as if it were alone.

        Frames after its end are zero before every convolution, as its borders are, and count in no
        mean, that of batch normalisation included.
        """
        mask = frame_mask(X)
        mask = mask[:, : int(mask.sum(dim=1).max())]
        maps = X[:, :, : mask.shape[1]].masked_fill(~mask[:, None], 0.0).unsqueeze(1)
        for layer in self.encoder.children():
            if isinstance(layer, nn.BatchNorm2d):
                maps = _normalise_frames(layer, maps, mask)
            else:
                maps = layer(maps)
            if isinstance(layer, nn.Conv2d | nn.MaxPool2d):
                # Output j is centred on, or begins with, frame j * step.
                step = layer.stride if isinstance(layer.stride, int) else layer.stride[1]
                mask = mask[:, ::step]
        # Rectified maps are nowhere below the zeros that stand after the end.
        n_positions = maps.shape[2] * mask.sum(dim=1, keepdim=True)
        return maps.sum(dim=(2, 3)) / n_positions + maps.amax(dim=(2, 3))


class CNN(_Convolutional):
    """Small convolutional network on spectrograms, of equal or of different lengths.

    Blocks of a convolution (first 5 x 5 in steps of 2, then 3 x 3), batch normalisation, rectifier
    and 2 x 2 max pooling; the sum of the mean and the maximum of each map ("pooled"); fully
    connected layers of rectified units ("fc1", ...), the last of which are the features.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram; any other number of frames will do as well.
    n_classes : int
        Number of classes.
    channels : sequence of int, default=(16, 32, 64, 128)
        Maps of each block.
    hidden : sequence of int, default=(128,)
        Units of each fully connected layer; those of the last are the features.
    dropout : float in [0, 1), default=0.2
        Share of inputs of the output layer that are dropped in training.

    Raises
    ------
    ValueError
        If `input_shape` has not two axes, or `hidden` does not list whole numbers of at least 1.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        hidden: Sequence[int] = (128,),
        dropout: float = 0.2,
    ) -> None:
        _check_spectrogram(input_shape)
        blocks = _blocks([1, *channels], pool_after=range(len(channels)))
        # At full resolution the first convolution alone would cost most of the training time.
        blocks[0] = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        super().__init__(blocks, channels[-1], hidden, n_classes, dropout)


class VGG11(_Convolutional):
    """VGG-11 with batch normalisation [1]_, on one channel and with pooled maps.

    Eight 3 x 3 convolutions of 64 to 512 maps; where the original flattens, the sum of the mean
    and the maximum of each map leaves inputs of any length possible. It offers the same layers for
    alignment as the `CNN`.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram; any other number of frames will do as well.
    n_classes : int
        Number of classes.
    hidden : sequence of int, default=(512,)
        Units of each fully connected layer; those of the last are the features.
    dropout : float in [0, 1), default=0.5
        Share of inputs of the output layer that are dropped in training.

    Raises
    ------
    ValueError
        If `input_shape` has not two axes, or `hidden` does not list whole numbers of at least 1.

    References
    ----------
    .. [1] Simonyan, Zisserman (2015). Very deep convolutional networks for large-scale image
       recognition. ICLR, arXiv:1409.1556.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        hidden: Sequence[int] = (512,),
        dropout: float = 0.5,
    ) -> None:
        _check_spectrogram(input_shape)
        channels = [1, 64, 128, 256, 256, 512, 512, 512, 512]
        blocks = _blocks(channels, pool_after=(0, 1, 3, 5, 7))
        super().__init__(blocks, channels[-1], hidden, n_classes, dropout)


def _blocks(channels: Sequence[int], pool_after: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(pairwise(channels)):
        # Batch normalisation subtracts the mean, so a bias before it would do nothing.
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(n_out), nn.ReLU()]
        if index in pool_after:
            layers += [nn.MaxPool2d(2, ceil_mode=True)]  # ceil: an axis of length one survives
    return nn.Sequential(*layers)


def _normalise_frames(layer: nn.BatchNorm2d, maps: Tensor, mask: Tensor) -> Tensor:
    """Normalise the frames of the recordings, and put zeros in place of all others."""
    by_frame = maps.permute(0, 3, 2, 1)  # which is a view where channels are last
    frames = layer(by_frame[mask].transpose(1, 2).unsqueeze(-1))
    normalised = torch.zeros_like(by_frame, dtype=frames.dtype)
    normalised[mask] = frames.squeeze(-1).transpose(1, 2)
    return normalised.permute(0, 3, 2, 1)


def _check_spectrogram(input_shape: Sequence[int]) -> None:
    if len(input_shape) != 2:
        raise ValueError(
            f"Rows must be spectrograms of shape (n_bins, n_frames); got shape "
            f"{tuple(input_shape)}. For feature vectors take network='mlp'."
        )


#: All networks by their names in the parameter `network` of the classifiers.
NETWORKS: dict[str, type[nn.Module]] = {"cnn": CNN, "mlp": MLP, "vgg11": VGG11}


def make_network(
    network: str | Callable[..., nn.Module],
    params: dict[str, Any],
    input_shape: tuple[int, ...],
    n_classes: int,
    *,
    has_lengths: bool,
) -> nn.Module:
    """Make a network for rows of one shape.

    Parameters
    ----------
    network : str, Module subclass or factory
        "auto", a key of `NETWORKS`, or anything that is called as ``network(input_shape, n_classes,
        **params)``.
    params : dict
        Further arguments of the network.
    input_shape : tuple of int
        Shape of a row.
    n_classes : int
        Number of outputs.
    has_lengths : bool
        Whether rows are spectrograms of different lengths, padded with NaN.

    Returns
    -------
    module : Module
        The network, in single precision.

    Raises
    ------
    TypeError
        If `network` is a module already made, does not take its arguments, or makes no module.
    ValueError
        If no network has this name, or the network takes no padding where it is needed.
    """
    if network == "auto":
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
    except TypeError as error:
        raise TypeError(
            f"network is called as network(input_shape, n_classes, **network_params), which "
            f"does not fit {getattr(network, '__name__', network)}: {error}."
        ) from error
    module = network(input_shape, n_classes, **params)
    if not isinstance(module, nn.Module):
        raise TypeError(f"network must make a torch.nn.Module; got {type(module).__name__}.")
    if has_lengths and not getattr(module, "takes_padding", False):
        raise ValueError(
            f"{type(module).__name__} takes no spectrograms of different lengths, where NaN "
            "pads the shorter ones. Give the transformer a duration, take network='cnn' or "
            "'vgg11', or let a network of your own leave out padding and have takes_padding = "
            "True."
        )
    return module.float()  # as the data, whatever torch's default type is
