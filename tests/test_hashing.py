"""Hashes of settings: edited code of the user makes another hash, and nothing else does."""

import abc
import dataclasses
import enum
import functools
import importlib
import pickle
import subprocess
import sys
import threading
import typing

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from skdidan import DIDANClassifier, SourceOnlyClassifier, compare
from skdidan.hashing import hash_value

FUNCTION = """
from functools import wraps
import torch

RATE = 2
NAMES = {"a", "b", 1}

def helper(rows):
    return rows + 1

def decorate(function):
    @wraps(function)
    def decorated(rows):
        return 2 * function(rows)
    return decorated

@decorate
@torch.no_grad()
def thing(rows, scale=3, *, shift=(4, 5), names={"a": 1, None: 2, 3: 4}, more={"a", None}):
    # A comment
    def inner(row):
        return helper(row) * RATE
    return [inner(row) * scale - 6.0 for row in rows if row not in {"x", "y", 7}]

def unused(rows):
    return thing
"""
CLASS = """
import torch
from functools import cached_property

class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(context, rows):
        return rows.view_as(rows)

class Base:
    n_layers = 1

    def outputs(self, rows):
        return rows

class thing(Base, torch.nn.Module):
    _rate = 2
    calls = []

    def __init__(self, shape, n_classes):
        super().__init__()

    @staticmethod
    def scale(rows):
        return 3 * Reverse.apply(rows)

    @classmethod
    def make(cls):
        return cls(4, 5)

    @property
    def size(self):
        return 6

    @cached_property
    def width(self):
        return 7

    def forward(self, rows):
        # A comment
        return rows
"""
USED = """
import enum
import functools
import other

class Colour(enum.Enum):
    RED = 1

class Scale:
    def __call__(self, rows):
        return rows * 2

class Kind(type):
    def make(cls):
        return 3

@functools.cache
def factor(n):
    return n + 4

def helper(rows, shift, lock=None):
    return rows + shift

shifted = functools.partial(helper, shift=5)
scale = Scale()

class thing(metaclass=Kind):
    rate = functools.partialmethod(helper, 6)

    @functools.lru_cache
    def width(self):
        return 7

    def forward(self, rows):
        class Inner:
            start = other.inside.offset(8) if RATE else None

        return scale(shifted(rows)) * factor(1) + Colour.RED.value

RATE = 9
"""
OFFSET = """
def offset(rows):
    return rows + START

def unused(rows):
    return rows

START = 1
"""
EDITS = {  # text, its edit, and whether the code is another one
    "comment": (FUNCTION, "# A comment", "# Another comment", False),
    "lines": (FUNCTION, "RATE = 2", "\n\n\nRATE = 2", False),
    "unused": (FUNCTION, "return thing\n", "return None\n", False),
    "operator": (FUNCTION, "* scale", "/ scale", True),
    "number": (FUNCTION, "6.0", "6.5", True),
    "type of number": (FUNCTION, "6.0", "6", True),
    "set": (FUNCTION, '"x"', '"z"', True),
    "default": (FUNCTION, "scale=3", "scale=30", True),
    "default by name": (FUNCTION, "(4, 5)", "(4, 6)", True),
    "called function": (FUNCTION, "rows + 1", "rows + 2", True),
    "constant of the module": (FUNCTION, "RATE = 2", "RATE = 3", True),
    "decorator": (FUNCTION, "return 2", "return 3", True),
    "name": (FUNCTION, "helper(row)", "abs(row)", True),
    "comment in class": (CLASS, "# A comment", "# Another\n        # comment", False),
    "list of class": (CLASS, "calls = []", "calls = [1]", False),
    "method": (CLASS, "comment\n        return rows", "comment\n        return -rows", True),
    "static method": (CLASS, "return 3", "return 30", True),
    "class method": (CLASS, "(4, 5)", "(4, 6)", True),
    "property": (CLASS, "return 6", "return 60", True),
    "cached property": (CLASS, "return 7", "return 70", True),
    "attribute": (CLASS, "_rate = 2", "_rate = 3", True),
    "attribute of base": (CLASS, "n_layers = 1", "n_layers = 2", True),
    "used class": (CLASS, "rows.view_as(rows)", "-rows", True),
    "enumeration": (USED, "RED = 1", "RED = 10", True),
    "object that is called": (USED, "rows * 2", "rows * 20", True),
    "metaclass": (USED, "return 3", "return 30", True),
    "cached function": (USED, "n + 4", "n + 40", True),
    "function of a partial": (USED, "rows + shift", "rows - shift", True),
    "argument of a partial": (USED, "shift=5", "shift=50", True),
    "argument of a method": (USED, "helper, 6", "helper, 60", True),
    "cached method": (USED, "return 7", "return 70", True),
    "constant in a class in a function": (USED, "RATE = 9", "RATE = 0", True),
}


