"""Compare scores without target labels that choose among methods, trade-offs and epochs.

Candidates are trained on three quarters of the source's speakers and scored on the other speakers
and on the unlabelled target. Their true UAR on the target gives two numbers for every pair of
corpora, kind of features and seed: the rank correlation of score and truth, and the regret, which
is the UAR of the best candidate minus that of the chosen one. docs/research/selection.rst explains
the results::

    OMP_NUM_THREADS=1 python benchmarks/selection.py --corpora DIR --seeds 5 --jobs 2 --bf16

Every candidate is appended to a CSV file as soon as it is scored. A second call runs only what is
missing. The log-mel spectrograms are averaged over pairs of frames. The synthetic corpora, on
functionals, differ from seed to seed.
"""

import csv
import sys
from pathlib import Path

import cross_corpus
import joblib
import numpy as np
from fingerprint import fingerprint
from scipy.stats import spearmanr
from sklearn.model_selection import GroupShuffleSplit

from skdidan import (
    CorpusScaler,
    DANClassifier,
    DANNClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    Functionals,
    JANClassifier,
    MCCClassifier,
    SourceOnlyClassifier,
    Target,
    TargetScorer,
    make_speech_corpora,
    uar,
)
from skdidan.selection.trials import CRITERIA

TRADE_OFFS = (0.1, 1.0, 10.0)
ADAPTING = {
    "DAN": DANClassifier,
    "JAN": JANClassifier,
    "DeepCORAL": DeepCORALClassifier,
    "DANN": DANNClassifier,
    "MCC": MCCClassifier,
    "DIDAN": DIDANClassifier,
}
EPOCHS = {"functionals": (10, 30, 60), "logmel": (5, 10)}
METHODS = {"source only": (SourceOnlyClassifier, {})} | {
    f"{name} {trade_off}": (classifier, {"trade_off": trade_off})
    for name, classifier in ADAPTING.items()
    for trade_off in TRADE_OFFS
}
SCORERS = sorted(set(CRITERIA) - {"oracle"})
PRODUCTS = ["adaptation*importance_weighted"]
KEYS = ["code", "features", "task", "seed", "method", "epochs"]


def split_source(X, y, speakers, seed):
    """Return the rows of three quarters of the speakers, and those of the other speakers."""
    splitter = GroupShuffleSplit(1, test_size=0.25, random_state=seed)
    return next(splitter.split(X, y, speakers))


def score(key, task, precision):
    """Train a candidate; return its key, its UAR on the target, and its scores."""
    _, features, _, seed, method, epochs = key
    X_src, y_src, speakers, X_tgt, y_tgt = task
    classifier, params = METHODS[method]
    if features == "logmel":
        params = {**params, "precision": precision}
    train, held_out = split_source(X_src, y_src, speakers, seed)
    model = classifier(random_state=seed, max_epochs=epochs, n_networks=1, **params)
    model.fit(X_src[train], y_src[train], Target(X_tgt))
    scores = TargetScorer(SCORERS, X_tgt)(model, X_src[held_out], y_src[held_out])
    return key, uar(y_tgt, model.predict(X_tgt)), list(scores.values())


def real_tasks(kind, args):
    """Return the tasks between real corpora."""
    load = joblib.Memory(args.cache, verbose=0).cache(cross_corpus.load_features)
    transformer = cross_corpus.extractor(kind)
    code = fingerprint(type(transformer)), repr(transformer), fingerprint(cross_corpus.load_corpus)
    tasks = {}
    for name in args.tasks:
        pair = cross_corpus.TASKS[name]
        domains = [load(corpus, kind, args.corpora, code) for corpus in pair]
        X_src, y_src, X_tgt, task = cross_corpus.make_task(domains, args.frames_per_step)
        tasks[name] = X_src, y_src, task.speaker_src, X_tgt, task.y_tgt
    return tasks


def synthetic_task(seed):
    """Make one pair of synthetic corpora."""
    task = make_speech_corpora(random_state=seed)
    functionals, scaler = Functionals(), CorpusScaler()
    F_src, F_tgt = (functionals.fit_transform(X) for X in (task.X_src, task.X_tgt))
    X_src = scaler.fit_transform(F_src, task.y_src, F_tgt)
    return X_src, task.y_src, task.speaker_src, scaler.transform(F_tgt), task.y_tgt


def code_of(method):
    """Hash the code that a method and the scorers run."""
    classifier, params = METHODS[method]
    others = [fingerprint(thing) for thing in (TargetScorer, cross_corpus.make_task, score)]
    return fingerprint(classifier, params, others)


