"""Remarks on a comparison: failed runs, and references that a method beats."""

from __future__ import annotations

from typing import Any

import pandas as pd

from skdidan.results.records import run_title, titles

__all__ = ["count_noun", "write_notes"]


def write_notes(
    records: list[dict[str, Any]], summary: pd.DataFrame, tasks: list[str]
) -> list[str]:
    """Return a sentence for each method that failed and each reference, if there are any."""
    failed: dict[tuple[str, str], list[int]] = {}
    for record in records:
        if record["y_pred"] is None:
            failed.setdefault((run_title(record), record["task"]), []).append(record["seed"])
    notes = [
        f"{method} failed on {task} with seeds {', '.join(map(str, seeds))}."
        for (method, task), seeds in failed.items()
    ]
    methods, references = titles(records, oracle=False), titles(records, oracle=True)
    if references:
        notes.append(
            "A reference is trained with target labels, cross-validated within the target. It sees "
            "no source, so it is no upper bound."
        )
    for reference in references:
        notes += _beaten(reference, methods, summary, tasks)
    return notes


def _beaten(
    reference: str, methods: list[str], summary: pd.DataFrame, tasks: list[str]
) -> list[str]:
    """Say on which tasks the best method is above a reference."""
    notes = []
    for task in tasks:
        means: Any = summary[task, "mean"]
        best = means[methods].dropna()
        if len(best) and best.max() > means[reference]:
            scores = f"{100 * best.max():.1f} > {100 * means[reference]:.1f}"
            notes.append(f"{best.idxmax()} beats {reference} on {task}: {scores}.")
    return notes


def count_noun(n: int, noun: str) -> str:
    """Return a number with its noun, as in "1 run" and "2 runs"."""
    return f"{n} {noun}{'' if n == 1 else 's'}"
