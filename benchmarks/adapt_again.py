"""Measure what it is worth to adapt again when new speakers of the target appear.

Six directed tasks between EmoDB, CASIA and nEMO. The speakers of the target are split into those
of a first month and those of a second. A pipeline is fitted to the source and the first month, and
predicts the second: as it is ("stays"), fitted anew to the second ("anew"), or fitted to the second
with fewer epochs, from the weights of the first fit ("warm", ``warm_start=True``) or anew ("cold").
Times are those of the
second fit over that of "anew". Target labels score, and nothing else::

    OMP_NUM_THREADS=1 python benchmarks/adapt_again.py --corpora DIR
"""

import argparse
import time
from copy import deepcopy

import numpy as np
from target_structure import load_corpora, load_tasks, mean_error

from skdidan import (
    CorpusScaler,
    DIDANClassifier,
    SpeakerScaler,
    make_adaptation_pipeline,
    uar,
)

WARM_EPOCHS = 5, 10, 20


def run(X_src, y_src, X_first, X_second, y_second, seed):
    """Return UAR and seconds of each way to predict the second month, by its name."""
    classes = np.unique(y_second)

    def score(model, *target, **params):
        start = time.perf_counter()
        if target:
            model.set_params(**params).fit(X_src, y_src, *target)
        seconds = time.perf_counter() - start
        return 100 * uar(y_second, model.predict(X_second), labels=classes), seconds

    def make():
        network = DIDANClassifier(random_state=seed)
        return make_adaptation_pipeline(CorpusScaler(), SpeakerScaler(random_state=seed), network)

    first = make().fit(X_src, y_src, X_first)
    results = {"stays": score(first), "anew": score(make(), X_second)}
    for n_epochs in WARM_EPOCHS:
        for name, starts_warm in (("warm", True), ("cold", False)):
            params = {"didanclassifier__warm_start": starts_warm}
            params["didanclassifier__max_epochs"] = n_epochs
            results[f"{name}, {n_epochs} epochs"] = score(deepcopy(first), X_second, **params)
    return results


def main():
    """Print mean UAR and relative time of each way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", required=True, help="folder with emodb, casia and nemo")
    parser.add_argument("--features", default="functionals")
    parser.add_argument("--rows", help="folder with features computed before")
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    scores, seconds = {}, {}
    for place, task, X_src, X_tgt in load_tasks(args.features, load_corpora(args), args):
        speakers = sorted(set(task.speaker_tgt))
        is_first = np.isin(task.speaker_tgt, speakers[: len(speakers) // 2])
        y_second = task.y_tgt[~is_first]
        for seed in range(args.seeds):
            months = X_tgt[is_first], X_tgt[~is_first], y_second
            for name, result in run(X_src, task.y_src, *months, seed).items():
                scores.setdefault(name, {}).setdefault(place, []).append(result[0])
                seconds.setdefault(name, []).append(result[1])
    anew = np.array([np.mean(values) for values in scores["anew"].values()])
    for name, by_task in scores.items():
        means = np.array([np.mean(values) for values in by_task.values()])
        gain, error = mean_error(means - anew)
        ratio = np.sum(seconds[name]) / np.sum(seconds["anew"])
        values = f"UAR {means.mean():.1f}, {gain:5.1f} ± {error:.1f} to anew, time {ratio:.2f}"
        print(f"{name:16}  {values}")


if __name__ == "__main__":
    main()
