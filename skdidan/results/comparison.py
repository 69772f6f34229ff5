"""The results of a comparison: tables, intervals, tests, plots and a report of its runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skdidan.parameters import check_count, check_option, check_share, check_whole
from skdidan.results.inference import Interval, paired_tests, score_intervals
from skdidan.results.notes import write_notes
from skdidan.results.records import check_metric, check_spread, score_table, titles
from skdidan.results.report import write_report
from skdidan.results.score_plots import plot_scores
from skdidan.results.sequence import RunSequence
from skdidan.results.summaries import (
    add_tests,
    mean_seconds,
    put_limits,
    summarise_scores,
    tabulate,
)
from skdidan.results.tables import Cell, ScoreTable
from skdidan.results.task_rows import describe_emotions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Comparison"]


class Comparison(RunSequence):
    """Results of `compare`: a sequence of records, with tables, intervals, tests and a report.

    Scores are fractions in data frames and percentages in printed tables. Oracles train with target
    labels: they are marked "(reference)" and left out of ranks and tests. They see the target
    alone, so they are no upper bounds; `notes` says where a method beats one. The parameter
    ``reference`` of `tests` is no oracle, but the method that all others are compared with.

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
        n_threads``, and ``features`` where the methods get rows of features.

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
    [{'method': 'logistic', 'difference': 0.25, 'wins': 1}]
    >>> comparison.intervals().loc[1, ["score", "low", "high"]].astype(float).tolist()
    [1.0, 1.0, 1.0]
    """

    def __str__(self) -> str:
        return "\n".join([self.to_text(), *self.notes()])

    def _repr_html_(self) -> str:
        return tabulate(self._records, "uar").to_html()

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
            task, averaged over the tasks; ties share it, and oracles have none. A method with a
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
            A method. The intervals are then those of the difference of each other method, or
            oracle, to it.
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

        The pairs are the runs of both methods on the same task with the same seed. A task whose
        pairs are all equal, as of two methods without randomness, counts once. P-values are
        two-sided and adjusted for the number of methods by Holm's step-down procedure [1]_. Seeds
        of a task share its recordings, so they are not independent, and the p-values are
        optimistic: read them beside `intervals`.

        Parameters
        ----------
        reference : str, optional
            The method that all others are compared with; no oracle. Default: the one with the
            highest average.
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
        """Say which runs failed, and where a method beats an oracle.

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
            spent on audio features, if any, and on everything else, the fits.
        """
        table = tabulate(self._records, check_metric(metric))
        times = mean_seconds(self)
        shown = {"feature_seconds": "features (s)", "fit_seconds": "fit (s)"}
        if not times["feature_seconds"].any():  # the tasks hold features, and no audio
            del shown["feature_seconds"]
        table.columns += shown.values()
        for name, cells in table.rows.items():
            seconds = times.loc[name, list(shown)]
            cells += [Cell(f"{value:.1f}".replace("nan", "-")) for value in seconds]
        return table.to_text()

    def to_markdown(
        self, metric: str = "uar", *, spread: str = "deviation", reference: str | None = None
    ) -> str:
        """Return the summary as a table of Markdown: the best bold, the second best in italics.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.
        spread : {"deviation", "interval"}, default="deviation"
            Written beside each mean, as in `to_latex`.
        reference : str, optional
            Method of the columns of tests, as in `to_latex`. Default: no such columns.

        Returns
        -------
        markdown : str
            Means over the seeds, in percent.

        Raises
        ------
        ValueError
            If an argument is unknown, or there are fewer than two methods to test.
        """
        return self._tabulate(metric, spread, reference).to_markdown()

    def to_latex(
        self, metric: str = "uar", *, spread: str = "deviation", reference: str | None = None
    ) -> str:
        r"""Return the summary as a ``tabular`` of LaTeX: the best bold, the second best underlined.

        Put ``\usepackage{booktabs}`` into the preamble; no other package is needed. Names are
        escaped. Comments say which emotions each task has, and what the intervals draw.

        Parameters
        ----------
        metric : {"uar", "war"}, default="uar"
            The score.
        spread : {"deviation", "interval"}, default="deviation"
            Written beside each mean: the standard deviation over the seeds, or the 95 % interval of
            `intervals`. The average over the tasks has no interval.
        reference : str, optional
            A method, for two more columns of `tests`: the mean difference of each other method to
            it, in points, and the p-value adjusted by Holm's procedure. Default: no such columns.

        Returns
        -------
        latex : str
            Means over the seeds, in percent. Methods that train with target labels are not marked
            as best. Numbers that print alike share a mark.

        Raises
        ------
        ValueError
            If an argument is unknown, or there are fewer than two methods to test.

        Examples
        --------
        >>> import numpy as np
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skdidan import compare
        >>> X, y = np.array([[0.0], [0.1], [1.0], [1.1]] * 5), np.array(["a", "a", "b", "b"] * 5)
        >>> task = dict(X_src=X, y_src=y, X_tgt=X, y_tgt=y, source="emodb", target="casia")
        >>> methods = {"constant": DummyClassifier(), "logistic": LogisticRegression()}
        >>> comparison = compare(methods, [task], seeds=[0, 1])
        >>> print(comparison.to_latex(spread="interval", reference="constant"))
        % needs \usepackage{booktabs}
        % Intervals: a bootstrap over each recording.
        % emodb → casia: emotions a, b.
        \begin{tabular}{lrrr}
        \toprule
        UAR (\%) & emodb $\rightarrow$ casia & vs.\ constant & $p$ (Holm) \\
        \midrule
        constant & 50.0 [50.0, 50.0] & - & - \\
        logistic & \textbf{100.0} [100.0, 100.0] & $+50.0$ & 1.000 \\
        \bottomrule
        \end{tabular}
        """
        return self._tabulate(metric, spread, reference).to_latex()

    def _tabulate(self, metric: str, spread: str, reference: str | None) -> ScoreTable:
        """Return the summary with deviations or intervals, and with the tests against a method."""
        table = tabulate(self._records, check_metric(metric))
        if check_spread(spread) == "interval":
            put_limits(table, self.intervals(metric))
            units = {rows.units()[0] for rows in self.task_rows.values()}
            table.notes.append(f"Intervals: a bootstrap over each {' or '.join(sorted(units))}.")
        if reference is not None:
            add_tests(table, self.tests(reference, metric))
        emotions = {task: rows.present for task, rows in self.task_rows.items()}
        table.notes += describe_emotions(emotions)
        return table

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
