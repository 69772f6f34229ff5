"""Plots of scores, confusion matrices and reconstructions, drawn into given axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse, sparray
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.multiclass import unique_labels

from skdidan.reporting import import_extra
from skdidan.selection.comparison import check_records, row_title, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion", "plot_reconstruction", "plot_scores"]

# The eight colour-blind safe colours of Okabe and Ito, and grey for the ninth emotion.
_COLOURS = "#d55e00 #0072b2 #f0e442 #009e73 #cc79a7 #56b4e9 #e69f00 #000000 #999999".split()


def plot_scores(records: Any, *, metric: str = "uar", ax: Axes | None = None) -> Axes:
    """Plot the scores of each method on one task as a bar chart.

    Bars show the mean over the seeds, error bars the standard deviation, and dots each seed.

    Parameters
    ----------
    records : list of dict or DataFrame
        Records of one task from `compare`. A method with a score of NaN has no bar.
    metric : {"uar", "war"}, default="uar"
        The score.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If `metric` is unknown, or the records belong to several tasks.
    ImportError
        If matplotlib is not installed.
    """
    if metric not in ("uar", "war"):
        raise ValueError(f"metric must be 'uar' or 'war'; got {metric!r}.")
    rows = summarise(records)[::-1]
    tasks = sorted({row["task"] for row in rows})
    if len(tasks) != 1:
        raise ValueError(f"plot_scores draws one task at a time; the records hold {tasks}.")
    ax, runs = _axes(ax), check_records(records)
    for y, row in enumerate(rows):
        colour, text = ("#b8b8b8", "black") if row["oracle"] else ("#3b6ea5", "white")
        mean, deviation = 100 * row[metric], 100 * row[f"{metric}_std"]
        text = "black" if np.isnan(mean) else text
        ax.barh(y, mean, xerr=deviation, color=colour, height=0.7, error_kw={"lw": 1})
        key = row["method"], row["oracle"]
        points = [100 * run[metric] for run in runs if (run["method"], run["oracle"]) == key]
        ax.plot(points, [y] * len(points), ".", color="black", ms=4, alpha=0.6)
        ax.annotate(
            f"{mean:.1f} ", (0, y), (4, 0), textcoords="offset points", va="center", color=text
        )
    ax.set_yticks(range(len(rows)), [row_title(row) for row in rows])
    ax.set(xlabel=f"{metric.upper()} (%)", title=tasks[0])
    return ax


def plot_confusion(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the confusion matrix, with each row in percent of the true class.

    Parameters
    ----------
    y_true, y_pred : array-like, shape (n_samples,)
        True and predicted labels.
    labels : sequence, optional
        Classes in the order of the plot. Default: all in the data, sorted. A row sums to less than
        100 % if other classes are predicted.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    classes = unique_labels(y_true, y_pred) if labels is None else np.asarray(labels)
    counts = confusion_matrix(y_true, y_pred, labels=classes)
    n_true = np.sum(np.asarray(y_true) == classes[:, np.newaxis], axis=1, keepdims=True)
    display = ConfusionMatrixDisplay(counts / np.maximum(n_true, 1), display_labels=classes)
    display.plot(
        values_format=".0%", xticks_rotation=45, cmap="Blues", colorbar=False, ax=_axes(ax)
    )
    return display.ax_


def plot_reconstruction(
    codes: sparray | ArrayLike,
    y_src: ArrayLike,
    *,
    rows: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot which source clips reconstruct each target clip, coloured by emotion.

    Each target clip is a bar, stacked from source clips with the largest weight first: positive
    weights to the right of zero, negative ones to the left.

    Parameters
    ----------
    codes : sparse array or array-like, shape (n_target, n_source)
        Weights of the source clips, for example rows of `DIDANClassifier.reconstruction_codes`.
    y_src : array-like, shape (n_source,)
        Emotions of the source clips.
    rows : sequence of str, shape (n_target,), optional
        Names of the target clips. Default: their numbers.
    labels : sequence, optional
        Emotions in the order of the legend, at most nine. Default: all in `y_src`, sorted.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If shapes disagree, `labels` are incomplete or more than nine, or a code is not finite.
    ImportError
        If matplotlib is not installed.
    """
    weights = np.asarray(codes.toarray() if issparse(codes) else codes, dtype=float)
    y_src = np.asarray(y_src)
    if y_src.ndim != 1:
        raise ValueError(f"y_src must be one-dimensional; got shape {y_src.shape}.")
    if weights.ndim != 2 or weights.shape[1] != len(y_src):
        raise ValueError(
            f"codes must have a column for each of {len(y_src)} source clips; got shape "
            f"{weights.shape}."
        )
    if rows is not None and len(rows) != len(weights):
        raise ValueError(
            f"rows must have a name for each of {len(weights)} target clips; got {len(rows)}."
        )
    if not np.isfinite(weights).all():
        raise ValueError("codes must be finite; got NaN or infinity.")
    present = np.unique(y_src).tolist()
    classes = present if labels is None else list(labels)
    if missing := [label for label in present if label not in classes]:
        raise ValueError(f"labels must list all emotions in y_src; {missing} are missing.")
    if len(classes) > len(_COLOURS):
        raise ValueError(f"At most {len(_COLOURS)} emotions have colours; got {len(classes)}.")
    colours = dict(zip(classes, _COLOURS, strict=False))
    ax = _axes(ax)
    for y, code in enumerate(weights):
        for sign in (1, -1):
            pieces = np.argsort(-sign * code)[: np.count_nonzero(sign * code > 0)]
            lengths = code[pieces]
            starts = np.cumsum(lengths) - lengths
            filled = [colours[label] for label in y_src[pieces].tolist()]
            ax.barh(y, lengths, 0.7, starts, color=filled, edgecolor="white", linewidth=0.5)
    entries = [ax.barh(0, 0, color=colour) for colour in colours.values()]
    ax.axvline(0, color="black", linewidth=0.8)
    names = range(len(weights)) if rows is None else rows
    ax.set_yticks(range(len(weights)), [str(name) for name in names])
    ax.set_ylim(len(weights) - 0.5, -0.5)  # the first clip at the top
    ax.set_xlabel("weight of source clips")
    emotions = map(str, colours)
    ax.legend(
        entries, emotions, title="source", loc="center left", bbox_to_anchor=(1, 0.5), frameon=False
    )
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    plt = import_extra("matplotlib.pyplot", "plots", "Plots need matplotlib")
    if not plt.get_fignums():
        plt.figure(layout="constrained")  # leaves room for long names
    return plt.gca()
