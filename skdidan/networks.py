"""Networks that return logits and the features on which domains are aligned.

Each is built as ``network(input_shape, n_classes, ...)`` and maps a batch to `Outputs`. A network
of the caller's own does the same; a plain tuple ``(logits, features)`` is as good.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["CNN", "MLP", "NETWORKS", "VGG11", "Outputs"]


class Outputs(NamedTuple):
    """What a network says of a batch.

    Attributes
    ----------
    logits : Tensor, shape (n_samples, n_classes)
        Outputs of the last, linear layer.
    features : Tensor, shape (n_samples, n_features)
        Its inputs, on which penalties align the domains.
    local_features : Tensor, shape (n_samples, n_features), or None
        Equal to `features` in value, but their gradient reaches the fully connected layers only
        and stops below them. None stands for `features` themselves.
    """

    logits: Tensor
    features: Tensor
    local_features: Tensor | None = None


class MLP(nn.Module):
    """Multilayer perceptron on feature vectors.

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
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if not hidden:
            raise ValueError("hidden must name at least one layer, whose units are the features.")
        sizes = [math.prod(input_shape), *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.embedding = nn.Sequential(*layers)
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(sizes[-1], n_classes))

    def forward(self, X: Tensor) -> Outputs:
        """Map rows ``(n_samples, *input_shape)`` to their outputs."""
        features = self.embedding(X)
        return Outputs(self.output(features), features)


class _Convolutional(nn.Module):
    """Convolutions, pooling over time and frequency, one fully connected layer, the output."""

    def __init__(
        self, encoder: nn.Module, n_pooled: int, n_classes: int, n_features: int, dropout: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.embedding = nn.Sequential(nn.Linear(n_pooled, n_features), nn.ReLU())
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(n_features, n_classes))
        # Channels last convolves in about two thirds of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch omits it

    def forward(self, X: Tensor) -> Outputs:
        """Map spectrograms (n_samples, n_bins, n_frames) to their outputs."""
        maps = self.encoder(X.unsqueeze(1))
        pooled = maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))
        features = self.embedding(pooled)
        local = self.embedding(pooled.detach()) if self.training else features
        return Outputs(self.output(features), features, local)


class CNN(_Convolutional):
    """Small convolutional network on spectrograms.

    Blocks of a convolution (first 5 x 5 in steps of 2, then 3 x 3), batch normalisation, rectifier
    and 2 x 2 max pooling; the sum of the mean and the maximum of each map; one fully connected
    layer of rectified units, which are the features.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram.
    n_classes : int
        Number of classes.
    channels : sequence of int, default=(16, 32, 64, 128)
        Maps of each block.
    n_features : int, default=128
        Number of features.
    dropout : float in [0, 1), default=0.2
        Share of inputs of the output layer that are dropped in training.

    Raises
    ------
    ValueError
        If `input_shape` has not two axes.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        n_features: int = 128,
        dropout: float = 0.2,
    ) -> None:
        _check_spectrogram(input_shape)
        blocks = _blocks([1, *channels], pool_after=range(len(channels)))
        # At full resolution the first convolution alone would cost most of the training time.
        blocks[0] = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        super().__init__(blocks, channels[-1], n_classes, n_features, dropout)


class VGG11(_Convolutional):
    """VGG-11 with batch normalisation [1]_, on one channel and with pooled maps.

    Eight 3 x 3 convolutions of 64 to 512 maps; where the original flattens, the sum of the mean
    and the maximum of each map leaves inputs of any length possible.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram.
    n_classes : int
        Number of classes.
    n_features : int, default=512
        Number of features.
    dropout : float in [0, 1), default=0.5
        Share of inputs of the output layer that are dropped in training.

    Raises
    ------
    ValueError
        If `input_shape` has not two axes.

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
        n_features: int = 512,
        dropout: float = 0.5,
    ) -> None:
        _check_spectrogram(input_shape)
        channels = [1, 64, 128, 256, 256, 512, 512, 512, 512]
        blocks = _blocks(channels, pool_after=(0, 1, 3, 5, 7))
        super().__init__(blocks, channels[-1], n_classes, n_features, dropout)


def _blocks(channels: Sequence[int], pool_after: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index, (n_in, n_out) in enumerate(pairwise(channels)):
        # Batch normalisation subtracts the mean, so a bias before it would do nothing.
        layers += [nn.Conv2d(n_in, n_out, 3, padding=1, bias=False)]
        layers += [nn.BatchNorm2d(n_out), nn.ReLU()]
        if index in pool_after:
            layers += [nn.MaxPool2d(2, ceil_mode=True)]  # ceil: an axis of length one survives
    return nn.Sequential(*layers)


def _check_spectrogram(input_shape: Sequence[int]) -> None:
    if len(input_shape) != 2:
        raise ValueError(
            f"Rows must be spectrograms of shape (n_bins, n_frames); got shape "
            f"{tuple(input_shape)}. For feature vectors take network='mlp'."
        )


#: All networks by their names in the parameter `network` of the classifiers.
NETWORKS: dict[str, type[nn.Module]] = {"cnn": CNN, "mlp": MLP, "vgg11": VGG11}
