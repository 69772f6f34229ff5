"""Plots: each draws into the axes it is given and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import ConfusionMatrixDisplay

from skdidan.comparison import row_title, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion", "plot_scores"]

_METHOD, _ORACLE = "#3b6ea5", "#b8b8b8"


def plot_scores(
    records: list[dict[str, Any]], *, metric: str = "uar", ax: Axes | None = None
) -> Axes:
    """Draw the mean score of each method over the seeds as bars, with the deviation and the seeds.

    Parameters
    ----------
    records : list of dict
        What `compare` returns, of one task.
    metric : {"uar", "war"}, default="uar"
        The score.
    ax : matplotlib Axes, optional
        Where to draw; the current axes by default.

    Returns
    -------
    ax : matplotlib Axes
        The axes.

    Raises
    ------
    ValueError
        If `metric` is unknown or the records are of several tasks.
    ImportError
        If matplotlib is missing.
    """
    if metric not in ("uar", "war"):
        raise ValueError(f"metric must be 'uar' or 'war'; got {metric!r}.")
    tasks = sorted({record["task"] for record in records})
    if len(tasks) != 1:
        raise ValueError(f"plot_scores draws one task at a time; the records hold {tasks}.")
    ax = _axes(ax)
    rows = summarise(records)[::-1]
    for place, row in enumerate(rows):
        colour = _ORACLE if row["oracle"] else _METHOD
        mean, deviation = 100 * row[metric], 100 * row[f"{metric}_std"]
        ax.barh(place, mean, xerr=deviation, color=colour, height=0.7, error_kw={"lw": 1})
        seeds = [
            record[metric]
            for record in records
            if (record["method"], record["oracle"]) == (row["method"], row["oracle"])
        ]
        ax.plot(100 * np.array(seeds), [place] * len(seeds), ".", color="black", ms=4, alpha=0.6)
        ax.annotate(
            f"{mean:.1f} ",
            (0, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            color="white" if not row["oracle"] else "black",
        )
    ax.set_yticks(range(len(rows)), [row_title(row) for row in rows])
    ax.set_xlabel(f"{metric.upper()} (%)")
    ax.set_title(tasks[0])
    return ax


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the confusion matrix, each row in percent of the true class.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n_samples,)
        True and predicted labels.
    labels : sequence, optional
        The classes and their order; by default all that occur, sorted.
    ax : matplotlib Axes, optional
        Where to draw; the current axes by default.

    Returns
    -------
    ax : matplotlib Axes
        The axes.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    ax = _axes(ax)
    display = ConfusionMatrixDisplay.from_predictions(
        y_true,
        y_pred,
        labels=labels,
        normalize="true",
        values_format=".0%",
        xticks_rotation=45,
        cmap="Blues",
        colorbar=False,
        ax=ax,
    )
    return display.ax_


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed: pip install skdidan[plots]."
        ) from error
    return plt.gca()
