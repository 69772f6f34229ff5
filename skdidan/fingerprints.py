"""What the result of a step depends on beside step and rows: input files, code, the container."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from inspect import unwrap
from operator import attrgetter
from pathlib import Path
from types import FunctionType, MethodType, ModuleType
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
_INSTALLED = {"site-packages", "dist-packages"}
_START = time.time()


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
    return sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)))


def circumstances(step: Any) -> tuple[object, ...] | None:
    """Tell what the result depends on beside step and rows.

    Parameters
    ----------
    step : estimator
        A transformer, whose parameters may hold others.

    Returns
    -------
    code : str
        Hash of skdidan, of the versions of the libraries below it, and of the files in which the
        classes and functions of the step and of its parameters stand, with those that these import.
    files : list of tuple
        Stamps of the files and folders that parameters name.
    container : str
        The kind that scikit-learn is set to return.

    None stands for all of it where the code of the step is not that of a file: typed into a
    notebook, made by another function, or edited since this module was imported.
    """
    files = set(_own_files())
    for part in parts(step):
        for definition in _definitions(part):
            if not _is_library(definition.__module__):
                if not _is_in_file(definition):
                    return None
                files |= _reach(definition.__module__)
    if any(not os.path.isfile(file) or os.path.getmtime(file) > _START for file in files):
        return None
    digest = hashlib.sha256("\n".join([*_versions(), *sorted(map(_content, files))]).encode())
    stamps = [stamp for stamp in stamp_files(step) if len(stamp) > 1]
    return digest.hexdigest(), stamps, get_config()["transform_output"]


def _definitions(part: Any) -> tuple[Any, ...]:
    """Return the function that a value is, or its class with the bases."""
    if isinstance(part, FunctionType):
        return (part,)
    return part.__mro__ if isinstance(part, type) else type(part).__mro__


def _is_library(module: str) -> bool:
    """Tell whether a module is of Python, or of a package whose version counts."""
    root = module.partition(".")[0]
    return root != "__main__" and (root in sys.stdlib_module_names or root in _LIBRARIES.values())


def _is_in_file(definition: Any) -> bool:
    """Tell whether a module holds a definition, and holds it from its file.

    Neither is so of what was replaced since, and the file of a main module may be that of another
    program, which runs the user's code.
    """
    module: Any = sys.modules.get(definition.__module__)
    try:
        if attrgetter(definition.__qualname__)(module) is not definition:
            return False
    except AttributeError:  # it is local to a function, or that of another process
        return False
    own = [definition] if isinstance(definition, FunctionType) else vars(definition).values()
    places = {unwrap(f).__code__.co_filename for f in own if isinstance(f, FunctionType)}
    file = _file(definition.__module__)
    return file in places if definition.__module__ == "__main__" else file is not None


def _reach(name: str) -> set[str]:
    """Return the files of a module and of those that it imports, unless these are installed."""
    found, left = {name}, [name]
    while left:
        for value in vars(sys.modules[left.pop()]).values():
            is_module = isinstance(value, ModuleType)
            other = value.__name__ if is_module else getattr(value, "__module__", None)
            if not isinstance(other, str) or other in found or other not in sys.modules:
                continue
            if not _is_library(other) and _INSTALLED.isdisjoint(Path(_file(other) or "").parts):
                found.add(other)
                left.append(other)
    # A package may have no file of its own.
    return {file for name in found if (file := _file(name))}


def _file(module: str) -> str | None:
    return getattr(sys.modules[module], "__file__", None)


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
    return [str(file) for file in Path(__file__).parent.glob("*.py")]


@cache
def _content(file: str) -> str:
    """Hash a file, once: what is edited later is no longer asked for."""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
