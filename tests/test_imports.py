"""Imports point down only, and importing the package is cheap and changes nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skdidan

PACKAGE = Path(skdidan.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

LAYERS = [
    {"parameters", "reporting", "cropping", "padding", "decoders", "fingerprints", "silence"},
    {"domains", "audio", "metrics", "criteria", "sparse_coding", "synthesis", "eigenproblems"}
    | {"layouts", "labels", "speech_models"},
    {"recordings"},
    {"spectrograms", "functionals", "embeddings", "scaling", "networks", "distances", "batches"}
    | {"folders", "synthetic", "caching"},
    {
        "discrepancies",
        "reconstruction",
        "adversaries",
        "confusion",
        "tasks",
        "manifests",
        "corpora",
    },
    {"penalties", "steps"},
    {"training", "subspaces", "alignments"},
    {"monitoring"},
    {"adaptation", "jda", "tjm", "transport", "weighting"},
    {"didan", "dann", "regressors"},
    {"classifiers", "transformers", "pipelines"},
    {"trials", "windows"},
    {"model_selection"},
    {"comparison", "plots", "persistence"},
]
# Within a layer: plots average records.
SAME_LAYER = {("plots", "comparison")}
FORBIDDEN = {
    "decoders": {"sklearn", "torch", "skorch"},
    "cropping": {"sklearn", "torch", "skorch"},
    "parameters": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "reporting": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "silence": {"numpy", "scipy", "pandas", "sklearn", "torch", "skorch"},
    "padding": {"sklearn", "torch", "skorch"},
    "networks": {"sklearn", "skorch"},
    "distances": {"sklearn", "skorch"},
    "discrepancies": {"sklearn", "skorch"},
    "reconstruction": {"sklearn", "skorch"},
    "adversaries": {"sklearn", "skorch"},
    "confusion": {"sklearn", "skorch"},
    "penalties": {"sklearn", "skorch"},
    "sparse_coding": {"sklearn", "skorch"},
    "batches": {"sklearn", "skorch"},
    "subspaces": {"torch", "skorch"},
    "alignments": {"torch", "skorch"},
    "eigenproblems": {"torch", "skorch", "sklearn"},
    "jda": {"torch", "skorch"},
    "tjm": {"torch", "skorch"},
    "transport": {"torch", "skorch"},
    "regressors": {"torch", "skorch"},
    "weighting": {"torch", "skorch"},
    "windows": {"torch", "skorch"},
    "audio": {"sklearn", "torch", "skorch"},
    "recordings": {"torch", "skorch"},
    "caching": {"torch", "skorch"},
    "fingerprints": {"torch", "skorch"},
    "criteria": {"torch", "skorch"},
    "speech_models": {"sklearn", "skorch", "transformers"},
    "embeddings": {"skorch", "transformers"},
}


def imports_of(module):
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import, in line {node.lineno}"
            # from skdidan import name: the name may be a module.
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def layer_of(module):
    return next(depth for depth, layer in enumerate(LAYERS) if module in layer)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    own = {name.split(".")[1] for name in imports_of(module) if name.startswith("skdidan.")}
    own &= set(MODULES)
    upward = {
        name
        for name in own
        if layer_of(name) >= layer_of(module) and (module, name) not in SAME_LAYER
    }
    assert upward == set()


@pytest.mark.parametrize("module", sorted(FORBIDDEN))
def test_layers_stay_clear_of_foreign_frameworks(module):
    roots = {name.split(".")[0] for name in imports_of(module)}
    assert not roots & FORBIDDEN[module]


@pytest.mark.parametrize("module", MODULES)
def test_no_private_imports(module):
    foreign = {name for name in imports_of(module) if name.split(".")[0] in {"sklearn", "skorch"}}
    assert not {name for name in foreign if any(part.startswith("_") for part in name.split("."))}


@pytest.mark.parametrize("line", ["import sklearn._loss", "from sklearn.utils import _mask"])
def test_private_imports_are_found_in_either_form(line, monkeypatch, tmp_path):
    (tmp_path / "bad.py").write_text(line)
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    with pytest.raises(AssertionError):
        test_no_private_imports("bad")


def test_relative_imports_are_refused(monkeypatch, tmp_path):
    (tmp_path / "bad.py").write_text("from . import domains")
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    with pytest.raises(AssertionError, match="bad has a relative import, in line 1"):
        imports_of("bad")


def test_importing_loads_no_framework_and_changes_no_setting():
    code = (
        "import sys, warnings; before = list(warnings.filters); import skdidan; "
        "assert warnings.filters == before; "
        "heavy = {'torch', 'sklearn', 'skorch', 'librosa', 'matplotlib', 'scipy', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_every_public_name_resolves():
    names = skdidan.__all__
    assert len(names) == len(set(names)) > 25
    for name in names:
        assert getattr(skdidan, name).__doc__, name
