"""Find files whose paths are spelt differently on disk, and explain absent files."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote

__all__ = ["explain_absence", "find_path"]


def find_path(path: str, root: str = "") -> str | None:
    """Return the path of an existing file or folder, which may be spelt differently on disk.

    Tries the path itself, then / in place of backslashes, another case and another normal form of
    Unicode. Only a single match counts; None if there is none.
    """
    joined = os.path.join(root, path)
    if os.path.exists(joined):
        return joined
    return _match(joined) or _match(os.path.join(root, path.replace("\\", "/")))


def _match(path: str) -> str | None:
    found = ""
    for part in Path(path).parts:
        if not os.path.lexists(os.path.join(found, part)):
            similar = _names(found).get(_key(part), [])
            if len(similar) != 1:
                return None
            part = similar[0]
        found = os.path.join(found, part)
    return found if os.path.exists(found) else None


def _key(name: str) -> str:
    """Return what the spellings of a name in any case and normal form have in common."""
    return normalize("NFC", normalize("NFC", name).casefold())


def _names(folder: str) -> dict[str, list[str]]:
    """Group the names in a folder by their keys; a folder that is absent or closed has none."""
    folder = os.path.abspath(folder)
    try:
        return _list(folder, os.stat(folder).st_mtime_ns)
    except (OSError, ValueError):  # a ValueError for an impossible name
        return {}


@lru_cache(maxsize=16)  # thousands of absent files may lie in one folder
def _list(folder: str, changed: int) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):
        names.setdefault(_key(name), []).append(name)
    return names


def explain_absence(path: str, root: str = "") -> str:
    """Explain why a path leads to no file: the file that is meant, a folder, ...; or return ""."""
    if path and os.path.isdir(os.path.join(root, path)):
        return f" {path!r} is a folder."
    # Quotes or spaces around it, a URL, a ~ or variable, or folders of another machine before it.
    plain = unquote(re.sub(r"^file:(//(localhost)?)?", "", path.strip(" \t\r\n\"'`<>")))
    parts = os.path.expandvars(os.path.expanduser(plain)).replace("\\", "/").split("/")
    for other in (path, *("/".join(parts[n:]) for n in range(len(parts)))):
        is_named = os.path.basename(other) not in ("", os.curdir, os.pardir)
        if is_named and (found := find_path(other, root)):
            return f" Did you mean {found!r}?"
    if re.match(r"[A-Za-z][\w+.-]+://", path):
        return " The path is a URL, and nothing is downloaded."
    if re.match(r"[A-Za-z]:[\\/]", path) and os.name != "nt":
        return " The path is one of Windows."
    folder, name = os.path.split(os.path.join(root, path))
    stem = _key(os.path.splitext(name)[0])
    groups = (names for key, names in _names(folder).items() if os.path.splitext(key)[0] == stem)
    similar = [repr(name) for names in groups for name in names]
    return f" Similar files beside it: {', '.join(similar[:3])}." if similar and stem else ""
