"""Intervals of the scores of methods, and tests between methods."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skdidan.results.records import run_title
from skdidan.results.statistics import compare_pairs, holm, resample_scores
from skdidan.results.task_rows import TaskRows

__all__ = ["Interval", "paired_tests", "score_intervals"]


class Interval(NamedTuple):
    """Limits of a score, or of a difference of scores, and what was drawn to find them."""

    task: str
    method: str
    score: float
    low: float
    high: float
    unit: str
    n_units: int


def score_intervals(
    records: list[dict[str, Any]],
    rows: TaskRows,
    *,
    metric: str,
    reference: str | None,
    limits: tuple[float, float],
    n_resamples: int,
    random_state: int,
) -> list[Interval]:
    """Return the interval of each method on one task; `limits` are quantiles."""
    task, (unit, units) = records[0]["task"], rows.units()
    names, is_correct = _correct(records, rows)
    if reference is not None and reference not in names:  # not run yet, after an interrupt
        return []
    # Not of a table of all seeds: a method may lack some, if the runs were interrupted.
    given = {name: [run[metric] for run in records if run_title(run) == name] for name in names}
    observed = np.array([np.mean(scores) for scores in given.values()])
    scores = np.full((len(names), n_resamples), np.nan)
    has_score = ~np.isnan(observed)
    scores[has_score] = resample_scores(
        is_correct[has_score],
        rows.truth,
        units,
        classes=rows.present,
        metric=metric,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    if reference is not None:
        place = names.index(reference)
        scores, observed = scores - scores[place], observed - observed[place]
    ends = np.quantile(scores, limits, axis=1).T
    return [
        Interval(task, name, score, low, high, unit, int(units.max()) + 1)
        for name, score, (low, high) in zip(names, observed, ends, strict=True)
        if name != reference
    ]


def _correct(
    records: list[dict[str, Any]], rows: TaskRows
) -> tuple[list[str], NDArray[np.float64]]:
    """Return the methods, and the share of their seeds that are right on each row."""
    correct: dict[str, list[Any]] = {}
    for run in records:
        is_right = np.full(len(rows.truth), np.nan)
        if run["y_pred"] is not None:
            is_right = np.asarray(run["y_pred"] == rows.truth, dtype=float)
        correct.setdefault(run_title(run), []).append(is_right)
    return list(correct), np.array([np.mean(runs, axis=0) for runs in correct.values()])


def _distinct(pairs: pd.DataFrame) -> pd.DataFrame:
    """Keep one pair of a task whose pairs are all equal: without randomness, seeds are no data."""
    return pairs.groupby(level="task", sort=False, group_keys=False).apply(
        lambda rows: rows[:1] if len(rows.drop_duplicates()) == 1 else rows
    )


def paired_tests(scores: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Compare each column with the reference, row by row, and adjust the p-values."""
    found = []
    for method in scores.columns.drop(reference):
        pairs = _distinct(scores[[method, reference]])
        test = compare_pairs(pairs[method], pairs[reference])._asdict()
        test["difference"] = (scores[method] - scores[reference]).mean()  # all tasks weigh alike
        found.append({"method": method, "reference": reference, **test})
    frame = pd.DataFrame(found)
    frame["p_holm"] = holm(frame["p"])
    return frame
