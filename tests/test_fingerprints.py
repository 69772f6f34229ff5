"""Fingerprints: what is kept is read again only where code and input files are the same."""

import importlib
import os
import subprocess
import sys
import time
from functools import partial
from types import ModuleType

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skdidan import Segment, fingerprints, make_adaptation_pipeline
from skdidan.pipeline.caching import StepMemory
from skdidan.pipeline.fingerprints import circumstances, stamp_files

X = np.arange(1.0, 5.0).reshape(2, 2)

WRITTEN = """
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
{imported}

FACTOR = {factor}


def scale(X):
    return {helper}


class Scaler(TransformerMixin, BaseEstimator):
    power = 1

    def fit(self, X, y=None):
        self.is_fitted_ = True
        return self

    def transform(self, X):
        return scale(X) ** self.power
"""


def written(factor=2, helper="FACTOR * X", imported=""):
    return WRITTEN.format(factor=factor, helper=helper, imported=imported)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a module and loads it, again if it was loaded before.

    Its files pass for older than the process, in which all of them would count as edited.
    """
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # whose time has whole seconds
    monkeypatch.setattr(fingerprints, "_start", lambda: np.inf)
    loaded = set()

    def load(name, text):
        file = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        file.write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        fingerprints._content.cache_clear()
        fingerprints._imports.cache_clear()
        module = sys.modules.get(name)
        loaded.add(name)
        return importlib.import_module(name) if module is None else importlib.reload(module)

    yield load
    for name in loaded:
        del sys.modules[name]
    fingerprints._content.cache_clear()
    fingerprints._imports.cache_clear()


WRAPPED = {
    "step": lambda module: module.Scaler(),
    "union": lambda module: make_union(module.Scaler(), StandardScaler()),
    "pipeline": lambda module: make_pipeline(StandardScaler(), make_pipeline(module.Scaler())),
    "adaptation": lambda module: FeatureUnion([("a", make_adaptation_pipeline(module.Scaler()))]),
    "function": lambda module: FunctionTransformer(module.scale),
    "partial": lambda module: FunctionTransformer(partial(module.scale)),
    "method": lambda module: FunctionTransformer(module.Scaler().transform),
}


@pytest.mark.parametrize("wrap", WRAPPED)
@pytest.mark.parametrize("text", [written(factor=3), written(helper="X + 1")])
def test_edited_and_reloaded_code_computes_anew(write, tmp_path, wrap, text):
    memory = StepMemory(tmp_path / "kept")
    for source in (written(), text, written()):
        module = write("written_features", source)
        expected = WRAPPED[wrap](module).fit_transform(X)
        for _ in range(2):
            step, Z = memory.fit_transform(WRAPPED[wrap](module), X, None, {})
            np.testing.assert_array_equal(Z, expected)
            np.testing.assert_array_equal(memory.transform(step, X), expected)


@pytest.mark.parametrize(
    ("imported", "helper"),
    [
        ("from written_helpers import double", "double(X)"),
        ("import written_helpers", "written_helpers.double(X)"),
        ("from written_helpers import RATE", "RATE * X"),
        ("import written_helpers as h\nrate = h.RATE", "rate * X"),
    ],
)
def test_what_a_module_imports_counts(write, imported, helper):
    def key(rate):
        write("written_helpers", f"RATE = {rate}\ndef double(X):\n    return RATE * X")
        return circumstances(write("written_features", text).Scaler())

    text = written(helper=helper, imported=imported)
    assert key(2) == key(2) != key(3)


def test_what_a_function_imports_when_it_is_called_counts(write, tmp_path):
    helper = (
        "twice(X)\n\n\ndef twice(X):\n    from written_later import double\n    return double(X)"
    )
    module = write("written_features", written(helper=helper))
    assert "written_later" not in sys.modules
    keys = []
    for text in ("def double(X):\n    return 2 * X", "def double(X):\n    return X + X"):
        (tmp_path / "written_later.py").write_text(text)
        fingerprints._content.cache_clear()
        keys.append(circumstances(module.Scaler()))
    assert None not in keys and keys[0] != keys[1]
    assert "written_later" not in sys.modules


def test_relative_imports_count(write, tmp_path):
    folder = tmp_path / "written_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    text = written(helper="RATE * X", imported="from .constants import RATE")
    keys = []
    for rate in (1, 9):
        (folder / "constants.py").write_text(f"RATE = {rate}")
        keys.append(circumstances(write("written_package.features", text).Scaler()))
    for name in ("written_package", "written_package.constants"):
        del sys.modules[name]
    assert None not in keys and keys[0] != keys[1]


class Hold:
    """A plain object with a function in it."""

    def __init__(self, function):
        self.function = function

    def __call__(self, X):
        return self.function(X)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda module: FunctionTransformer(Hold(module.scale)),
        lambda module: FunctionTransformer(np.vectorize(module.scale)),
        lambda module: FunctionTransformer(np.add, kw_args={"out": [{"f": module.scale}]}),
        lambda module: FunctionTransformer(module.remembered),
        lambda module: FunctionTransformer(Hold(module.remembered)),
    ],
)
def test_code_counts_wherever_a_step_holds_it(write, wrap):
    more = "\nfrom functools import lru_cache\n\n@lru_cache\ndef remembered(X):\n    return X\n"
    keys = [
        circumstances(wrap(write("written_features", written(factor) + more)))
        for factor in (2, 3, 2)
    ]
    assert keys[0] == keys[2] != keys[1] and None not in keys


@pytest.mark.parametrize("name", ["Setting", "Pair", "Kind.A"])
def test_steps_may_hold_data_classes_named_tuples_and_enumerations(write, name):
    more = """
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

