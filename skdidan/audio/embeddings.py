"""Embeddings of clips: pooled hidden states of a pretrained speech model."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray

from skdidan.audio.cropping import Floats
from skdidan.audio.recordings import AudioTransformer
from skdidan.audio.rows import Convert
from skdidan.audio.speech_models import SpeechEncoder, SpeechModel
from skdidan.parameters import check_count, check_option, check_positive, check_whole
from skdidan.torch_state import find_device

__all__ = ["Embeddings"]

_POOLINGS = {"mean": ("mean",), "std": ("std",), "max": ("max",), "mean_std": ("mean", "std")}
_SHORTEST_WINDOW = 0.2  # seconds; models take half of it without padding
_HUB_NAME = re.compile(r"\w[\w.-]*(/[\w.-]+)?")
_BATCHES_PER_BLOCK = 4


def _describe(frames: Floats) -> tuple[Any, ...]:
    """Return the number of frames, and the mean, variance and maximum of each hidden unit."""
    values = frames.astype(np.float64)
    return len(values), values.mean(axis=0), values.var(axis=0), values.max(axis=0)


def _pool(windows: list[tuple[Any, ...]], pooling: str) -> NDArray[np.float64]:
    """Combine the statistics of the windows of a recording."""
    n_frames, means, variances, maxima = (np.array(values) for values in zip(*windows, strict=True))
    weights = n_frames / n_frames.sum()
    mean = weights @ means
    variance = weights @ (variances + (means - mean) ** 2)  # within and between windows
    statistics = {"mean": mean, "std": np.sqrt(variance), "max": maxima.max(axis=0)}
    return np.concatenate([statistics[name] for name in _POOLINGS[pooling]])


def _blocks(recordings: Iterator[Any], n_windows: int) -> Iterator[list[Any]]:
    """Group recordings, lists of windows or exceptions, into blocks of at least `n_windows`."""
    block: list[Any] = []
    for recording in recordings:
        block.append(recording)
        if sum(len(windows) for windows in block if isinstance(windows, list)) >= n_windows:
            yield block
            block.clear()  # before the next is read
    if block:
        yield block


class Embeddings(AudioTransformer):
    """Pooled hidden states of a pretrained speech model, such as wav2vec2, HuBERT or WavLM.

    Each recording goes through the model in evaluation mode and single precision. The hidden states
    of a layer are then pooled over the frames, which last 20 ms in most models. An embedding does
    not depend on the other recordings, up to rounding: a batch holds windows of different lengths
    only if the model masks the padding, as do wav2vec2, HuBERT, WavLM and UniSpeech with
    layer-normalised convolutions (most large ones) whose feature extractor has
    ``return_attention_mask``.

    ``transform`` returns float32 of shape (n, n_features), where ``n_features`` is the hidden size
    of the model, or twice that with ``pooling="mean_std"``.

    Parameters
    ----------
    model : str or path-like
        A folder with a model and its feature extractor, both written by ``save_pretrained``, or a
        name on the Hugging Face hub, which is downloaded once. The model must take waveforms, as
        wav2vec2, HuBERT, WavLM and data2vec-audio do; the encoder of a Whisper is used, too.
    layer : int or "mean", default=-1
        Layer 0 is the input of the transformer, whose layers count from 1. Negative numbers count
        from the last layer, which is taken after the final normalisation, if there is one.
        ``"mean"`` averages all layers, including 0. Middle layers often tell more about emotion.
    pooling : {"mean", "std", "max", "mean_std"}, default="mean"
        Statistic of each hidden unit over the frames; ``"mean_std"`` is both, means first.
    pad : bool, default=False
        Pad each window for a Whisper to 30 s, as in its training. By default a Whisper takes only
        as many positions as a window has frames, which is many times faster on short clips. Other
        models ignore this parameter.
    max_duration : float >= 0.2 [s], default=30.0
        Longer recordings are cut into equal windows, to bound the memory. The frames of all windows
        are pooled together. Windows for Whisper are never longer than its own 30 s.
    batch_size : int > 0, default=8
        Maximum number of windows in a batch. Recordings are read for four batches at a time.
    device : str, default="auto"
        Torch device; "auto" is a GPU if torch finds one, else the CPU.
    sample_rate : int > 0 [Hz], default=16000
        Files are resampled to this rate; waveforms and the model must have it.
    on_error : {"raise", "warn"}, default="raise"
        Raise an error for a row that cannot be used, or use silence and report an `AudioWarning`.
    memory : str, path-like or joblib.Memory, optional
        Folder that caches the row of each recording; None caches nothing.
    n_jobs : int, optional
        Number of threads that read clips, as in joblib: None is 1, -1 is all processors.
    verbose : int, default=0
        Show a progress bar if not 0.

    Notes
    -----
    Needs ``pip install skdidan[transformers]``. Every call of ``transform`` loads the model once
    and releases it, so that copies and pickles of the transformer hold no weights. The feature
    extractor normalises each waveform as a whole; one of less than 0.1 s is padded with zeros.
    Cached rows are computed again if a file in the model's folder changes; a model of the hub
    counts by its name.

    References
    ----------
    A. Baevski, H. Zhou, A. Mohamed, M. Auli: "wav2vec 2.0: a framework for self-supervised learning
    of speech representations", NeurIPS 2020. S. Chen et al.: "WavLM: large-scale self-supervised
    pre-training for full stack speech processing", IEEE JSTSP 16(6), 2022.

    Examples
    --------
    This example uses a tiny model with random weights. A pretrained one is given by its name, as in
    ``Embeddings("microsoft/wavlm-base-plus", layer=8)``.

    >>> import tempfile
    >>> import numpy as np
    >>> from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model
    >>> from skdidan import Embeddings
    >>> config = Wav2Vec2Config(
    ...     hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
    ...     conv_dim=(8, 8), conv_kernel=(10, 8), conv_stride=(8, 8),
    ...     num_feat_extract_layers=2, num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2,
    ... )
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(3, 20_000))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Wav2Vec2Model(config).save_pretrained(folder)
    ...     _ = Wav2Vec2FeatureExtractor().save_pretrained(folder)
    ...     X = Embeddings(folder, pooling="mean_std").fit_transform(noise)
    >>> X.shape
    (3, 32)
    """

    # The batch size changes embeddings by rounding only.
    not_in_cache_key: ClassVar = AudioTransformer.not_in_cache_key | {"batch_size"}

    def __init__(
        self,
        model: str | os.PathLike[str],
        layer: int | str = -1,
        *,
        pooling: str = "mean",
        pad: bool = False,
        max_duration: float = 30.0,
        batch_size: int = 8,
        device: str = "auto",
        sample_rate: int = 16_000,
        on_error: str = "raise",
        memory: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            sample_rate, on_error=on_error, memory=memory, n_jobs=n_jobs, verbose=verbose
        )
        self.model = model
        self.layer = layer
        self.pooling = pooling
        self.pad = pad
        self.max_duration = max_duration
        self.batch_size = batch_size
        self.device = device

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str, shape (n_features,)
            Such as ``"mean_0"``.
        """
        self._check_parameters()
        n_units = self._speech_model().hidden_size
        names = [f"{name}_{unit}" for name in _POOLINGS[self.pooling] for unit in range(n_units)]
        return np.asarray(names, dtype=object)

    def _block_size(self) -> int:
        # No more recordings than jobs, since the next ones may be long.
        return effective_n_jobs(self.n_jobs or 1)

    def _stages(self) -> tuple[Convert, Callable[[Iterator[Any]], Iterator[Any]]]:
        model = self._speech_model()
        encoder = model.load(self.layer, find_device(self.device))
        return partial(model.cut, max_duration=self.max_duration), partial(self._embed, encoder)

    def _embed(self, encoder: SpeechEncoder, recordings: Iterator[Any]) -> Iterator[Any]:
        """Yield the row of each recording, which comes as a list of windows; pass on errors."""
        for block in _blocks(recordings, _BATCHES_PER_BLOCK * self.batch_size):
            good = {n: windows for n, windows in enumerate(block) if isinstance(windows, list)}
            owners = [n for n, windows in good.items() for _ in windows]
            parts: dict[int, list[Any]] = {n: [] for n in good}
            for k, hidden in encoder.encode(list(chain(*good.values())), self.batch_size):
                parts[owners[k]].append(_describe(hidden))
            rows = {n: _pool(part, self.pooling).astype(np.float32) for n, part in parts.items()}
            for n in range(len(block)):
                yield rows.get(n, block[n])

    def _speech_model(self) -> SpeechModel:
        """Read the model without its weights, and check the parameters that depend on it."""
        model = SpeechModel(self.model, self.pad)
        if self.sample_rate != model.sample_rate:
            raise ValueError(
                f"sample_rate must be that of model={model.name!r}, {model.sample_rate} Hz; got "
                f"{self.sample_rate}."
            )
        if self.layer != "mean" and not -model.n_layers - 1 <= int(self.layer) <= model.n_layers:
            raise ValueError(
                f"layer must be 'mean' or from {-model.n_layers - 1} to {model.n_layers}, since "
                f"model={model.name!r} has {model.n_layers} layers after layer 0; got {self.layer}."
            )
        return model

    def _check_parameters(self) -> None:
        super()._check_parameters()
        model = self.model
        if not isinstance(model, str | os.PathLike) or not os.fspath(model):
            raise ValueError(f"model must be a folder or a name on the hub; got {model!r}.")
        is_name = isinstance(model, str) and _HUB_NAME.fullmatch(model)
        if not is_name and not os.path.isdir(os.path.expanduser(model)):
            raise FileNotFoundError(
                f"model={os.fspath(model)!r} is neither a folder nor a possible name on the hub."
            )
        if self.layer != "mean":
            check_whole("layer", self.layer, "a whole number or 'mean'")
        check_option("pooling", self.pooling, _POOLINGS)
        if check_positive("max_duration", self.max_duration) < _SHORTEST_WINDOW:
            raise ValueError(
                f"max_duration must be at least {_SHORTEST_WINDOW} s; got {self.max_duration}."
            )
        check_count("batch_size", self.batch_size)
        find_device(self.device)
