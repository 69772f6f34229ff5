"""A Transformer over the frames of each segment, and one over the segments of a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from skdidan.neural.networks import Dropout, FullyConnected, check_spectrogram, frame_mask
from skdidan.neural.outputs import Outputs
from skdidan.parameters import check_count, check_counts

__all__ = ["NestedTransformer"]


class NestedTransformer(FullyConnected):
    r"""Nested Transformers on spectrograms: from frames to segments, and to the utterance.

    A few successive frames are a patch, and a linear map turns it into a vector. A Transformer
    relates the patches of one segment. Their mean, through a rectified linear layer, is the vector
    of the segment. A second Transformer relates the segments of a recording, and the mean of its
    outputs is the vector of the utterance. Rectified fully connected layers follow, the last of
    which gives the features::

        patches -> Transformer -> segments -> Transformer -> utterance -> fc1 -> logits

    "frame" is the mean of the patches of a recording behind the first Transformer, "segment" the
    mean of its segments before the second, and "utterance" the vector of the recording. These and
    "fc1", ... can be aligned. The levels are those of [1]_, whose abstract names nested
    Transformers; the sizes, the means and the positions are a reading of it. Each Transformer
    normalises before its layers [2]_. Patches have learnt positions in their segment, segments have
    sinusoids.

    Recordings may differ in length: frames of NaN are left out of all attention and means.

    Parameters
    ----------
    input_shape : tuple of int, (n_bins, n_frames)
        Shape of a spectrogram. The number of frames may differ from it later.
    n_classes : int
        Number of classes.
    patch_frames, segment_frames : int, default=4, 32
        Frames of a patch and of a segment, which holds whole patches.
    width : int, default=64
        Units of the vectors of patches, segments and utterances.
    n_layers : pair of int, default=(2, 2)
        Layers of the Transformer over patches, and of that over segments.
    n_heads : int, default=4
        Heads of attention, which divide `width`.
    hidden : sequence of int, default=(64,)
        Units of each fully connected layer. The last layer gives the features.
    dropout : float in [0, 1), default=0.2
        Share of the units that are dropped in training: in both Transformers and in the fully
        connected layers.
    corpus_head : bool, default=False
        Whether a second layer, on the inputs of the last hidden one and of the same number of
        units, gives `Outputs.corpus_features`, as `EmoDNAClassifier` needs.

    Raises
    ------
    ValueError
        If `input_shape` does not have two axes, a number is no count, `segment_frames` is no
        multiple of `patch_frames`, or `width` none of `n_heads`.

    References
    ----------
    .. [1] Lu, Zong, Zhao, Lian, Qi, Schuller, Zheng (2024). Hierarchical distribution adaptation
       for unsupervised cross-corpus speech emotion recognition. Interspeech, 3739-3743.
    .. [2] Xiong, Yang, He, Zheng, Zheng, Xing, Zhang, Lan, Wang, Liu (2020). On layer normalization
       in the Transformer architecture. ICML, arXiv:2002.04745.

    Examples
    --------
    >>> import torch
    >>> from skdidan import NestedTransformer
    >>> network = NestedTransformer((40, 100), n_classes=4)
    >>> outputs = network(torch.zeros(3, 40, 100))
    >>> {name: tuple(layer.shape) for name, layer in outputs.layers.items()}
    {'frame': (3, 64), 'segment': (3, 64), 'utterance': (3, 64), 'fc1': (3, 64)}
    """

    takes_padding = True

    def __init__(
        self,
        input_shape: Sequence[int],
        n_classes: int,
        *,
        patch_frames: int = 4,
        segment_frames: int = 32,
        width: int = 64,
        n_layers: Sequence[int] = (2, 2),
        n_heads: int = 4,
        hidden: Sequence[int] = (64,),
        dropout: float = 0.2,
        corpus_head: bool = False,
    ) -> None:
        check_spectrogram(input_shape)
        for part, whole in (
            (("patch_frames", patch_frames), ("segment_frames", segment_frames)),
            (("n_heads", n_heads), ("width", width)),
        ):
            if check_count(*whole) % check_count(*part):
                raise ValueError(
                    f"{whole[0]} must be a multiple of {part[0]}={part[1]}; got {whole[1]}."
                )
        if len(check_counts("n_layers", n_layers)) != 2:
            raise ValueError(f"n_layers must be a pair of counts; got {n_layers!r}.")
        super().__init__(width, hidden, n_classes, dropout, corpus_head)
        self.patch_frames, self.segment_frames = patch_frames, segment_frames
        n_patches = segment_frames // patch_frames
        self.patch_embedding = nn.Linear(input_shape[0] * patch_frames, width)
        self.positions = nn.Parameter(nn.init.normal_(torch.empty(n_patches, width), std=0.02))
        self.frame_transformer = _Transformer(n_layers[0], width, n_heads, dropout)
        self.segment_embedding = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.segment_transformer = _Transformer(n_layers[1], width, n_heads, dropout)

    def forward(self, X: Tensor) -> Outputs:
        """Map spectrograms (n_samples, n_bins, n_frames) to their outputs."""
        patches, is_patch = self._cut(X)
        is_segment = is_patch.any(dim=2)
        mask = is_patch[is_segment]  # attention needs a patch: segments of padding stay out
        tokens = self.patch_embedding(patches[is_segment]) + self.positions
        tokens = self.frame_transformer(tokens, mask)
        segments = self.segment_embedding(_mean(tokens, mask))

        by_recording = segments.new_zeros(*is_segment.shape, segments.shape[1])
        sums, vectors = by_recording.clone(), by_recording
        sums[is_segment] = (tokens * mask.unsqueeze(2)).sum(dim=1).to(sums.dtype)
        vectors[is_segment] = segments
        positioned = vectors + _sinusoids(vectors)
        utterance = _mean(self.segment_transformer(positioned, is_segment), is_segment)
        levels = {
            "frame": sums.sum(dim=1) / is_patch.sum(dim=(1, 2)).unsqueeze(1),
            "segment": _mean(vectors, is_segment),
            "utterance": utterance,
        }
        return self._classify(utterance, levels)

    def _cut(self, X: Tensor) -> tuple[Tensor, Tensor]:
        """Cut spectrograms into patches of segments, and tell those with a frame from padding.

        The shapes are (n_samples, n_segments, n_patches, n_bins * patch_frames) and
        (n_samples, n_segments, n_patches).
        """
        X = pad(X, (0, -X.shape[2] % self.segment_frames), value=math.nan)
        mask = frame_mask(X)
        shape = len(X), -1, self.segment_frames // self.patch_frames, self.patch_frames
        frames = X.masked_fill(~mask.unsqueeze(1), 0.0).transpose(1, 2)
        patches = frames.reshape(*shape, X.shape[1]).flatten(3)
        return patches, mask.reshape(shape).any(dim=3)


class _Transformer(nn.Module):
    """Layers of attention between tokens that are no padding, normalised at the end."""

    def __init__(self, n_layers: int, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(width, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        """Relate the tokens (n, n_tokens, width) that the mask (n, n_tokens) marks."""
        for layer in self.layers:
            X = layer(X, mask)
        return self.norm(X)


class _Layer(nn.Module):
    """Attention between the tokens, then a perceptron on each of them."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.inputs, self.output = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.dropout = Dropout(dropout)  # torch's own layers draw from the global generator

    def forward(self, X: Tensor, mask: Tensor) -> Tensor:
        heads = self.inputs(self.norms[0](X)).unflatten(2, (3, self.n_heads, -1))
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        attended = scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask[:, None, None]
        )
        X = X + self.dropout(self.output(attended.transpose(1, 2).flatten(2)))
        return X + self.dropout(self.perceptron(self.norms[1](X)))


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    """Average the tokens (n, n_tokens, width) that the mask (n, n_tokens) marks."""
    return (tokens * mask.unsqueeze(2)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _sinusoids(tokens: Tensor) -> Tensor:
    """Return positions (n_tokens, width) as sines and cosines of falling frequencies."""
    n_tokens, width = tokens.shape[1:]
    place = torch.arange(n_tokens, device=tokens.device).unsqueeze(1)
    frequency = 100.0 ** -(torch.arange(0, width, 2, device=tokens.device) / width)
    angles = place * frequency
    return torch.cat([angles.sin(), angles.cos()], dim=1)[:, :width].to(tokens.dtype)
