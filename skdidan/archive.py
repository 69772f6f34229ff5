"""Files without pickle: zip archives of JSON, arrays, weights and parts of skops.

Also how files are written at once, and what tells that a file was replaced.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
from numpy.lib.format import read_array, read_array_header_1_0, read_magic, write_array
from numpy.typing import NDArray

__all__ = [
    *("KINDS", "ArchiveReader", "ArchiveWriter", "check_destination", "check_parent", "check_part"),
    *("file_stamp", "replaced_file", "write_atomically"),
]

_INDEX = "index.json"
_MEMBER = re.compile(r"index\.json|(arrays|weights|parts)/\d{1,9}\.(npy|safetensors|skops)")
# Booleans, numbers, text and times. Others hold objects of Python, or records of several parts.
KINDS = "biufcSUmM"


class ArchiveWriter:
    """Collects the members of an archive, which `content` then returns as bytes."""

    def __init__(self) -> None:
        self.members: dict[str, bytes] = {}

    def add(self, folder: str, suffix: str, content: bytes) -> str:
        """Add a member, and return its name."""
        name = f"{folder}/{len(self.members)}.{suffix}"
        self.members[name] = content
        return name

    def add_array(self, values: NDArray[Any]) -> str:
        """Add an array of numbers, text or times as .npy, and return its name."""
        stream = io.BytesIO()
        # In version 1.0, which every NumPy reads; C order, so that no flag decides the layout.
        write_array(stream, np.asarray(values, order="C"), version=(1, 0), allow_pickle=False)
        return self.add("arrays", "npy", stream.getvalue())

    def content(self, index: dict[str, Any]) -> bytes:
        """Return the archive with its index."""
        stream = io.BytesIO()
        text = json.dumps(index, default=_number).encode()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            for name, content in {_INDEX: text, **self.members}.items():
                # The time of writing is left out: the same estimator makes the same file.
                archive.writestr(zipfile.ZipInfo(name), content)
        return stream.getvalue()


class ArchiveReader:
    """The members of an archive, none of which is larger than the file itself.

    Raises
    ------
    ValueError
        If the archive or a member of it is not what `ArchiveWriter` writes.
    """

    def __init__(self, content: bytes) -> None:
        self._archive = zipfile.ZipFile(io.BytesIO(content))
        _check_members(self._archive, len(content))
        for member in self._archive.namelist():
            if not _MEMBER.fullmatch(member):
                raise ValueError(f"it holds a member {member!r}")
        self.index = json.loads(self.read(_INDEX))

    def read(self, name: str) -> bytes:
        """Return the content of a member; its checksum is compared."""
        return self._archive.read(name)

    def read_array(self, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
        """Return an array, which must have the shape and the type that the index tells."""
        content = self.read(name)
        found = _check_array(content)
        if found != (shape, np.dtype(dtype)):
            raise ValueError(f"{name} holds an array of {found}, not of {(shape, dtype)}")
        return read_array(io.BytesIO(content), allow_pickle=False)

    def read_part(self, name: str) -> bytes:
        """Return an archive of skops within this one, of which the same is asked."""
        content = self.read(name)
        check_part(content)
        return content


def check_part(content: bytes) -> None:
    """Raise a ValueError unless an archive of skops holds JSON and arrays alone."""
    with zipfile.ZipFile(io.BytesIO(content)) as part:
        _check_members(part, len(content))
        for member in part.namelist():
            if member.endswith(".npy"):
                _check_array(part.read(member), records=True)
            elif member == "schema.json":
                # NumPy asks attributes of this form for addresses in memory.
                if "__array" in json.dumps(json.loads(part.read(member))):
                    raise ValueError("a part of it holds an attribute __array...")
            else:  # sparse matrices are compressed
                raise ValueError(f"a part of it holds a member {member!r}")


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse members that are compressed, larger than the file together, or of one name."""
    members = archive.infolist()
    is_stored = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    if not is_stored or sum(member.file_size for member in members) > size:
        raise ValueError("its members are compressed, or larger than the file")
    if len({member.filename for member in members}) < len(members):
        raise ValueError("several of its members have one name")


def _check_array(content: bytes, *, records: bool = False) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of .npy content that is as long as they say."""
    stream = io.BytesIO(content)
    if read_magic(stream) != (1, 0):
        raise ValueError("an array is not of version 1.0")
    shape, _, dtype = read_array_header_1_0(stream)
    n_bytes = len(content) - stream.tell()
    is_plain = dtype.kind in KINDS or (records and not dtype.hasobject)
    if not is_plain or math.prod(shape) * dtype.itemsize != n_bytes:
        raise ValueError(f"an array of {n_bytes} bytes claims shape {shape} and type {dtype}")
    return shape, dtype


def check_parent(path: str) -> str:
    """Return the absolute path of a file to write, or raise an OSError if its folder is absent."""
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{path!r} needs the folder {folder!r}: create it first.")
    return path


def check_destination(path: str) -> str:
    """Return the absolute path of a file to replace, or raise an OSError if there can be none."""
    path = check_parent(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(f"{path!r} is not a regular file: choose another path.")
    return path


@contextmanager
def replaced_file(path: str, *, synced: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file, and rename it to `path` when the block is over.

    With `synced`, the content is on the disk before the file is renamed, and the new name is before
    the block is left. Raises an OSError at once for a folder or a device, which cannot be replaced.
    """
    path = check_destination(path)  # the error of the system would show the temporary name
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f".{name[:100]}.{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.remove(temporary)
        raise
    if synced and os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_atomically(path: str, content: bytes) -> None:
    """Write a synced file, which is there as a whole or not at all."""
    with replaced_file(path) as file:
        file.write(content)


def file_stamp(file: str) -> tuple[str, int, int]:
    """Return absolute path, time of modification [ns] and size of a file."""
    status = os.stat(file)
    return os.path.abspath(file), status.st_mtime_ns, status.st_size


def _number(value: Any) -> Any:
    """Return a number of NumPy as one of Python, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"JSON cannot hold {value!r:.200}")
