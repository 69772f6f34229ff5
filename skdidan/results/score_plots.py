"""Plots of the scores of a comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skdidan.plots.drawing import count_lines, find_axes, find_axes_grid, wrap
from skdidan.results.records import check_metric, check_spread, run_title, titles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_scores"]

_METHOD = {"color": "#3b6ea5"}
_ORACLE = {"color": "#d9d9d9", "hatch": "///", "edgecolor": "#8c8c8c"}


def plot_scores(
    comparison: Any, *, metric: str = "uar", spread: str = "deviation", ax: Any = None
) -> Any:
    """Plot the scores of each method as bars, with one panel for each task.

    Bars show the mean over the seeds, dots each seed, and a dashed line the chance level. Oracles,
    which train with target labels, are hatched and marked as references.

    Parameters
    ----------
    comparison : Comparison
        Result of `compare`. A method with a score of NaN has no bar.
    metric : {"uar", "war"}, default="uar"
        The score.
    spread : {"deviation", "interval"}, default="deviation"
        Error bars: the standard deviation over the seeds, or the 95 % intervals of
        `Comparison.intervals` over the speakers of the target.
    ax : matplotlib Axes, or array of n_tasks Axes, optional
        Axes to draw into. Default: the current axes for one task, a new figure for several.

    Returns
    -------
    ax : matplotlib Axes, or ndarray of Axes, shape (n_tasks,)
        One axes for one task, else an array.

    Raises
    ------
    ValueError
        If `metric` or `spread` is unknown, `comparison` has no runs, or `ax` does not hold one axes
        for each task.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.dummy import DummyClassifier
    >>> from skdidan import compare, plot_scores
    >>> task = dict(X_src=[[0.0], [1.0]], y_src=["a", "b"], X_tgt=[[0.5]] * 4, y_tgt=list("aabb"))
    >>> comparison = compare(DummyClassifier(), {"one": task, "two": task}, seeds=[0])
    >>> axes = plot_scores(comparison, ax=Figure(layout="constrained").subplots(1, 2))
    >>> [ax.get_title() for ax in axes]
    ['one', 'two']
    """
    check_metric(metric)
    check_spread(spread)
    tasks, n_methods = comparison.tasks, len(comparison.methods)
    if not tasks:
        raise ValueError("comparison has no runs to plot.")
    if ax is None and len(tasks) == 1:
        ax = find_axes(None)
    size = 4.2, 1.2 + 0.32 * n_methods * (1 + count_lines(comparison.methods)) / 2
    axes = find_axes_grid(len(tasks), ax, "tasks", size=size)
    places, errors = comparison.summary(metric), _errors(comparison, metric, spread)
    for panel, task in zip(axes, tasks, strict=True):
        _draw_task(panel, comparison, task, metric, places[task, "mean"], errors[task])
    widest = max(panel.get_xlim()[1] for panel in axes)
    for number, panel in enumerate(axes):
        panel.set_xlim(0, widest)  # so that tasks can be compared
        if number and panel.get_subplotspec() and not panel.get_subplotspec().is_first_col():
            panel.set_yticklabels([])
    return axes[0] if len(tasks) == 1 else axes


def _errors(comparison: Any, metric: str, spread: str) -> dict[str, NDArray[np.float64]]:
    """Return the lengths of the error bars of each task, below and above, in percent."""
    summary, methods = comparison.summary(metric), comparison.methods
    if spread == "deviation":
        return {
            task: 100 * np.tile(summary[task, "sd"].loc[methods], (2, 1))
            for task in comparison.tasks
        }
    table = comparison.intervals(metric)
    errors = {}
    for task in comparison.tasks:
        limits = table[table["task"] == task].set_index("method").reindex(methods)
        ends = [limits["score"] - limits["low"], limits["high"] - limits["score"]]
        errors[task] = 100 * np.maximum(np.array(ends), 0)
    return errors


def _draw_task(
    ax: Axes, comparison: Any, task: str, metric: str, means: Any, errors: NDArray[np.float64]
) -> None:
    """Draw the bars of one task, the first method on top."""
    methods = comparison.methods
    oracles = titles(list(comparison), oracle=True)
    points: dict[str, list[float]] = {name: [] for name in methods}
    for run in comparison:
        if run["task"] == task:
            points[run_title(run)].append(100 * run[metric])
    for number, name in enumerate(methods[::-1]):
        is_oracle = name in oracles
        style: dict[str, Any] = _ORACLE if is_oracle else _METHOD
        mean, error = 100 * means[name], errors[:, [methods.index(name)]].tolist()
        ax.barh(number, mean, 0.72, xerr=error, error_kw={"lw": 1.2, "capsize": 2.5}, **style)
        seeds = [number] * len(points[name])
        ax.plot(points[name], seeds, "o", color="black", mfc="white", mew=0.8, ms=3.5)
        is_dark = not (is_oracle or np.isnan(mean))
        ax.annotate(
            f"{mean:.1f}" if np.isfinite(mean) else "failed" if points[name] else "not run",
            (0, number),
            (4, 0),
            textcoords="offset points",
            va="center",
            color="white" if is_dark else "black",
            bbox=None if is_dark else {"fc": "white", "ec": "none", "pad": 1, "alpha": 0.8},
        )
    classes = comparison.task_rows[task].present
    if metric == "uar" and len(classes):
        ax.axvline(100 / len(classes), color="black", lw=1, ls="--")
    ax.set_yticks(range(len(methods)), [wrap(name) for name in methods[::-1]])
    ax.set(xlabel=f"{metric.upper()} (%)", title=task, xlim=(0, 1.04 * ax.get_xlim()[1]))
    ax.spines[["top", "right"]].set_visible(False)
