"""Plots: each draws into the axes it is given and returns them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import issparse, sparray
from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix
from sklearn.utils.multiclass import unique_labels

from skdidan.selection.comparison import row_title, summarise

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_confusion", "plot_reconstruction", "plot_scores"]

_METHOD, _ORACLE = "#3b6ea5", "#b8b8b8"
# Of Okabe and Ito, told apart by colour-blind readers; then grey, for there are nine emotions.
_CLASSES = ["#d55e00", "#0072b2", "#f0e442", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000"]
_CLASSES += ["#999999"]


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
    import pandas as pd

    runs = pd.DataFrame(records, columns=["task", "method", "oracle", metric])
    tasks = sorted(runs["task"].unique())
    if len(tasks) != 1:
        raise ValueError(f"plot_scores draws one task at a time; the records hold {tasks}.")
    ax = _axes(ax)
    rows, seeds = summarise(records)[::-1], runs.groupby(["method", "oracle"])[metric]
    for place, row in enumerate(rows):
        colour = _ORACLE if row["oracle"] else _METHOD
        mean, deviation = 100 * row[metric], 100 * row[f"{metric}_std"]
        ax.barh(place, mean, xerr=deviation, color=colour, height=0.7, error_kw={"lw": 1})
        points = 100 * seeds.get_group((row["method"], row["oracle"]))
        ax.plot(points, [place] * len(points), ".", color="black", ms=4, alpha=0.6)
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
        The classes and their order; by default all that occur, sorted. Where others are predicted,
        a row sums to less than 100 %.
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
    """Draw which source clips a few target clips are made of, coloured by emotion.

    Each target clip is a bar. Its pieces are source clips, largest first, as long as their weights:
    to the right of zero what is added, to the left what is subtracted.

    Parameters
    ----------
    codes : sparse array or array-like, shape (n_target, n_source)
        Weights of the source clips: rows of what `DIDANClassifier.reconstruction_codes` returns.
    y_src : array-like, shape (n_source,)
        Emotions of the source clips.
    rows : sequence of str, shape (n_target,), optional
        Names of the target clips; their numbers by default.
    labels : sequence, optional
        The emotions and their order, at most nine; by default all that occur, sorted.
    ax : matplotlib Axes, optional
        Where to draw; the current axes by default.

    Returns
    -------
    ax : matplotlib Axes
        The axes.

    Raises
    ------
    ValueError
        If the codes, the emotions and the names do not fit together, or a code is not finite.
    ImportError
        If matplotlib is missing.
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
        raise ValueError(f"rows names {len(rows)} target clips of {len(weights)}.")
    if not np.isfinite(weights).all():
        raise ValueError("codes must be finite.")
    present = np.unique(y_src).tolist()
    classes = present if labels is None else list(labels)
    if missing := [label for label in present if label not in classes]:
        raise ValueError(f"labels lacks {missing} of y_src.")
    if len(classes) > len(_CLASSES):
        raise ValueError(f"There are colours for {len(_CLASSES)} emotions; got {len(classes)}.")
    colours = dict(zip(classes, _CLASSES, strict=False))
    ax = _axes(ax)
    for place, code in enumerate(weights):
        for sign in (1, -1):
            pieces = np.argsort(-sign * code)[: np.count_nonzero(sign * code > 0)]
            ends = np.cumsum(code[pieces])
            ax.barh(
                np.full(len(pieces), place),
                code[pieces],
                left=ends - code[pieces],
                color=[colours[label] for label in y_src[pieces].tolist()],
                edgecolor="white",
                linewidth=0.5,
                height=0.7,
            )
    entries = [ax.barh(0, 0, color=colour) for colour in colours.values()]
    ax.axvline(0, color="black", linewidth=0.8)
    names = range(len(weights)) if rows is None else rows
    ax.set_yticks(range(len(weights)), [str(name) for name in names])
    ax.set_ylim(len(weights) - 0.5, -0.5)  # the first on top
    ax.set_xlabel("weight of source clips")
    ax.legend(
        entries,
        map(str, colours),
        title="source",
        loc="center left",
        bbox_to_anchor=(1, 0.5),
        frameon=False,
    )
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Plots need matplotlib, which is not installed: pip install skdidan[plots]."
        ) from error
    if not plt.get_fignums():
        plt.figure(layout="constrained")  # or long names would be cut off
    return plt.gca()
