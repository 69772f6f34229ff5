"""Time imports in fresh interpreters against the import of NumPy.

Each includes the start of Python::

    python benchmarks/import_time.py
"""

import subprocess
import sys
from functools import partial

from timing import compare, main

IMPORTS = "import skdidan", "from skdidan import TCA", "from skdidan import DIDANClassifier"


def measure(repeats=5, imports=3):
    """Yield the row of each statement; `imports` is their number."""
    for statement in IMPORTS[:imports]:
        ways = [
            partial(subprocess.run, [sys.executable, "-c", code], check=True)
            for code in (statement, "import numpy")
        ]
        yield compare(statement, "import numpy", *ways, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
