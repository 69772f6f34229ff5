"""Measure what the structure of the target is worth: its speakers and its clusters.

Six directed tasks between EmoDB, CASIA and nEMO. Each classifier is fitted to standardised rows as
they are, after `SpeakerScaler`, inside `RefinedClassifier`, and with both. All parameters are
defaults. ``--shift`` also resamples the target: 70 % of its clips get one emotion ("one common"),
or one emotion is left out ("one missing"), for every emotion in turn. Target labels select and
resample the clips, and score::

    OMP_NUM_THREADS=1 python benchmarks/target_structure.py --corpora DIR --shift

``--rows DIR`` adds features computed before: a file ``<corpus>.npz`` for each corpus, with the
arrays "files" (paths relative to the corpus) and one of the name of the features.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from skdidan import (
    JDAR,
    CorpusScaler,
    CorrelationAlignment,
    DANClassifier,
    DIDANClassifier,
    Functionals,
    MCCClassifier,
    RefinedClassifier,
    SourceOnlyClassifier,
    SpeakerScaler,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    uar,
)

CORPORA = ("emodb", "casia", "nemo")
SETTINGS = {
    "as it is": (False, False),
    "speakers": (True, False),
    "clusters": (False, True),
    "both": (True, True),
}


def logistic_regression():
    """Return the baseline to beat."""
    return LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)


METHODS = {
    "logistic regression": lambda seed: [logistic_regression()],
    "CORAL": lambda seed: [CorrelationAlignment(), logistic_regression()],
    "JDAR": lambda seed: [JDAR()],
    "source only": lambda seed: [SourceOnlyClassifier(random_state=seed)],
    "DAN": lambda seed: [DANClassifier(random_state=seed)],
    "MCC": lambda seed: [MCCClassifier(random_state=seed)],
    "DIDAN": lambda seed: [DIDANClassifier(random_state=seed)],
}
SHALLOW = ("logistic regression", "CORAL", "JDAR")  # deterministic: one seed is enough


def make(method, speakers, clusters, seed):
    """Chain the scalers and the classifier."""
    *front, last = METHODS[method](seed)
    if clusters:
        last = RefinedClassifier(last)
    return make_adaptation_pipeline(
        CorpusScaler(), *([SpeakerScaler()] if speakers else []), *front, last
    )


def resample(y, kind, emotion, rng):
    """Return the rows of a target whose emotions have other shares."""
    chosen, others = np.flatnonzero(y == emotion), np.flatnonzero(y != emotion)
    if kind == "one missing":
        return others
    n_others = min(len(others), round(len(chosen) * 3 / 7))
    return np.concatenate([chosen, rng.choice(others, n_others, replace=False)])


def targets(y, shift):
    """Yield the kind and the rows of each target."""
    yield "whole", np.arange(len(y))
    rng = np.random.default_rng(0)
    for kind in ("one common", "one missing") if shift else ():
        for emotion in np.unique(y):
            yield kind, resample(y, kind, emotion, rng)


def load_rows(corpus, features, args):
    """Return the rows of all clips of a corpus."""
    if features in ("functionals", "eGeMAPSv02"):
        extractor = Functionals() if features == "functionals" else Functionals(features)
        return extractor.fit_transform(corpus.files)
    stored = np.load(Path(args.rows, f"{corpus.name}.npz"))
    place = {name: row for row, name in enumerate(stored["files"].tolist())}
    root = Path(args.corpora, corpus.name)
    return stored[features][[place[str(Path(file).relative_to(root))] for file in corpus.files]]


def run(features, corpora, args):
    """Print the table of one kind of features."""
    rows = {name: load_rows(corpus, features, args) for name, corpus in corpora.items()}
    row_of = {
        name: {file: row for row, file in enumerate(corpus.files)}
        for name, corpus in corpora.items()
    }
    scores = {}
    for source, target in itertools.permutations(CORPORA, 2):
        task = cross_corpus_task(corpora[source], corpora[target])
        X_src = rows[source][[row_of[source][file] for file in task.X_src]]
        X_all = rows[target][[row_of[target][file] for file in task.X_tgt]]
        for kind, some in targets(task.y_tgt, args.shift):
            X_tgt, y_tgt = X_all[some], task.y_tgt[some]
            for method, setting in itertools.product(args.methods, SETTINGS):
                for seed in range(1 if method in SHALLOW else args.seeds):
                    model = make(method, *SETTINGS[setting], seed).fit(X_src, task.y_src, X_tgt)
                    score = 100 * uar(y_tgt, model.predict(X_tgt), labels=np.unique(y_tgt))
                    by_task = scores.setdefault((method, setting, kind), {})
                    by_task.setdefault(f"{source}>{target}", []).append(score)
    print(f"\n{features}: UAR in percent, six tasks, and the gain over the first method as it is")
    for (method, setting, kind), by_task in scores.items():
        values = np.array([np.mean(values) for values in by_task.values()])
        base = scores[args.methods[0], "as it is", kind]
        gain = values - [np.mean(base[task]) for task in by_task]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        tasks = " ".join(f"{value:5.1f}" for value in values)
        print(
            f"{kind:12}{method:20} {setting:9}{tasks}  mean {values.mean():5.1f}  "
            f"gain {gain.mean():5.1f} ± {error:.1f}",
            flush=True,
        )


def main():
    """Run all features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    parser.add_argument("--features", nargs="+", default=["functionals", "eGeMAPSv02"])
    parser.add_argument("--methods", nargs="+", default=list(SHALLOW), choices=METHODS)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the networks")
    parser.add_argument("--rows", help="folder with features computed before")
    parser.add_argument("--shift", action="store_true", help="also resample the target")
    args = parser.parse_args()
    corpora = {name: load_corpus(name, Path(args.corpora, name)) for name in CORPORA}
    for features in args.features:
        run(features, corpora, args)


if __name__ == "__main__":
    main()
