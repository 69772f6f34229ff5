"""Measure the memory and the time of a fit to rows that are read from files while it runs.

A pipeline of `CorpusScaler` and `DANClassifier` (an MLP, one epoch) is fitted to rows of 6,373
columns, the half of them source. "array" holds them in memory; the other ways are `LazyRows` of
shards, `LazyRows` of a Dataset, and a memory map for the network alone. Each runs in a process of
its own. Shown is the peak of its memory beyond that after the imports, without pages of files,
which the system drops when it needs them::

    OMP_NUM_THREADS=1 python benchmarks/larger_than_memory.py --gigabytes 6
"""

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from timing import PeakMemory, in_process, seconds

COLUMNS, CLASSES, SHARDS = 6373, 4, 8


def write_shards(folder, n_rows):
    """Write random rows of both domains in files of equal size, and each domain in one file."""
    rng = np.random.default_rng(0)
    for domain in ("source", "target"):
        path, size = Path(folder, f"{domain}.npy"), (n_rows // 2, COLUMNS)
        whole = np.lib.format.open_memmap(path, "w+", np.float32, size)
        for number, rows in enumerate(np.array_split(np.arange(size[0]), SHARDS)):
            part = rng.standard_normal((len(rows), COLUMNS), dtype=np.float32)
            np.save(Path(folder, f"{domain}_{number}.npy"), part)
            whole[rows[0] : rows[-1] + 1] = part


def open_rows(way, folder, domain):
    """Return the rows of a domain."""
    from torch.utils.data import Dataset

    from skdidan import LazyRows

    whole = Path(folder, f"{domain}.npy")
    if way == "array":
        return np.load(whole)
    if way == "memory map":
        return np.load(whole, mmap_mode="r")
    shards = [Path(folder, f"{domain}_{number}.npy") for number in range(SHARDS)]
    if way == "shards":
        return LazyRows(shards)

    class Rows(Dataset):
        def __init__(self):
            self.rows = np.load(whole, mmap_mode="r")

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, number):
            return self.rows[number]

    return LazyRows(Rows())


def fit(way, folder):
    """Fit once; return the seconds of the fit and of its epoch, and the memory."""
    from skdidan import CorpusScaler, DANClassifier, make_adaptation_pipeline

    network = DANClassifier(max_epochs=1, random_state=0)
    model = network if way == "memory map" else make_adaptation_pipeline(CorpusScaler(), network)
    few = np.random.default_rng(0).normal(size=(2, 40, 8))
    model.fit(few[0], np.arange(40) % CLASSES, few[1])  # loads what it needs
    with PeakMemory() as memory:
        source, target = (open_rows(way, folder, domain) for domain in ("source", "target"))
        y = np.arange(len(source)) % CLASSES
        whole = seconds(partial(model.fit, source, y, target))
    epoch = (model if way == "memory map" else model[-1]).history_[0]["dur"]
    return whole, epoch, memory.megabytes


def main():
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=6.0)
    parser.add_argument("--folder", help="where the files are written for the time of the run")
    parser.add_argument(
        "--ways", nargs="+", default=["array", "memory map", "shards", "Dataset"], metavar="WAY"
    )
    args = parser.parse_args()
    n_rows = int(args.gigabytes * 1e9 / 4 / COLUMNS)
    print(f"{n_rows} rows of {COLUMNS} columns, {args.gigabytes:g} GB")
    print(f"{'way':12}{'fit [s]':>10}{'epoch [s]':>11}{'memory [MB]':>13}")
    with TemporaryDirectory(dir=args.folder) as folder:
        write_shards(folder, n_rows)
        for way in args.ways:
            whole, epoch, memory = in_process(fit, way, folder)
            print(f"{way:12}{whole:10.1f}{epoch:11.1f}{memory:13.0f}", flush=True)


if __name__ == "__main__":
    main()
