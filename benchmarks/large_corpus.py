"""Measure what a target of 100,000 recordings costs, from a folder to predictions, on one core.

Each stage runs in a process of its own, whose peak memory is shown. Features are computed on fewer
files of two seconds, and their seconds and bytes are scaled. Fits and predictions see all rows; the
source has 10,000. The seconds of a fit are those of the median epoch, for one network. ``--model
FOLDER`` adds the embeddings of a speech model::

    OMP_NUM_THREADS=1 python benchmarks/large_corpus.py
"""

import argparse
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from timing import in_process

RATE, SECONDS, CLASSES = 16_000, 2, 4


def make_files(folder, n_files):
    """Write recordings of noise."""
    rng = np.random.default_rng(0)
    for number in range(n_files):
        noise = 0.1 * rng.normal(size=RATE * SECONDS)
        soundfile.write(Path(folder, f"{number}.wav"), noise, RATE)


def make_rows(n_source, n_target, n_features=88):
    """Draw Gaussian classes with a shift between the domains."""
    rng = np.random.default_rng(0)
    y, centres = np.arange(n_source) % CLASSES, rng.normal(size=(CLASSES, n_features))
    X_tgt = centres[np.arange(n_target) % CLASSES] + rng.normal(size=(n_target, n_features)) + 0.5
    return (centres[y] + rng.normal(size=(n_source, n_features))), y, X_tgt


def seconds(function, *args):
    """Return the seconds of a call."""
    start = time.perf_counter()
    function(*args)
    return time.perf_counter() - start


def find_files(folder, n_files):
    """List a folder."""
    from skdidan import find_audio

    return seconds(find_audio, folder)


def functionals(folder, n_files):
    """Compute the functionals of the package, and keep them on disk."""
    from skdidan import Functionals, find_audio

    transformer = Functionals(memory=Path(folder, "rows"))
    return seconds(transformer.fit_transform, find_audio(folder))


def embeddings(folder, model, n_files):
    """Compute embeddings of some files."""
    from skdidan import Embeddings, find_audio

    transformer = Embeddings(model, 2, pooling="mean_std")
    files = find_audio(folder)[:n_files]
    transformer.fit_transform(files[:1])  # loads the model
    return seconds(transformer.transform, files)


def spectrograms(folder, n_files):
    """Write log-mel spectrograms to a file."""
    from skdidan import LogMelSpectrogram, find_audio

    transformer, path = LogMelSpectrogram(duration=SECONDS), Path(folder, "rows.npy")
    return seconds(transformer.to_memmap, find_audio(folder), path)


def epoch(name, n_source, n_target):
    """Train a network for three epochs; return the seconds of the median one."""
    import skdidan

    classifier = getattr(skdidan, name)(max_epochs=3, n_networks=1, random_state=0)
    history = classifier.fit(*make_rows(n_source, n_target)).history_
    return float(np.median([each["dur"] for each in history]))


def cnn_epoch(folder, n_files):
    """Train the CNN for two epochs on the spectrograms in the file; return the second."""
    from skdidan import SourceOnlyClassifier

    X = np.load(Path(folder, "rows.npy"), mmap_mode="r")
    classifier = SourceOnlyClassifier("cnn", max_epochs=2, random_state=0)
    return classifier.fit(X, np.arange(n_files) % CLASSES).history_[-1]["dur"]


def predict(n_source, n_target):
    """Predict all rows of the target with one network."""
    from skdidan import DIDANClassifier

    X, y, X_tgt = make_rows(n_source, n_target)
    classifier = DIDANClassifier(max_epochs=1, n_networks=1, random_state=0)
    classifier.fit(X[:500], y[:500], X_tgt[:500])
    return seconds(classifier.predict, X_tgt)


def scale(n_source, n_target):
    """Standardise both domains."""
    from skdidan import CorpusScaler

    X, y, X_tgt = make_rows(n_source, n_target)
    return seconds(CorpusScaler().fit_transform, X, y, X_tgt)


def scale_speakers(n_source, n_target):
    """Remove shifts of the target's speakers."""
    from skdidan import SpeakerScaler

    X, y, X_tgt = make_rows(n_source, n_target)
    return seconds(SpeakerScaler(random_state=0).fit_transform, X, y, X_tgt)


def refine(n_source, n_target):
    """Refine a fitted classifier by the clusters of the target."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.linear_model import LogisticRegression

    from skdidan import AnchoredEM

    X, y, X_tgt = make_rows(n_source, n_target)
    classifier = FrozenEstimator(LogisticRegression().fit(X, y))
    return seconds(AnchoredEM(classifier).fit, X, y, X_tgt)


def tca(n_source, n_target):
    """Fit TCA on 500 landmarks."""
    from skdidan import TCA

    X, y, X_tgt = make_rows(n_source, n_target)
    return seconds(TCA(40, kernel="rbf", n_landmarks=500, random_state=0).fit, X, y, X_tgt)


def megabytes(path):
    """Return the size of a file, or of all files of a folder."""
    files = [path] if path.is_file() else filter(Path.is_file, path.rglob("*"))
    return sum(file.stat().st_size for file in files) / 2**20


def measured(stage, *args):
    """Return the result of a stage, and the peak memory of this process in MB."""
    result = stage(*args)
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    """Print a line for each stage."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--files", type=int, default=2000, help="files to compute features of")
    parser.add_argument("--target", type=int, default=100_000, help="rows of the target")
    parser.add_argument("--source", type=int, default=10_000, help="rows of the source")
    parser.add_argument("--model", help="folder of a speech model, to compute embeddings with")
    args = parser.parse_args()
    factor, rows = args.target / args.files, (args.source, args.target)
    print(f"{'stage':44}{'seconds':>10}{'peak MB':>9}")
    with TemporaryDirectory() as folder:
        make_files(folder, args.files)
        stages = [
            ("list the folder, with checks of names", factor, find_files, folder, args.files),
            ("functionals of the package", factor, functionals, folder, args.files),
            ("log-mel spectrograms, to a file", factor, spectrograms, folder, args.files),
            ("epoch of source only, CNN, from the file", factor, cnn_epoch, folder, args.files),
            ("CorpusScaler, 88 columns", 1, scale, *rows),
            ("SpeakerScaler, 88 columns", 1, scale_speakers, *rows),
            ("AnchoredEM of a fitted classifier", 1, refine, *rows),
            ("TCA, 500 landmarks", 1, tca, *rows),
            ("epoch of source only", 1, epoch, "SourceOnlyClassifier", *rows),
            ("epoch of DAN", 1, epoch, "DANClassifier", *rows),
            ("epoch of DIDAN", 1, epoch, "DIDANClassifier", *rows),
            ("predict with the MLP", 1, predict, *rows),
        ]
        if args.model:
            n_files = max(1, args.files // 10)
            inputs = folder, args.model, n_files
            stages.append(("embeddings", args.target / n_files, embeddings, *inputs))
        for title, times, stage, *inputs in stages:
            result, peak = in_process(measured, stage, *inputs)
            print(f"{title:44}{times * result:10.1f}{peak:9.0f}", flush=True)
        for title, name in (("functionals", "rows"), ("log-mel spectrograms", "rows.npy")):
            print(f"{title} on disk: {factor * megabytes(Path(folder, name)):.0f} MB")


if __name__ == "__main__":
    main()