def hashed(value):
    return hash_value(value, "no")


@pytest.fixture
def hash_of(tmp_path, monkeypatch):
    """Hash what a module of this text calls `thing`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "__init__.py").write_text("from . import inside")

    def hash_of(text, wrap=lambda thing: thing, *, helper=OFFSET):
        (tmp_path / "edited.py").write_text(text)
        (tmp_path / "other" / "inside.py").write_text(helper)
        for name in ("edited", "other", "other.inside"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return hashed(wrap(importlib.import_module("edited").thing))

    yield hash_of
    for name in ("edited", "other", "other.inside"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", EDITS)
def test_edited_code_has_another_hash(hash_of, name):
    text, part, edit, is_other = EDITS[name]
    assert text.count(part) == 1
    first = hash_of(text)
    assert hash_of(text) == first  # imported again
    assert (hash_of(text.replace(part, edit)) != first) == is_other


def test_functions_of_other_modules_count_if_they_are_used(hash_of):
    first = hash_of(USED)
    assert hash_of(USED, helper=OFFSET.replace("return rows\n", "return 0\n")) == first
    for edit in (OFFSET.replace("rows + START", "rows"), OFFSET.replace("= 1", "= 2")):
        assert hash_of(USED, helper=edit) != first


@pytest.mark.parametrize(
    "wrap",
    [
        lambda thing: {"network": [thing]},
        lambda thing: functools.partial(thing, 1),
        lambda thing: FunctionTransformer(thing),
        lambda thing: DIDANClassifier(augmentation=thing),
    ],
)
def test_code_counts_wherever_it_is(hash_of, wrap):
    assert hash_of(FUNCTION, wrap) == hash_of(FUNCTION, wrap)
    assert hash_of(FUNCTION, wrap) != hash_of(FUNCTION.replace("6.0", "6.5"), wrap)


def test_all_processes_make_the_same_hash(hash_of, tmp_path):
    """Compiled or read from a file of bytecode, with every order of sets."""
    code = "import edited; from skdidan.hashing import hash_value as h"
    for seed, text in (("0", FUNCTION), ("1", FUNCTION), ("0", CLASS), ("1", USED)):
        expected = hash_of(text)
        found = subprocess.run(
            [sys.executable, "-c", f"{code}; print(h(edited.thing, 'no'))"],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.strip() == expected


def test_what_a_worker_gets_from_the_main_module_has_the_same_hash():
    """Joblib sends its code, with the globals that it reads and no others."""
    space = {"__name__": "__main__"}
    exec(FUNCTION.replace("helper(row)", "helper(row).unused"), space)
    sent = pickle.dumps(joblib.wrap_non_picklable_objects(space["thing"]))
    assert hashed(vars(pickle.loads(sent))["_obj"]) == hashed(space["thing"])


def test_sets_and_keys_have_one_order_in_all_processes():
    """Texts of functions have an address, and those of sets an order of their own."""
    code = """if True:
        from skdidan.hashing import hash_value
        functions = [eval(f"lambda x: {n}") for n in range(20)]
        sets = [frozenset(text) for text in ("abcd", "bcde", "cdef", "adef", "bdfh")]
        print(hash_value([{*functions}, {*sets}, dict.fromkeys(sets, 1)], "no"))
    """
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "0123"
    }
    assert len(found) == 1


def test_tensors_count_by_their_values():
    def make(value, **kind):
        network = torch.nn.Linear(2, 1)
        with torch.no_grad():
            for weights in network.parameters():
                weights.fill_(value)
        return [network, torch.full((2, 2), value, **kind), torch.Generator().manual_seed(0)]

    assert hashed(make(1.0)) == hashed(make(1.0)) != hashed(make(2.0))
    half = {"dtype": torch.bfloat16}
    assert hashed(make(1.0)) != hashed(make(1.0, **half)) == hashed(make(1.0, **half))
    complexes = torch.tensor([1 + 2j, 3 - 4j])
    assert hashed(complexes.conj()) == hashed(torch.tensor([1 - 2j, 3 + 4j])) != hashed(complexes)


def test_closures_count_by_their_values():
    def make(scale):
        return lambda rows: scale * rows

    assert hashed(make(1)) == hashed(make(1)) != hashed(make(2))
    assert hashed(make(np.ones(2))) == hashed(make(np.ones(2))) != hashed(make(np.zeros(2)))
    assert hashed(make(SVC(C=1))) != hashed(make(SVC(C=2)))
    one, two = make(1), make(1.5)
    assert len({hashed([one, two, one]), hashed([one, two, two]), hashed([two, one, two])}) == 3


def first(n):
    return second(n - 1) if n else 0


def second(n):
    return first(n - 1) if n else 1


def test_functions_that_call_each_other_and_long_chains():
    assert hashed(first) == hashed(first) != hashed(second)
    space = {"__name__": "__main__", "f0": first}
    for n in range(2000):
        exec(f"def f{n + 1}(x): return f{n}(x)", space)
    assert hashed(space["f2000"]) == hashed(space["f2000"])


LOCK = threading.Lock()


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


@dataclasses.dataclass
class Settings:
    """A data class."""

    rate: int = 1
    names: list = dataclasses.field(default_factory=list)


class Pair(typing.NamedTuple):
    """A tuple with names."""

    one: int = 1


class Slots(abc.ABC, typing.Generic[typing.TypeVar("T")]):
    """An abstract class with slots."""

    __slots__ = ("rate",)

    @abc.abstractmethod
    def run(self):
        return super().__init__()


class Centred(TransformerMixin, BaseEstimator):
    """A transformer, whose methods scikit-learn wraps."""

    def transform(self, X, weight=None):
        return X


class Locked:
    """A class with an attribute that cannot be pickled."""

    lock = LOCK


@pytest.mark.parametrize("value", [Colour.RED, Settings(), Pair(), Slots, Centred(), Locked()])
def test_classes_of_every_kind_can_be_hashed(value):
    assert hashed(value) == hashed(value)


def test_installed_code_counts_by_name():
    """As in joblib, so that results of settings without code of the user are found again."""
    for value in (SVC(), np.mean, StandardScaler, DIDANClassifier(), torch.nn.Linear, {"a": 1.5}):
        assert hashed(value) == joblib.hash(value)


def helper(rows, lock=LOCK):
    return rows


@functools.singledispatch
def by_type(rows):
    return helper(rows)


by_lock = functools.partial(helper, lock=LOCK)


def augment(rows):
    return by_type(by_lock(rows))


def with_an_empty_cell():
    def inside():
        return missing

    return inside
    missing = 1


@pytest.mark.parametrize("value", [by_type, augment, with_an_empty_cell()])
def test_code_may_use_what_cannot_be_pickled(value):
    assert hashed(value) == hashed(value)


@pytest.mark.parametrize("value", [LOCK, {"a": functools.partial(print, LOCK)}, lambda x=LOCK: x])
def test_what_cannot_be_pickled_is_refused(value):
    with pytest.raises(ValueError, match=r"no: cannot pickle '_thread\.lock' object"):
        hashed(value)


def make_augmentation(scale):
    def augment(rows):
        return scale * rows

    return augment


def test_a_comparison_and_a_training_know_the_code_of_an_augmentation(tmp_path):
    rng = np.random.default_rng(0)
    task = {"X_src": rng.normal(size=(8, 2)), "y_src": list("abababab")}
    task |= {"X_tgt": rng.normal(size=(4, 2)), "y_tgt": list("abab")}

    def run(scale):
        network = SourceOnlyClassifier(max_epochs=1, augmentation=make_augmentation(scale))
        compare(network, task, seeds=[0], results=tmp_path / "runs")
        return len(list((tmp_path / "runs").iterdir()))

    assert [run(1), run(1), run(2)] == [1, 1, 2]
    network = SourceOnlyClassifier(max_epochs=1, checkpoint=tmp_path / "training", random_state=0)
    rows = task["X_src"], task["y_src"], task["X_tgt"]
    for _ in range(2):
        network.set_params(augmentation=make_augmentation(1)).fit(*rows)
    with pytest.raises(ValueError, match="another set of parameters"):
        network.set_params(augmentation=make_augmentation(2)).fit(*rows)
