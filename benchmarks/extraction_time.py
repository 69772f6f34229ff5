"""Time features against the libraries that compute them, called by hand.

`Embeddings` of a Whisper of the size of "tiny", with random weights, runs against its encoder on
batches of the true length. eGeMAPS in two jobs runs against the two workers of opensmile::

    OMP_NUM_THREADS=1 python benchmarks/extraction_time.py
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import opensmile
import soundfile
import torch
import transformers
from timing import compare, main

from skdidan import Embeddings, Functionals

RATE, LAYER, BATCH = 16_000, 2, 8


def make_whisper(folder):
    """Save a Whisper of the size of "tiny", with random weights."""
    config = transformers.WhisperConfig(
        d_model=384,
        encoder_layers=4,
        encoder_attention_heads=6,
        encoder_ffn_dim=1536,
        decoder_layers=1,
        decoder_attention_heads=6,
        decoder_ffn_dim=1536,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.WhisperModel(config).save_pretrained(folder)
    transformers.WhisperFeatureExtractor().save_pretrained(folder)


def bare_encoder(folder, n_samples):
    """Return a function from waveforms of one length to the mean of a layer over the frames."""
    extractor = transformers.WhisperFeatureExtractor.from_pretrained(folder)
    encoder = transformers.WhisperModel.from_pretrained(folder).encoder.eval()
    n_positions = n_samples // extractor.hop_length // 2
    positions = encoder.embed_positions.weight.detach()[:n_positions]
    encoder.embed_positions = torch.nn.Embedding.from_pretrained(positions)
    encoder.config.max_source_positions = n_positions

    def embed(waveforms):
        rows = []
        for start in range(0, len(waveforms), BATCH):
            batch = list(waveforms[start : start + BATCH])
            inputs = extractor(batch, sampling_rate=RATE, padding=False, return_tensors="pt")
            with torch.inference_mode():
                hidden = encoder(**inputs, output_hidden_states=True).hidden_states[LAYER]
            rows.append(hidden.mean(dim=1).numpy())
        return np.concatenate(rows)

    return embed


def measure(repeats=5, clips=32, clip_ms=2000):
    """Yield the row of each kind of features."""
    n_samples = RATE * clip_ms // 1000
    waveforms = np.random.default_rng(0).normal(scale=0.1, size=(clips, n_samples))
    waveforms = waveforms.astype(np.float32)
    with TemporaryDirectory() as folder:
        make_whisper(folder)
        ours, bare = (
            Embeddings(folder, layer=LAYER, batch_size=BATCH),
            bare_encoder(folder, n_samples),
        )
        difference = np.abs(ours.transform(waveforms) - bare(waveforms)).max()
        if difference > 1e-3:
            raise SystemExit(
                f"The embeddings differ from those of the encoder by {difference:.1e}."
            )
        case = f"Embeddings (Whisper tiny), {clips} clips of {clip_ms / 1000:g} s"
        ways = partial(ours.transform, waveforms), partial(bare, waveforms)
        yield compare(case, "the encoder alone", *ways, repeats)

        paths = [str(Path(folder, f"{number}.wav")) for number in range(clips)]
        for path, waveform in zip(paths, waveforms, strict=True):
            soundfile.write(path, waveform, RATE)
        smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, num_workers=2)
        ways = (
            partial(Functionals("eGeMAPSv02", n_jobs=2).transform, paths),
            partial(smile.process_files, paths),
        )
        yield compare(
            f"Functionals, eGeMAPS, 2 jobs, {clips} files", "opensmile, 2 workers", *ways, repeats
        )


if __name__ == "__main__":
    main(measure, __doc__)
