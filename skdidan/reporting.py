"""Warnings that point at the line of the caller's own code."""

from __future__ import annotations

import inspect
import warnings

__all__ = ["warn_caller"]

# Packages through which a call of the user's comes to us, and which are not what it is about.
_PASSED_OVER = {"contextlib", "joblib", "skdidan", "sklearn", "skorch", "torch"}


def warn_caller(message: str | Warning, category: type[Warning] | None = None) -> None:
    """Warn at the innermost line that is neither ours nor of the frameworks we build on.

    Parameters
    ----------
    message : str or Warning
        What to say.
    category : type of Warning, optional
        Its category; that of a `Warning` is its own.
    """
    frame, level = inspect.currentframe(), 1
    while frame and frame.f_globals.get("__name__", "").split(".")[0] in _PASSED_OVER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
