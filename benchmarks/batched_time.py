"""Time the training of several networks as one batch against one after another.

Both ways are plain torch: the layers of `MLP` with dropout, the squared error, AdamW, and the `MMD`
of each network or no penalty. The batched networks have stacked weights, and each layer is one
product of batches of matrices. So the ratio is what a fit of several networks, seeds or trade-offs
in one batch could gain; the package trains one after another::

    OMP_NUM_THREADS=1 python benchmarks/batched_time.py
"""

import warnings
from functools import partial
from itertools import pairwise

import torch
from timing import compare, main
from torch.nn.functional import dropout, one_hot

from skdidan import MMD

CLASSES, BATCH, SIZES = 5, 64, (88, 128, 64, 5)


def train(penalty, X, y):
    """Train a stack of networks on batches (n_steps, n_networks, n_rows, n_features)."""
    n_networks = X.shape[1]
    weights = [torch.randn(n_networks, *pair).mul_(0.1) for pair in pairwise(SIZES)]
    biases = [torch.zeros(n_networks, 1, n_units) for n_units in SIZES[1:]]
    optimizer = torch.optim.AdamW([part.requires_grad_() for part in (*weights, *biases)])
    for rows, labels in zip(X, y, strict=True):
        optimizer.zero_grad()
        outputs = dropout(rows, 0.2)
        for bias, weight in zip(biases[:-1], weights[:-1], strict=True):
            features = torch.baddbmm(bias, outputs, weight).relu()
            outputs = dropout(features, 0.5)
        outputs = torch.baddbmm(biases[-1], outputs[:, :BATCH], weights[-1])
        losses = (outputs - labels).square().sum(dim=2).mean(dim=1)
        if penalty is not None:
            losses = losses + penalty(features[:, :BATCH], features[:, BATCH:])
        losses.sum().backward()
        optimizer.step()


def train_each(penalty, X, y):
    """Train the networks one after another."""
    for number in range(X.shape[1]):
        one = slice(number, number + 1)
        train(penalty, X[:, one], y[:, one])


def measure(repeats=5, networks=5, steps=60):
    """Yield a row for each loss."""
    warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)  # of vmap
    mmd, batched_mmd = MMD(), torch.func.vmap(MMD())

    def one_mmd(source, target):
        return mmd(source[0], target[0])

    cases = {"source only": (None, None, BATCH), "DAN": (batched_mmd, one_mmd, 2 * BATCH)}
    for name, (batched, one, n_rows) in cases.items():
        X = torch.randn(steps, networks, n_rows, SIZES[0])
        y = one_hot(torch.randint(CLASSES, (steps, networks, BATCH)), CLASSES)
        ways = partial(train, batched, X, y), partial(train_each, one, X, y)
        case = f"{networks} MLPs of {name} in one batch, plain torch"
        yield compare(case, "one after another", *ways, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
