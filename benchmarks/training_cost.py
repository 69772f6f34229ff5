"""Measure the time of an epoch with each penalty, relative to training without a penalty.

The reference is ``SourceOnlyClassifier(use_target=True)``, with the same batches and network. The
script prints the median epoch of each classifier over that of the reference, and of DIDAN over DAN.
(LIDAN trains a network with three fully connected layers)::

    OMP_NUM_THREADS=1 python benchmarks/training_cost.py
"""

import argparse

import numpy as np

from skdidan import (
    DANClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    LIDANClassifier,
    SourceOnlyClassifier,
)

SHAPES = {"mlp": (88,), "cnn": (64, 201)}


def median_epoch(classifier, domains):
    """Return the median duration [s] of an epoch; the first epoch warms up and does not count."""
    epochs = classifier.fit(*domains).history_[1:]
    return np.median([epoch["dur"] for epoch in epochs])


def main():
    """Train every classifier and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=512, help="rows of each domain")
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()

    rng = np.random.default_rng(0)
    for network, shape in SHAPES.items():
        # Rows of five classes: no row reconstructs plain noise, so its codes would take longer.
        codes, centres = rng.integers(5, size=(2, args.rows)), rng.normal(size=(5, *shape))
        noise = rng.normal(size=(2, args.rows, *shape))
        source, target = (centres[codes] + noise).astype(np.float32)
        domains = source, codes[0], target + 0.5
        params = {"network": network, "max_epochs": 30 if network == "mlp" else 4}
        methods = {
            "no penalty": SourceOnlyClassifier(use_target=True, **params),
            "DAN": DANClassifier(**params),
            "DeepCORAL": DeepCORALClassifier(**params),
            "DIDAN": DIDANClassifier(**params),
            "LIDAN": LIDANClassifier(**params),
        }
        times = {name: [] for name in methods}
        for seed in range(args.repeats):  # in turn, so a busy machine slows each equally
            for name, method in methods.items():
                times[name].append(median_epoch(method.set_params(random_state=seed), domains))
        reference = np.median(times["no penalty"])
        ratios = {name: np.median(t) / reference for name, t in times.items()}
        ratios["DIDAN / DAN"] = ratios["DIDAN"] / ratios["DAN"]
        print(network, *(f"{name} {ratio:.2f}" for name, ratio in ratios.items()), sep="   ")


if __name__ == "__main__":
    main()
