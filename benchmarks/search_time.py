"""Time a search over settings of a classifier against its features once and its fits alone.

The pipeline keeps its features in `memory`, so the search computes each recording once::

    OMP_NUM_THREADS=1 python benchmarks/search_time.py
"""

import shutil
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold
from timing import compare, main

from skdidan import (
    JDAR,
    CorpusScaler,
    Functionals,
    Target,
    TargetScorer,
    make_adaptation_pipeline,
    make_speech_corpora,
)


def write_all(waveforms, folder, name):
    """Write waveforms to files."""
    paths = [str(Path(folder, f"{name}{number}.wav")) for number in range(len(waveforms))]
    for path, waveform in zip(paths, waveforms, strict=True):
        soundfile.write(path, waveform, 16_000)
    return paths


def search_all(pipeline, grid, folds, X, y, X_tgt, memory):
    """Search with features that are computed anew."""
    shutil.rmtree(memory, ignore_errors=True)
    scorer = TargetScorer("adaptation", X_tgt)
    search = GridSearchCV(pipeline, grid, cv=folds, scoring=scorer, refit=False)
    return search.fit(X, y, X_tgt=Target(X_tgt)).cv_results_["mean_test_score"]


def fit_all(extractor, classifier, grid, folds, X, y, X_tgt):
    """Compute the features once, then fit and score each candidate on each fold."""
    F_src, F_tgt = extractor.transform(X), extractor.transform(X_tgt)
    scores = []
    for alpha in grid["jdar__alpha"]:
        for train, test in folds.split(F_src):
            model = make_adaptation_pipeline(
                CorpusScaler(), clone(classifier).set_params(alpha=alpha)
            )
            model.fit(F_src[train], y[train], F_tgt)
            scores.append(TargetScorer("adaptation", F_tgt)(model, F_src[test], y[test]))
    return np.reshape(scores, (len(grid["jdar__alpha"]), -1)).mean(axis=1)


def measure(repeats=3, clips=400, candidates=20, folds=5):
    """Yield one row; `clips` is the number of recordings of each domain."""
    corpora = make_speech_corpora(clips, clips, duration=1.0, random_state=0)
    splits = KFold(folds, shuffle=True, random_state=0)
    grid, classifier = {"jdar__alpha": np.geomspace(0.01, 0.3, candidates)}, JDAR()
    with TemporaryDirectory() as folder:
        memory, sides = Path(folder, "memory"), {"source": corpora.X_src, "target": corpora.X_tgt}
        X, X_tgt = (np.array(write_all(rows, folder, name)) for name, rows in sides.items())
        data = X, corpora.y_src, X_tgt
        pipeline = make_adaptation_pipeline(
            Functionals(), CorpusScaler(), classifier, memory=str(memory)
        )
        ours = partial(search_all, pipeline, grid, splits, *data, memory)
        other = partial(fit_all, Functionals(), classifier, grid, splits, *data)
        if not np.allclose(ours(), other(), atol=1e-6):
            raise SystemExit("The search has other scores than the fits alone.")
        case = f"search, {candidates} candidates x {folds} folds, 2 x {clips} clips"
        yield compare(case, "features once, and the fits", ours, other, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
