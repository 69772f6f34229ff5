"""Networks that return logits and the features on which the domains are aligned.

A network is made by ``network(input_shape, n_classes, ...)`` and maps a batch to `Outputs`, or to a
plain tuple ``(logits, features)``. If its attribute ``takes_padding`` is true, it also receives
spectrograms of different lengths, whose frames after the end of a recording are NaN: see
`frame_mask`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn

from skdidan.neural.outputs import Outputs
from skdidan.neural.sharing import find_share
from skdidan.parameters import check_boolean, check_count, check_counts, check_number
from skdidan.torch_state import Generators

__all__ = [
    *("CNN", "MLP", "VGG11", "Dropout", "FullyConnected"),
    *("check_spectrogram", "frame_mask"),
]


def frame_mask(X: Tensor) -> Tensor:
    """Tell the frames of spectrograms of different lengths from padding.

    Parameters
    ----------
    X : Tensor, shape (n_samples, n_bins, n_frames)
        Spectrograms; frames after the end of a recording are NaN.

    Returns
    -------
    mask : Tensor of bool, shape (n_samples, n_frames)
        True for the frames of a recording, False for padding.

    Examples
    --------
    >>> import torch
    >>> frame_mask(torch.tensor([[[1.0, float("nan")]], [[2.0, 3.0]]])).tolist()
    [[True, False], [True, True]]
    """
    return ~X[:, 0].isnan()


class Dropout(nn.Dropout):
    """Dropout whose draws, in a fit, come from generators of the fit."""

    generators: Generators | None = None

    def __init__(self, p: float, name: str = "dropout") -> None:
        super().__init__(check_number(name, p, lambda: 0 <= p < 1, "at least 0 and below 1"))

    def forward(self, X: Tensor) -> Tensor:
        """Drop a share `p` of the entries in training, and scale up the others."""
        return X * self._draw(torch.empty_like(X), X) if self._draws() else super().forward(X)

    def factors(self, X: Tensor, n_units: int) -> Tensor:
        """Return factors for units of the rows `X`: 0 where one is dropped, as `forward` does."""
        if self._draws():
            return self._draw(X.new_empty(len(X), n_units), X)
        return super().forward(X.new_ones(len(X), n_units))

    def _draws(self) -> bool:
        return self.training and 0 < self.p < 1 and self.generators is not None

    def _draw(self, keep: Tensor, X: Tensor) -> Tensor:
        """Draw factors for rows X by the generators of the fit; torch's dropout takes none."""
        generators: Generators = self.generators  # type: ignore[assignment] # see `_draws`
        generator, share = generators[X.device.type], find_share()
        if share is None or not share.has_part(X):
            keep.bernoulli_(1 - self.p, generator=generator)
        else:  # as if the whole batch were here
            whole = keep.new_empty(share.n_rows, *keep.shape[1:])
            keep = share.part(whole.bernoulli_(1 - self.p, generator=generator))
        return keep.div_(1 - self.p)


