"""Time `sparse_codes` against coordinate descent of scikit-learn at the same duality gap.

Rows of five classes have about unit length, as the features of DIDAN. Both stop at a duality gap of
1e-4 of the squared lengths of the target rows. The descent may run on a share of them; its seconds
are scaled::

    OMP_NUM_THREADS=1 python benchmarks/codes_time.py
"""

from functools import partial

import numpy as np
import torch
from sklearn.decomposition import sparse_encode
from timing import compare, main, seconds

from skdidan import sparse_codes

SPARSITY, SHARE = 0.1, 10  # of the target rows, one in ten for the large problem
LARGEST_DIFFERENCE = 1e-3  # of the objectives, relative to half the squared lengths


def domains(n_rows, n_features):
    """Draw the rows of both domains."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(5, n_features))
    rows = centres[rng.integers(5, size=(2, n_rows))] + rng.normal(size=(2, n_rows, n_features))
    return torch.from_numpy(rows / np.sqrt(np.square(rows).sum(axis=2).mean()))


def objective(source, target, codes):
    """Return the mean objective of the rows."""
    error = np.square(target - codes @ source).sum() / 2
    return (error + SPARSITY * np.abs(codes).sum()) / len(target)


def measure(repeats=5, small=256, large=2000):
    """Yield the row of each size."""
    for n_rows, n_features, share in ((small, 128, 1), (large, 256, SHARE)):
        source, target = domains(n_rows, n_features)
        arrays = target.numpy()[::share], source.numpy()
        descent = partial(
            sparse_encode, *arrays, algorithm="lasso_cd", alpha=SPARSITY, max_iter=10_000
        )
        ours = partial(sparse_codes, source, target, SPARSITY)
        values = [objective(*arrays[::-1], codes) for codes in (ours().numpy()[::share], descent())]
        if abs(values[0] - values[1]) > LARGEST_DIFFERENCE / 2:
            raise SystemExit(f"The objectives differ: {values[0]} and {values[1]}.")
        case = f"sparse_codes, {n_rows} x {n_rows}, d = {n_features}"

        def clock(way, *, descent=descent, share=share):
            return seconds(way) * (share if way is descent else 1)

        yield compare(case, "sparse_encode (lasso_cd)", ours, descent, repeats, clock)


if __name__ == "__main__":
    main(measure, __doc__)
