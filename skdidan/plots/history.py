"""Learning curves of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skdidan.plots.drawing import COLOURS, find_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_history"]

_NOT_LOSSES = ("epoch", "dur", "lr", "trade_off")
_STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 4)))
_PALE = "#f0e442"  # yellow cannot be seen as a line on white


def plot_history(
    history: Any, *, terms: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Plot the learning curve of every term of the loss.

    Parameters
    ----------
    history : list of dict, or fitted classifier
        One dict for each epoch, as the ``history_`` of a neural classifier, or such a classifier.
    terms : sequence of str, optional
        Columns to plot. Default: all but ``epoch``, ``dur``, ``lr`` and ``trade_off``.
    ax : matplotlib Axes, optional
        Axes to draw into. Default: the current axes.

    Returns
    -------
    ax : matplotlib Axes
        The scale is logarithmic if all values are positive, since terms differ by orders of
        magnitude.

    Raises
    ------
    ValueError
        If there is no epoch, or a term is not in the history.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skdidan import plot_history
    >>> history = [{"epoch": n, "train_loss": 1 / n, "mmd": 0.1 / n, "lr": 0.1} for n in (1, 2, 3)]
    >>> ax = plot_history(history, ax=Figure().subplots())
    >>> [line.get_label() for line in ax.lines]
    ['train_loss', 'mmd']
    """
    epochs = list(getattr(history, "history_", history))
    if not epochs or not all(isinstance(epoch, Mapping) for epoch in epochs):
        raise ValueError(
            "history must be a list of dict, one for each epoch, as in history_ of a network; got "
            f"{history!r:.200}."
        )
    known = [name for name in epochs[0] if name not in _NOT_LOSSES]
    names = known if terms is None else list(terms)
    if unknown := [name for name in names if name not in epochs[0]]:
        raise ValueError(f"terms must be in the history, {list(epochs[0])}; got {unknown}.")
    ax = find_axes(ax)
    colours = [colour for colour in COLOURS if colour != _PALE]
    x = [epoch.get("epoch", number) for number, epoch in enumerate(epochs, start=1)]
    lowest = np.inf
    for number, name in enumerate(names):
        values = np.array([epoch[name] for epoch in epochs], dtype=float)
        lowest = min(lowest, float(np.nanmin(values)))
        style, colour = _STYLES[number % len(_STYLES)], colours[number % len(colours)]
        marker = "o" if len(epochs) == 1 else None
        ax.plot(x, values, ls=style, color=colour, lw=1.8, marker=marker, label=name)
    ax.set(xlabel="epoch", ylabel="value", yscale="log" if 0 < lowest < np.inf else "linear")
    ax.locator_params(axis="x", integer=True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=3)
    return ax