class FullyConnected(nn.Module):
    """Rectified fully connected layers "fc1", "fc2", ..., and a linear output layer.

    In training, a share `dropout` of the units of a layer is dropped on the way to the next layer.
    The layers themselves, on which penalties align the domains, stay whole. A corpus head is a
    second layer on the inputs of the last one.
    """

    def __init__(
        self,
        n_inputs: int,
        hidden: Sequence[int],
        n_classes: int,
        dropout: float,
        corpus_head: bool,
    ) -> None:
        super().__init__()
        check_count("n_classes", n_classes)
        sizes = n_inputs, *check_counts("hidden", hidden)
        if len(sizes) == 1:
            raise ValueError("hidden must hold at least one layer; the last gives the features.")
        layers = [nn.Sequential(nn.Linear(*pair), nn.ReLU()) for pair in pairwise(sizes)]
        self.embedding = nn.ModuleDict({f"fc{i}": layer for i, layer in enumerate(layers, 1)})
        self.dropout, self._n_units = Dropout(dropout), sizes[1:]
        self.output = nn.Linear(sizes[-1], n_classes)
        self.corpus: nn.Module | None = None
        if check_boolean("corpus_head", corpus_head):
            # The last hidden layer, its units in reverse order: a draw would change all else.
            self.corpus = deepcopy(layers[-1])
            for part in self.corpus.parameters():
                part.data = part.data.flip(0)

    def _keep(self, X: Tensor) -> list[Tensor]:
        return [self.dropout.factors(X, n_units) for n_units in self._n_units]

    def _embed(self, X: Tensor, keep: Sequence[Tensor]) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return the layers, and the inputs of the output layer and of the last hidden one."""
        layers, trunk = {}, X
        for (name, layer), factors in zip(self.embedding.items(), keep, strict=True):
            trunk = X
            layers[name] = layer(X)
            X = layers[name] * factors
        return layers, X, trunk

    def _corpus_features(self, trunk: Tensor) -> Tensor | None:
        return None if self.corpus is None else self.corpus(trunk)

    def _classify(self, X: Tensor, below: dict[str, Tensor]) -> Outputs:
        """Map the inputs of the first layer to all outputs, with the layers `below` named first."""
        keep = self._keep(X)
        layers, last, trunk = self._embed(X, keep)
        local = self._embed(X.detach(), keep)[0] if self.training else layers
        features, aside = list(layers.values())[-1], self._corpus_features(trunk)
        return Outputs(self.output(last), features, {**below, **layers}, local, aside)


class MLP(FullyConnected):
    """Multilayer perceptron on feature vectors.

    Its hidden layers "fc1", "fc2", ... can be aligned.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of a row. Rows with more than one axis are flattened.
    n_classes : int
        Number of classes.
    hidden : sequence of int, default=(128, 64)
        Units of each hidden layer, all rectified. The last layer gives the features.
    dropout : float in [0, 1), default=0.5
        Share of the units of each hidden layer that are dropped in training, before the next layer.
    input_dropout : float in [0, 1), default=0.2
        Share of the inputs that are dropped in training.
    corpus_head : bool, default=False
        Whether a second layer, on the inputs of the last hidden one and of the same number of
        units, gives `Outputs.corpus_features`, as `EmoDNAClassifier` needs.

    Raises
    ------
    ValueError
        If `input_shape` or `hidden` is empty, or holds other than counts.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.5,
        input_dropout: float = 0.2,
        corpus_head: bool = False,
    ) -> None:
        n_inputs = math.prod(check_counts("input_shape", input_shape))
        if not len(input_shape):
            raise ValueError(f"input_shape must hold an axis at least; got {input_shape!r}.")
        super().__init__(n_inputs, hidden, n_classes, dropout, corpus_head)
        self.input_dropout = Dropout(input_dropout, "input_dropout")

    def forward(self, X: Tensor) -> Outputs:
        """Map rows ``(n_samples, *input_shape)`` to their outputs."""
        X = self.input_dropout(X.flatten(1))
        layers, last, trunk = self._embed(X, self._keep(X))
        features, aside = list(layers.values())[-1], self._corpus_features(trunk)
        return Outputs(self.output(last), features, layers, corpus_features=aside)