@dataclass
class Setting:
    factor: int = 2

class Pair(NamedTuple):
    first: int = 1

class Kind(Enum):
    A = {value}
"""
    keys = []
    for value in (1, 2):
        module = write("written_features", written() + more.replace("{value}", str(value)))
        held = module.Kind.A if name == "Kind.A" else getattr(module, name)()
        keys.append(circumstances(FunctionTransformer(np.add, kw_args={"held": held})))
    assert keys[0] != keys[1] and None not in keys


def test_this_package_may_be_younger_than_the_process(monkeypatch):
    expected = circumstances(StandardScaler())
    monkeypatch.setattr(fingerprints, "_start", lambda: 0.0)
    assert circumstances(StandardScaler()) == expected
    monkeypatch.setattr(fingerprints, "_LOADED", 0.0)  # but what was edited since is not kept
    assert circumstances(StandardScaler()) is None


def test_what_was_put_in_the_place_of_a_method_is_not_kept(write):
    module = write("written_features", written())
    module.Scaler.transform = lambda self, X: 5 * X
    assert circumstances(module.Scaler()) is None


def test_a_module_with_the_name_of_one_of_python_counts(write, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "chunk", raising=False)
    keys = [circumstances(write("chunk", written(factor)).Scaler()) for factor in (2, 3)]
    assert sys.modules["chunk"].__file__ == str(tmp_path / "chunk.py")
    assert keys[0] != keys[1] and None not in keys


def test_functions_of_no_module_are_not_kept():
    names = {}
    exec("def scale(X):\n    return X", names)
    names["scale"].__module__ = None
    assert circumstances(FunctionTransformer(names["scale"])) is None


def test_what_was_edited_in_this_process_is_not_kept(write, monkeypatch):
    module = write("written_features", written())
    assert circumstances(module.Scaler()) is not None
    monkeypatch.undo()  # now the file is as old as it is, and younger than the process
    sys.modules["written_features"] = module
    for wrap in WRAPPED.values():
        assert circumstances(wrap(module)) is None


def test_what_another_definition_has_replaced_is_not_kept(write):
    old = write("written_features", written()).Scaler()
    new = write("written_features", written(factor=3)).Scaler()
    assert circumstances(old) is None and circumstances(new) is not None


@pytest.fixture(params=[("typed", None), ("__main__", joblib.__file__)])
def notebook(request, monkeypatch):
    """Return a function that runs code which stands in no file, or in none that the module tells.

    The main module may have the file of a program that runs the user's code.
    """
    name, file = request.param
    module = ModuleType(name)
    module.__file__ = file
    monkeypatch.setitem(sys.modules, name, module)

    def cell(text):
        exec(compile(text, "<cell>", "exec"), module.__dict__)
        return module

    return cell


@pytest.mark.parametrize("wrap", WRAPPED)
def test_code_without_a_file_is_computed_and_not_kept(notebook, tmp_path, wrap):
    memory = StepMemory(tmp_path / "kept")
    for source in (written(), written(factor=3)):
        module = notebook(source)
        expected = WRAPPED[wrap](module).fit_transform(X)
        step, Z = memory.fit_transform(WRAPPED[wrap](module), X, None, {})
        np.testing.assert_array_equal(Z, expected)
        np.testing.assert_array_equal(memory.transform(step, X), expected)
        assert circumstances(step) is None


def test_functions_without_a_name_of_their_own_are_computed(tmp_path):
    def local(Z):
        return 3 * Z

    for function, expected in ((lambda Z: 2 * Z, 2 * X), (local, 3 * X), (lambda Z: 4 * Z, 4 * X)):
        pipeline = make_adaptation_pipeline(FunctionTransformer(function), memory=tmp_path)
        np.testing.assert_array_equal(pipeline.fit_transform(X), expected)


SCRIPT = """
import sys
import numpy as np
from skdidan.pipeline.caching import StepMemory
from written_features import Scaler

