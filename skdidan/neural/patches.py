"""Networks and losses on patches of spectrograms: a generator, its discriminator, and contrast.

Spectrograms are of shape (n_samples, n_bins, n_frames), with zeros where their mask (n_samples,
n_frames) is false. Frames outside of the mask change nothing within it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, leaky_relu, normalize, pad

from skdidan.neural.networks import frame_mask

__all__ = ["Discriminator", "Generator", "PatchContrast", "crop", "masked_mean", "patch_contrast"]

_Level = tuple[Tensor, Tensor]  # maps (n_samples, n_channels, n_bins, n_frames), and their mask


class _Encoder(nn.Module):
    """Two convolutions that halve bins and frames; the number of the bin is an input channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, channels, 5, stride=2, padding=2)
        self.second = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1)

    def forward(self, X: Tensor, mask: Tensor) -> list[_Level]:
        """Return the inputs and the maps of both convolutions."""
        place = torch.linspace(-1, 1, X.shape[1], device=X.device, dtype=X.dtype)
        inputs = torch.stack([X, place[:, None].expand_as(X)], dim=1)
        levels = [_hide(inputs, mask)]
        for convolution in (self.first, self.second):
            maps, mask = levels[-1]
            levels.append(_hide(leaky_relu(convolution(maps), 0.2), mask[:, ::2]))
        return levels


class _Residual(nn.Module):
    """Two convolutions whose output is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, maps: Tensor, mask: Tensor) -> _Level:
        """Return the maps, changed where the mask is true."""
        hidden, _ = _hide(leaky_relu(self.first(maps), 0.2), mask)
        return _hide(maps + self.second(hidden), mask)


class Generator(nn.Module):
    """Residual convolutional network from spectrograms to what is added to them.

    The last layer starts at zero, so that nothing is added before the training.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = _Encoder(channels)
        self.blocks = nn.ModuleList(_Residual(2 * channels) for _ in range(2))
        self.rise = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.output = nn.Conv2d(channels + 2, 1, 3, padding=1)
        for weights in self.output.parameters():
            nn.init.zeros_(weights)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # as in CNN

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        """Return the residual (n_samples, n_bins, n_frames), zero outside of the mask."""
        inputs, upper, level = self.encoder(X, mask)
        for block in self.blocks:
            level = block(*level)
        risen, _ = _hide(leaky_relu(self.rise(_enlarge(level[0], upper)), 0.2), upper[1])
        maps = torch.cat([_enlarge(risen, inputs), inputs[0]], dim=1)
        return _hide(self.output(maps), mask)[0].squeeze(1)


class Discriminator(nn.Module):
    """Scores of the patches of spectrograms: about 1 for the target, 0 for what is translated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.encoder = _Encoder(channels)
        self.output = nn.Conv2d(2 * channels, 1, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # as in CNN

    def forward(self, X: Tensor, mask: Tensor) -> _Level:
        """Return scores (n_samples, 1, n_bins / 4, n_frames / 4), and their mask."""
        maps, mask = self.encoder(X, mask)[-1]
        return self.output(maps), mask


class PatchContrast(nn.Module):
    """`patch_contrast` of the generator's maps, each level through a perceptron of its own."""

    def __init__(self, channels: int, n_patches: int, temperature: float) -> None:
        super().__init__()
        self.n_patches, self.temperature = n_patches, temperature
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(n, 2 * channels), nn.ReLU(), nn.Linear(2 * channels, 64))
            for n in (channels, 2 * channels)
        )

    def forward(
        self, translated: list[_Level], given: list[_Level], rng: np.random.Generator
    ) -> Tensor:
        """Compare the levels of what is translated with those of its inputs at drawn places."""
        losses = []
        for head, (maps, mask), (others, _) in zip(self.heads, translated, given, strict=True):
            # All recordings of a batch have the places of the shortest.
            n_frames = int(mask.sum(dim=1).min())
            n_places = maps.shape[2] * n_frames
            drawn = rng.choice(n_places, min(self.n_patches, n_places), replace=False)
            places = torch.from_numpy(drawn).to(maps.device)
            rows = [
                head(each[:, :, :, :n_frames].flatten(2)[:, :, places].transpose(1, 2))
                for each in (maps, others)
            ]
            losses.append(patch_contrast(rows[0], rows[1].detach(), self.temperature))
        return torch.stack(losses).mean()


def patch_contrast(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy that finds the key of each query among those of all places of its recording.

    Queries and keys are of shape (n_samples, n_places, n_units), and are scaled to length one.
    """
    similarities = normalize(queries, dim=2) @ normalize(keys, dim=2).transpose(1, 2) / temperature
    n_samples, n_places = similarities.shape[:2]
    labels = torch.arange(n_places, device=queries.device).repeat(n_samples)
    return cross_entropy(similarities.flatten(0, 1), labels)


def crop(X: Tensor, n_frames: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Cut a random window out of each spectrogram padded with NaN; return it and its mask."""
    counts = frame_mask(X).sum(dim=1).cpu().numpy()
    starts = torch.from_numpy(rng.integers(np.maximum(counts - n_frames, 0) + 1)).to(X.device)
    X = pad(X, (0, max(n_frames - X.shape[2], 0)), value=float("nan"))
    frames = starts[:, None] + torch.arange(n_frames, device=X.device)
    window = X.gather(2, frames.unsqueeze(1).expand(-1, X.shape[1], -1))
    mask = frame_mask(window)
    return window.masked_fill(~mask.unsqueeze(1), 0.0), mask


def masked_mean(maps: Tensor, mask: Tensor) -> Tensor:
    """Average maps (n_samples, ..., n_bins, n_frames) over the frames of the mask."""
    maps = maps.flatten(1, -2).movedim(1, 2)  # (n_samples, n_frames, n_values)
    return maps[mask].mean()


def _hide(maps: Tensor, mask: Tensor) -> _Level:
    return maps * mask[:, None, None], mask


def _enlarge(maps: Tensor, level: _Level) -> Tensor:
    """Double bins and frames, up to those of a level."""
    n_bins, n_frames = level[0].shape[2:]
    return _hide(interpolate(maps, scale_factor=2)[:, :, :n_bins, :n_frames], level[1])[0]
