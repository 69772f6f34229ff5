"""Time imports in fresh interpreters against those that cannot be avoided.

The package itself is held against NumPy. A class of estimators cannot be there before scikit-learn,
nor a network before skorch and torch. Each includes the start of Python::

    python benchmarks/import_time.py
"""

import subprocess
import sys
from functools import partial

from timing import compare, main

IMPORTS = {
    "import skdidan": "import numpy",
    "from skdidan import TCA": "import sklearn.base",
    "from skdidan import DIDANClassifier": "import skorch",
}


def measure(repeats=5, imports=3):
    """Yield the row of each statement; `imports` is their number."""
    for statement, against in list(IMPORTS.items())[:imports]:
        ways = [
            partial(subprocess.run, [sys.executable, "-c", code], check=True)
            for code in (statement, against)
        ]
        yield compare(statement, against, *ways, repeats)


if __name__ == "__main__":
    main(measure, __doc__)
