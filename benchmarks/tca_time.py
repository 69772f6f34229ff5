"""Time exact TCA against its definition, and how TCA on landmarks grows with the rows.

The definition forms all matrices and calls LAPACK's generalised eigensolver. Linear growth is four
times the seconds of a quarter of the rows::

    OMP_NUM_THREADS=1 python benchmarks/tca_time.py
"""

from functools import partial

from peer_methods import dense_tca
from peers import make_data
from timing import compare, main, seconds

from skdidan import TCA

GAMMA = 1 / 88


def fit(data, **params):
    """Fit TCA with the rbf kernel."""
    return TCA(10, kernel="rbf", gamma=GAMMA, **params).fit(data["X_src"], X_tgt=data["X_tgt"])


def measure(repeats=5, rows=2000, large=40_000, landmarks=500):
    """Yield the row of the exact kernel and that of the landmarks."""
    data = make_data(rows)
    ways = partial(fit, data), partial(dense_tca, data, gamma=GAMMA, mu=1.0, n_components=10)
    yield compare(f"TCA, rbf, {rows} rows", "dense matrices and eigh", *ways, repeats)
    params = {"n_landmarks": landmarks, "random_state": 0}
    whole, quarter = (partial(fit, make_data(n), **params) for n in (large, large // 4))

    def clock(way):
        return seconds(way) * (4 if way is quarter else 1)

    case = f"TCA, {landmarks} landmarks, {large} rows"
    yield compare(case, "4 x a quarter of the rows", whole, quarter, repeats, clock)


if __name__ == "__main__":
    main(measure, __doc__)
