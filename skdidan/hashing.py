"""Hash a value of any type, with the code of the user's functions and classes in it."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from enum import Enum
from functools import cache, cached_property, partial, partialmethod
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

from joblib.hashing import NumpyHasher

from skdidan.lazy_rows import LazyRows, is_dataset

__all__ = ["hash_value"]

# The attributes of a code object that decide its results. None depends on comments or line numbers.
_CODE = ("co_code", "co_consts", "co_names", "co_varnames", "co_flags", "co_exceptiontable")
# Objects that a program changes while it runs, such as a list of calls, are no constants.
_CONSTANTS = (bool, int, float, complex, str, bytes, frozenset, Enum, NoneType)
# Their texts are the same in all processes, and can be sorted.
_PLAIN = (bool, int, float, str, bytes, NoneType)
_READS = {"LOAD_GLOBAL", "LOAD_NAME"}  # the second in the body of a class
_Cached = type(cache(len))


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
        self._are_values: list[bool] = []  # or only reached from the code of others
        self._in_value = True

    def dump(self, obj: Any) -> None:
        super().dump(obj)
        # The list grows meanwhile; recursion would be too deep for chains of calls.
        for own, is_value in zip(self._own, self._are_values, strict=True):
            self._in_value = is_value
            if is_value and isinstance(own, FunctionType):
                self.save(_function_values(own))
            self._in_value = False
            self.save(_class_parts(own) if isinstance(own, type) else _function_parts(own))

    def save(self, obj: Any) -> None:
        # Joblib orders them by numbers that differ between processes.
        if isinstance(obj, set | frozenset):
            obj = [type(obj).__name__, *sorted(obj, key=_order)]
        elif isinstance(obj, dict) and not _is_sortable(obj):
            obj = [type(obj).__name__, *sorted(obj.items(), key=lambda item: _order(item[0]))]
        elif isinstance(obj, CodeType):
            obj = [getattr(obj, name) for name in _CODE]
        elif isinstance(obj, _Cached):
            obj = ["cached", obj.__wrapped__]
        elif isinstance(obj, LazyRows):
            obj = ["LazyRows", obj.digest()]
        elif is_dataset(obj) and hasattr(obj, "__len__"):  # by its items: they may lie in files
            obj = ["Dataset", *(_CodeHasher().hash(obj[number]) for number in range(len(obj)))]
        elif _is_tensor(obj):
            obj = _tensor_parts(obj)
        elif isinstance(obj, FunctionType | type) and id(obj) not in self.memo and _is_own(obj):
            if obj not in self._own:
                self._own.append(obj)
                self._are_values.append(self._in_value)
            obj = [obj.__module__, obj.__qualname__, self._own.index(obj)]
        try:
            super().save(obj)
        except TypeError as error:  # which joblib takes for keys of a dict that cannot be sorted
            raise ValueError(error) from error


def _order(item: Any) -> str:
    """Return a text to sort members of sets and keys of dicts by, the same in all processes."""
    return repr(item) if isinstance(item, _PLAIN) else str(_CodeHasher().hash(item))


def _is_sortable(keys: Any) -> bool:
    if not all(isinstance(key, (*_PLAIN, tuple)) for key in keys):
        return False  # frozensets would be compared as sets
    try:
        sorted(keys)
    except TypeError:
        return False
    return True


def _is_tensor(obj: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(obj, torch.Tensor)


def _tensor_parts(tensor: Any) -> list[Any]:
    """List what a tensor is, since its pickle names its place in memory."""
    values = tensor.detach().cpu().to_dense().resolve_conj().resolve_neg().reshape(-1)
    numbers = values.view(sys.modules["torch"].uint8).numpy()
    return [type(tensor), str(tensor.dtype), tuple(tensor.shape), numbers]


def _is_installed(module: Any) -> bool:
    """Tell whether a module, given by its name, is of Python or of an installed package."""
    package = str(module).partition(".")[0]
    files = [getattr(sys.modules.get(name), "__file__", None) for name in (module, package)]
    folders = {part for file in files for part in Path(file or "").parts}
    in_folder = not folders.isdisjoint({"site-packages", "dist-packages"})
    known = package in {"skdidan", *sys.stdlib_module_names}
    return package != "__main__" and (in_folder or known)


def _is_own(obj: Any) -> bool:
    """Tell whether a function or class is the user's, or one that has no name to be found by."""
    return not (_is_installed(obj.__module__) and _is_found(obj))


