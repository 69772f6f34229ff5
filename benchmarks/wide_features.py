"""Time the fits of alignments and weights on wide features against the product of all rows.

No exact method that compares all rows is faster than the product of the rows of both domains with
themselves. JIASL is compared with JDAR::

    OMP_NUM_THREADS=1 python benchmarks/wide_features.py --features 12000
"""

from functools import partial

import numpy as np
from timing import compare, main

from skdidan import (
    GFK,
    JDAR,
    JIASL,
    KMM,
    TCA,
    CorpusScaler,
    CorrelationAlignment,
    SubspaceAlignment,
)

METHODS = {
    "CorrelationAlignment": CorrelationAlignment(),
    "SubspaceAlignment": SubspaceAlignment(),
    "GFK": GFK(),
    "KMM": KMM(),
    "TCA, linear": TCA(),
    "TCA, rbf": TCA(kernel="rbf"),
}


def domains(n_source, n_target, n_features):
    """Draw five classes in twenty directions, under noise; scale both domains."""
    rng = np.random.default_rng(0)
    centres, mixing = rng.normal(size=(5, 20)), rng.normal(size=(20, n_features)) / 20**0.5
    codes = rng.integers(5, size=n_source + n_target)
    latent = centres[codes] + rng.normal(size=(len(codes), 20))
    rows = latent @ mixing + rng.normal(size=(len(codes), n_features))
    X, y, X_tgt = rows[:n_source], codes[:n_source], rows[n_source:] + 0.5
    scaler = CorpusScaler()
    return scaler.fit_transform(X, y, X_tgt), y, scaler.transform(X_tgt)


def measure(repeats=5, source=400, target=1200, features=6373):
    """Yield the row of each method."""
    data = domains(source, target, features)
    rows, size = np.concatenate([data[0], data[2]]), f"{source} + {target} x {features}"
    for name, method in METHODS.items():
        fit = partial(method.fit, *data)
        product = partial(np.matmul, rows, rows.T)
        yield compare(f"{name}, {size}", "product of all rows", fit, product, repeats)
    fits = partial(JIASL().fit, *data), partial(JDAR().fit, *data)
    yield compare(f"JIASL, {size}", "JDAR", *fits, min(repeats, 3))


if __name__ == "__main__":
    main(measure, __doc__)
