"""Time an epoch of the CNN in bfloat16 against one in float32.

On the CPU bfloat16 is fast where the processor has units for it (avx512_bf16 or amx_bf16)::

    OMP_NUM_THREADS=1 python benchmarks/precision_time.py
"""

from functools import partial

from epoch_time import domains, our_epoch
from timing import compare, main

from skdidan import DIDANClassifier, SourceOnlyClassifier


def measure(repeats=5, rows=256, bands=64, frames=126, epochs=3):
    """Yield the row of each classifier."""
    X, y, X_tgt = domains(rows, (bands, frames))
    shared = {"network": "cnn", "max_epochs": epochs, "n_networks": 1, "random_state": 0}
    methods = {
        "source only": (SourceOnlyClassifier, (X, y)),
        "DIDAN": (DIDANClassifier, (X, y, X_tgt)),
    }
    for name, (make, data) in methods.items():
        ways = [
            partial(our_epoch, make(precision=precision, **shared), data)
            for precision in ("bf16", "float32")
        ]
        case = f"epoch of {name}, CNN, bf16, {rows} x {bands} x {frames}"
        yield compare(case, "float32", *ways, repeats, clock=lambda way: way())


if __name__ == "__main__":
    main(measure, __doc__)
