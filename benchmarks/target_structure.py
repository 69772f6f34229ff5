"""Measure what the structure of the target is worth: its speakers and its clusters.

Six directed tasks between EmoDB, CASIA and nEMO. Each classifier is fitted to standardised rows as
they are, after `SpeakerScaler`, inside `AnchoredEM`, and with both; ``--settings`` also takes
`LAME`, alone or after `AnchoredEM`, on rows of `SpeakerScaler`. Parameters are defaults, but every
neural method averages three networks of 30 epochs. ``--shift`` also resamples the target:
its emotions get the shares of the source ("as source"), 70 % of its clips get one emotion ("one
common"), or one emotion is left out ("one missing"), for every emotion in turn. Target labels
select and resample the clips, and score. ``--clips 50 100`` adds targets of so many clips, which
differ from seed to seed::

    OMP_NUM_THREADS=1 python benchmarks/target_structure.py --corpora DIR --shift

``--methods`` also takes variants of DIDAN: without a part, with another, or with one more
(`VARIANTS`), and options that are not in the package (`dropped_options.py`).
``--cache DIR`` keeps every fit, so that a second call runs only what is missing.
``--rows DIR`` adds features computed before: a file ``<corpus>.npz`` for each corpus, with the
arrays "files" (paths relative to the corpus) and one of the name of the features.
"""

import argparse
import itertools
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
from dropped_options import (
    MDAR,
    BalancedLabelsDIDAN,
    FewRowsDIDAN,
    RelaxedDIDAN,
    RelaxedJDAR,
    RelaxedSourceOnly,
)
from fingerprint import fingerprint
from ida_study import SelfTraining
from scipy.stats import wilcoxon
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skdidan import (
    AKTLR,
    CDSA,
    JDAR,
    LAME,
    AnchoredEM,
    CDANClassifier,
    CorpusScaler,
    CorrelationAlignment,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    DSANClassifier,
    Functionals,
    JANClassifier,
    LIDANClassifier,
    MCCClassifier,
    SourceOnlyClassifier,
    SpeakerScaler,
    cross_corpus_task,
    load_corpus,
    make_adaptation_pipeline,
    uar,
)

CORPORA = ("emodb", "casia", "nemo")
# Whether SpeakerScaler comes before a classifier, and what refines it. The first four by default.
SETTINGS = {
    "as it is": (False, ()),
    "speakers": (True, ()),
    "clusters": (False, (AnchoredEM,)),
    "both": (True, (AnchoredEM,)),
    "neighbours": (True, (LAME,)),
    "all": (True, (AnchoredEM, LAME)),
}


def logistic_regression():
    """Return the baseline to beat."""
    return LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)


class OwnPredictions(DIDANClassifier):
    """DIDAN with the network's own predictions in place of the reconstructed labels."""

    def __init__(self, *, n_networks=3, max_epochs=60, random_state=0):
        super().__init__(n_networks=n_networks, max_epochs=max_epochs, random_state=random_state)

    def _penalty_terms(self, classes):
        terms = super()._penalty_terms(classes)
        levels = terms["ida"].penalty.levels
        ida = SelfTraining(self.sparsity, mean_weight=0, levels=levels)
        return {**terms, "ida": replace(terms["ida"], penalty=ida)}


NEURAL = {
    "source only": SourceOnlyClassifier,
    "DAN": DANClassifier,
    "DSAN": DSANClassifier,
    "JAN": JANClassifier,
    "DeepCORAL": DeepCORALClassifier,
    "DANN": DANNClassifier,
    "CDAN": CDANClassifier,
    "MCC": MCCClassifier,
    "DIDAN": DIDANClassifier,
    "LIDAN": LIDANClassifier,
}
VARIANTS = {
    "one network": (DIDANClassifier, {"n_networks": 1}),
    "no dropout": (DIDANClassifier, {"network_params": {"dropout": 0.0, "input_dropout": 0.0}}),
    "no means": (DIDANClassifier, {"mean_weight": 0.0}),
    "no labels": (DIDANClassifier, {"label_weight": 0.0}),
    "no features": (DIDANClassifier, {"feature_weight": 0.0}),
    "own predictions": (OwnPredictions, {}),
    "uniform prior": (DIDANClassifier, {"target_prior": "uniform"}),
    "source prior": (DIDANClassifier, {"target_prior": "source"}),
    "batch 128": (DIDANClassifier, {"batch_size": 128}),
    "balanced labels": (BalancedLabelsDIDAN, {}),
    "relaxed source only": (RelaxedSourceOnly, {}),
    "relaxed DIDAN": (RelaxedDIDAN, {}),
    "few rows": (FewRowsDIDAN, {}),
    "few rows, sparsity 0.03": (FewRowsDIDAN, {"sparsity": 0.03}),
}
SHALLOW = {
    "logistic regression": lambda: [logistic_regression()],
    "CORAL": lambda: [CorrelationAlignment(), logistic_regression()],
    "JDAR": lambda: [JDAR()],
    "CDSA": lambda: [CDSA(), logistic_regression()],
    "CDSA, no reconstruction": lambda: [CDSA(reconstruction=0), logistic_regression()],
    "CDSA, no coupling": lambda: [CDSA(coupling=0), logistic_regression()],
    "CDSA, no sparsity": lambda: [CDSA(sparsity=0), logistic_regression()],
    "AKTLR": lambda: [AKTLR()],
    "MDAR, arousal": lambda: [MDAR()],
    "MDAR, valence": lambda: [MDAR("valence")],
    "relaxed JDAR": lambda: [RelaxedJDAR()],
}


