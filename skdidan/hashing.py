"""Hash a value of any type, with the code of the user's functions and classes in it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, NoneType
from typing import Any

from joblib.hashing import NumpyHasher

__all__ = ["hash_value"]

# The attributes of a code object that decide its results. None depends on comments or line numbers.
_CODE = ("co_code", "co_consts", "co_names", "co_varnames", "co_flags", "co_exceptiontable")
# Objects that a program changes while it runs, such as a list of calls, are no constants.
_CONSTANTS = (bool, int, float, complex, str, bytes, tuple, NoneType)


def hash_value(value: Any, refusal: str) -> str:
    """Hash a value of any type; if it cannot be pickled, raise a ValueError with the refusal.

    The user's functions and classes count by their code, and those of installed packages by name.
    """
    try:
        return _CodeHasher().hash(value)
    except Exception as error:  # what cannot be pickled causes errors of many kinds
        raise ValueError(f"{refusal}: {error}") from error


class _CodeHasher(NumpyHasher):
    """Hashes functions and classes by name and number, and their code after all other values."""

    def __init__(self) -> None:
        super().__init__()
        self._own: list[Any] = []

    def dump(self, obj: Any) -> None:
        super().dump(obj)
        for own in self._own:  # grows meanwhile; recursion would be too deep for chains of calls
            self.save(_class_parts(own) if isinstance(own, type) else _function_parts(own))

    def save(self, obj: Any) -> None:
        # Joblib orders them by numbers that differ between processes.
        if isinstance(obj, set | frozenset):
            obj = [type(obj).__name__, *sorted(obj, key=repr)]
        elif isinstance(obj, dict) and not _is_sortable(obj):
            obj = [type(obj).__name__, *sorted(obj.items(), key=lambda item: repr(item[0]))]
        elif isinstance(obj, CodeType):
            obj = [getattr(obj, name) for name in _CODE]
        elif isinstance(obj, FunctionType | type) and not (_is_installed(obj) and _is_found(obj)):
            if obj not in self._own:
                self._own.append(obj)
            obj = [obj.__module__, obj.__qualname__, self._own.index(obj)]
        try:
            super().save(obj)
        except TypeError as error:  # which joblib takes for keys of a dict that cannot be sorted
            raise ValueError(error) from error


def _is_sortable(keys: Any) -> bool:
    try:
        sorted(keys)
    except TypeError:
        return False
    return True


def _is_installed(obj: Any) -> bool:
    """Tell whether a function or class is of Python or of an installed package."""
    package = str(obj.__module__).partition(".")[0]
    file = getattr(sys.modules.get(obj.__module__), "__file__", None) or ""
    in_folder = not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    known = package in {"skdidan", *sys.stdlib_module_names}
    return package != "__main__" and (in_folder or known)


def _is_found(obj: Any) -> bool:
    """Tell whether the module of a function or class has it under its name."""
    try:
        return attrgetter(obj.__qualname__)(sys.modules[obj.__module__]) is obj
    except (AttributeError, KeyError):
        return False


def _function_parts(function: FunctionType) -> list[Any]:
    """List the code, defaults and closure of a function, and what it reads from its module."""
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    names = _global_names(function.__code__) & function.__globals__.keys()
    read = _select_code((name, function.__globals__[name]) for name in names)
    return [function.__code__, function.__defaults__, function.__kwdefaults__, cells, read]


def _global_names(code: CodeType) -> set[str]:
    """Return the names that a function, and those inside it, read from their module."""
    names = {each.argval for each in dis.get_instructions(code) if each.opname == "LOAD_GLOBAL"}
    return names.union(*(_global_names(c) for c in code.co_consts if isinstance(c, CodeType)))


def _class_parts(cls: type) -> list[Any]:
    """List the bases, methods and constants of a class."""
    members = [] if _is_installed(cls) else vars(cls).items()  # a library may make classes by rule
    return [cls.__bases__, _select_code((name, _unwrap(member)) for name, member in members)]


def _unwrap(member: Any) -> Any:
    """Return the functions of a property or a decorated method, and other members as they are."""
    if isinstance(member, property):
        return member.fget, member.fset, member.fdel
    if isinstance(member, cached_property):
        return member.func
    return getattr(member, "__func__", member)  # of a static method or class method


def _select_code(members: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Return the functions, classes and constants among named objects, in order of their names."""
    return sorted(
        (name, member)
        for name, member in members
        if isinstance(member, FunctionType | type)
        or (isinstance(member, _CONSTANTS) and not name.startswith("__"))
    )
