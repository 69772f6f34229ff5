"""What the result of a step depends on beside step and rows: input files, code, the container."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import pickle
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from inspect import unwrap
from operator import attrgetter
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

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
_PACKAGE = Path(__file__).parent


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
    elif isinstance(value, MethodType):
        inner = (value.__self__,)
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
    names = os.listdir(folder) if os.access(folder, os.R_OK) else ()
    return sorted(name for name in names if os.path.isfile(os.path.join(folder, name)))


def circumstances(step: Any) -> tuple[object, ...] | None:
    """Tell what the result depends on beside step and rows.

    Parameters
    ----------
    step : estimator
        A transformer, whose parameters may hold others.

    Returns
    -------
    code : str
        Hash of skdidan, of the versions of the libraries below it, and, where the step or anything
        in it is of other code, of the files in which that stands and of those that it imports.
    files : list of tuple
        Stamps of the files and folders that parameters name.
    container : str
        The kind that scikit-learn is set to return.

    None stands for all of it where code is not that of a file: typed into a notebook, made by
    another function, put in the place of other code, or edited since Python was started.
    """
    definitions = _definitions(step)
    if definitions is None or not all(map(_is_in_file, definitions)):
        return None
    files: set[str] = set()
    for definition in definitions:
        files |= _reach(definition.__module__)
    edited = any(_changed(file) > _start() for file in files)
    # This package may have been installed since, but it was loaded after that.
    if edited or any(_changed(file) > _LOADED for file in _own_files()):
        return None
    contents = sorted(map(_content, [*files, *_own_files()]))
    digest = hashlib.sha256("\n".join([*_versions(), *contents]).encode())
    stamps = [stamp for stamp in stamp_files(step) if len(stamp) > 1]
    return digest.hexdigest(), stamps, get_config()["transform_output"]


class _Pickler(pickle.Pickler):
    """Collects the classes and functions that a value rests on, wherever it holds them."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), protocol=5, buffer_callback=lambda buffer: None)
        self.definitions: set[Any] = set()

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type):
            self.definitions |= set(obj.__mro__)
        elif isinstance(obj, FunctionType) or hasattr(obj, "__wrapped__"):
            self.definitions.add(obj)
        return NotImplemented


def _definitions(step: Any) -> list[Any] | None:
    """List the classes and functions of a step that are of no library; None if one has no name."""
    pickler = _Pickler()
    # What cannot be pickled raises errors of all kinds.
    with suppress(Exception):
        pickler.dump(step)
        return [thing for thing in pickler.definitions if not _is_library(thing.__module__)]
    return None


def _is_library(module: str) -> bool:
    """Tell whether a module is of Python, or of a package whose version counts."""
    root = module.partition(".")[0]
    if root in _LIBRARIES.values():
        return True
    file = _file(root)
    if file is None:
        return root in sys.stdlib_module_names and root != "__main__"
    return _is_below(file, ("stdlib", "platstdlib")) and not _is_installed(file)


def _is_installed(file: str) -> bool:
    return _is_below(file, ("purelib", "platlib")) or "site-packages" in Path(file).parts


def _is_below(file: str, places: tuple[str, ...]) -> bool:
    return any(Path(file).is_relative_to(sysconfig.get_path(place)) for place in places)


def _is_in_file(definition: Any) -> bool:
    """Tell whether a module holds a definition, and has it from its file.

    Neither is so of what was replaced since. The file of a main module may be that of another
    program, which runs the user's code.
    """
    module: Any = sys.modules.get(definition.__module__)
    file = _file(definition.__module__)
    try:
        if file is None or attrgetter(definition.__qualname__)(module) is not definition:
            return False
    except AttributeError:  # it is local to a function, or that of another process
        return False
    values = vars(definition).values() if isinstance(definition, type) else [definition]
    functions = [thing for value in values if isinstance(thing := unwrap(value), FunctionType)]
    # Named tuples, data classes and enumerations have methods that Python wrote.
    own = [function for function in functions if not _is_library(function.__module__)]
    return all(function.__code__.co_filename in (file, "<string>") for function in own)


def _file(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def _reach(name: str) -> set[str]:
    """Return the files of a module and of all that it imports, but for what is installed."""
    found: set[str] = set()
    left = [(name, _file(name) or "")]
    while left:
        module, file = left.pop()
        if file not in found:
            found.add(file)
            package = getattr(sys.modules.get(module), "__package__", None)
            if package is None:
                package = module if file.endswith("__init__.py") else module.rpartition(".")[0]
            for other in _imports(file, package or ""):
                place = _place(other)
                if place and not _is_installed(place) and not _is_library(other):
                    left.append((other, place))
    return found


@cache
def _imports(file: str, package: str) -> frozenset[str]:
    """Name the modules that the code of a file imports, anywhere in it, and those that may be."""
    if not file.endswith(".py") or _is_installed(file):
        return frozenset()
    names: set[str] = set()
    for node in ast.walk(ast.parse(Path(file).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    parts = [name.split(".") for name in names]
    return frozenset(".".join(part[:n]) for part in parts for n in range(1, len(part) + 1))


def _place(name: str) -> str | None:
    """Find the file of a module, loaded or not, without loading any."""
    if name in sys.modules:
        return _file(name)
    root, *inner = name.split(".")
    with suppress(ImportError, ValueError):
        spec = find_spec(root)
        if spec and not inner:
            return spec.origin if spec.has_location else None
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder, *inner)
            for file in (path.with_suffix(".py"), path / "__init__.py"):
                if file.is_file():
                    return str(file)
    return None


@cache
def _versions() -> list[str]:
    versions = []
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):  # an extra
            versions.append(f"{name} {version(name)}")
    return versions


@cache
def _own_files() -> list[str]:
    """List the modules of this package, of which any may have a part in a feature."""
    return [str(file) for file in _PACKAGE.glob("*.py")]


@cache
def _content(file: str) -> str:
    """Hash a file, once: what is edited later is no longer asked for."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _changed(file: str) -> float:
    """Return when a file was edited or put in its place; infinity if it is not there."""
    if not os.path.isfile(file):
        return float("inf")
    status = os.stat(file)
    return max(status.st_mtime, status.st_ctime)


@cache
def _start() -> float:
    """Return when Python was started, or, where the system does not tell, this module loaded."""
    try:
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - uptime + int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return _LOADED


_LOADED = time.time()
