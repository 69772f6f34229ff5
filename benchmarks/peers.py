"""Compare results, time and memory with skada and adapt, in one run.

All libraries get the same data and parameters. Each has its own interpreter, so that none disturbs
another (skada loads TensorFlow, which adapt needs, if it is installed)::

    python -m venv skada-env && skada-env/bin/pip install torch==2.13.0 "skada[deep]==0.6.0"
    python -m venv adapt-env && adapt-env/bin/pip install adapt==0.4.5
    python benchmarks/peers.py --skada skada-env/bin/python --adapt adapt-env/bin/python

A library without an interpreter is left out. Each run is a process of its own on one core. Its time
is the processor time of fit and transform, or predict. Its memory is what these add to the process
after a warm-up run on a few rows, and at least 1 MiB. The tables show the medians of time and
memory over those of skdidan, how far the results agree, and the reason if they do not. Parameters
are translated: ``mu`` of the peers' TCA is one over ``mu`` of skdidan and the paper.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import wrap

import numpy as np
from peer_cases import LANDMARKS, N_FEATURES, TABLES

PACKAGES = "adapt numpy POT scikit-learn scipy skada skorch tensorflow torch".split()
THREADS = "OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "TF_NUM_INTEROP", "TF_NUM_INTRAOP"
ENVIRONMENT = dict.fromkeys([f"{name}_THREADS" for name in THREADS], "1") | {
    "PYTHONWARNINGS": "ignore",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


def make_data(n_rows, seed=0):
    """Make five Gaussian classes in ten dimensions, mapped to 88; rotate and shift the target."""
    rng = np.random.default_rng(seed)
    centres, mixing = 2 * rng.normal(size=(5, 10)), rng.normal(size=(10, N_FEATURES))
    turn, _ = np.linalg.qr(np.eye(10) + 0.25 * rng.normal(size=(10, 10)))
    codes = rng.integers(5, size=(2, n_rows // 2))
    latent = centres[codes] + 1.5 * rng.normal(size=(2, n_rows // 2, 10))
    latent[1] = latent[1] @ (turn * np.sign(np.diag(turn))) + 1.5 * rng.normal(size=10)
    rows = latent @ mixing + 2 * rng.normal(size=(2, n_rows // 2, N_FEATURES))
    X_src, X_tgt = (rows - rows[0].mean(axis=0)) / rows[0].std(axis=0)
    return {"X_src": X_src, "X_tgt": X_tgt, "y_src": codes[0], "y_tgt": codes[1]}


def run(case, python, data, seed=0):
    """Run a case on the data in a process of its own; return its result."""
    params = case.params | ({"seed": seed} if case.method == "network" else {})
    script = Path(__file__).with_name("peer_methods.py")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("data.npz", "answer.npz")]
        np.savez(paths[0], **data)
        call([python, script, case.library, case.method, *paths, json.dumps(params)])
        with np.load(paths[1]) as file:
            return dict(file)


def call(command):
    """Return the output of a command; stop the benchmark if it fails."""
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


def versions(python):
    """List the versions of the packages that matter in an interpreter."""
    code = f"""
from importlib.metadata import distributions
found = {{d.name: d.version for d in distributions()}}
print(*(f"{{name}} {{found[name]}}" for name in {PACKAGES} if name in found), sep=", ")
"""
    return call([python, "-c", code])


def ratio(runs, references, key, least=0.0):
    """Return the median cost of the runs over that of the references; one is at least `least`."""
    return np.divide(*(np.median([max(run[key], least) for run in x]) for x in (runs, references)))


def print_table(compare, cases, pythons, data, n_seeds):
    """Run all cases in turn, so a busy machine slows each equally; compare with the first case."""
    cases = [case for case in cases if case.library in pythons]
    runs = [[] for _ in cases]
    for seed in range(n_seeds):
        for answers, case in zip(runs, cases, strict=True):
            if case.timed or seed == 0:
                answers.append(run(case, pythons[case.library], data, seed))
    for answers, case in zip(runs, cases, strict=True):
        line = f"  {case.label:35} {compare(runs[0], answers, data):57}"
        if case.timed:
            time, memory = (
                ratio(answers, runs[0], *key) for key in (["seconds"], ["memory", 2**20])
            )
            line += f" time {time:<5.2g} memory {memory:.2g}"
        print(line.rstrip(), *(f"    {part}" for part in wrap(case.why, 100)), sep="\n", flush=True)


def main():
    """Print the versions, the tables, and the cost of TCA on landmarks."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--skada", metavar="PYTHON", help="interpreter that has skada")
    parser.add_argument("--adapt", metavar="PYTHON", help="interpreter that has adapt")
    parser.add_argument("--tables", nargs="+", default=[""], help="how their titles begin")
    parser.add_argument("--rows", type=int, default=2000, help="rows of both domains")
    parser.add_argument("--large", type=int, default=20_000, help="rows for TCA on landmarks")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each case")
    args = parser.parse_args()
    pythons = {"skdidan": sys.executable, "skada": args.skada, "adapt": args.adapt}
    for library, python in list(pythons.items()):
        if python is None:
            print(f"{library}: left out, for there is no --{library} PYTHON")
            del pythons[library]
        else:
            print(f"{library}: {versions(python)}")
    pythons["numpy"] = sys.executable
    data = make_data(args.rows)
    for title, (compare, cases) in TABLES.items():
        if title.startswith(tuple(args.tables)):
            print(f"\n{title}")
            print_table(compare, cases, pythons, data, args.seeds)
    answer = run(LANDMARKS, sys.executable, make_data(args.large))
    seconds, peak = answer["clock"], answer["peak"] / 1e9
    print(f"\nTCA on landmarks, {args.large:,} rows: {seconds:.1f} s, {peak:.2f} GB at the peak")


if __name__ == "__main__":
    main()
