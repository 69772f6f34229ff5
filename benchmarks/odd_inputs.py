"""Count what odd inputs lead to, for every public class and the cheap public functions.

`odd_rows.py` and `odd_values.py` hold the inputs. Each is one of:

right
    A result that is finite and valid: one entry a row, predictions among the classes, probabilities
    that are at least 0 and sum to 1. If the input is a plain one in another container or type, the
    result is equal to that of the plain one.
clear
    A TypeError, ValueError, FloatingPointError or OSError that a ``raise`` statement of skdidan
    raises, and that names the parameter or argument; and the row and column if one is at fault.
scikit-learn
    A TypeError or ValueError that a ``raise`` statement of scikit-learn raises. That of a parameter
    must name the parameter.
unclear
    Any other exception.
silent
    A result of an input without sense, or one that is not valid. A parameter has no sense if its
    value is NaN, infinite, not of the annotated type or outside the documented range.
crash
    The process dies or takes over 60 seconds, or memory runs out.

Inputs that merely take long, such as a billion epochs, are left out; so is `Embeddings`, which
needs a speech model. With ``--every 3``, every third input is judged::

    OMP_NUM_THREADS=1 python benchmarks/odd_inputs.py
"""

import argparse
import contextlib
import io
import linecache
import multiprocessing
import os
import re
import resource
import shutil
import tempfile
import traceback
import warnings
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
from odd_rows import ON_AUDIO, ON_ROWS, magnitude_cases, row_cases
from odd_values import (
    function_cases,
    module_cases,
    parameter_cases,
    recording_cases,
    vector_cases,
)

import skdidan

OUTCOMES = ["right", "clear", "scikit-learn", "unclear", "silent", "crash"]
LIMIT, MEMORY = 60, 16 * 2**30  # seconds and bytes
PACKAGES = {"clear": "skdidan", "scikit-learn": "sklearn"}
ERRORS = TypeError, ValueError, FloatingPointError, OSError


def make_groups():
    """Return the functions that yield the inputs, by kind and class."""
    kinds = {"rows": row_cases, "vectors": vector_cases, "magnitudes": magnitude_cases}
    groups = {(k, n): partial(f, cls) for k, f in kinds.items() for n, cls in ON_ROWS.items()}
    groups |= {("recordings", n): partial(recording_cases, cls) for n, cls in ON_AUDIO.items()}
    classes = ON_ROWS | ON_AUDIO | {"SpectrogramTranslator": skdidan.SpectrogramTranslator}
    groups |= {("parameters", n): partial(parameter_cases, cls) for n, cls in classes.items()}
    groups["parameters", "penalties and networks"] = module_cases
    groups["arguments", "functions"] = function_cases
    return groups


def find_fault(found):
    """Return why results are not valid, or None."""
    classes, n = found.get("classes"), found.get("n")
    for name, values in found.items():
        values = np.asarray(values)
        if name in {"classes", "n"} or values.dtype.kind not in "biufcU":
            continue
        if values.dtype.kind in "fc" and not np.isfinite(values).all():
            return f"{name} is not finite"
        if n is not None and name != "weights" and len(values) != n:
            return f"{name} has {len(values)} rows"
        if name == "predict" and not np.isin(values, classes).all():
            return "predictions are no classes"
        if name == "predict_proba" and not (
            (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-5)
        ):
            return "probabilities are no distributions"
    return None


def differ(found, expected):
    """Tell if two results differ."""
    pairs = [(found[name], expected[name]) for name in found if name not in {"classes", "n"}]
    try:
        return not all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in pairs)
    except ValueError:  # rows of different lengths
        return False


def judge_error(error, case):
    """Return the outcome of an error, and a text."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error} [{Path(last.filename).name}:{last.lineno}]"
    is_raised = linecache.getline(last.filename, last.lineno).lstrip().startswith("raise")
    is_named = re.search(case.words, str(error), flags=re.DOTALL | re.IGNORECASE) is not None
    for outcome, package in PACKAGES.items():
        if f"{os.sep}{package}{os.sep}" in last.filename and is_raised:
            is_data = outcome == "scikit-learn" and not case.parameter
            if isinstance(error, ERRORS) and (is_named or is_data):
                return outcome, text
    return "unclear", text


def judge(case):
    """Return the outcome of an input, and a text."""
    quiet = contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO())
    try:
        with warnings.catch_warnings(), quiet[0], quiet[1]:
            warnings.simplefilter("ignore")
            found = case.call()
    except MemoryError as error:
        return "crash", f"MemoryError: {error}"
    except Exception as error:
        is_memory = "allocate memory" in str(error)
        return ("crash", str(error)) if is_memory else judge_error(error, case)
    if not case.sense:
        return "silent", "accepted"
    if fault := find_fault(found):
        return "silent", fault
    with warnings.catch_warnings(), quiet[0], quiet[1]:
        warnings.simplefilter("ignore")
        if case.plain is not None and differ(found, case.plain()):
            return "silent", "differs from the result of the plain input"
    return "right", ""


def work(groups, start, step, pipe):
    """Judge the inputs from a number on, one of `step`, and send each outcome."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(tempfile.mkdtemp(dir=os.getcwd()))  # text may be a path
    inputs = ((*group, case) for group, cases in groups.items() for case in cases())
    for i, (kind, owner, case) in enumerate(inputs):
        if i >= start and i % step == 0:
            pipe.send((i, (kind, f"{owner}, {case.name}")))
            for path in Path().iterdir():  # which another input wrote
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            pipe.send((i, *judge(case)))
    pipe.send(None)


def run(groups, step=1):
    """Yield kind, name, outcome and text of each input; a process that dies is started again."""
    context, i, name, message = multiprocessing.get_context("fork"), -1, (), ()
    while message is not None:
        pipe, end = context.Pipe(duplex=False)
        worker = context.Process(target=work, args=(groups, i + 1, step, end))
        worker.start()
        end.close()
        message = ()
        with contextlib.suppress(EOFError):
            while pipe.poll(LIMIT) and (message := pipe.recv()) is not None:
                i, *rest = message
                if len(rest) == 2:
                    yield *name, *rest
                else:
                    name = rest[0]
        if message is not None:
            if not message:
                raise RuntimeError("The process died before its first input.")
            yield *name, "crash", "the process died, or took too long"
        worker.kill()
        worker.join()


def main():
    """Print the number of inputs of each outcome, and the unclear and wrong ones."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="pattern of the groups, as 'parameters.*KMM'")
    parser.add_argument("--every", type=int, default=1, help="judge one input of as many")
    parser.add_argument("--show", nargs="*", default=OUTCOMES[3:], choices=OUTCOMES)
    args = parser.parse_args()
    groups = {g: cases for g, cases in make_groups().items() if re.search(args.only, " ".join(g))}
    table = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for kind, name, outcome, text in run(groups, args.every):
            table.setdefault(kind, Counter())[outcome] += 1
            if outcome in args.show:
                print(f"{outcome}: {name}: {text[:300]!r}", flush=True)
    table["all"] = sum(table.values(), Counter())
    print(f"{'':12}", *(f"{name:>12}" for name in ["inputs", *OUTCOMES]))
    for kind, counts in table.items():
        numbers = [counts.total(), *(counts[name] for name in OUTCOMES)]
        print(f"{kind:12}", *(f"{number:12,}" for number in numbers))


if __name__ == "__main__":
    main()
