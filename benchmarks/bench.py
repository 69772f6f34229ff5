"""Run all timings, print their table, and optionally write `benchmarks/RESULTS.md`.

``make bench`` writes it. Seconds depend on the machine; compare the ratios::

    OMP_NUM_THREADS=1 python benchmarks/bench.py --write benchmarks/RESULTS.md
"""

import argparse
import datetime
import importlib
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from timing import COLUMNS

SCRIPTS = (
    *("epoch_time", "growth", "prediction_time", "codes_time", "wide_features", "tca_time"),
    *("log_mel_time", "extraction_time", "search_time", "import_time", "precision_time"),
    "batched_time",
)
PACKAGES = "numpy", "scipy", "scikit-learn", "torch", "skorch", "librosa"


def processor():
    """Return the model of the processor, where the system tells it."""
    path = Path("/proc/cpuinfo")
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = re.search(r"model name\s*: (.*)", text)
    return found[1] if found else platform.machine()


def header():
    """Return the lines above the table."""
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    return (
        "# Timings\n\n"
        f"{datetime.date.today()}, {processor()}, {os.cpu_count()} cores, "
        f"OMP_NUM_THREADS={threads}.\nPython {platform.python_version()}, {versions}.\n"
        "Written by `make bench`: both ways take turns, and medians are shown. Below 1, skdidan is "
        "faster.\n"
    )


def main():
    """Run the scripts in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scripts", nargs="+", default=SCRIPTS, choices=SCRIPTS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    lines = [header(), " | ".join(COLUMNS).join(["| ", " |"]), "|---|---|--:|--:|--:|"]
    print(*lines, sep="\n", flush=True)
    for script in args.scripts:
        for row in importlib.import_module(script).measure(repeats=args.repeats):
            lines.append(" | ".join(row.cells()).join(["| ", " |"]))
            print(lines[-1], flush=True)
    if args.write:
        args.write.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
