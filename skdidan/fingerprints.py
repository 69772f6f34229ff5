"""What the result of a step depends on beside step and rows: input files, code, the container."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import cache, cached_property, partial
from importlib.metadata import PackageNotFoundError, version
from inspect import getmodulename, unwrap
from operator import attrgetter
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import joblib
import numpy as np
from sklearn import get_config

__all__ = ["circumstances", "parts", "stamp_files"]

# What features are computed with, by its name in the index and in code; another version may compute
# others.
_LIBRARIES = {
    "skdidan": "skdidan",
    "librosa": "librosa",
    "numpy": "numpy",
    "opensmile": "opensmile",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "soundfile": "soundfile",
    "soxr": "soxr",
    "torch": "torch",
    "transformers": "transformers",
}
_INSTALLED = {"site-packages", "dist-packages"}
_PLAIN = (str, bytes, int, float, complex, type(None), type(...))
# What Python and abc write into a class beside its definition.
_WRITTEN_IN = {"__dict__", "__weakref__", "__module__", "__doc__", "__firstlineno__", "_abc_impl"}
_WRITTEN_IN |= {"__static_attributes__", "__annotations__", "__annotate_func__"}


def parts(value: Any) -> Iterator[Any]:
    """Yield a value and what it is made of: items of containers, parameters of estimators.

    Parameters
    ----------
    value : object
        An estimator, or rows.

    Yields
    ------
    part : object
        The value itself, and each part of a part. Arrays of numbers are not opened.
    """
    yield value
    inner: Any = ()
    if isinstance(value, str | bytes | type):
        pass
    elif hasattr(value, "get_params"):
        params = value.get_params(deep=False)
        # Where something is kept does not change what it is.
        inner = [params[name] for name in sorted(params) if name != "memory"]
    elif isinstance(value, partial):
        inner = value.func, value.args, value.keywords
    elif isinstance(value, Mapping):
        inner = value.values()
    elif isinstance(value, Sequence | Set):
        inner = value
    elif isinstance(value, np.ndarray):
        inner = value.ravel().tolist() if value.dtype.kind in "OUTV" else ()
    elif hasattr(value, "to_numpy"):  # a data frame or one of its columns
        inner = (value.to_numpy(),)
    for item in inner:
        yield from parts(item)


def stamp_files(X: Any) -> list[tuple[object, ...]]:
    """Tell input files apart by place, time and size, and whether they can be read.

    Parameters
    ----------
    X : object
        Rows, or an estimator; every string and path in it is taken for the place of a file, with a
        ``~`` at its beginning also for the folder of the user.

    Returns
    -------
    stamps : list of tuple
        The place alone where there is no file. A folder counts by the files that it holds directly.
    """
    paths = {os.fsdecode(part) for part in parts(X) if isinstance(part, str | os.PathLike)}
    places = {os.path.abspath(place) for place in paths | {os.path.expanduser(p) for p in paths}}
    return [
        (place, os.access(place, os.R_OK), *_time_and_size(place))
        if os.path.exists(place)
        else (place,)
        for place in sorted(places)
    ]


def _time_and_size(path: str) -> tuple[object, ...]:
    """Of a file; of a folder those of the files in it; nothing where there is none."""
    if os.path.isdir(path):
        return tuple((name, *_time_and_size(os.path.join(path, name))) for name in _files(path))
    status = os.stat(path) if os.path.exists(path) else None
    return (status.st_mtime_ns, status.st_size) if status else ()


def _files(folder: str) -> list[str]:
    return sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)))


def circumstances(step: Any) -> tuple[object, ...]:
    """Tell what the result depends on beside step and rows.

    Parameters
    ----------
    step : estimator
        A transformer, whose parameters may hold others.

    Returns
    -------
    code : str
        Hash of the code of the step and of its parameters, of what this code names, of skdidan, and
        of the versions of the libraries below it.
    files : list of tuple
        Stamps of the files and folders that parameters name.
    container : str
        The kind that scikit-learn is set to return.
    """
    files = [stamp for stamp in stamp_files(step) if len(stamp) > 1]
    code = _Code()
    for part in parts(step):
        if not isinstance(part, _PLAIN):
            code.add(part if isinstance(part, _DEFINITIONS) else type(part))
    return code.hexdigest(), files, get_config()["transform_output"]


class _Code:
    """Hashes definitions as they are loaded, and the files in which they are written.

    Neither would do. Helpers and constants of a module stand in its file; but it may have been
    edited since it was loaded, or there is none, as of a notebook.
    """

    def __init__(self) -> None:
        self._digest = hashlib.sha256("\n".join(_versions()).encode())
        self._seen: dict[int, tuple[int, Any]] = {}
        self._modules: set[str] = set()

    def hexdigest(self) -> str:
        """Return the hash of everything added."""
        for name in sorted(self._modules | _own_modules()):
            self._digest.update(_source(name).encode())
        return self._digest.hexdigest()

    def add(self, thing: Any) -> None:
        """Add a definition, or a value that one names."""
        if isinstance(thing, _PLAIN):
            self._digest.update(f"{thing!r}\n".encode())
        elif isinstance(thing, tuple):  # of which one may be shared or not
            for part in (len(thing), *thing):
                self.add(part)
        elif id(thing) in self._seen:
            self._digest.update(f"#{self._seen[id(thing)][0]}\n".encode())
        else:
            self._seen[id(thing)] = len(self._seen), thing  # which also keeps its id from others
            self._digest.update(f"{type(thing).__name__}\n".encode())
            for part in self._open(thing):
                self.add(part)

    def _open(self, thing: Any) -> Iterator[Any]:
        """Yield what a definition or a value consists of."""
        if isinstance(thing, type):
            for base in thing.__mro__:
                yield f"{base.__module__}.{base.__qualname__}"
                self._modules.add(base.__module__)
                if not _is_library(base.__module__):
                    yield from _class_body(base)
        elif isinstance(thing, FunctionType):
            yield from self._open_function(thing)
        elif isinstance(thing, CodeType):
            yield from (thing.co_code, thing.co_exceptiontable, thing.co_flags, thing.co_argcount)
            yield from (thing.co_kwonlyargcount, thing.co_names, thing.co_varnames, thing.co_consts)
        elif isinstance(thing, ModuleType):
            yield thing.__name__
            if not _is_library(thing.__name__):
                self._modules.add(thing.__name__)
        elif isinstance(thing, property):
            yield from (thing.fget, thing.fset, thing.fdel)
        elif isinstance(thing, partial):
            yield from (thing.func, thing.args, thing.keywords)
        elif isinstance(thing, cached_property):
            yield thing.func
        elif isinstance(thing, MethodType):
            yield from (thing.__func__, type(thing.__self__))
        elif hasattr(thing, "__wrapped__"):  # a static or class method, or one that remembers
            yield thing.__wrapped__
        elif isinstance(thing, Mapping):
            yield from (part for item in thing.items() for part in item)
        elif isinstance(thing, list):
            yield from thing
        elif isinstance(thing, Set):
            yield from sorted(map(repr, thing))
        else:
            yield type(thing)
            with suppress(Exception):  # what cannot be pickled, such as a lock, is no value
                yield joblib.hash(thing)

    def _open_function(self, function: FunctionType) -> Iterator[Any]:
        module = function.__globals__.get("__name__", "")
        yield f"{module}.{function.__qualname__}"
        if _is_library(module) and not function.__closure__:
            return
        yield from (function.__code__, function.__defaults__, function.__kwdefaults__)
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # an empty one
                yield cell.cell_contents
        if not _is_library(module):
            self._modules.add(module)
            in_file = _has_file(function)
            for name in sorted(_names(function.__code__) & function.__globals__.keys()):
                value = function.__globals__[name]
                # Of a module with a file, values stand there; those of now may be its state.
                if not in_file or isinstance(value, _DEFINITIONS):
                    yield from (name, value)


_DEFINITIONS: tuple[type, ...] = (
    type,
    FunctionType,
    MethodType,
    ModuleType,
    property,
    partial,
    cached_property,
)
_DEFINITIONS += (staticmethod, classmethod, type(cache(len)))


def _class_body(base: type) -> Iterator[Any]:
    body = {name: value for name, value in vars(base).items() if name not in _WRITTEN_IN}
    in_file = _is_in_file(base, body.values())
    for name in sorted(body):
        if not in_file or isinstance(body[name], _DEFINITIONS):
            yield from (name, body[name])


def _is_in_file(base: type, body: Iterable[Any]) -> bool:
    """Tell whether a class is the one that stands in the file of its module."""
    module: Any = sys.modules.get(base.__module__)
    with suppress(AttributeError):
        if attrgetter(base.__qualname__)(module) is base:
            unwrapped = [unwrap(value) for value in body if isinstance(value, FunctionType)]
            own = [f for f in unwrapped if f.__globals__.get("__name__") == base.__module__]
            return any(map(_has_file, own)) if own else bool(_source(base.__module__))
    return False


def _has_file(function: FunctionType) -> bool:
    """Tell whether a function stands in the file of its module.

    Not so where it was typed in, or came to a worker of joblib from the main module of another
    process.
    """
    name = function.__globals__.get("__name__", "")
    file = getattr(sys.modules.get(name), "__file__", None)
    return bool(_source(name)) and function.__code__.co_filename == file


def _names(code: CodeType) -> set[str]:
    """Collect the names in some code and in the functions within it."""
    inner = (_names(const) for const in code.co_consts if isinstance(const, CodeType))
    return set(code.co_names).union(*inner)


def _is_library(module: str) -> bool:
    """Tell whether a module is of Python, of this package or of an installed one."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names or root in _LIBRARIES.values():
        return True
    if root == "__main__":  # whose file may be that of a program which runs the user's code
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not _INSTALLED.isdisjoint(Path(file).parts)


@cache
def _versions() -> list[str]:
    versions = []
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):  # an extra
            versions.append(f"{name} {version(name)}")
    return versions


@cache
def _own_modules() -> set[str]:
    """Name the modules of this package, of which any may have a part in a feature."""
    files = Path(__file__).parent.glob("*.py")
    return {f"{__package__}.{getmodulename(str(file))}" for file in files}


_SOURCES: dict[str, tuple[Any, str, str]] = {}  # by module: how loaded, its file, the hash of that


def _source(name: str) -> str:
    """Hash the file of a module, each time that it is loaded; empty where there is none.

    Not each time that the file is edited: the code that runs is the one that was loaded.
    """
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)  # a new one from every import and reload
    file = getattr(module, "__file__", None) or ""
    if module is None and name.startswith(f"{__package__}."):  # not imported yet
        file = str(Path(__file__).with_name(f"{name.rpartition('.')[2]}.py"))
    known = _SOURCES.get(name)
    if known is None or known[0] is not spec or known[1] != file:
        content = Path(file).read_bytes() if os.path.isfile(file) else None
        digest = "" if content is None else hashlib.sha256(content).hexdigest()
        known = _SOURCES[name] = spec, file, digest
    return known[2]
