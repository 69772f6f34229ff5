"""Do other libraries give the same answers, and what do they ask for? skada and adapt, in one run.

Same data, same parameters, in three interpreters, so that no library disturbs another (skada loads
TensorFlow, on which adapt builds, where it finds it)::

    python -m venv skada-env && skada-env/bin/pip install torch==2.13.0 "skada[deep]==0.6.0"
    python -m venv adapt-env && adapt-env/bin/pip install adapt==0.4.5
    python benchmarks/peers.py --skada skada-env/bin/python --adapt adapt-env/bin/python

A peer without an interpreter is left out. Each run is a process of its own on one core. Its time,
that of the processor, is what fit and transform, or predict, take; its memory is what they add to
what the process holds after a first run on a few rows, and at least a MiB. The tables have them as
medians over those of skdidan, and say how far a method agrees with it, and if not, why. Parameters
are translated: ``mu`` of the peers' TCA is one over that of skdidan and the paper.
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
    """Five Gaussian classes in ten dimensions, for the target turned and shifted, seen in 88."""
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
    """Answer of a case to the data, from a process of its own."""
    params = case.params | ({"seed": seed} if case.method == "network" else {})
    script = Path(__file__).with_name("peer_methods.py")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("data.npz", "answer.npz")]
        np.savez(paths[0], **data)
        call([python, script, case.library, case.method, *paths, json.dumps(params)])
        with np.load(paths[1]) as file:
            return dict(file)


def call(command):
    """Output of a command, which stops the benchmark if it fails."""
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


def versions(python):
    """Name the packages of an interpreter that the benchmark is about."""
    code = f"""
from importlib.metadata import distributions
found = {{d.name: d.version for d in distributions()}}
print(*(f"{{name}} {{found[name]}}" for name in {PACKAGES} if name in found), sep=", ")
"""
    return call([python, "-c", code])


def ratio(runs, references, key, least=0.0):
    """Median of what the runs took over that of the reference; `least` is what one takes."""
    return np.divide(*(np.median([max(run[key], least) for run in x]) for x in (runs, references)))


def print_table(compare, cases, pythons, data, n_seeds):
    """Run all cases in turn, for a busy machine slows each alike; compare them with the first."""
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
    """Print the versions, the tables, and what TCA takes on landmarks."""
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
