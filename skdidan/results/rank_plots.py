"""Critical-difference diagrams of average ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skdidan.parameters import check_option, check_share
from skdidan.plots.drawing import count_lines, find_axes, wrap
from skdidan.results.records import check_metric, score_table, titles
from skdidan.results.statistics import average_ranks, critical_difference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_ranks"]


def plot_ranks(
    comparison: Any,
    *,
    metric: str = "uar",
    over: str = "tasks",
    alpha: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Plot the average ranks of the methods: a critical-difference diagram.

    Methods whose average ranks differ by less than the critical difference of the Nemenyi test are
    joined by a bar [1]_. The best method is on the left. Oracles are left out.

    Parameters
    ----------
    comparison : Comparison
        Result of `compare`, with at least two methods.
    metric : {"uar", "war"}, default="uar"
        The score.
    over : {"tasks", "runs"}, default="tasks"
        Unit to average ranks over: tasks, each with its mean over the seeds, or single runs. Runs
        of one task are not independent, so too few methods are joined.
    alpha : float between 0 and 1, default=0.05
        Level of significance.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If an argument is out of range, or there are fewer than two methods, tasks or runs.
    ImportError
        If matplotlib is not installed.

    References
    ----------
    .. [1] Demšar (2006). Statistical comparisons of classifiers over multiple data sets. JMLR 7,
       1-30.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn.dummy import DummyClassifier
    >>> from skdidan import compare, plot_ranks
    >>> task = dict(X_src=[[0.0], [1.0]], y_src=["a", "b"], X_tgt=[[0.5]] * 4, y_tgt=list("aabb"))
    >>> methods = {"prior": DummyClassifier(), "random": DummyClassifier(strategy="uniform")}
    >>> comparison = compare(methods, {"one": task, "two": task}, seeds=[0])
    >>> ax = plot_ranks(comparison, ax=Figure().subplots())
    """
    check_metric(metric)
    check_option("over", over, ("tasks", "runs"))
    check_share("alpha", alpha)
    methods = titles(list(comparison), oracle=False)
    if over == "tasks":
        means = comparison.summary(metric).loc[methods]
        scores = np.array([means[task, "mean"] for task in comparison.tasks])
    else:
        scores = score_table(list(comparison), metric)[methods].to_numpy()
    if len(methods) < 2 or len(scores) < 2:
        raise ValueError(
            f"plot_ranks needs at least two methods and two {over}; got {len(methods)} and "
            f"{len(scores)}."
        )
    ranks = average_ranks(scores)
    difference = critical_difference(len(methods), len(scores), alpha)
    order = np.argsort(ranks, kind="stable")
    ax = find_axes(ax)
    _draw_ranks(ax, [methods[n] for n in order], ranks[order], difference)
    ax.set_title(f"Average rank over {len(scores)} {over}, {metric.upper()}", pad=14)
    return ax


def _draw_ranks(ax: Axes, methods: list[str], ranks: NDArray[Any], difference: float) -> None:
    """Draw the axis of the ranks on top, the names on both sides, and a bar for each group."""
    n_methods, n_left = len(methods), (len(methods) + 1) // 2
    groups = _join(ranks, difference)
    first = 0.5 + 0.35 * len(groups)  # height of the first name below the axis
    step = 0.3 * (1 + count_lines(methods))
    for number, (name, rank) in enumerate(zip(methods, ranks, strict=True)):
        is_left = number < n_left
        level = first + step * (number if is_left else n_methods - 1 - number)
        side = 1 - 0.15 if is_left else n_methods + 0.15
        ax.plot([rank, rank, side], [0, level, level], color="black", lw=1)
        ax.text(
            side + (-0.08 if is_left else 0.08),
            level,
            f"{wrap(name)}  {rank:.2f}" if is_left else f"{rank:.2f}  {wrap(name)}",
            ha="right" if is_left else "left",
            va="center",
        )
    for number, (start, stop) in enumerate(groups):
        level = 0.3 + 0.35 * number
        ends = ranks[start] - 0.04, ranks[stop] + 0.04
        ax.plot(ends, [level, level], color="#d55e00", lw=4, solid_capstyle="butt")
    shown = min(difference, n_methods - 1)
    more = "" if shown == difference else " (beyond the axis)"
    ax.plot([1, 1 + shown], [-0.9, -0.9], color="black", lw=1.5, marker="|", ms=8)
    ax.text(1, -1.1, f"critical difference {difference:.2f}{more}", ha="left", va="bottom")
    ax.set(xlim=(1 - 0.15, n_methods + 0.15), ylim=(first + step * n_left - 0.2, -1.7), yticks=[])
    ax.set_xticks(range(1, n_methods + 1))
    ax.spines[["left", "right", "bottom"]].set_visible(False)
    ax.spines["top"].set_position(("data", 0))
    ax.xaxis.tick_top()


def _join(ranks: NDArray[Any], difference: float) -> list[tuple[int, int]]:
    """Return the largest groups of sorted ranks that differ by less than the difference."""
    groups: list[tuple[int, int]] = []
    for start, rank in enumerate(ranks):
        stop = int(np.flatnonzero(ranks - rank <= difference)[-1])
        if stop > start and (not groups or stop > groups[-1][1]):
            groups.append((start, stop))
    return groups
