"""Time two ways of doing the same in turns, and watch memory; shared by several scripts.

Each script holds a function ``measure(repeats, ...)`` that yields a `Row` for each case.
"""

import argparse
import inspect
import multiprocessing
import re
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Row(NamedTuple):
    """Median seconds of skdidan and of the other way, and the median ratio of the pairs."""

    case: str
    against: str
    ours: float
    other: float
    ratio: float

    def cells(self):
        """Return the columns of the table."""
        times = f"{self.ours:.3g}", f"{self.other:.3g}", f"{self.ratio:.2f}"
        return self.case, self.against, *times


class PeakMemory:
    """Watch the memory of this process in a block, without pages of files, which may be dropped.

    `megabytes` is the highest value in the block, beyond that at its beginning.
    """

    def __enter__(self):
        self._is_over, self._values = threading.Event(), [own_memory()]
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error):
        self._is_over.set()
        self._thread.join()
        self.megabytes = max(self._values) - self._values[0]

    def _watch(self):
        while not self._is_over.wait(0.01):
            self._values.append(own_memory())
        self._values.append(own_memory())


def own_memory():
    """Return the memory of this process in MB, without pages of files."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"RssAnon:\s*(\d+)", status)[1]) / 1024


def in_process(function, *args):
    """Call a function in a fresh process, and return its result."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


COLUMNS = "case", "against", "ours [s]", "other [s]", "ours / other"


def seconds(function):
    """Return the wall-clock seconds of a call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(case, against, ours, other, repeats, clock=seconds):
    """Time both in turns, so that a busy machine slows each; the first turn does not count.

    `clock` turns a function into its seconds.
    """
    turns = [(clock(ours), clock(other)) for _ in range(repeats + 1)][1:]
    times = np.array(turns)
    medians = np.median(times, axis=0)
    return Row(case, against, *medians.tolist(), float(np.median(times[:, 0] / times[:, 1])))


def parse(measure, description, arguments=None):
    """Return the arguments of `measure` from the command line: its whole numbers, by name."""
    parser = argparse.ArgumentParser(description=description.split("\n")[0])
    for name, parameter in inspect.signature(measure).parameters.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=parameter.default)
    return vars(parser.parse_args(arguments))


def main(measure, description):
    """Print the rows of a script, one a line."""
    print(*COLUMNS, sep="   ")
    for row in measure(**parse(measure, description)):
        print(*row.cells(), sep="   ", flush=True)
