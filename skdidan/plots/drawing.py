"""Parts that all plots share: axes to draw into, and colours that a reader can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from skdidan.reporting import import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    *("COLOURS", "HATCHES", "MARKERS", "count_lines", "find_axes", "find_axes_grid"),
    *("find_colours", "wrap"),
]

# The eight colour-blind safe colours of Okabe and Ito, and grey for the ninth emotion.
COLOURS = "#d55e00 #0072b2 #f0e442 #009e73 #cc79a7 #56b4e9 #e69f00 #000000 #999999".split()
#: Markers of curves.
MARKERS = "os^Dv<>"
#: Patterns of bars, for readers who see no colours.
HATCHES = ["", "////", "", "....", "\\\\\\\\", "xxxx", "--", "", "++"]
_WIDTH = 26  # characters of a line of a name, so that most of a figure is left for its axes


def _pyplot() -> Any:
    return import_extra("matplotlib.pyplot", "plots", "Plots need matplotlib")


def find_axes(ax: Axes | None) -> Axes:
    """Return the axes that are given, else the current ones, else those of a new figure."""
    if ax is not None:
        return ax
    plt = _pyplot()
    if not plt.get_fignums():
        plt.figure(layout="constrained")  # leaves room for long names
    return plt.gca()


def find_axes_grid(
    n_axes: int, ax: Any, what: str, *, size: tuple[float, float], n_columns: int = 3
) -> NDArray[Any]:
    """Return one axes for each of several panels: those that are given, or of a new figure.

    `what` names the panels in the error for another number of axes; `size` is that of one panel
    [inches].
    """
    if ax is not None:
        axes = np.asarray(ax, dtype=object).ravel()
        if len(axes) != n_axes:
            raise ValueError(
                f"ax must hold one axes for each of {n_axes} {what}, as from "
                f"figure.subplots(1, {n_axes}); got {len(axes)}."
            )
        return axes
    n_columns = min(n_columns, n_axes)
    n_rows = ceil(n_axes / n_columns)
    figure = _pyplot().figure(figsize=(size[0] * n_columns, size[1] * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for spare in axes[n_axes:]:
        spare.remove()
    return axes[:n_axes]


def find_colours(labels: Sequence[Any]) -> dict[Any, str]:
    """Return a colour for each label, or raise a ValueError if there are too few colours."""
    if len(labels) > len(COLOURS):
        raise ValueError(f"At most {len(COLOURS)} emotions have colours; got {len(labels)}.")
    return dict(zip(labels, COLOURS, strict=False))


def wrap(name: str) -> str:
    """Return a name in short lines."""
    return fill(name, _WIDTH)


def count_lines(names: Sequence[str]) -> int:
    """Return the number of lines of the longest name when it is wrapped."""
    return max((wrap(name).count("\n") + 1 for name in names), default=1)