def make(method, seed):
    """Return the classifier, and what comes before it."""
    if method in SHALLOW:
        return make_adaptation_pipeline(*SHALLOW[method]())
    network, params = VARIANTS[method] if method in VARIANTS else (NEURAL[method], {})
    params = {"n_networks": 3, "max_epochs": 30, "random_state": seed, **params}
    return make_adaptation_pipeline(network(**params))


def resample(y, kind, emotion, rng):
    """Return the rows of a target whose emotions have other shares."""
    chosen, others = np.flatnonzero(y == emotion), np.flatnonzero(y != emotion)
    if kind == "one missing":
        return others
    n_others = min(len(others), round(len(chosen) * 3 / 7))
    return np.concatenate([chosen, rng.choice(others, n_others, replace=False)])


def resample_like(y, y_src, rng):
    """Return as many rows of a target as can have the shares of the source."""
    emotions = np.unique(y)
    counts = np.array(
        [[np.sum(labels == emotion) for emotion in emotions] for labels in (y, y_src)]
    )
    shares = counts[1] / counts[1].sum()
    wanted = (shares * (counts[0] / shares).min() + 1e-9).astype(int)
    pairs = zip(emotions, wanted, strict=True)
    rows = [rng.choice(np.flatnonzero(y == e), n, replace=False) for e, n in pairs]
    return np.concatenate(rows)


