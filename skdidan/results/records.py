"""Records of runs: their checks, titles and scores as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from skdidan.parameters import check_option

__all__ = [
    *("METRICS", "check_metric", "check_records", "check_spread", "check_task_names"),
    *("run_title", "score_table", "titles"),
]

METRICS = ("uar", "war")
_SPREADS = ("deviation", "interval")
_KEYS = ("task", "method", "oracle", "seed", "uar", "war", "seconds", "y_pred")


def check_records(records: Any) -> list[dict[str, Any]]:
    """Return records as a list of dict; raise a ValueError if one lacks a key or occurs twice."""
    rows: list[Any] = list(records) if isinstance(records, Iterable) else [None]
    if not all(isinstance(row, Mapping) and set(_KEYS) <= row.keys() for row in rows):
        raise ValueError(
            f"records must be a list of dict, as compare makes them, with the keys "
            f"{', '.join(_KEYS)}; got {records!r:.200}."
        )
    runs = Counter((row["task"], run_title(row), row["seed"]) for row in rows)
    if repeated := [run for run, count in runs.items() if count > 1]:
        raise ValueError(
            f"records must have one run for each task, method and seed; {repeated[0]} occurs "
            "several times."
        )
    return [dict(row) for row in rows]


def check_task_names(names: Iterable[str]) -> None:
    """Raise a ValueError if a task has the name of another column of the tables."""
    if taken := [name for name in names if name in ("average", "rank")]:
        raise ValueError(f"tasks must not be named {taken}, which are columns of the tables.")


def check_metric(metric: Any) -> str:
    """Return `metric` if it is a score of the records, or raise a ValueError."""
    return check_option("metric", metric, METRICS)


def check_spread(spread: Any) -> str:
    """Return `spread` if it is one that is written or drawn beside scores, or raise an error."""
    return check_option("spread", spread, _SPREADS)


def run_title(row: Mapping[str, Any]) -> str:
    """Return the name of the method of a run, with a mark if it is an oracle."""
    return f"{row['method']} (reference)" if row["oracle"] else str(row["method"])


def titles(records: list[dict[str, Any]], *, oracle: bool | None = None) -> list[str]:
    """List the methods in the order of the records: all, the oracles, or all others."""
    rows = (row for row in records if oracle is None or bool(row["oracle"]) == oracle)
    return list(dict.fromkeys(map(run_title, rows)))


def score_table(records: list[dict[str, Any]], metric: str) -> pd.DataFrame:
    """Return the scores with a row for each task and seed and a column for each method.

    Runs that failed have NaN, as do runs that are missing.
    """
    columns = titles(records)
    runs = list(dict.fromkeys((row["task"], row["seed"]) for row in records))
    parts = [[run[place] for run in runs] for place in (0, 1)]
    index = pd.MultiIndex.from_arrays(parts, names=["task", "seed"])
    table = pd.DataFrame(np.nan, index=index, columns=columns)
    for row in records:
        table.loc[(row["task"], row["seed"]), run_title(row)] = row[metric]
    return table
