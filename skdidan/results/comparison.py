"""The results of a comparison: records of its runs, tables, intervals and tests."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pandas as pd

from skdidan.parameters import check_count, check_option, check_share, check_whole
from skdidan.results.inference import Interval, paired_tests, score_intervals
from skdidan.results.notes import count_noun, write_notes
from skdidan.results.records import (
    check_metric,
    check_records,
    check_task_names,
    score_table,
    titles,
)
from skdidan.results.report import write_report
from skdidan.results.score_plots import plot_scores
from skdidan.results.summaries import mean_seconds, summarise_scores, tabulate
from skdidan.results.tables import Cell
from skdidan.results.task_rows import TaskRows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison"]

_RUN = ("task", "method", "oracle", "seed")


class Comparison(Sequence[dict[str, Any]]):
    """Results of `compare`: a sequence of records, with tables, intervals, tests and a report.

    Scores are fractions in data frames and percentages in printed tables. Oracles are marked as
    references and left out of ranks and tests, since they train with target labels. They see the
    target alone, so they are no upper bounds; `notes` says where a method beats one.

    Parameters
    ----------
    records : iterable of dict
        One for each task, method and seed, in this order: ``task, method, oracle`` (bool), ``seed,
        uar, war``, ``seconds`` of the whole run, ``feature_seconds`` of them spent in audio
        transformers, the predictions ``y_pred``, ``error`` and ``traceback``. If a run failed, the
        last two say why and ``y_pred`` is None; otherwise these two are None.
    tasks : dict of str to Bunch
        Tasks as for `compare`. Only true labels, speakers, classes, names of files and hashes of
        arrays are kept.
    settings : dict, optional
        Facts about the call, for the report: ``command, date, platform, versions, methods, seeds,
        n_threads``.

    Attributes
    ----------
    settings : dict
        The parameter.

    Raises
    ------
    ValueError
        If a record lacks a key, two are of one run, a task is not in `tasks`, or has the name of a
        column, "average" or "rank"; by the methods, if `metric` is
        neither "uar" nor "war".

    See Also
    --------
    compare : Make a comparison.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skdidan import compare
    >>> X, y = np.array([[0.0], [0.1], [1.0], [1.1]] * 5), np.array(["a", "a", "b", "b"] * 5)
    >>> tasks = {
    ...     "near": dict(X_src=X, y_src=y, X_tgt=X + 0.1, y_tgt=y, speaker_tgt=np.arange(20) // 4),
    ...     "far": dict(X_src=X, y_src=y, X_tgt=X + 0.6, y_tgt=y, speaker_tgt=np.arange(20) // 4),
    ... }
    >>> methods = {"constant": DummyClassifier(), "logistic": LogisticRegression()}
    >>> comparison = compare(methods, tasks, seeds=[0, 1])
    >>> comparison
    Comparison of 2 methods on 2 tasks: 8 runs, 0 failed
    >>> print(comparison.to_markdown())
    | UAR (%) | near | far | average | rank |
    |:---|---:|---:|---:|---:|
    | constant | 50.0 ± 0.0 | 50.0 ± 0.0 | 50.0 ± 0.0 | 1.75 |
    | logistic | **100.0** ± 0.0 | 50.0 ± 0.0 | **75.0** ± 0.0 | **1.25** |
    >>> comparison[0]["uar"], len(comparison.predictions())
    (0.5, 160)
    >>> comparison.tests("constant")[["method", "difference", "wins"]].to_dict("records")
    [{'method': 'logistic', 'difference': 0.25, 'wins': 2}]
    >>> comparison.intervals().loc[1, ["score", "low", "high"]].astype(float).tolist()
    [1.0, 1.0, 1.0]
    """

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
        n_references = len(titles(self._records, oracle=True))
        references = f" and {count_noun(n_references, 'reference')}" if n_references else ""
        methods = count_noun(len(self.methods) - n_references, "method")
        runs, tasks = count_noun(len(self), "run"), count_noun(len(self.tasks), "task")
        return f"Comparison of {methods}{references} on {tasks}: {runs}, {n_failed} failed"

    def __str__(self) -> str:
        return "\n".join([self.to_text(), *self.notes()])

    def _repr_html_(self) -> str:
        return tabulate(self._records, "uar").to_html()

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in the order of the records."""
        return list(dict.fromkeys(record["task"] for record in self))

    @property
    def methods(self) -> list[str]:
        """Names of the methods; those of references end in " (reference)"."""
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

    def summary(self, metric: str = "uar") -> pd.DataFrame:
        """Average the scores over the seeds, and over the tasks.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        summary : DataFrame, a row for each method
            Columns ``(task, "mean")`` and ``(task, "sd")`` for each task, ``("average", "mean")``,
            ``("average", "sd")`` and ``("rank", "mean")``. Deviations divide by the number of seeds
            minus one, and are 0 for one seed; that of the average is the deviation, over the seeds,
            of the average over the tasks. The rank, 1 is best, is that of the mean within each
            task, averaged over the tasks; ties share it, and references have none. A method with a
            run that failed has NaN, and ranks last.

        Raises
        ------
        ValueError
            If `metric` is unknown.
        """
        return summarise_scores(self._records, check_metric(metric))

    def intervals(
        self,
        metric: str = "uar",
        *,
        reference: str | None = None,
        confidence: float = 0.95,
        n_resamples: int = 2000,
        random_state: int = 0,
    ) -> pd.DataFrame:
        """Bootstrap the scores over the speakers of each target.

        Speakers of the target are drawn with replacement, all recordings of a speaker together, and
        each method is scored on the same draws, averaged over its seeds. The limits are
        percentiles. They tell how far the score depends on who was recorded; they are too narrow
        for fewer than about ten speakers. Where a task names fewer than two speakers, recordings
        are drawn, as if each had a speaker of its own.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.
        reference : str, optional
            A method; the intervals are then those of the difference of each other method to it.
        confidence : float between 0 and 1, default=0.95
            Share of the resamples within the limits.
        n_resamples : int > 0, default=2000
            Number of resamples.
        random_state : int, default=0
            Seed of the resamples.

        Returns
        -------
        intervals : DataFrame
            One row for each task and method: ``task, method, score, low, high``, what was drawn as
            ``unit`` ("speaker" or "recording"), and ``n_units``. A method with a run that failed
            has NaN.

        Raises
        ------
        ValueError
            If an argument is out of range, or `reference` is no method.
        """
        check_metric(metric)
        check_share("confidence", confidence)
        check_count("n_resamples", n_resamples)
        check_whole("random_state", random_state)
        if reference is not None:
            check_option("reference", reference, self.methods)
        options = {"n_resamples": n_resamples, "random_state": random_state}
        limits = (1 - confidence) / 2, (1 + confidence) / 2
        found = [
            row
            for task, rows in self.task_rows.items()
            for row in score_intervals(
                [run for run in self if run["task"] == task],
                rows,
                metric=metric,
                reference=reference,
                limits=limits,
                **options,
            )
        ]
        return pd.DataFrame(found, columns=list(Interval._fields))

    def tests(self, reference: str | None = None, metric: str = "uar") -> pd.DataFrame:
        """Compare each method with one of them by Wilcoxon's signed-rank test.

        The pairs are the runs of both methods on the same task with the same seed. P-values are
        two-sided and adjusted for the number of methods by Holm's step-down procedure [1]_. Seeds
        of a task share its recordings, so they are not independent, and the p-values are
        optimistic: read them beside `intervals`.

        Parameters
        ----------
        reference : str, optional
            The method that all others are compared with. Default: the one with the highest average.
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        tests : DataFrame, a row for each other method but the oracles
            ``method, reference, n_pairs``, the mean ``difference`` (method minus reference), how
            often the method is better, equal or worse as ``wins, ties, losses``, ``p``, and
            ``p_holm``. Pairs with a run that failed are left out.

        Raises
        ------
        ValueError
            If `metric` is unknown, `reference` is no method, or there are fewer than two methods.

        References
        ----------
        .. [1] Holm (1979). A simple sequentially rejective multiple test procedure. Scandinavian
           Journal of Statistics 6(2), 65-70.
        """
        methods = titles(self._records, oracle=False)
        if len(methods) < 2:
            raise ValueError(f"tests needs at least two methods; got {methods}.")
        check_metric(metric)
        if reference is None:
            average = self.summary(metric).loc[methods, ("average", "mean")]
            reference = str(methods[int(np.argmax(average.fillna(-np.inf)))])
        check_option("reference", reference, methods)
        return paired_tests(score_table(self._records, metric)[methods], reference)

    def notes(self, metric: str = "uar") -> list[str]:
        """Say which runs failed, and where a method beats a reference.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        notes : list of str
        """
        return write_notes(self._records, self.summary(metric), self.tasks)

    def to_text(self, metric: str = "uar") -> str:
        """Return the summary as aligned text, with the mean times per run in seconds.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        text : str
            Mean ± standard deviation over the seeds, in percent, and the seconds of a run that are
            spent on audio features and on everything else, the fits.
        """
        table = tabulate(self._records, check_metric(metric))
        times = mean_seconds(self)[["feature_seconds", "fit_seconds"]]
        table.columns += ["features (s)", "fit (s)"]
        for name, cells in table.rows.items():
            cells += [Cell(f"{seconds:.1f}".replace("nan", "-")) for seconds in times.loc[name]]
        return table.to_text()

    def to_markdown(self, metric: str = "uar") -> str:
        """Return the summary as a table of Markdown: the best bold, the second best in italics.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        markdown : str
            Mean ± standard deviation over the seeds, in percent.
        """
        return tabulate(self._records, check_metric(metric)).to_markdown()

    def to_latex(self, metric: str = "uar") -> str:
        r"""Return the summary as a ``tabular`` of LaTeX: the best bold, the second underlined.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.

        Returns
        -------
        latex : str
            Mean ± standard deviation over the seeds, in percent. It needs the package booktabs.
            References are not marked as best. Numbers that print alike share a mark.
        """
        return tabulate(self._records, check_metric(metric)).to_latex()

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one row for each run, as `to_frame` returns them, to a CSV file.

        Parameters
        ----------
        path : str or path-like
            The file. ``comparison.predictions().to_csv(path)`` writes one for each recording.
        """
        self.to_frame().to_csv(path, index=False)

    def plot(self, metric: str = "uar", *, spread: str = "deviation", ax: Any = None) -> Axes | Any:
        """Plot the scores of each method on each task; see `plot_scores`.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.
        spread : {"deviation", "interval"}, default="deviation"
            Error bars: the standard deviation over the seeds, or `intervals`.
        ax : matplotlib Axes, or array of them, optional
            Axes to draw into, one for each task.

        Returns
        -------
        ax : matplotlib Axes, or ndarray of them
        """
        return plot_scores(self, metric=metric, spread=spread, ax=ax)

    def report(self, path: str | os.PathLike[str], *, reference: str | None = None) -> None:
        """Write one HTML file with tables, figures, tests, settings and the origin of the audio.

        The file needs no other file and no network. It holds the command line, versions, parameters
        of the methods, and for each corpus the number and a hash of its files.

        Parameters
        ----------
        path : str or path-like
            The file to write.
        reference : str, optional
            The method that `tests` compares all others with.

        Raises
        ------
        ValueError
            If `reference` is no method.
        ImportError
            If matplotlib is not installed.
        """
        write_report(self, path, reference)
