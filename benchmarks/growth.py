"""Time an epoch of many rows against as many times an epoch of few.

The ratio is 1 where time grows linearly::

    OMP_NUM_THREADS=1 python benchmarks/growth.py
"""

from functools import partial

from epoch_time import domains, our_epoch
from timing import compare, main

from skdidan import DANClassifier, DIDANClassifier


def measure(repeats=5, few=1000, epochs=3):
    """Yield the row of each classifier and number of rows, up to 16 times as many."""
    shared = {"max_epochs": epochs, "n_networks": 1}
    for name, make in {"DAN": DANClassifier, "DIDAN": DIDANClassifier}.items():
        for factor in (4, 16):
            many, single = (
                partial(our_epoch, make(**shared), domains(n)) for n in (factor * few, few)
            )

            def clock(way, *, single=single, factor=factor):
                return way() * (factor if way is single else 1)

            case = f"epoch of {name}, MLP, 2 x {factor * few} rows"
            yield compare(case, f"{factor} x 2 x {few} rows", many, single, repeats, clock)


if __name__ == "__main__":
    main(measure, __doc__)
