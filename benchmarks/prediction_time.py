"""Time the prediction of many small spectrograms against a bare loop without gradients.

The loop has no checks::

    OMP_NUM_THREADS=1 python benchmarks/prediction_time.py
"""

from functools import partial

import torch
from epoch_time import domains
from timing import compare, main

from skdidan import SourceOnlyClassifier

BATCH = 256


def bare_loop(module, X):
    """Return the class of each row."""
    module.eval()
    with torch.no_grad():
        rows = torch.from_numpy(X).split(BATCH)
        return torch.cat([module(batch).logits.argmax(dim=1) for batch in rows]).numpy()


def measure(repeats=5, rows=10_000, bands=32, frames=40):
    """Yield one row."""
    X, y, _ = domains(rows, (bands, frames))
    classifier = SourceOnlyClassifier("cnn", max_epochs=1, random_state=0).fit(X[:100], y[:100])
    module = classifier.net_.module_
    if (classifier.predict(X[:1000]) != bare_loop(module, X[:1000])).any():
        raise SystemExit("The predictions differ from those of the bare loop.")
    ways = partial(classifier.predict, X), partial(bare_loop, module, X)
    case = f"predict, CNN, {rows} x {bands} x {frames}"
    yield compare(case, "a bare no_grad loop", *ways, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
