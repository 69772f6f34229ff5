"""Measure how time and memory grow with rows, features, classes, sources and workers.

Each number of rows is that of either domain. A row of the table changes one number and keeps the
others: 4,000 rows, 88 features, 4 classes and one source. Networks are timed for an epoch, other
methods for a fit, workers for a comparison. Each is measured in a process of its own. The memory is
the peak beyond the imports and the rows themselves, and for workers that of all processes::

    OMP_NUM_THREADS=1 python benchmarks/costs.py
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
from timing import PeakMemory, in_process, seconds

BASE = {"rows": 4000, "features": 88, "classes": 4, "sources": 1}
AXES = {
    "rows": (1000, 4000, 16_000, 64_000),
    "features": (88, 384, 1582, 6373),
    "classes": (2, 4, 8, 16),
    "sources": (1, 2, 4, 8),
}
WORKERS = 1, 2


def domains(rows, features, classes, sources):
    """Draw Gaussian classes with a shift between the corpora; return the arguments of a fit."""
    rng = np.random.default_rng(0)
    y, centres = np.arange(rows) % classes, rng.normal(size=(classes, features))
    numbers = np.arange(rows) % sources
    X = centres[y] + rng.normal(size=(rows, features)) + 0.1 * numbers[:, np.newaxis]
    X_tgt = centres[y] + rng.normal(size=(rows, features)) + 0.5
    stacked, domain = np.concatenate([X, X_tgt]), np.concatenate([numbers, np.full(rows, -1)])
    return {"X": stacked, "y": np.concatenate([y, y]), "sample_domain": domain}


def methods():
    """Return the methods by name."""
    import skdidan

    network = {"max_epochs": 3, "n_networks": 1, "random_state": 0}
    return {
        "source only": skdidan.SourceOnlyClassifier(**network),
        "DAN": skdidan.DANClassifier(**network),
        "DIDAN": skdidan.DIDANClassifier(**network),
        "CORAL": skdidan.CorrelationAlignment(),
        "TCA, 500 landmarks": skdidan.TCA(40, kernel="rbf", n_landmarks=500, random_state=0),
        "JDAR": skdidan.JDAR(),
    }


def cost(name, sizes):
    """Return the seconds of a fit, or of an epoch, and the memory."""
    method = methods()[name]
    method.fit(**domains(**(BASE | {"rows": 60})))  # loads what it needs
    data = domains(**sizes)
    with PeakMemory() as memory:
        whole = seconds(partial(method.fit, **data))
    epochs = [epoch["dur"] for epoch in getattr(method, "history_", [])]
    return float(np.median(epochs)) if epochs else whole, memory.megabytes


def of_workers(n_jobs, n_runs=8):
    """Return the seconds of a comparison, and the memory of all its processes."""
    from joblib.externals.loky import get_reusable_executor

    from skdidan import compare

    data = domains(**BASE)
    is_source = data["sample_domain"] >= 0
    parts = {"src": data["X"][is_source], "tgt": data["X"][~is_source]}
    task = {f"X_{side}": rows for side, rows in parts.items()}
    task |= {"y_src": data["y"][is_source], "y_tgt": data["y"][~is_source]}
    didan = methods()["DIDAN"].set_params(max_epochs=20)
    run = partial(compare, {"DIDAN": didan}, {"task": task}, n_jobs=n_jobs)
    run(seeds=range(n_jobs))  # starts the workers
    whole, memory = seconds(partial(run, seeds=range(n_runs))), sum(map(resident, family()))
    get_reusable_executor().shutdown()  # this process would wait for idle workers
    return whole, memory


def family():
    """Return the numbers of this process and of those that it has started."""
    own = Path("/proc/self").resolve().name
    children = Path(f"/proc/{own}/task/{own}/children").read_text(encoding="ascii").split()
    return [own, *children]


def resident(number):
    """Return the memory of a process in MB; what several share counts in parts."""
    lines = Path(f"/proc/{number}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def main():
    """Print a line for each method and size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--axes", nargs="+", default=[*AXES, "workers"], metavar="NAME")
    args = parser.parse_args()
    print(f"{'number of':12}{'':>8}  {'method':20}{'seconds':>9}{'memory [MB]':>13}")
    for axis in args.axes:
        for size in WORKERS if axis == "workers" else AXES[axis]:
            names = ["DIDAN, 8 runs"] if axis == "workers" else methods()
            for name in names:
                if axis == "workers":
                    whole, memory = in_process(of_workers, size)
                else:
                    whole, memory = in_process(cost, name, BASE | {axis: size})
                print(f"{axis:12}{size:8}  {name:20}{whole:9.3f}{memory:13.0f}", flush=True)


if __name__ == "__main__":
    main()
