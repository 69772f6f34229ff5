"""Compare the neural methods between EmoDB (B), CASIA (C) and nEMO (N), in all six directions.

Each task has two cells: log-mel spectrograms (CNN) and functionals (MLP). The functionals are
openSMILE's eGeMAPS if it is installed, else the package's own. All methods train one network with
the same schedule on the same batches, and otherwise with the default parameters of the package.
There are two exceptions: LIDAN has three fully connected layers, and "source only" gets no target
rows. DAN and Deep CORAL are also run with other trade-offs. The comparison takes the one that is
*best on the target*, so that no baseline is at a disadvantage. Target labels select the clips of
the shared emotions, and score. ``--tasks B→C C→B`` leaves out nEMO::

    OMP_NUM_THREADS=1 python benchmarks/cross_corpus.py --corpora DIR --seeds 5 --jobs 2 --bf16

Every run is appended to a CSV file as soon as it ends, with hashes of the code that the method
reaches and of its data. A second call runs only what is missing. The file keeps runs of other code
or data, but the tables leave them out. The features are cached. The paired tests are over seeds and
cells, so they hold for these corpora only.
"""

import argparse
import csv
import importlib.util
import itertools
import os
import sys
from fnmatch import fnmatch
from pathlib import Path

import joblib
import numpy as np
from fingerprint import fingerprint
from scipy.stats import wilcoxon
from sklearn.utils import Bunch

from skdidan import (
    CorpusScaler,
    DANClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    Functionals,
    LIDANClassifier,
    LogMelSpectrogram,
    MCCClassifier,
    SourceOnlyClassifier,
    cross_corpus_task,
    load_corpus,
    uar,
)

CORPORA = {"B": "emodb", "C": "casia", "N": "nemo"}
TASKS = {
    f"{source}→{target}": (CORPORA[source], CORPORA[target])
    for source, target in itertools.permutations(CORPORA, 2)
}
EPOCHS = {"logmel": 20, "functionals": 60}
TRADE_OFFS = (0.3, 1.0, 3.0)
BASELINES = {"DAN": DANClassifier, "DeepCORAL": DeepCORALClassifier}
METHODS = {
    "source only": (SourceOnlyClassifier, {}),
    "source only, target in the batch": (SourceOnlyClassifier, {"use_target": True}),
    **{
        f"{name} {trade_off}": (classifier, {"trade_off": trade_off})
        for name, classifier in BASELINES.items()
        for trade_off in TRADE_OFFS
    },
    "MCC": (MCCClassifier, {}),
    "DIDAN": (DIDANClassifier, {}),
    "LIDAN": (LIDANClassifier, {}),
}
FIELDS = ["code", "data", "precision", "features", "task", "method", "seed", "uar"]


def extractor(features):
    """Return the transformer from audio files to the features of this name."""
    if features == "logmel":
        return LogMelSpectrogram()
    has_opensmile = importlib.util.find_spec("opensmile") is not None
    return Functionals("eGeMAPSv02") if has_opensmile else Functionals()


def load_features(corpus, features, root, code):
    """Return features of all files of a corpus, and the corpus; `code` is part of the cache key."""
    loaded = load_corpus(corpus, Path(root, corpus))
    X = extractor(features).fit_transform(loaded.files)
    return np.asarray(X, dtype=np.float32), loaded


def make_task(domains, frames_per_step):
    """Return source, labels, target and the task; each corpus is standardised by itself."""
    loaded = []
    for X, corpus in domains:
        if X.ndim == 3 and frames_per_step > 1:
            n_steps = X.shape[2] // frames_per_step
            steps = X[:, :, : n_steps * frames_per_step]
            X = steps.reshape(*X.shape[:2], n_steps, frames_per_step).mean(axis=3)
        loaded.append(Bunch(**{**corpus, "files": list(X)}))
    task = cross_corpus_task(*loaded)
    X_src, X_tgt = np.stack(task.X_src), np.stack(task.X_tgt)
    scaler = CorpusScaler()
    X_src = scaler.fit_transform(X_src, task.y_src, X_tgt)
    return X_src, task.y_src, scaler.transform(X_tgt), task


