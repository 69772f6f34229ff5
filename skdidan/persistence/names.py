"""Names that files of saved estimators may use: kinds of values, classes and attributes."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import numpy as np
from scipy import sparse

import skdidan

__all__ = [
    *("HOLDERS", "SETS", "SPARSE", "TAG", "WRITTEN"),
    *("find", "full_name", "is_attribute", "is_known"),
]

TAG = "~"  # the key of a tree that tells its kind
SETS = {"set": set, "frozenset": frozenset}
SPARSE = {
    cls.__name__: cls
    for cls in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.csc_matrix)
}
# Classes of scikit-learn that are no estimators, but hold nothing except estimators.
HOLDERS = ("sklearn.calibration._CalibratedClassifier",)
WRITTEN = {"memory", "checkpoint"}  # parameters that are paths to write to
_PUBLIC = frozenset(dir(skdidan))
_NUMBERS = {np.dtype(char).type for char in "?bBhHiIlLqQefd"}
# Classes of scikit-learn, whose modules run nothing when they are imported.
_SKLEARN = re.compile(
    r"sklearn(\.(?!tests|conftest|callback|datasets|experimental|externals|_testing|_mocking)_?[a-z][a-z_]*)+\._?[A-Z]\w*"
)


def full_name(value: Any) -> str:
    """Return the name of a class or function to import it by: for ours, that of the package."""
    module = getattr(value, "__module__", None) or "numpy"
    name = getattr(value, "__qualname__", getattr(value, "__name__", ""))
    is_public = module.startswith("skdidan.") and name in _PUBLIC
    return f"skdidan.{name}" if is_public else f"{module}.{name}"


def is_known(name: str) -> bool:
    """Tell whether a name may be imported from any file: ours, and estimators of scikit-learn."""
    if name.startswith("numpy."):
        value = getattr(np, name.removeprefix("numpy."), None)
        return isinstance(value, np.ufunc) or value in _NUMBERS
    package, _, public = name.partition(".")
    if package == "skdidan":
        return public in _PUBLIC and isinstance(getattr(skdidan, public), type)
    return _SKLEARN.fullmatch(name) is not None


def find(name: str) -> Any:
    """Import a class or function by its full name."""
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"{name} cannot be imported: {error}") from error


def is_attribute(cls: type, name: Any) -> bool:
    """Tell whether a file may set an attribute: no method, and no name that Python or NumPy read.

    NumPy asks attributes such as ``__array_interface__`` for addresses in memory.
    """
    is_name = type(name) is str and name.isidentifier() and "__" not in name
    return is_name and not callable(getattr(cls, name, None))
