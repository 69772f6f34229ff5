"""Remarks on a comparison: failed runs, and oracles that a method beats."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skdidan.results.records import run_title, titles

__all__ = ["count_noun", "write_notes"]


def write_notes(
    records: list[dict[str, Any]], summary: pd.DataFrame, tasks: list[str]
) -> list[str]:
    """Return a sentence for each method that failed and each oracle that is beaten."""
    failed: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record["y_pred"] is None:
            failed.setdefault((run_title(record), record["task"]), []).append(record["seed"])
    notes = [
        f"{method} failed on {task} with seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}."
        for (method, task), seeds in failed.items()
    ]
    methods, oracles = titles(records, oracle=False), titles(records, oracle=True)
    if oracles:
        notes.append(
            "Methods marked (reference) are oracles: they train with target labels, "
            "cross-validated within the target. They see no source, so they are no upper bounds."
        )
    for oracle in oracles:
        notes += _beaten(oracle, methods, summary, tasks)
    return notes


def _beaten(oracle: str, methods: list[str], summary: pd.DataFrame, tasks: list[str]) -> list[str]:
    """Say on which tasks the best method is above an oracle."""
    notes = []
    for task in tasks:
        means: Any = summary[task, "mean"]
        best = means[methods].dropna()
        if len(best) and best.max() > means[oracle]:
            scores = f"{100 * best.max():.1f} > {100 * means[oracle]:.1f}"
            notes.append(f"{best.idxmax()} beats the oracle {oracle} on {task}: {scores}.")
    return notes


def count_noun(n: int, noun: str) -> str:
    """Return a number with its noun, as in "1 run" and "2 runs"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
