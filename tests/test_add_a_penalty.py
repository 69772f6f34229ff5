"""The newcomer's exercise of the docs, done as the page says, on a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import skdidan

PACKAGE = Path(skdidan.__file__).parent
PAGE = PACKAGE.parent / "docs" / "how_to" / "add_a_penalty.rst"
BLOCK = re.compile(
    r"^ *\.\. code-block:: \w+\n +:caption: (\S+)\n\n((?:      .*\n|\n)+)", flags=re.MULTILINE
)


def blocks():
    """Pairs of a file and what the page puts there."""
    found = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    return [(file, textwrap.dedent(code).strip() + "\n") for file, code in found]


@pytest.fixture
def copy(tmp_path):
    """Copy the package and its contract tests, and follow the page."""
    shutil.copytree(PACKAGE, tmp_path / "skdidan", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("conftest.py", "references.py", "test_contracts.py"):
        shutil.copy(Path(__file__).with_name(name), tmp_path)
    for file, code in blocks():
        if file.startswith("skdidan/"):
            with open(tmp_path / file, "a", encoding="utf-8") as place:
                place.write(code)
    return tmp_path


def test_the_exercise_takes_five_places_and_forty_lines():
    files = [file for file, _ in blocks()]
    places = {"stubs" if file.endswith(".pyi") else file for file in files}
    lines = [line for _, code in blocks() for line in code.splitlines() if line.strip()]
    assert len(places) == 5 and len(lines) <= 40


@pytest.mark.slow
def test_newcomers_of_the_exercise_keep_the_contracts(copy):
    code = """
import sys
import pytest
import skdidan
import torch

value = skdidan.SpreadDistance()(torch.tensor([[0.0], [2.0]]), torch.tensor([[0.0], [6.0]]))
assert abs(float(value) - 4) < 1e-4
print(skdidan.__file__)
sys.exit(pytest.main(sys.argv[1:]))
"""
    selected = "TestPenalties and spread_distance or (shapes or clone or fresh) and [spread]"
    arguments = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(copy)]
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments, "test_contracts.py", "-k", selected],
        check=False,
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert run.stdout.startswith(str(copy)), run.stderr
    assert run.returncode == 0, run.stdout
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 8
