"""Measure the speed of LogMelSpectrogram (against a plain librosa loop), Functionals, Embeddings.

The plain loop reads one file after the other with ``librosa.load``, takes the two seconds in the
centre, and applies ``librosa.feature.melspectrogram`` and ``librosa.power_to_db``, in one process.
The script prints three numbers: the time of the plain loop over that of the transformer, the
largest difference between the values (at most 1e-4 dB), and the real-time factor in seconds of work
per second of audio::

    OMP_NUM_THREADS=1 python benchmarks/features.py --corpora DIR --jobs 2

``--embeddings N`` adds a line for a model of the size of wav2vec2-base, with random weights, on the
first N files. All methods take turns in one run, so that a busy machine slows each of them equally.
The ratios are medians over the repeats. If the second core is busy, two jobs show no gain.
"""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import librosa
import numpy as np
import soundfile

from skdidan import Embeddings, Functionals, LogMelSpectrogram, load_corpus

RATE, SECONDS = 16_000, 2
SETTINGS = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64}
LARGEST_DIFFERENCE = 1e-4  # dB


def plain_loop(files):
    """Compute log-mel spectrograms of the two seconds in the centre with librosa alone."""
    spectrograms = []
    for file in files:
        waveform, _ = librosa.load(file, sr=RATE)
        start = max(0, len(waveform) - SECONDS * RATE) // 2
        clip = librosa.util.fix_length(waveform[start:], size=SECONDS * RATE)
        power = librosa.feature.melspectrogram(y=clip, sr=RATE, **SETTINGS)
        spectrograms.append(librosa.power_to_db(power, top_db=80.0))
    return np.stack(spectrograms)


def base_embeddings(files):
    """Compute embeddings of an untrained model of the size of wav2vec2-base."""
    from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2Model

    with TemporaryDirectory() as folder:
        Wav2Vec2Model(Wav2Vec2Config()).save_pretrained(folder)
        Wav2Vec2FeatureExtractor().save_pretrained(folder)
        return Embeddings(folder).fit_transform(files)


def clocked(function, files):
    """Return wall-clock seconds, processor seconds of all cores, and the result."""
    start, used = perf_counter(), process_time()
    result = function(files)
    return perf_counter() - start, process_time() - used, result


def main():
    """Extract all features in turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    parser.add_argument("--corpus", default="casia", help="folder of the corpus")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--embeddings", type=int, default=0, metavar="N")
    args = parser.parse_args()
    if args.corpora is None:
        parser.error("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")

    files = load_corpus(args.corpus, Path(args.corpora, args.corpus)).files
    center = LogMelSpectrogram(crop="center", duration=SECONDS, **SETTINGS, n_jobs=args.jobs)
    methods = {
        "plain loop": plain_loop,
        "LogMelSpectrogram": center.transform,
        "of the loudest": LogMelSpectrogram(n_jobs=args.jobs).transform,
        "Functionals": Functionals(n_jobs=args.jobs).transform,
    }
    if args.embeddings:
        methods["Embeddings"] = base_embeddings
    taken = {name: files[: args.embeddings] if name == "Embeddings" else files for name in methods}
    for method in methods.values():  # imports and compilation do not count
        method(files[:2])
    times = {name: [] for name in methods}
    for _ in range(args.repeats):
        results = {}
        for name, method in methods.items():
            *seconds, results[name] = clocked(method, taken[name])
            times[name].append(seconds)
    difference = np.abs(results["LogMelSpectrogram"] - results["plain loop"]).max()
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"LogMelSpectrogram differs from librosa by {difference:.1e} dB.")

    durations = {file: soundfile.info(file).duration for file in files}
    audio = sum(durations.values())
    print(f"{len(files)} files, {audio:.0f} s, {args.jobs} jobs; difference {difference:.1e} dB")
    print(f"{'':18}{'plain loop / it':>17}{'cores used':>12}{'real-time factor':>18}", end="")
    print(f"{'s per 1,000 clips':>19}")
    reference = np.array(times["plain loop"])[:, 0] / len(files)
    for name, seconds in times.items():
        clock, used = np.array(seconds).T / len(taken[name])  # seconds per file
        ratio, cores = np.median(reference / clock), np.median(used / clock)
        length = np.mean([durations[file] for file in taken[name]])
        print(f"{name:18}{ratio:17.2f}{cores:12.2f}{np.median(clock) / length:18.5f}", end="")
        print(f"{1000 * np.median(clock):19.2f}")


if __name__ == "__main__":
    main()