def _is_found(obj: Any) -> bool:
    """Tell whether the module of a function or class has it under its name."""
    try:
        return attrgetter(obj.__qualname__)(sys.modules[obj.__module__]) is obj
    except (AttributeError, KeyError):
        return False


def _function_values(function: FunctionType) -> list[Any]:
    """List the defaults of a function, and the closure of a local one, which makes it another."""
    cells = [] if _is_found(function) else _cell_contents(function)
    return [function.__defaults__, function.__kwdefaults__, cells]


def _function_parts(function: FunctionType) -> list[Any]:
    """List the code of a function, and what counts of its defaults, its closure and its module."""
    named = sorted((function.__kwdefaults__ or {}).items())
    inside = *(function.__defaults__ or ()), *named, *_cell_contents(function)
    return [function.__code__, _select_code(inside), _select_members(_members_read(function))]


def _cell_contents(function: FunctionType) -> list[Any]:
    contents = []
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # for a name without a value
            contents.append(cell.cell_contents)
    return contents


def _members_read(function: FunctionType) -> dict[str, Any]:
    """Return what a function reads from its module, and from modules of the user by a dot."""
    codes = [function.__code__]
    for code in codes:  # grows by the functions inside
        codes += [part for part in code.co_consts if isinstance(part, CodeType)]
    steps = [step for code in codes for step in dis.get_instructions(code)]
    names = {step.argval for step in steps if step.opname in _READS}
    attributes = {name for code in codes for name in code.co_names}
    found = {name: function.__globals__[name] for name in names & function.__globals__.keys()}
    modules = [member for member in found.values() if isinstance(member, ModuleType)]
    for module in modules:  # grows by the modules inside
        if not _is_installed(module.__name__):
            for name in attributes & vars(module).keys():
                member = found[f"{module.__name__}.{name}"] = vars(module)[name]
                if isinstance(member, ModuleType) and member not in modules:
                    modules.append(member)
    return found


def _class_parts(cls: type) -> list[Any]:
    """List the kind, the bases, the methods and the constants of a class."""
    # A library may make classes by rule.
    members = {} if _is_installed(cls.__module__) else dict(vars(cls))
    return [type(cls), cls.__bases__, _select_members(members)]


def _unwrap(member: Any) -> Any:
    """Return the parts of a property or a decorated method, and other members as they are."""
    if isinstance(member, property):
        return member.fget, member.fset, member.fdel
    if isinstance(member, cached_property):
        return member.func
    if isinstance(member, staticmethod | classmethod):
        return member.__func__
    if isinstance(member, MethodType):
        return member.__func__, member.__self__
    if isinstance(member, partial | partialmethod):
        return member.func, *member.args, *sorted(member.keywords.items())
    if isinstance(member, FunctionType | type):
        return member
    return getattr(member, "__dict__", {}).get("__wrapped__", member)  # as by functools.cache


def _select_code(members: Iterable[Any]) -> list[Any]:
    """Return the functions, classes and constants among objects, and the user's classes of others.

    What a program changes while it runs, such as a list of calls, is not among them.
    """
    selected: list[Any] = []
    for member in map(_unwrap, members):
        if isinstance(member, (FunctionType, type, *_CONSTANTS)):
            selected.append(member)
        elif isinstance(member, tuple):
            selected.append([type(member), _select_code(member)])
        elif not _is_installed(type(member).__module__):
            selected.append(type(member))
    return selected


def _select_members(members: Mapping[str, Any]) -> list[tuple[str, list[Any]]]:
    """Return what counts of each named object, in the order of the names."""
    found = {name: _select_code([member]) for name, member in members.items()}
    # Python and its libraries write texts and tuples about the code under names such as __doc__.
    return sorted(
        (name, parts)
        for name, parts in found.items()
        if parts and (callable(parts[0]) or not name.startswith("__"))
    )
