"""Source clips that reconstruct target clips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import sparray

from skdidan.plots.drawing import HATCHES, find_axes, find_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_reconstruction"]


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
    weights to the right of zero, negative ones to the left. Emotions also have patterns.

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

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skdidan import plot_reconstruction
    >>> codes = [[0.7, 0.2, 0.0], [0.0, -0.1, 0.9]]
    >>> ax = plot_reconstruction(codes, ["fear", "fear", "joy"], ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['fear', 'joy']
    """
    weights, y_src = _check_codes(codes, y_src, rows)
    present = np.unique(y_src).tolist()
    classes = present if labels is None else list(labels)
    if missing := [label for label in present if label not in classes]:
        raise ValueError(f"labels must list all emotions in y_src; {missing} are missing.")
    colours = find_colours(classes)
    hatches = dict(zip(classes, HATCHES, strict=False))
    ax = find_axes(ax)
    for y, code in enumerate(weights):
        for sign in (1, -1):
            pieces = np.argsort(-sign * code)[: np.count_nonzero(sign * code > 0)]
            lengths = code[pieces]
            starts = np.cumsum(lengths) - lengths
            filled = [colours[label] for label in y_src[pieces].tolist()]
            style: Any = {"hatch": [hatches[label] for label in y_src[pieces].tolist()]}
            ax.barh(y, lengths, 0.7, starts, color=filled, edgecolor="white", lw=0.5, **style)
    entries = [
        ax.barh(0, 0, color=colour, hatch=hatches[label], edgecolor="white", lw=0.5)
        for label, colour in colours.items()
    ]
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


def _check_codes(codes: Any, y_src: Any, rows: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return dense codes and labels, or raise a ValueError if they do not fit."""
    dense = codes.toarray() if hasattr(codes, "toarray") else codes
    weights: NDArray[Any] = np.asarray(dense, dtype=float)
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
    return weights, y_src
