"""Averages of scores over seeds and tasks, and their table in percent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from skdidan.results.records import run_title, score_table, titles
from skdidan.results.statistics import average_ranks
from skdidan.results.tables import P_HOLM, Cell, ScoreTable, mark_best, write_p, write_points

__all__ = ["add_tests", "mean_seconds", "put_limits", "summarise_scores", "tabulate"]


def summarise_scores(records: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    """Return mean and deviation of each method on each task, on average, and its rank."""
    scores = score_table(records, metric)
    # Runs that are missing, after an interrupt, are left out; those that failed make NaN.
    is_there = score_table([{**run, metric: 1.0} for run in records], metric).notna()
    tasks, methods = _tasks(records), list(scores.columns)
    summary: dict[tuple[str, str], Any] = {}
    blocks = [_seeds(scores, task) for task in tasks]
    there = [_seeds(is_there, task) for task in tasks]
    if tasks:
        blocks.append(sum(blocks) / len(tasks))
        there.append(sum(present.astype(float) for present in there) == len(tasks))
    for name, block, present in zip([*tasks, "average"], blocks, there, strict=False):
        moments = [_moments(block.loc[present[method], method]) for method in methods]
        summary[name, "mean"], summary[name, "sd"] = (
            pd.Series(its, methods, dtype=float) for its in zip(*moments, strict=True)
        )
    ranked = titles(records, oracle=False)
    means = np.array([summary[task, "mean"][ranked] for task in tasks])
    # Means that differ by rounding share a rank.
    ranks: Any = average_ranks(means.round(12)) if means.size else []
    summary["rank", "mean"] = pd.Series(ranks, ranked, dtype=float)
    return pd.DataFrame(summary, index=pd.Index(methods, name="method"))


def tabulate(records: list[dict[str, Any]], metric: str) -> ScoreTable:
    """Return the table of scores in percent; with several tasks also averages and ranks."""
    summary, tasks = summarise_scores(records, metric), _tasks(records)
    methods, ranked = list(summary.index), titles(records, oracle=False)
    columns = tasks if len(tasks) < 2 else [*tasks, "average", "rank"]
    table = ScoreTable(f"{metric.upper()} (%)", columns, {name: [] for name in methods})
    for column in columns:
        is_rank, means = column == "rank", summary[column, "mean"]
        texts = {name: _digits(means[name], is_rank) for name in methods}
        marks = mark_best([texts[name] for name in ranked], highest=not is_rank)
        places = dict(zip(ranked, marks, strict=True))
        for name, text in texts.items():
            has_sd = not is_rank and np.isfinite(means[name])
            sd = f"{100 * summary.loc[name, (column, 'sd')]:.1f}" if has_sd else ""
            table.rows[name].append(Cell(text, sd, places.get(name, 0)))
    return table


def put_limits(table: ScoreTable, intervals: Any) -> None:
    """Replace the deviations in a table by intervals; averages and ranks have none."""
    limits = {
        (row.method, row.task): f"{100 * row.low:.1f}, {100 * row.high:.1f}"
        for row in intervals.dropna(subset=["low", "high"]).itertuples()
    }
    for name, cells in table.rows.items():
        table.rows[name] = [
            replace(cell, deviation="", limits=limits.get((name, column), ""))
            for column, cell in zip(table.columns, cells, strict=True)
        ]


def add_tests(table: ScoreTable, tests: Any) -> None:
    """Add columns with the difference of each method to one, in points, and its p-value."""
    table.columns += [f"vs. {tests['reference'].iloc[0]}", P_HOLM]
    texts = {row.method: (row.difference, row.p_holm) for row in tests.itertuples()}
    for name, cells in table.rows.items():
        difference, p = texts.get(name, (np.nan, np.nan))
        cells += [Cell(write_points(difference)), Cell(write_p(p))]


def mean_seconds(comparison: Any) -> pd.DataFrame:
    """Return the mean seconds of the runs of each method: features, fits, and both."""
    names = [run_title(run) for run in comparison]
    columns = ["feature_seconds", "fit_seconds", "seconds"]
    return comparison.to_frame().groupby(names, sort=False)[columns].mean()


def _seeds(table: pd.DataFrame, task: str) -> Any:
    return table.loc[[task]].droplevel("task")


def _moments(scores: Any) -> tuple[float, float]:
    """Return mean and deviation, which is 0 for one seed; NaN for none."""
    values = np.asarray(scores, dtype=float)
    if not len(values):
        return np.nan, np.nan
    return float(values.mean()), float(values.std(ddof=min(1, len(values) - 1)))


def _tasks(records: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(record["task"] for record in records))


def _digits(value: float, is_rank: bool) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.2f}" if is_rank else f"{100 * value:.1f}"
