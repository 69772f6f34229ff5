"""Settings of a comparison: command, versions, parameters of the methods, and hashes of audio."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sklearn.base import BaseEstimator

import skdidan
from skdidan.results.records import run_title
from skdidan.results.task_rows import Origin

__all__ = ["describe_methods", "describe_session", "hash_audio"]

_LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "torch", "skorch", "librosa", "soundfile", "soxr"),
    *("pandas", "transformers", "opensmile", "POT"),
)
_LENGTH = 16  # hexadecimal digits of a hash that are shown
_WIDTH = 10**6  # scikit-learn would shorten what is longer


def describe_session() -> dict[str, Any]:
    """Describe the process: its command, date and versions."""
    versions = {"Python": platform.python_version(), "skdidan": skdidan.__version__}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):  # an extra
            versions[library] = version(library)
    return {
        "command": shlex.join(sys.orig_argv),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "platform": platform.platform(),
        "versions": versions,
    }


def describe_methods(methods: Mapping[str, Any], oracles: Mapping[str, Any]) -> dict[str, str]:
    """Describe each method by the parameters that differ from their defaults."""
    return {
        run_title({"method": name, "oracle": is_oracle}): estimator.__repr__(N_CHAR_MAX=_WIDTH)
        if isinstance(estimator, BaseEstimator)
        else repr(estimator)
        for is_oracle, group in ((False, methods), (True, oracles))
        for name, estimator in group.items()
    }


def hash_audio(origin: Origin) -> tuple[int | None, str]:
    """Return the number of files of one side of a task, and a hash of their contents.

    The hash depends neither on names and folders nor on the order, but on the times and channels of
    segments. Rows without files have None and the hash of their arrays.
    """
    if origin.files is None:
        return None, (origin.array_hash or "unknown")[:_LENGTH]
    contents: dict[str, str] = {}
    parts = []
    for file in origin.files:
        path = os.fspath(file)
        if path not in contents:
            try:
                with open(path, "rb") as stream:
                    contents[path] = hashlib.file_digest(stream, "sha256").hexdigest()
            except (OSError, ValueError) as error:
                return len({os.fspath(name) for name in origin.files}), f"not readable: {error}"
        part = [getattr(file, name, None) for name in ("start", "end", "channel")]
        parts.append(f"{contents[path]} {part}")
    whole = hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()
    return len(contents), whole[:_LENGTH]
