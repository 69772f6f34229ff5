"""How fast are features? LogMelSpectrogram over a plain loop of librosa, and Functionals.

The plain loop reads one file after the other by ``librosa.load``, takes the same two seconds, the
centre, and computes ``librosa.feature.melspectrogram`` and ``librosa.power_to_db`` of them, in one
process. Printed are its time over ours, the largest difference of the values, which must not exceed
1e-4 dB, and real-time factors: seconds of work per second of audio::

    OMP_NUM_THREADS=1 python benchmarks/features.py --corpora DIR --jobs 2

Ratios are those of one run, in which all take turns, a busy machine slowing each of them alike;
medians over the repeats. With a second core busy elsewhere, two jobs cannot show what they gain.
"""

import argparse
import os
from pathlib import Path
from time import perf_counter, process_time

import librosa
import numpy as np
import soundfile

from skdidan import Functionals, LogMelSpectrogram, load_corpus

RATE, SECONDS = 16_000, 2
SETTINGS = {"n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 64}
LARGEST_DIFFERENCE = 1e-4  # dB


def plain_loop(files):
    """Log-mel spectrograms of the two seconds in the middle, by librosa alone."""
    spectrograms = []
    for file in files:
        waveform, _ = librosa.load(file, sr=RATE)
        start = max(0, len(waveform) - SECONDS * RATE) // 2
        clip = librosa.util.fix_length(waveform[start:], size=SECONDS * RATE)
        power = librosa.feature.melspectrogram(y=clip, sr=RATE, **SETTINGS)
        spectrograms.append(librosa.power_to_db(power, top_db=80.0))
    return np.stack(spectrograms)


def clocked(function, files):
    """Return seconds on the clock, seconds of all cores together, and the result."""
    start, used = perf_counter(), process_time()
    result = function(files)
    return perf_counter() - start, process_time() - used, result


def main():
    """Extract everything in turns and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    parser.add_argument("--corpus", default="casia", help="folder of the corpus")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
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
    for method in methods.values():  # imports and compilation do not count
        method(files[:2])
    times = {name: [] for name in methods}
    for _ in range(args.repeats):
        results = {}
        for name, method in methods.items():
            *seconds, results[name] = clocked(method, files)
            times[name].append(seconds)
    difference = np.abs(results["LogMelSpectrogram"] - results["plain loop"]).max()
    if difference > LARGEST_DIFFERENCE:
        raise SystemExit(f"LogMelSpectrogram differs from librosa by {difference:.1e} dB.")

    audio = sum(soundfile.info(file).duration for file in files)
    print(f"{len(files)} files, {audio:.0f} s, {args.jobs} jobs; difference {difference:.1e} dB")
    print(f"{'':18}{'plain loop / it':>17}{'cores used':>12}{'real-time factor':>18}", end="")
    print(f"{'s per 1,000 clips':>19}")
    reference = np.array(times["plain loop"])[:, 0]
    for name, seconds in times.items():
        clock, used = np.array(seconds).T
        ratio, cores = np.median(reference / clock), np.median(used / clock)
        clock = np.median(clock)
        print(f"{name:18}{ratio:17.2f}{cores:12.2f}{clock / audio:18.5f}", end="")
        print(f"{1000 * clock / len(files):19.2f}")


if __name__ == "__main__":
    main()
