"""The runs of a comparison: their records as a sequence, and as data frames."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pandas as pd

from skdidan.archive import check_parent
from skdidan.parameters import check_path
from skdidan.results.notes import count_noun
from skdidan.results.records import check_records, check_task_names, titles
from skdidan.results.task_rows import TaskRows

__all__ = ["RunSequence"]

_RUN = ("task", "method", "oracle", "seed")


class RunSequence(Sequence[dict[str, Any]]):
    """Records of runs with the true labels of their tasks; see `Comparison` for the parameters."""

    def __init__(
        self,
        records: Iterable[Mapping[str, Any]],
        tasks: Mapping[str, Any],
        *,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._records = check_records(records)
        self._rows = {str(name): TaskRows.of(task) for name, task in tasks.items()}
        self.settings = dict(settings or {})
        check_task_names(self._rows)
        for record in self._records:
            if record["task"] not in self._rows:
                raise ValueError(
                    f"tasks must have the task of each record; {record['task']!r} is none of "
                    f"{list(self._rows)}."
                )

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return self._records[index]

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        n_failed = sum(record["y_pred"] is None for record in self)
        n_oracles = len(titles(self._records, oracle=True))
        oracles = f" and {count_noun(n_oracles, 'oracle')}" if n_oracles else ""
        methods = count_noun(len(self.methods) - n_oracles, "method")
        runs, tasks = count_noun(len(self), "run"), count_noun(len(self.tasks), "task")
        return f"Comparison of {methods}{oracles} on {tasks}: {runs}, {n_failed} failed"

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in the order of the records."""
        return list(dict.fromkeys(record["task"] for record in self))

    @property
    def methods(self) -> list[str]:
        """Names of the methods; those of oracles end in " (reference)"."""
        return titles(self._records)

    @property
    def task_rows(self) -> dict[str, TaskRows]:
        """Truth, speakers, classes and origin of the rows of each task."""
        return {task: self._rows[task] for task in self.tasks}

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each run.

        Returns
        -------
        runs : DataFrame, n_runs rows
            ``task, method, oracle, seed, uar, war, seconds, feature_seconds, fit_seconds, error,
            traceback``. ``fit_seconds`` is the difference of the two before it: fits and
            predictions.
        """
        columns = [*_RUN, "uar", "war", "seconds", "feature_seconds", "error", "traceback"]
        frame = pd.DataFrame([[run.get(name) for name in columns] for run in self], columns=columns)
        texts = frame[["error", "traceback"]].astype(object)
        frame[["error", "traceback"]] = texts.where(texts.notna(), None)
        times = frame[["seconds", "feature_seconds"]].astype(float)
        frame[["seconds", "feature_seconds"]] = times
        frame.insert(8, "fit_seconds", times["seconds"] - times["feature_seconds"])
        return frame

    def predictions(self) -> pd.DataFrame:
        """Return one row for each run and target recording, without runs that failed.

        Returns
        -------
        predictions : DataFrame
            ``task, method, oracle, seed``, ``row`` (number in ``X_tgt``), ``file`` and ``speaker``
            (None if the task has none), ``y_true`` and ``y_pred``.

        Examples
        --------
        >>> from sklearn.dummy import DummyClassifier
        >>> from skdidan import compare
        >>> X, y = [[0.0]] * 4, ["a", "a", "a", "b"]
        >>> task = dict(X_src=X, y_src=y, X_tgt=X, y_tgt=y, files_tgt=["1", "2", "3", "4"])
        >>> predictions = compare(DummyClassifier(), task, seeds=[0]).predictions()
        >>> wrong = predictions[predictions["y_pred"] != predictions["y_true"]]
        >>> wrong[["file", "y_true", "y_pred"]].to_dict("records")
        [{'file': '4', 'y_true': 'b', 'y_pred': 'a'}]
        """
        columns = [*_RUN, "row", "file", "speaker", "y_true", "y_pred"]
        frames = []
        for run in self:
            if run["y_pred"] is None:
                continue
            rows = self._rows[run["task"]]
            content = {name: run[name] for name in _RUN}
            content |= {"row": np.arange(len(rows.truth)), "file": rows.file}
            content |= {"speaker": rows.speaker, "y_true": rows.truth, "y_pred": run["y_pred"]}
            frames.append(pd.DataFrame(content, columns=columns))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row for each run, as `to_frame` returns them, to a CSV file.

        Parameters
        ----------
        path : str or path-like
            The file. ``comparison.predictions().to_csv(path)`` writes one for each recording.

        Raises
        ------
        OSError
            If the folder of the file does not exist, or `path` is a folder.
        TypeError
            If `path` is no path.
        """
        path = check_parent(os.path.expanduser(check_path("path", path)))
        self.to_frame().to_csv(path, index=False)
