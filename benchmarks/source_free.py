"""Measure the adaptation without source: SHOT and ECAN beside the source alone and DIDAN.

Six directed tasks between EmoDB, CASIA and nEMO, each corpus standardised by itself, one network a
method, default parameters. "stays" is the network of SHOT and ECAN before ``adapt``. Target labels
score, and nothing else::

    OMP_NUM_THREADS=1 python benchmarks/source_free.py --corpora DIR --rows DIR --seeds 3
"""

import argparse

import numpy as np
from target_structure import load_corpora, load_tasks, mean_error

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    ECANClassifier,
    SHOTClassifier,
    SourceOnlyClassifier,
    uar,
)

ADAPTING = {"SHOT": SHOTClassifier, "ECAN": ECANClassifier}


def run(X_src, y_src, X_tgt, y_tgt, seed):
    """Return the UAR of each method by its name."""

    def score(classifier):
        return 100 * uar(y_tgt, classifier.predict(X_tgt), labels=classifier.classes_)

    params = {"n_networks": 1, "random_state": seed}
    results = {"source only": score(SourceOnlyClassifier(**params).fit(X_src, y_src))}
    for name, make in ADAPTING.items():
        classifier = make(**params).fit(X_src, y_src)
        results["stays"] = score(classifier)
        results[name] = score(classifier.adapt(X_tgt))
    results["DIDAN"] = score(DIDANClassifier(**params).fit(X_src, y_src, X_tgt))
    return results


def main():
    """Print the mean UAR of each method, and its difference from the source alone."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    features = ["functionals", "eGeMAPSv02", "whisper_tiny_layer2"]
    parser.add_argument("--features", nargs="*", default=features)
    parser.add_argument("--rows", help="folder with features computed before")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    scores, corpora = {}, load_corpora(args)
    for kind in args.features:
        for place, task, X_src, X_tgt in load_tasks(kind, corpora, args):
            scaler = CorpusScaler()
            X_src, X_tgt = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
            for seed in range(args.seeds):
                for name, value in run(X_src, task.y_src, X_tgt, task.y_tgt, seed).items():
                    scores.setdefault(name, {}).setdefault((kind, place), []).append(value)
    means = {n: np.array([np.mean(v) for v in cells.values()]) for n, cells in scores.items()}
    for name, values in means.items():
        gain, error = mean_error(values - means["source only"])
        print(f"{name:12} UAR {values.mean():.1f}, {gain:+.1f} ± {error:.1f} to the source alone")


if __name__ == "__main__":
    main()
