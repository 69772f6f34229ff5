"""Keep the records of finished runs in a folder, so that a comparison can go on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import clone

import skdidan
from skdidan.archive import file_stamp, write_atomically
from skdidan.domains import open_target
from skdidan.hashing import hash_value
from skdidan.results.task_rows import list_paths

__all__ = ["ResultFolder"]

_KEPT = ("uar", "war", "seconds", "feature_seconds")
_NEEDS = "results needs methods and tasks that can be pickled"


class ResultFolder:
    """A folder with a JSON file for each run, whose name is a hash of all that decides the run.

    A task counts by its arrays, or by the paths, sizes and modification times of its files.
    """

    def __init__(self, folder: Any, tasks: Mapping[str, Mapping[str, Any]]) -> None:
        if not isinstance(folder, str | os.PathLike) or not os.fspath(folder):
            raise ValueError(f"results must be a folder, or None; got {folder!r}.")
        self._folder = os.path.abspath(os.path.expanduser(os.fspath(folder)))
        try:
            os.makedirs(self._folder, exist_ok=True)
        except OSError as error:
            raise ValueError(f"results must be a folder to write to: {error}") from error
        self._tasks = {  # once, since they may hold all recordings
            name: hash_value([dict(task), _stamps(task)], f"{_NEEDS}; the task {name!r} cannot")
            for name, task in tasks.items()
        }

    def path(self, run: Mapping[str, Any], method: Any, *more: Any) -> str:
        """Return the file of a run."""
        method = clone(method)
        # The seed of the run takes the place of each `random_state`, so no generator there counts.
        for name, value in method.get_params().items():
            if name.split("__")[-1] == "random_state" and isinstance(value, np.random.RandomState):
                method.set_params(**{name: None})
        decides = skdidan.__version__, dict(run), method, self._tasks[run["task"]], *more
        refusal = f"{_NEEDS}; {run['method']!r} on {run['task']!r} cannot"
        return os.path.join(self._folder, f"{hash_value(decides, refusal)}.json")

    def read(self, path: str, n_rows: int) -> dict[str, Any] | None:
        """Return what a run on so many rows has kept but its scores; None if it is not there."""
        if not os.path.exists(path):
            return None
        try:
            with open(path, encoding="utf-8") as file:
                stored = json.load(file)
            y_pred = np.array(stored["y_pred"], dtype=stored["dtype"])
            if y_pred.shape != (n_rows,):
                raise ValueError(f"it has predictions of shape {y_pred.shape}")
            times = {name: float(stored[name]) for name in ("seconds", "feature_seconds")}
            return {**times, "y_pred": y_pred}
        except (ArithmeticError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"results holds {path!r}, which is no record: remove it.") from error

    def write(self, path: str, record: Mapping[str, Any]) -> None:
        """Keep the record of a run, unless it failed: a failed run is tried again."""
        if record["error"] is None:
            y_pred = np.asarray(record["y_pred"])
            kept = {name: float(record[name]) for name in _KEPT}
            named = {name: str(record[name]) for name in ("task", "method", "seed")}
            content = {**named, **kept, "y_pred": y_pred.tolist(), "dtype": y_pred.dtype.str}
            write_atomically(path, json.dumps(content).encode())


def _stamps(task: Mapping[str, Any]) -> list[tuple[int, int] | None]:
    """List modification time and size of each row of a task that is a file, None if it is not."""
    rows = [list_paths(open_target(task[name])) or [] for name in ("X_src", "X_tgt")]
    return [_stamp(os.fspath(file)) for file in chain(*rows)]


def _stamp(file: str) -> tuple[int, int] | None:
    with suppress(OSError):  # the features report a file that cannot be read
        return file_stamp(file)[1:]
    return None
