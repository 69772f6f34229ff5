"""Warnings at the line of the user's code, those of libraries, and errors for missing packages."""

from __future__ import annotations

import importlib
import inspect
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["import_extra", "quiet", "warn_caller"]

_LOCK = threading.Lock()

# Packages between the user's code and a warning.
_SKIPPED = {"contextlib", "joblib", "skdidan", "sklearn", "skorch", "torch"}


def warn_caller(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the innermost line outside this package and the frameworks below it."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in _SKIPPED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def quiet(package: str, category: type[Warning] = Warning, message: str = "") -> Iterator[None]:
    """Ignore the warnings of a package in a block, without `catch_warnings`.

    That one restores all filters as it found them, and so undoes what other threads changed. The
    filter of the block is taken out alone.
    """
    place = re.compile(rf"{package}(\.|$)")
    ignored = "ignore", re.compile(message), category, place, 0
    filters: list[Any] = warnings.filters  # type: ignore[assignment] # typeshed has a sequence
    with _LOCK:
        filters.insert(0, ignored)
    try:
        yield
    finally:
        with _LOCK:
            if ignored in filters:
                filters.remove(ignored)


def import_extra(module: str, extra: str, need: str) -> Any:
    """Import a module of an extra; if it is missing, the error says what needs it, and the cure."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{need}: pip install skdidan[{extra}]") from error