def compute(path, args):
    """Score all missing candidates; return the rows of the present code."""
    codes = {method: code_of(method) for method in METHODS}
    rows = {}
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            for *key, truth, scores in read(file):
                rows[tuple(key)] = truth, scores
    kept = {}
    for kind in args.features:
        tasks = real_tasks(kind, args)
        for seed in range(args.seeds):
            current = dict(tasks)
            if kind == "functionals":
                current["synthetic"] = synthetic_task(seed)
            keys = [
                (codes[method], kind, task, seed, method, epochs)
                for method in METHODS
                for epochs in EPOCHS[kind]
                for task in current
            ]
            left = [key for key in keys if tuple(map(str, key)) not in rows]
            results = joblib.Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
                joblib.delayed(score)(key, current[key[2]], "bf16" if args.bf16 else "float32")
                for key in left
            )
            for key, truth, scores in results:
                write(path, key, truth, scores)
                rows[tuple(map(str, key))] = truth, scores
                print(*key[1:], f"{100 * truth:.1f}", flush=True, file=sys.stderr)
            kept |= {key: rows[tuple(map(str, key))] for key in keys}
    return kept


def read(file):
    """Yield keys, truth and scores from a CSV file; skip the line of an interrupted run."""
    head, *rows = csv.reader(file)
    if head != [*KEYS, "uar", *SCORERS]:
        raise SystemExit(f"{file.name} has other columns than {KEYS}, uar and {SCORERS}.")
    for row in rows:
        if len(row) == len(KEYS) + 1 + len(SCORERS):
            values = np.array(row[len(KEYS) :], dtype=float)
            yield *row[: len(KEYS)], values[0], values[1:]


def write(path, key, truth, scores):
    """Append a row to the CSV file."""
    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if is_new:
            writer.writerow([*KEYS, "uar", *SCORERS])
        writer.writerow([*key, *(f"{value:.6f}" for value in (truth, *scores))])


def regret(truth, scores):
    """Return the best UAR minus the mean UAR of the candidates with the highest score."""
    return truth.max() - truth[scores == scores.max()].mean()


def make_pools(rows):
    """Group truth (in percent) and scores by kind of features and pair, then by seed."""
    pools = {}
    for (_, kind, task, seed, method, epochs), (truth, scores) in rows.items():
        pool = pools.setdefault((kind, task), {}).setdefault(seed, {})
        pool[method, epochs] = np.array([100 * truth, *scores])
    return {
        cell: [np.array([pool[name] for name in sorted(pool)]) for pool in seeds.values()]
        for cell, seeds in pools.items()
    }


def judge(pool, name):
    """Return the rank correlation and the regret of a score in a pool."""
    truth = pool[:, 0]
    if name == "random":
        return 0.0, truth.max() - truth.mean()
    scores = np.prod([pool[:, 1 + SCORERS.index(part)] for part in name.split("*")], axis=0)
    correlation = spearmanr(scores, truth).statistic if np.ptp(scores) else 0.0
    return correlation, regret(truth, scores)


def other_splits(seeds):
    """Return the regret of choosing by the target labels on the other splits."""
    truth = np.array([pool[:, 0] for pool in seeds])
    means = truth.sum(axis=0) - truth
    return np.mean([regret(pool, mean) for pool, mean in zip(truth, means, strict=True)])


def print_table(pools):
    """Print every score for every pair, averaged over its pools, lowest regret first."""
    heads = [f"{kind} {task}".rjust(21) for kind, task in pools]
    print(" " * 30, *heads, "mean".rjust(14))
    lines = {
        name: [np.mean([judge(pool, name) for pool in seeds], axis=0) for seeds in pools.values()]
        for name in [*SCORERS, *PRODUCTS, "random"]
    }
    for name in sorted(lines, key=lambda name: np.mean([cell[1] for cell in lines[name]])):
        parts = [f"{rho:.2f}  {lost:.1f}".rjust(21) for rho, lost in lines[name]]
        means = np.mean(lines[name], axis=0)
        print(name.ljust(30), *parts, f"{means[0]:.2f}  {means[1]:.1f}".rjust(14))
    if all(len(seeds) > 1 for seeds in pools.values()):
        lost = [other_splits(seeds) for seeds in pools.values()]
        parts = [f"{value:.1f}".rjust(21) for value in lost]
        print("(labels, other splits)".ljust(30), *parts, f"{np.mean(lost):.1f}".rjust(14))


if __name__ == "__main__":
    options = cross_corpus.parse(__doc__.split("\n")[0], METHODS, frames_per_step=2)
    results_path = options.results or Path(__file__).parent / "results" / "selection.csv"
    by_seed = make_pools(compute(results_path, options))
    print("Chosen by the score on one split of the source; rank correlation and regret")
    print_table(by_seed)
    print("\nChosen by the mean of the score over these splits, as a search over folds does")
    print_table({cell: [np.mean(seeds, axis=0)] for cell, seeds in by_seed.items()})
