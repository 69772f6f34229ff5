"""Hidden states of waveforms from pretrained speech models of the transformers library."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from skdidan.audio.cropping import Floats
from skdidan.reporting import import_extra, quiet
from skdidan.torch_state import own_generators, plain_mode

__all__ = ["SpeechEncoder", "SpeechModel"]

_SHORTEST = 0.1  # seconds; one frame takes 25 ms, and some models need several
# With a mask, these models keep padding out of every layer. In others, convolutions above the first
# ones carry it into valid frames.
_MASKING = {"hubert", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"}
_FOR_TRAINING = {"masked_spec_embed"}  # weights not used in evaluation mode
_TRANSFORMERS = "transformers", "transformers", "Embeddings needs the transformers package"
_EXTRACTORS = {"Wav2Vec2FeatureExtractor", "WhisperFeatureExtractor"}


class SpeechModel:
    """Configuration and feature extractor of a pretrained speech model, without its weights.

    With `pad`, a Whisper pads each window to its own 30 s; else it takes the first positions only.
    """

    def __init__(self, model: str | os.PathLike[str], pad: bool = False) -> None:
        self.name = os.path.expanduser(os.fspath(model))
        transformers = import_extra(*_TRANSFORMERS)
        # Otherwise transformers would ask on the terminal whether to run code of a model.
        self._options = {
            "local_files_only": os.path.isdir(self.name),
            "trust_remote_code": False,
        }
        try:
            self.config = transformers.AutoConfig.from_pretrained(self.name, **self._options)
            self.extractor = transformers.AutoFeatureExtractor.from_pretrained(
                self.name, **self._options
            )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"model={self.name!r} has no configuration or no feature extractor of a speech "
                f"model; save_pretrained of each writes it: {error}"
            ) from error
        extractor = type(self.extractor).__name__
        self.is_whisper = extractor == "WhisperFeatureExtractor"
        is_encoder = self.is_whisper or not self.config.is_encoder_decoder
        if extractor not in _EXTRACTORS or not is_encoder:
            raise ValueError(
                f"model={self.name!r} is of type {self.config.model_type!r}, with a {extractor}; "
                "it must be a model of waveforms, such as wav2vec2, hubert, wavlm and "
                "data2vec-audio, or whisper."
            )
        self.sample_rate: int = self.extractor.sampling_rate
        self.n_layers: int = self.config.num_hidden_layers  # without layer 0
        self.hidden_size: int = self.config.hidden_size
        self.pads = self.is_whisper and pad
        self.masks_padding = bool(
            self.config.model_type in _MASKING
            and self.extractor.return_attention_mask
            and self.config.feat_extract_norm == "layer"  # "group" normalises over time
            and not getattr(self.config, "conv_pos_batch_norm", False)
        )

    def cut(self, waveform: Floats, max_duration: float) -> list[Floats]:
        """Normalise a waveform for the model and cut it into windows of equal length."""
        longest = round(max_duration * self.sample_rate)
        if self.is_whisper:
            longest = min(longest, self.extractor.n_samples)
        else:
            inputs = self.extractor(waveform, sampling_rate=self.sample_rate, return_tensors="np")
            waveform = inputs["input_values"][0]
        n_missing = round(_SHORTEST * self.sample_rate) - len(waveform)
        waveform = np.pad(waveform, (0, max(0, n_missing)))
        return np.array_split(waveform, -(-len(waveform) // longest))

    def load(self, layer: int | str, device: torch.device) -> SpeechEncoder:
        """Load the weights."""
        self.config.add_adapter = False  # it is above the last layer
        try:
            # Loading draws random weights first, even if all are found.
            with own_generators(), plain_mode():
                network, report = import_extra(*_TRANSFORMERS).AutoModel.from_pretrained(
                    self.name, config=self.config, output_loading_info=True, **self._options
                )
        except Exception as error:  # from torch, pickle or safetensors
            raise ValueError(
                f"model={self.name!r} has no weights that can be loaded: {error}"
            ) from error
        if missing := sorted(set(report["missing_keys"]) - _FOR_TRAINING):
            raise ValueError(
                f"model={self.name!r} lacks {len(missing)} weights of a {self.config.model_type!r} "
                f"model, such as {missing[0]!r}, which would be random."
            )
        network = network.get_encoder() if self.is_whisper else network
        return SpeechEncoder(self, network.to(device, torch.float32).eval(), layer)


class SpeechEncoder:
    """A pretrained speech model with its weights: computes hidden states of windows."""

    def __init__(self, model: SpeechModel, network: Any, layer: int | str) -> None:
        self._model, self._network, self._layer = model, network, layer
        cuts = model.is_whisper and not model.pads
        self._positions: Any = network.embed_positions.weight if cuts else None

    def encode(self, windows: list[Floats], batch_size: int) -> Iterator[tuple[int, Floats]]:
        """Yield the number of each window, in the order of their lengths, and its hidden states.

        They have the shape (n_frames, hidden_size), without frames of padding, and do not depend on
        the other windows.
        """
        mixed = self._model.pads or self._model.masks_padding
        for batch in _batches([len(window) for window in windows], batch_size, mixed):
            hidden = self._forward([windows[n] for n in batch])
            for n, frames in zip(batch, hidden, strict=True):
                yield n, frames[: self._n_frames(len(windows[n]), len(frames))]

    def _forward(self, windows: list[Floats]) -> Floats:
        device = self._network.device
        with (
            own_generators(),  # some versions of transformers draw numbers that they do not use
            plain_mode(),
            torch.inference_mode(),
            torch.autocast(device.type, enabled=False),
            # WavLM of transformers passes two masks of different types to torch.
            quiet("torch", UserWarning, "Support for mismatched key_padding_mask"),
        ):
            inputs = {k: v.to(device) for k, v in self._inputs(windows).items()}
            if self._positions is not None:
                # A Whisper takes fewer frames with as many of its first positional embeddings.
                n_positions = inputs["input_features"].shape[-1] // 2
                positions = torch.nn.Embedding.from_pretrained(self._positions[:n_positions])
                self._network.embed_positions = positions
                self._network.config.max_source_positions = n_positions
            outputs = self._network(**inputs, output_hidden_states=True)
            # In some versions of transformers, the last of hidden_states is taken before the final
            # normalisation.
            states = [*outputs.hidden_states[:-1], outputs.last_hidden_state]
            if self._layer != "mean":
                return states[int(self._layer)].cpu().numpy()
            if len({state.shape for state in states}) > 1:
                raise ValueError(
                    f"layer='mean' needs layers of equal length, which model={self._model.name!r} "
                    "does not have; pass the number of one layer."
                )
            return (sum(states) / len(states)).cpu().numpy()

    def _inputs(self, windows: list[Floats]) -> dict[str, torch.Tensor]:
        extractor = self._model.extractor
        if self._model.is_whisper:
            padding = "max_length" if self._model.pads else "longest"
            return extractor(
                windows,
                padding=padding,
                pad_to_multiple_of=2 * extractor.hop_length,
                sampling_rate=extractor.sampling_rate,
                return_tensors="pt",
            )
        rows = [torch.from_numpy(window) for window in windows]
        values = pad_sequence(rows, batch_first=True, padding_value=extractor.padding_value)
        ones = [torch.ones(len(row), dtype=torch.int64) for row in rows]
        mask = pad_sequence(ones, batch_first=True)
        inputs = {"input_values": values}
        return inputs if mask.all() else inputs | {"attention_mask": mask}

    def _n_frames(self, n_samples: int, n_computed: int) -> int:
        """Count the frames of a window that are not padding."""
        if self._model.is_whisper:
            return -(-n_samples // (2 * self._model.extractor.hop_length))
        if not self._model.masks_padding:
            return n_computed
        config = self._model.config
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            n_samples = (n_samples - kernel) // stride + 1
        return n_samples


def _batches(lengths: Sequence[int], batch_size: int, mixed: bool) -> Iterator[list[int]]:
    """Yield batches of indices, sorted by length; unless mixed, a batch has a single length."""
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    for _, run in groupby(order, key=lambda n: mixed or lengths[n]):
        while batch := list(islice(run, batch_size)):
            yield batch
