"""Labels, speakers and files of a task, without its features."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from skdidan.domains import check_groups, n_rows, open_target
from skdidan.hashing import hash_value
from skdidan.labels import plain_labels, to_python

__all__ = ["Origin", "TaskRows", "describe_emotions", "list_paths"]


@dataclass(frozen=True)
class Origin:
    """Where the rows of one side of a task come from: files, or a hash of the arrays."""

    name: str
    n_rows: int
    files: list[Any] | None
    array_hash: str | None


@dataclass(frozen=True, eq=False)
class TaskRows:
    """Target rows of a task: `truth`, and where known `speaker`, `file` and `classes`."""

    truth: NDArray[Any]
    speaker: NDArray[Any] | None
    classes: NDArray[Any] | None
    source: Origin
    target: Origin

    @classmethod
    def of(cls, task: Any) -> Self:
        """Describe a task; a description is returned as it is."""
        if isinstance(task, cls):
            return task
        truth = np.asarray(plain_labels(task["y_tgt"]))
        speaker, classes = task.get("speaker_tgt"), task.get("classes")
        return cls(
            truth=truth,
            speaker=None if speaker is None else check_groups(speaker, len(truth), "speaker_tgt"),
            classes=None if classes is None else np.asarray(classes),
            source=_origin(task, "source", "src"),
            target=_origin(task, "target", "tgt"),
        )

    @property
    def file(self) -> list[str] | None:
        """Files of the target rows; segments with their times."""
        return None if self.target.files is None else [str(file) for file in self.target.files]

    @property
    def present(self) -> NDArray[Any]:
        """Classes with a true target row, whose recalls the UAR averages."""
        present = np.unique(self.truth)
        return present if self.classes is None else np.intersect1d(self.classes, present)

    def units(self) -> tuple[str, NDArray[np.intp]]:
        """Return what a bootstrap draws, "speaker" or "recording", and its number in each row.

        Recordings are drawn where there are not at least two speakers.
        """
        if self.speaker is not None:
            numbers: dict[Any, int] = {}
            units = [numbers.setdefault(name, len(numbers)) for name in self.speaker.tolist()]
            if len(numbers) > 1:
                return "speaker", np.array(units)
        return "recording", np.arange(len(self.truth))


def _origin(task: Mapping[str, Any], side: str, suffix: str) -> Origin:
    name, files = task.get(side, side), task.get(f"files_{suffix}")
    X = open_target(task[f"X_{suffix}"])
    files = list_paths(X) if files is None else to_python(files)
    return Origin(
        name=name if isinstance(name, str) else " + ".join(map(str, name)),
        n_rows=n_rows(X),
        files=files,
        array_hash=_hash(X) if files is None else None,
    )


def list_paths(X: Any) -> list[Any] | None:
    """List the rows if all are paths or segments of files, else return None."""
    if len(getattr(X, "shape", (0,))) != 1:
        return None
    rows = to_python(X)
    return rows if all(isinstance(row, str | os.PathLike) for row in rows) else None


def describe_emotions(emotions: Mapping[str, Iterable[Any]]) -> list[str]:
    """Return a line for each set of emotions, with the tasks that have them."""
    groups: dict[str, list[str]] = {}
    for task, names in emotions.items():
        groups.setdefault(", ".join(map(str, names)), []).append(task)
    return [f"{', '.join(tasks)}: emotions {names}." for names, tasks in groups.items()]


def _hash(X: Any) -> str | None:
    try:
        return hash_value(X, "")
    except ValueError:  # what cannot be pickled
        return None
