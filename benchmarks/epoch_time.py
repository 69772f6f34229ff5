"""Time an epoch of the MLP against a loop in plain torch with the same mathematics.

The loop has the same network, penalty, optimizer, learning rates and sizes of batches, and records
nothing. The seconds are those of the median epoch; the first one does not count::

    OMP_NUM_THREADS=1 python benchmarks/epoch_time.py
"""

from functools import partial

import numpy as np
import torch
from timing import compare, main, seconds
from torch.nn.functional import one_hot

from skdidan import IDA, MMD, DANClassifier, DIDANClassifier, MeanDistance, SourceOnlyClassifier
from skdidan.neural.losses import SquaredError
from skdidan.neural.networks import MLP
from skdidan.neural.schedules import cooldown, ramp

LR, DECAY, BATCH, CLASSES = 1e-3, 1e-4, 64, 5


def domains(n_rows, shape=(88,)):
    """Draw Gaussian classes with a shift between the domains, in single precision."""
    rng = np.random.default_rng(0)
    codes, centres = np.arange(2 * n_rows).reshape(2, -1) % CLASSES, rng.normal(size=(5, *shape))
    rows = (centres[codes] + rng.normal(size=(2, n_rows, *shape))).astype(np.float32)
    return rows[0], codes[0], rows[1] + np.float32(0.5)


def our_epoch(classifier, data):
    """Return the median seconds of an epoch, as recorded in the history."""
    return np.median([epoch["dur"] for epoch in classifier.fit(*data).history_[1:]])


def plain_epoch(penalty, trade_off, data, epochs):
    """Train an MLP with nothing but torch; return the median seconds of an epoch."""
    X, y, X_tgt = map(torch.from_numpy, data)
    module, criterion = MLP(X.shape[1:], CLASSES), SquaredError(torch.ones(CLASSES))
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, weight_decay=DECAY)
    n_batches = -(-len(X) // BATCH)

    def train(epoch):
        module.train()
        optimizer.param_groups[0]["lr"] = LR * cooldown(epoch, epochs)
        weight = trade_off * ramp((epoch + 1) / epochs)
        orders = [torch.randperm(len(rows)).tensor_split(n_batches) for rows in (X, X_tgt)]
        for source, target in zip(*orders, strict=True):
            optimizer.zero_grad()
            rows = X[source] if penalty is None else torch.cat([X[source], X_tgt[target]])
            outputs, n = module(rows), len(source)
            loss = criterion(outputs.logits[:n], y[source])
            if penalty is not None:
                halves = outputs.features.tensor_split([n])
                loss = loss + weight * penalty(*halves, y[source], outputs.logits[n:])
            loss.backward()
            optimizer.step()

    return np.median([seconds(partial(train, epoch)) for epoch in range(epochs)][1:])


def didan_penalty():
    """Return the sum of the terms of DIDAN without rough levels of emotion."""
    ida, means = IDA(mean_weight=0, label_weight=1, levels=[list(range(CLASSES))]), MeanDistance()

    def penalty(source, target, y_idx, predictions):
        terms = ida.terms(source, target, one_hot(y_idx, CLASSES), predictions)
        return sum(terms.values()) + 3 * means(source, target)

    return penalty


def measure(repeats=5, rows=2000, epochs=6):
    """Yield the row of each classifier."""
    data, mmd = domains(rows), MMD()
    shared = {"max_epochs": epochs, "n_networks": 1}
    methods = {
        "source only": (SourceOnlyClassifier(**shared), None, 0),
        "DAN": (DANClassifier(**shared), lambda *halves: mmd(*halves[:2]), 1),
        "DIDAN": (DIDANClassifier(emotion_groups=None, **shared), didan_penalty(), 0.3),
    }
    for name, (classifier, penalty, trade_off) in methods.items():
        inputs = data[:2] if penalty is None else data
        ways = (
            partial(our_epoch, classifier, inputs),
            partial(plain_epoch, penalty, trade_off, data, epochs),
        )
        case = f"epoch of {name}, MLP, 2 x {rows} x 88"
        yield compare(case, "a loop in plain torch", *ways, repeats, clock=lambda way: way())


if __name__ == "__main__":
    main(measure, __doc__)