class _Convolutional(FullyConnected):
    """Convolutions, pooling over time and frequency, and fully connected layers."""

    takes_padding = True
    has_lengths = True  # False if no row of the training is padded: a check waits for the device

    def __init__(
        self,
        encoder: nn.Module,
        n_pooled: int,
        hidden: Sequence[int],
        n_classes: int,
        dropout: float,
        corpus_head: bool,
    ) -> None:
        super().__init__(n_pooled, hidden, n_classes, dropout, corpus_head)
        self.encoder = encoder
        # With the channels last, convolutions take about two thirds of the time.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch omits it

    def forward(self, X: Tensor) -> Outputs:
        """Map spectrograms (n_samples, n_bins, n_frames) to their outputs."""
        may_be_padded = self.has_lengths or not self.training
        is_padded = may_be_padded and bool(X[:, 0, -1].isnan().any())
        pooled = self._pool_padded(X) if is_padded else self._pool(X)
        return self._classify(pooled, {"pooled": pooled})

    def _pool(self, X: Tensor) -> Tensor:
        maps = self.encoder(X.unsqueeze(1))
        return maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))

    def _pool_padded(self, X: Tensor) -> Tensor:
        """Pool recordings of different lengths, each as if it were alone.

        Frames of padding are zero before each convolution, like its borders. They are left out of
        all means, including those of batch normalisation.
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
                # Frame j of the output is centred on, or starts at, frame j * step.
                step = layer.stride if isinstance(layer.stride, int) else layer.stride[1]
                mask = mask[:, ::step]
        # The maps are rectified, so the zeros of the padding do not change their maximum.
        n_positions = maps.shape[2] * mask.sum(dim=1, keepdim=True)
        return maps.sum(dim=(2, 3)) / n_positions + maps.amax(dim=(2, 3))


class CNN(_Convolutional):
    """Small convolutional network on spectrograms of equal or different lengths.

    Each block has a convolution (the first 5 x 5 with stride 2, the others 3 x 3), batch
    normalisation, a rectifier and 2 x 2 max pooling. The sum of the mean and the maximum of each
    map ("pooled") is the input of rectified fully connected layers ("fc1", ...). The last of them
    gives the features.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram. The number of frames may differ from it later.
    n_classes : int
        Number of classes.
    channels : sequence of int, default=(16, 32, 64, 128)
        Number of maps of each block.
    hidden : sequence of int, default=(128,)
        Units of each fully connected layer. The last layer gives the features.
    dropout : float in [0, 1), default=0.2
        Share of the units of each fully connected layer that are dropped in training.
    corpus_head : bool, default=False
        Whether a second layer, on the inputs of the last hidden one and of the same number of
        units, gives `Outputs.corpus_features`, as `EmoDNAClassifier` needs.

    Raises
    ------
    ValueError
        If `input_shape` does not have two axes, or `hidden` is empty or holds other than counts.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        channels: Sequence[int] = (16, 32, 64, 128),
        hidden: Sequence[int] = (128,),
        dropout: float = 0.2,
        corpus_head: bool = False,
    ) -> None:
        check_spectrogram(input_shape)
        if not check_counts("channels", channels):
            raise ValueError("channels must hold at least one number.")
        blocks = _blocks([1, *channels], pool_after=range(len(channels)))
        # At full resolution the first convolution would take most of the training time.
        blocks[0] = nn.Conv2d(1, channels[0], 5, stride=2, padding=2, bias=False)
        super().__init__(blocks, channels[-1], hidden, n_classes, dropout, corpus_head)


class VGG11(_Convolutional):
    """VGG-11 with batch normalisation, for one input channel and with pooled maps.

    The network [1]_ has eight 3 x 3 convolutions with 64 to 512 maps. The original flattens the
    maps; here the sum of the mean and the maximum of each map allows inputs of any length. The
    layers that can be aligned are those of `CNN`.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram. The number of frames may differ from it later.
    n_classes : int
        Number of classes.
    hidden : sequence of int, default=(512,)
        Units of each fully connected layer. The last layer gives the features.
    dropout : float in [0, 1), default=0.5
        Share of the units of each fully connected layer that are dropped in training.
    corpus_head : bool, default=False
        Whether a second layer, on the inputs of the last hidden one and of the same number of
        units, gives `Outputs.corpus_features`, as `EmoDNAClassifier` needs.

    Raises
    ------
    ValueError
        If `input_shape` does not have two axes, or `hidden` is empty or holds other than counts.

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
        corpus_head: bool = False,
    ) -> None:
        check_spectrogram(input_shape)
        channels = [1, 64, 128, 256, 256, 512, 512, 512, 512]
        blocks = _blocks(channels, pool_after=(0, 1, 3, 5, 7))
        super().__init__(blocks, channels[-1], hidden, n_classes, dropout, corpus_head)


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
    """Normalise the frames of the recordings, and set the padding to zero."""
    by_frame = maps.permute(0, 3, 2, 1)
    frames = layer(by_frame[mask].transpose(1, 2).unsqueeze(-1))
    normalised = torch.zeros_like(by_frame, dtype=frames.dtype)
    normalised[mask] = frames.squeeze(-1).transpose(1, 2)
    return normalised.permute(0, 3, 2, 1)


def check_spectrogram(input_shape: Sequence[int]) -> None:
    """Raise a ValueError unless rows of this shape are spectrograms."""
    if len(check_counts("input_shape", input_shape)) != 2:
        raise ValueError(
            "Rows must be spectrograms of shape (n_bins, n_frames); got input_shape="
            f"{tuple(input_shape)}. Use network='mlp' for feature vectors."
        )