def run(method, key, task, precision):
    """Fit once; return the key (features, task, method, seed) and the UAR."""
    classifier, params = method
    features, *_, seed = key
    X_src, y_src, X_tgt, labels = task
    params = {"max_epochs": EPOCHS[features], "n_networks": 1, **params}
    if features == "logmel":
        params["precision"] = precision
    model = classifier(random_state=seed, **params).fit(X_src, y_src, X_tgt)
    return key, uar(labels.y_tgt, model.predict(X_tgt), labels=labels.classes)


class Results:
    """All runs in a CSV file; `scores` holds those of the present code and data."""

    def __init__(self, path, methods, precision):
        self.path, self.precision = path, precision
        self.codes = {
            (features, name): self._code(classifier, params, epochs)
            for features, epochs in EPOCHS.items()
            for name, (classifier, params) in methods.items()
        }
        self.runs, self.scores = {}, {}
        if path.exists():
            with open(path, newline="", encoding="utf-8") as file:
                for row in list(csv.reader(file))[1:]:
                    if len(row) == len(FIELDS):  # an interrupted run leaves an incomplete line
                        self.runs[tuple(row[:-1])] = float(row[-1])

    def _code(self, classifier, params, epochs):
        recipe = getattr(classifier, "recipe", None)
        return fingerprint(classifier, params, recipe, epochs, [fingerprint(uar)])

    def find(self, data, run):
        """Tell whether a run (features, task, method, seed) on this data is stored."""
        key = self._key(data, run)
        if key in self.runs:
            self.scores[run] = self.runs[key]
        return key in self.runs

    def add(self, data, run, score):
        """Store a run and append it to the file."""
        self.scores[run] = score = round(float(score), 6)
        is_new = not self.path.exists()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if is_new:
                writer.writerow(FIELDS)
            writer.writerow([*self._key(data, run), f"{score:.6f}"])

    def _key(self, data, run):
        precision = self.precision if run[0] == "logmel" else "float32"
        return self.codes[run[0], run[2]], data, precision, *map(str, run)

    def of(self, features, task, method, seeds):
        """Return the UAR in percent for each seed."""
        return np.array([100 * self.scores[features, task, method, seed] for seed in seeds])


def compute(results, methods, seeds, args):
    """Run everything that is missing, seed by seed, so that all methods advance together."""
    load = joblib.Memory(args.cache, verbose=0).cache(load_features)
    for kind in args.features:
        transformer = extractor(kind)
        code = fingerprint(type(transformer)), repr(transformer), fingerprint(load_corpus)
        pairs = {name: TASKS[name] for name in args.tasks}
        needed = dict.fromkeys(itertools.chain(*pairs.values()))
        corpora = {corpus: load(corpus, kind, args.corpora, code) for corpus in needed}
        tasks = {
            name: make_task([corpora[c] for c in pair], args.frames_per_step)
            for name, pair in pairs.items()
        }
        data = {
            name: joblib.hash((*arrays, labels.y_tgt, labels.classes))[:10]
            for name, (*arrays, labels) in tasks.items()
        }
        left = [
            (kind, task, method, seed)
            for seed in seeds
            for method in methods
            for task in tasks
            if not results.find(data[task], (kind, task, method, seed))
        ]
        scores = joblib.Parallel(n_jobs=args.jobs, return_as="generator_unordered")(
            joblib.delayed(run)(methods[key[2]], key, tasks[key[1]], results.precision)
            for key in left
        )
        for key, score in scores:
            results.add(data[key[1]], key, score)
            print(*key, f"{100 * score:.1f}", flush=True, file=sys.stderr)


