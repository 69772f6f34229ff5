"""Time an epoch of networks that torch compiles against one of the same networks as they are.

The first epoch, in which torch compiles, does not count::

    OMP_NUM_THREADS=1 python benchmarks/compile_time.py
"""

from functools import partial

from epoch_time import domains, our_epoch
from timing import compare, main

from skdidan import SourceOnlyClassifier

SHAPES = {"mlp": (88,), "cnn": (64, 126), "vgg11": (64, 126)}


def measure(repeats=5, rows=2000, spectrograms=256, epochs=4):
    """Yield the row of each network; VGG-11 gets a quarter of the spectrograms."""
    for network, shape in SHAPES.items():
        n_rows = {"mlp": rows, "vgg11": spectrograms // 4}.get(network, spectrograms)
        params = {"network": network, "max_epochs": epochs, "random_state": 0}
        data = domains(n_rows, shape)[:2]
        compiled, plain = (
            partial(our_epoch, SourceOnlyClassifier(compile=chosen, **params), data)
            for chosen in (True, False)
        )
        case = f"epoch of source only, {network}, compiled, {n_rows} rows"
        yield compare(case, "as it is", compiled, plain, repeats, clock=lambda way: way())


if __name__ == "__main__":
    main(measure, __doc__)
