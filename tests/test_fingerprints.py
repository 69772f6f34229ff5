"""Fingerprints: what is kept is read again only where code and input files are the same."""

import importlib
import os
import subprocess
import sys
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
from skdidan.caching import StepMemory
from skdidan.fingerprints import circumstances, stamp_files

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
    """Return a function that writes a module and loads it, again if it was loaded before."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # whose time has whole seconds
    loaded = set()

    def load(name, text):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()
        module = sys.modules.get(name)
        loaded.add(name)
        return importlib.import_module(name) if module is None else importlib.reload(module)

    yield load
    for name in loaded:
        del sys.modules[name]


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
    ],
)
def test_helpers_in_another_module_count(write, imported, helper):
    write("written_helpers", "def double(X):\n    return 2 * X")
    module = write("written_features", written(helper=helper, imported=imported))
    before = circumstances(module.Scaler())
    assert circumstances(module.Scaler()) == before
    write("written_helpers", "def double(X):\n    return X + X")
    write("written_features", written(helper=helper, imported=imported))
    assert circumstances(module.Scaler()) != before


def test_what_runs_is_what_was_loaded(write, tmp_path):
    module = write("written_features", written())
    old = module.Scaler()
    before = circumstances(old)
    (tmp_path / "written_features.py").write_text("edited, while a search still runs")
    assert circumstances(old) == before
    edited = written().replace("** self.power", "- self.power")
    module = write("written_features", edited)
    # What the old class computes must not pass for what the new one would.
    assert len({before[0], circumstances(old)[0], circumstances(module.Scaler())[0]}) == 3


@pytest.fixture(params=[("typed", None), ("typed", __file__), ("__main__", joblib.__file__)])
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
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("** self.power", "- self.power"),
        ("FACTOR = 2", "FACTOR = 3"),
        ("FACTOR = 2", "FACTOR = [2.0]"),
        ("FACTOR = 2", "FACTOR = np.float64(3)"),
        ("FACTOR * X", "FACTOR + X"),
        ("power = 1", "power = 2"),
        ("def scale(X):", "def scale(X, k=7):"),
        (
            "    return FACTOR",
            "    def inner(X):\n        return X * 5\n    return inner(X) + FACTOR",
        ),
    ],
)
def test_redefined_code_without_a_file_computes_anew(notebook, tmp_path, wrap, old, new):
    memory = StepMemory(tmp_path / "kept")
    keys = []
    for source in (written(), written().replace(old, new), written()):
        module = notebook(source)
        keys.append(circumstances(WRAPPED[wrap](module)))
        expected = WRAPPED[wrap](module).fit_transform(X)
        _, Z = memory.fit_transform(WRAPPED[wrap](module), X, None, {})
        np.testing.assert_array_equal(Z, expected)
    assert keys[0] == keys[2]
    if wrap not in ("function", "partial") or "power" not in old:
        assert keys[0] != keys[1]


@pytest.mark.parametrize(
    ("values", "helper"),
    [
        (("{1: 2}", "{1: 3}"), "FACTOR[1] * X"),
        (("{2, 3}", "{2, 4}"), "max(FACTOR) * X"),
        (("[[2], 5]", "[[3], 5]"), "FACTOR[0][0] * X"),
        (("[lambda: 2]", "[lambda: 3]"), "FACTOR[0]() * X"),
        (("np.full(2, 2)", "np.full(2, 3)"), "FACTOR * X"),
        # What cannot be pickled counts by its type.
        (("(n for n in [2])", "__import__('threading').Lock()"), "(FACTOR, X)[1]"),
    ],
)
def test_values_that_code_without_a_file_names_count(notebook, values, helper):
    old, new, again = (
        circumstances(notebook(written(values[n], helper)).Scaler())[0] for n in (0, 1, 0)
    )
    assert old == again != new


def test_closures_and_decorated_functions_are_opened(notebook):
    text = """
from functools import lru_cache, cached_property, wraps
from sklearn.base import BaseEstimator, TransformerMixin

def make(k):
    def scale(X):
        return k * X
    return scale

scale = make({k})

@lru_cache
def remembered(n):
    return n + {remembered}

class Odd(TransformerMixin, BaseEstimator):
    @property
    def one(self):
        return {one}
    @cached_property
    def two(self):
        return {two}
    @staticmethod
    def three():
        return {three}
    @classmethod
    def four(cls):
        return {four} in {{"a", "b", "c"}}
    def transform(self, X):
        super()
        return scale(X) * remembered(1)
"""
    names = ("k", "remembered", "one", "two", "three", "four")
    seen = set()
    for changed in (None, *names):
        values = {name: "7" if name == changed else "0" for name in names}
        seen.add(circumstances(notebook(text.format(**values)).Odd())[0])
    assert len(seen) == 1 + len(names)


STDIN = """
import sys
import numpy as np
from skdidan.caching import StepMemory
from sklearn.base import BaseEstimator, TransformerMixin

for factor in (2, 3):
    exec(f'''
WORDS = {{"some", "words", "in", "any", "order"}}
class Scaler(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self
    def transform(self, X):
        print("computed", len(WORDS))
        return X * {factor}
''')
    print(StepMemory(sys.argv[1]).transform(Scaler(), np.ones((1, 1)))[0, 0])
"""


def test_a_process_reads_what_another_without_a_file_has_kept(tmp_path):
    run = partial(subprocess.run, capture_output=True, text=True, check=True, input=STDIN)
    first, second = (run([sys.executable, "-", str(tmp_path)]).stdout for _ in range(2))
    assert first.split() == ["computed", "5", "2.0", "computed", "5", "3.0"]
    assert second.split() == ["2.0", "3.0"]


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
