"""Store the row of each recording on disk, so that it is computed once per setting."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from hashlib import md5
from importlib.metadata import PackageNotFoundError, version
from io import BytesIO
from typing import Any

import joblib
import numpy as np
from numpy.lib.format import read_array, write_array
from numpy.typing import NDArray

from skdidan.archive import file_stamp, replaced_file
from skdidan.reporting import warn_caller

__all__ = ["RowCache", "cache_folder", "make_cache_folder"]

# Another version of one of these may compute other values.
_LIBRARIES = (
    *("skdidan", "numpy", "scipy", "librosa", "soundfile", "soxr"),
    *("torch", "transformers", "opensmile"),
)


class RowCache:
    """Rows of one transformer in its `memory`: a folder per setting, a .npy file per recording.

    The setting is the class, the parameters that are not in `not_in_cache_key`, learnt attributes,
    files that parameters name, and the versions of the libraries that compute.
    """

    def __init__(self, transformer: Any) -> None:
        self._location = cache_folder(transformer.memory)
        self._folder: str | None = None
        self._last: tuple[bytes, Any, Any] = b"", None, None  # header, type and shape of a row
        # A fitted transformer may have left the machine or the folder where it was fitted.
        is_fitted = getattr(transformer, "_is_fitted", False)
        self._writes = not is_fitted or os.path.exists(self._location or "")
        if self._location is not None and (setting := _setting_key(transformer)):
            self._folder = os.path.join(self._location, f"{type(transformer).__name__}-{setting}")

    def key(self, row: Any) -> str | None:
        """Return the key of a path, `Segment` or waveform; None if it cannot be stored.

        Take the key before the row is computed: if the file changes meanwhile, its key does, too.
        """
        if self._folder is None:
            return None
        if isinstance(row, np.ndarray):
            return joblib.hash(np.ascontiguousarray(row))
        with suppress(OSError, ValueError):  # a ValueError for an impossible name
            part = [getattr(row, name, None) for name in ("start", "end", "channel")]
            stamp = repr((file_stamp(os.fspath(row)), part))  # joblib.hash takes ten times as long
            return md5(stamp.encode(), usedforsecurity=False).hexdigest()
        return None

    def read(self, key: str | None) -> NDArray[Any] | None:
        """Return a stored row, or None if there is none that can be read."""
        if self._folder is None or key is None:
            return None
        try:
            with open(os.path.join(self._folder, f"{key}.npy"), "rb") as file:
                return self._parse(file.read())
        except Exception:  # files that are cut off or foreign raise errors of all kinds
            return None

    def _parse(self, data: bytes) -> NDArray[Any]:
        """Return the array of a .npy file; parse its header only if it is not the last one."""
        header, dtype, shape = self._last
        if not header or not data.startswith(header):
            file = BytesIO(data)
            values = read_array(file, allow_pickle=False)
            if values.flags.c_contiguous:
                self._last = data[: file.tell() - values.nbytes], values.dtype, values.shape
            return values
        return np.frombuffer(data, dtype, offset=len(header)).reshape(shape).copy()

    def write(self, key: str | None, values: NDArray[Any]) -> None:
        """Store a row. If that fails, warn and store no more rows."""
        if self._folder is None or key is None or not self._writes:
            return
        try:
            os.makedirs(self._folder, exist_ok=True)  # another process may empty the cache
            with replaced_file(os.path.join(self._folder, f"{key}.npy"), synced=False) as file:
                write_array(file, values, allow_pickle=False)
        except FileNotFoundError:
            pass  # another process has just emptied the cache: the next row makes the folder anew
        except OSError as error:
            self._writes = False
            warn_caller(
                f"memory={self._location!r} cannot be written to; rows are computed, but not "
                f"stored: {error}"
            )


def cache_folder(memory: Any) -> str | None:
    """Return the folder of `memory`, or None for no cache; raise a ValueError for anything else."""
    location = getattr(memory, "location", memory)  # joblib.Memory has one
    if location is None:
        return None
    if not isinstance(location, str | os.PathLike) or not isinstance(os.fspath(location), str):
        raise ValueError(_no_folder(memory))
    return os.path.expanduser(os.fspath(location))


def make_cache_folder(memory: Any) -> None:
    """Make the folder of `memory`, or raise a ValueError that says why that is impossible."""
    location = cache_folder(memory)
    if location is not None:
        try:
            os.makedirs(location, exist_ok=True)
        except (OSError, ValueError) as error:  # a ValueError for a null character
            raise ValueError(f"{_no_folder(memory)}: {error}") from error


def _no_folder(memory: Any) -> str:
    return f"memory must be a folder to write to, which need not exist yet, or None; got {memory!r}"


def _setting_key(transformer: Any) -> str | None:
    """Hash the setting of a transformer; warn and return None if a parameter cannot be hashed."""
    # The names of learnt attributes end in an underscore.
    learnt = {name: value for name, value in vars(transformer).items() if name.endswith("_")}
    setting = [type(transformer).__module__, type(transformer).__qualname__, *_versions()]
    for name, value in sorted((transformer.get_params(deep=False) | learnt).items()):
        if name in transformer.not_in_cache_key:
            continue
        if isinstance(value, os.PathLike):
            value = os.fspath(value)
        try:
            setting.append(f"{name} {joblib.hash(value)}")
        except Exception as error:  # objects that cannot be pickled raise errors of all kinds
            warn_caller(
                f"{type(transformer).__name__} stores nothing in memory, since its parameter "
                f"{name}={value!r} cannot be hashed: {error}"
            )
            return None
        if isinstance(value, str):
            setting += _stamps(os.path.expanduser(value))
    return joblib.hash(setting)


def _stamps(place: str) -> list[str]:
    """List the stamps of a file, or of the files directly in a folder; none for other strings."""
    with suppress(OSError):  # the transformer reports a folder that cannot be opened
        files = [entry.path for entry in os.scandir(place)] if os.path.isdir(place) else [place]
        return [repr(file_stamp(file)) for file in sorted(files) if os.path.isfile(file)]
    return []


@cache
def _versions() -> tuple[str, ...]:
    versions = []
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):  # an extra
            versions.append(f"{name} {version(name)}")
    return tuple(versions)
