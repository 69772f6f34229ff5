"""Warnings that point to the line of the user's code, and errors for missing packages."""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

__all__ = ["import_extra", "warn_caller"]

# Packages between the user's code and a warning.
_SKIPPED = {"contextlib", "joblib", "skdidan", "sklearn", "skorch", "torch"}


def warn_caller(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the innermost line outside this package and the frameworks below it."""
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in _SKIPPED:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def import_extra(module: str, extra: str, need: str) -> Any:
    """Import a module of an extra; if it is missing, the error says what needs it, and the cure."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{need}: pip install skdidan[{extra}]") from error