def print_table(results, methods, cells, seeds):
    """Print mean ± standard deviation per cell, and the average with its standard error."""
    width = max(map(len, methods))
    print(f"UAR (%), {len(seeds)} seeds, CNN in {results.precision}")
    heads = [f"{kind} {task}".rjust(15) for kind, task in cells]
    print(" " * width, *heads, "average".rjust(12))
    for method in methods:
        scores = np.array([results.of(*cell, method, seeds) for cell in cells])
        deviations = scores.std(axis=1, ddof=1) if len(seeds) > 1 else np.zeros(len(cells))
        parts = [
            f"{m:.1f} ± {s:.1f}".rjust(15)
            for m, s in zip(scores.mean(axis=1), deviations, strict=True)
        ]
        error = np.sqrt(np.mean(deviations**2) / scores.size)
        print(method.ljust(width), *parts, f"{scores.mean():.2f} ± {error:.2f}".rjust(12))


def best_baselines(results, methods, cells, seeds):
    """Return source only, and each baseline at the trade-off with the best average."""

    def average(method):
        return np.mean([results.of(*cell, method, seeds) for cell in cells])

    chosen = [
        max((m for m in methods if m.startswith(f"{name} ")), key=average)
        for name in BASELINES
        if any(m.startswith(f"{name} ") for m in methods)
    ]
    return [m for m in methods if m.startswith("source only")] + chosen


def print_tests(results, methods, references, cells, seeds):
    """Print paired differences over cells and seeds, with Wilcoxon's signed-rank test."""
    for method in methods:
        for reference in references:
            if method == reference:
                continue
            differences = np.concatenate(
                [
                    results.of(*cell, method, seeds) - results.of(*cell, reference, seeds)
                    for cell in cells
                ]
            )
            error = differences.std(ddof=1) / np.sqrt(len(differences))
            p_value = wilcoxon(differences).pvalue if differences.any() else 1.0
            print(
                f"{method} - {reference}: {differences.mean():+.2f} ± {error:.2f} "
                f"(p = {p_value:.2g}, {len(differences)} pairs)"
            )


def parse(description, methods, **defaults):
    """Parse the options shared by the cross-corpus benchmarks, some of which have own defaults."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--corpora", default=os.environ.get("SKDIDAN_CORPORA"), metavar="DIR")
    parser.add_argument("--features", nargs="+", choices=sorted(EPOCHS), default=sorted(EPOCHS))
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    names = ", ".join(methods)
    parser.add_argument("--methods", nargs="+", help=f"names or patterns (DAN*) out of {names}")
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--bf16", action="store_true", help="train the CNN in bfloat16")
    parser.add_argument("--frames-per-step", type=int, default=1, metavar="N")
    parser.add_argument("--results", type=Path, metavar="CSV")
    parser.add_argument("--cache", default=".cache/benchmarks", metavar="DIR")
    parser.set_defaults(**defaults)
    args = parser.parse_args()
    if args.corpora is None:
        parser.error("Where are the corpora? Pass --corpora DIR or set SKDIDAN_CORPORA.")
    return args


def main(
    methods=METHODS,
    compared=("DIDAN", "LIDAN"),
    references=None,
    description=__doc__,
    stem="cross_corpus",
    **defaults,
):
    """Run what is missing, then print the table and the tests against the references.

    By default the references are the baselines, each at its best trade-off.
    """
    args = parse(description.split("\n")[0], methods, **defaults)
    if args.methods:
        for pattern in args.methods:
            if not any(fnmatch(method, pattern) for method in methods):
                raise SystemExit(f"--methods {pattern!r} matches none of {list(methods)}.")
        chosen = [m for m in methods if any(fnmatch(m, pattern) for pattern in args.methods)]
        methods = {method: methods[method] for method in chosen}
    seeds = range(args.seeds)
    path = args.results or Path(__file__).parent / "results" / f"{stem}.csv"
    results = Results(path, methods, "bf16" if args.bf16 else "float32")
    compute(results, methods, seeds, args)
    cells = list(itertools.product(args.features, args.tasks))
    print_table(results, methods, cells, seeds)
    if references is None:
        references = best_baselines(results, methods, cells, seeds)
    if len(seeds) > 1:
        compared, references = (
            [m for m in names if m in methods] for names in (compared, references)
        )
        print_tests(results, compared, references, cells, seeds)


if __name__ == "__main__":
    main()