def targets(y, y_src, shift, clips=(), seed=0):
    """Yield the kind and the rows of each target."""
    yield "whole", np.arange(len(y))
    for n in clips:
        yield f"{n} clips", np.random.default_rng(seed).choice(len(y), n, replace=False)
    if not shift:
        return
    yield "as source", resample_like(y, y_src, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    for kind in ("one common", "one missing"):
        for emotion in np.unique(y):
            yield kind, resample(y, kind, emotion, rng)


def load_corpora(args):
    """Return the corpora by name."""
    return {name: load_corpus(name, Path(args.corpora, name)) for name in CORPORA}


def load_rows(corpus, features, args):
    """Return the rows of all clips of a corpus."""
    if features in ("functionals", "eGeMAPSv02"):
        extractor = Functionals() if features == "functionals" else Functionals(features)
        return extractor.fit_transform(corpus.files)
    stored = np.load(Path(args.rows, f"{corpus.name}.npz"))
    place = {name: row for row, name in enumerate(stored["files"].tolist())}
    root = Path(args.corpora, corpus.name)
    return stored[features][[place[str(Path(file).relative_to(root))] for file in corpus.files]]


def score(X_src, y_src, X_tgt, y_tgt, method, settings, seed, code):
    """Fit a method; return (setting, UAR, number of classes that are never predicted) of each.

    All settings are with `SpeakerScaler`, or all without it. ``code`` is the hash of what runs.
    """
    scaler, speakers = CorpusScaler(), SpeakerScaler(random_state=seed)
    X_src, X_tgt = scaler.fit_transform(X_src, y_src, X_tgt), scaler.transform(X_tgt)
    if SETTINGS[settings[0]][0]:
        X_tgt = speakers.fit(X_src, y_src, X_tgt).transform(X_tgt)
    model = make(method, seed).fit(X_src, y_src, X_tgt)
    Z_src, Z = (model[:-1].transform(X) if len(model) > 1 else X for X in (X_src, X_tgt))
    results = []
    for name in settings:
        classifier = model[-1]
        for refiner in SETTINGS[name][1]:  # which fits no frozen classifier again
            classifier = refiner(FrozenEstimator(classifier)).fit(Z_src, y_src, Z)
        predicted = classifier.predict(Z)
        lost = len(np.setdiff1d(y_src, predicted))
        results.append((name, 100 * uar(y_tgt, predicted, labels=np.unique(y_tgt)), lost))
    return results


def load_tasks(features, corpora, args):
    """Yield the name of each task, the task, and the rows of its source and target."""
    rows = {name: load_rows(corpus, features, args) for name, corpus in corpora.items()}
    row_of = {
        name: {file: row for row, file in enumerate(corpus.files)}
        for name, corpus in corpora.items()
    }
    for source, target in itertools.permutations(CORPORA, 2):
        task = cross_corpus_task(corpora[source], corpora[target])
        X_src = rows[source][[row_of[source][file] for file in task.X_src]]
        X_tgt = rows[target][[row_of[target][file] for file in task.X_tgt]]
        yield f"{source}>{target}", task, X_src, X_tgt


def run(features, corpora, args):
    """Print the table of one kind of features; return the UAR of each run."""
    fit = joblib.delayed(joblib.Memory(args.cache, verbose=0).cache(score))
    by_speakers = [
        [name for name in args.settings if SETTINGS[name][0] == has_speakers]
        for has_speakers in (False, True)
    ]
    code = fingerprint(score)
    keys, fits = [], []
    for name, task, X_src, X_all in load_tasks(features, corpora, args):
        for seed in range(args.first_seed, args.first_seed + args.seeds):
            for kind, some in targets(task.y_tgt, task.y_src, args.shift, args.clips, seed):
                data = X_src, task.y_src, X_all[some], task.y_tgt[some]
                for method, settings in itertools.product(args.methods, filter(None, by_speakers)):
                    keys.append((method, kind, name))
                    fits.append(fit(*data, method, settings, seed, code))
    scores, lost = {}, {}
    for (method, kind, task), results in zip(keys, joblib.Parallel(args.jobs)(fits), strict=True):
        for setting, value, n_lost in results:
            by_task = scores.setdefault((method, setting, kind), {})
            by_task.setdefault(task, []).append(value)
            lost[method, setting, kind] = lost.get((method, setting, kind), 0) + n_lost
    print(f"\n{features}: UAR in percent, six tasks, and the gain over the first row")
    for (method, setting, kind), by_task in scores.items():
        values = np.array([np.mean(values) for values in by_task.values()])
        base = scores[args.methods[0], args.settings[0], kind]
        gain, error = mean_error(values - [np.mean(base[task]) for task in by_task])
        tasks = " ".join(f"{value:5.1f}" for value in values)
        print(
            f"{kind:12}{method:20} {setting:9}{tasks}  mean {values.mean():5.1f}  "
            f"gain {gain:5.1f} ± {error:.1f}  lost {lost[method, setting, kind]}",
            flush=True,
        )
    return {
        (*key, features, task): np.array(v) for key, by in scores.items() for task, v in by.items()
    }


def mean_error(values):
    """Return the mean of values and its standard error."""
    return np.mean(values), np.std(values, ddof=1) / np.sqrt(len(values))


def compare_all(scores, args):
    """Print averages over all features and tasks, and paired differences from the reference."""
    cells = sorted({key[3:] for key in scores})
    print(f"\n{len(cells)} cells: average, and {args.reference} minus each method")
    for setting, method in itertools.product(args.settings, args.methods):
        key = method, setting, "whole"
        own = np.array([scores[*key, *cell] for cell in cells])
        reference = np.array([scores[args.reference, setting, "whole", *cell] for cell in cells])
        gain, error = mean_error((reference - own).mean(axis=1))
        pairs = (reference - own).ravel()
        p_value = wilcoxon(pairs).pvalue if pairs.any() else 1.0
        print(
            f"{setting:9}{method:20} {own.mean():5.1f}  {gain:5.1f} ± {error:.1f} over cells, "
            f"p = {p_value:.2g} over {len(pairs)} runs, in the worst cell "
            f"{(reference - own).mean(axis=1).min():5.1f}"
        )


def main():
    """Run all features."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    parser.add_argument("--features", nargs="+", default=["functionals", "eGeMAPSv02"])
    names = [*SHALLOW, *NEURAL, *VARIANTS]
    parser.add_argument("--methods", nargs="+", default=list(SHALLOW)[:3], choices=names)
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS)[:4], choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cache", help="folder that keeps every fit")
    parser.add_argument("--rows", help="folder with features computed before")
    parser.add_argument("--shift", action="store_true", help="also resample the target")
    parser.add_argument("--clips", type=int, nargs="+", default=[], help="sizes of smaller targets")
    parser.add_argument("--reference", choices=names, help="compare all methods with this one")
    args = parser.parse_args()
    if args.reference and args.reference not in args.methods:
        parser.error(f"--reference {args.reference!r} must be one of --methods {args.methods}")
    corpora = load_corpora(args)
    scores = {}
    for features in args.features:
        scores |= run(features, corpora, args)
    if args.reference:
        compare_all(scores, args)


if __name__ == "__main__":
    main()