class Own(Scaler):
    def transform(self, X):
        print("computed")
        return super().transform(X)

print(StepMemory("kept").transform(Own(), np.ones((1, 1)))[0, 0])
"""


def test_a_process_reads_what_another_has_kept_until_code_is_edited(tmp_path):
    helpers, features, script = (
        tmp_path / f"{name}.py" for name in ("helpers", "written_features", "script")
    )
    texts = {
        helpers: "ADDED = 0\n\ndef double(X):\n    return 2 * X + ADDED",
        features: written(helper="double(X)", imported="from helpers import double"),
        script: SCRIPT,
    }
    edits = [
        (helpers, "ADDED = 0", "ADDED = 1", "3.0"),
        (features, "** self.power", "- self.power", "2.0"),
        (script, "transform(X)\n", "transform(X) + 7\n", "9.0"),
    ]

    def run():
        time.sleep(0.1)  # the start of a process is known to hundredths of a second
        # A new file of bytecode is told by whole seconds.
        command = [sys.executable, "-B", str(script)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        return done.stdout.split()

    for file, text in texts.items():
        file.write_text(text)
    assert run() == ["computed", "2.0"]
    assert run() == ["2.0"]
    for file, old, new, expected in edits:
        assert old in texts[file]
        texts[file] = texts[file].replace(old, new)
        file.write_text(texts[file])
        assert run() == ["computed", expected]
        assert run() == [expected]


def test_another_version_computes_anew(monkeypatch):
    before = circumstances(StandardScaler())
    monkeypatch.setattr(fingerprints, "version", lambda name: "99")
    fingerprints._versions.cache_clear()
    assert circumstances(StandardScaler()) != before
    fingerprints._versions.cache_clear()


class Reader(TransformerMixin, BaseEstimator):
    """One whose parameter names a file or a folder."""

    def __init__(self, place):
        self.place = place

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


@pytest.mark.parametrize("kind", [str, lambda path: path, lambda path: {"some": [str(path)]}])
@pytest.mark.parametrize(
    "wrap", [lambda step: step, make_union, lambda step: make_pipeline(make_union(step))]
)
def test_files_that_nested_parameters_name_count(tmp_path, kind, wrap):
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "weights"
    seen = []
    for size in (1, 2):
        file.write_bytes(bytes(size))
        seen += [circumstances(wrap(Reader(kind(place)))) for place in (file, file.parent)]
    assert seen[0] != seen[2] and seen[1] != seen[3]


def test_the_folder_of_the_user_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    file = tmp_path / "weights"
    file.write_bytes(b"1")
    before = circumstances(Reader("~/weights"))
    file.write_bytes(b"12")
    assert circumstances(Reader("~/weights")) != before


def test_where_a_nested_pipeline_keeps_things_does_not_count(tmp_path):
    nested = [make_union(make_pipeline(Reader(1), memory=place)) for place in (None, str(tmp_path))]
    assert circumstances(nested[0]) == circumstances(nested[1])


@pytest.mark.parametrize(
    "rows",
    [
        lambda file: [str(file)],
        lambda file: (file,),
        lambda file: [(str(file), 0)],
        lambda file: [{"file": str(file), "n": 1}],
        lambda file: [[{"files": [file]}]],
        lambda file: np.array([[str(file)]]),
        lambda file: np.array([(str(file), 0)], dtype=[("file", "U200"), ("n", int)]),
        lambda file: pd.DataFrame({"file": [str(file)], "n": [1]}),
        lambda file: [pd.Series([str(file)])],
        lambda file: [Segment(file, 0, 1)],
    ],
)
def test_files_are_found_in_rows_of_every_form(tmp_path, rows):
    file = tmp_path / "a.wav"
    file.write_bytes(b"1")
    before = stamp_files(rows(file))
    assert len(before) == 1 and before[0][0] == str(file)
    file.write_bytes(b"12")
    assert stamp_files(rows(file)) != before


def test_what_is_no_path_is_no_file():
    assert stamp_files([np.ones(3), 1, None, X, pd.DataFrame(X), ["no such file"]]) == [
        (os.path.abspath("no such file"),)
    ]
