"""Two-dimensional views of the features of both domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.utils import check_array, check_consistent_length

from skdidan.plots.drawing import find_axes, find_colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_embeddings"]

_GREY = "#666666"
_MARKERS = "os^Dv*PXp"  # of the emotions, for readers who see no colours


def plot_embeddings(
    X_src: ArrayLike,
    y_src: ArrayLike,
    X_tgt: ArrayLike,
    y_tgt: ArrayLike | None = None,
    *,
    labels: Sequence[Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot the rows of both domains on their first two principal components.

    Rows of the source are filled and those of the target hollow; colours and markers are emotions.
    The components are those of both domains together.

    Parameters
    ----------
    X_src, X_tgt : array-like, shape (n_source, n_features) and (n_target, n_features)
        Rows of the source and of the target, such as ``classifier.embed(X)``. Further axes are
        flattened.
    y_src : array-like, shape (n_source,)
        Emotions of the source.
    y_tgt : array-like, shape (n_target,), optional
        Emotions of the target, true or predicted. Default: the target is grey.
    labels : sequence, optional
        Emotions in the order of the legend, at most nine. Default: all that occur, sorted.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes

    Raises
    ------
    ValueError
        If shapes disagree, values are not finite, or `labels` are incomplete or more than nine.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from skdidan import plot_embeddings
    >>> X, y = np.random.default_rng(0).normal(size=(20, 5)), ["anger", "fear"] * 10
    >>> ax = plot_embeddings(X, y, X + 3, ax=Figure().subplots())
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['anger', 'fear', 'source', 'target']
    """
    source, target = _flatten(X_src, "X_src"), _flatten(X_tgt, "X_tgt")
    if source.shape[1] != target.shape[1]:
        raise ValueError(
            "X_src and X_tgt must have equally many features; got "
            f"{source.shape[1]} and {target.shape[1]}."
        )
    check_consistent_length(source, y_src)
    given = [np.asarray(y_src)]
    if y_tgt is not None:
        check_consistent_length(target, y_tgt)
        given.append(np.asarray(y_tgt))
    present = sorted(set().union(*(values.tolist() for values in given)))
    classes = present if labels is None else list(labels)
    if missing := [label for label in present if label not in classes]:
        raise ValueError(f"labels must list all emotions; {missing} are missing.")
    colours = find_colours(classes)
    pca = PCA(2, svd_solver="full").fit(np.concatenate([source, target]))
    ax = find_axes(ax)
    markers = dict(zip(classes, _MARKERS, strict=False))
    _scatter(ax, pca.transform(source), given[0], colours, markers, is_filled=True)
    if y_tgt is None:
        x, y = pca.transform(target).T
        ax.scatter(x, y, s=20, marker="o", fc="none", ec=_GREY, lw=0.9)
    else:
        _scatter(ax, pca.transform(target), given[1], colours, markers, is_filled=False)
    shares = 100 * pca.explained_variance_ratio_
    ax.set(xlabel=f"component 1 ({shares[0]:.0f} %)", ylabel=f"component 2 ({shares[1]:.0f} %)")
    ax.set(xticks=[], yticks=[])
    _add_legend(ax, colours, markers)
    return ax


def _scatter(
    ax: Axes,
    points: NDArray[np.float64],
    y: NDArray[Any],
    colours: dict[Any, str],
    markers: dict[Any, str],
    *,
    is_filled: bool,
) -> None:
    """Draw the rows of one domain, one collection for each emotion."""
    for label, colour in colours.items():
        its = points[np.array([other == label for other in y.tolist()])]
        style: dict[str, Any] = {"fc": "none", "ec": colour}
        if is_filled:
            style = {"fc": colour, "alpha": 0.6, "lw": 0}
        ax.scatter(its[:, 0], its[:, 1], s=20, marker=markers[label], **style)


def _flatten(X: Any, name: str) -> NDArray[np.float64]:
    rows = check_array(X, allow_nd=True, dtype=float, ensure_min_samples=1, input_name=name)
    rows = rows.reshape(len(rows), -1)
    if rows.shape[1] < 2:
        raise ValueError(f"{name} must have at least two features; got {rows.shape[1]}.")
    return rows


def _add_legend(ax: Axes, colours: dict[Any, str], markers: dict[Any, str]) -> None:
    """List the emotions, then the domains."""
    entries = [
        ax.scatter([], [], c=colour, marker=markers[label], s=30)
        for label, colour in colours.items()
    ]
    entries += [ax.scatter([], [], fc=fill, ec=_GREY, s=30) for fill in (_GREY, "none")]
    names = [*map(str, colours), "source", "target"]
    ax.legend(entries, names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
