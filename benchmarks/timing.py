"""Time two ways of doing the same in turns; shared by the scripts that `bench.py` runs.

Each script holds a function ``measure(repeats, ...)`` that yields a `Row` for each case.
"""

import argparse
import inspect
import time
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
