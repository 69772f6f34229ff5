"""How much does a search store? Bytes in the cache of a search, over the bytes of its features.

A grid search over two settings of `LogMelSpectrogram`, in five folds, on 60 generated clips: 40 of
the source and 20 of the target. The `memory` of its pipeline must hold each row once and little
else, at most 1.3 times the bytes of the features, and each clip must be computed once per setting::

    OMP_NUM_THREADS=1 python benchmarks/cache_size.py
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC

from skdidan import (
    CorpusScaler,
    LogMelSpectrogram,
    Target,
    make_adaptation_pipeline,
    make_speech_corpora,
)

N_MELS = [20, 40]
LARGEST_RATIO = 1.3


class CountedSpectrogram(LogMelSpectrogram):
    """Counts the clips that are computed."""

    n_computed = 0

    def _converter(self):
        convert = super()._converter()

        def count(waveform):
            CountedSpectrogram.n_computed += 1
            return convert(waveform)

        return count


def flatten(spectrograms):
    """Make one row of each spectrogram."""
    return spectrograms.reshape(len(spectrograms), -1)


def run(n_clips, n_folds, duration=1.0):
    """Return the bytes stored, the bytes of the features, and how many clips were computed."""
    n_source = 2 * n_clips // 3
    corpora = make_speech_corpora(n_source, n_clips - n_source, duration=duration, random_state=0)
    CountedSpectrogram.n_computed = 0
    with TemporaryDirectory() as folder:
        pipeline = make_adaptation_pipeline(
            CountedSpectrogram(duration=duration),
            FunctionTransformer(flatten),
            CorpusScaler(),
            SVC(),
            memory=folder,
        )
        grid = {"countedspectrogram__n_mels": N_MELS}
        search = GridSearchCV(pipeline, grid, cv=n_folds, error_score="raise")
        search.fit(corpora.X_src, corpora.y_src, X_tgt=Target(corpora.X_tgt))
        stored = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    n_computed = CountedSpectrogram.n_computed
    clips = [*corpora.X_src, *corpora.X_tgt]
    features = [LogMelSpectrogram(n_mels=n, duration=duration).transform(clips) for n in N_MELS]
    return stored, int(np.sum([rows.nbytes for rows in features])), n_computed


def main():
    """Run the search and print what it stored."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args()
    stored, features, n_computed = run(args.clips, args.folds)
    ratio = stored / features
    print(f"{args.clips} clips, {args.folds} folds, {len(N_MELS)} settings")
    print(f"{stored} bytes stored / {features} bytes of features = {ratio:.3f}")
    print(f"{n_computed} clips computed: each {n_computed / args.clips:g} times")
    if ratio > LARGEST_RATIO:
        raise SystemExit(f"The cache must not exceed {LARGEST_RATIO} times the features.")


if __name__ == "__main__":
    main()
