"""Spectrograms of several recordings side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from skdidan.parameters import check_positive
from skdidan.plots.drawing import find_axes_grid

__all__ = ["plot_spectrograms"]


def plot_spectrograms(
    spectrograms: ArrayLike,
    *,
    titles: Sequence[Any] | None = None,
    frame_step: float | None = None,
    ax: Any = None,
) -> NDArray[Any]:
    """Plot spectrograms in a grid, all on one scale of colours and of time.

    Parameters
    ----------
    spectrograms : array-like, shape (n, n_bins, n_frames)
        As from `Spectrogram`, `LogMelSpectrogram` or `MFCC`. Frames of NaN, the padding of shorter
        recordings, are left white.
    titles : sequence, shape (n,), optional
        Titles, such as emotions.
    frame_step : float > 0 [s], optional
        Time between frames, ``hop_length / sample_rate``, for an axis in seconds. Default: frames.
    ax : matplotlib Axes, or array of n Axes, optional
        Axes to draw into, one for each spectrogram. Default: a new figure.

    Returns
    -------
    axes : ndarray of Axes, shape (n,)

    Raises
    ------
    ValueError
        If `spectrograms` have another shape or hold only NaN, or `titles` or `ax` have another
        length.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from skdidan import LogMelSpectrogram, make_speech_corpora, plot_spectrograms
    >>> corpora = make_speech_corpora(2, 2, duration=0.5, random_state=0)
    >>> spectrograms = LogMelSpectrogram(duration=0.5).fit_transform(corpora.X_src)
    >>> axes = Figure(layout="constrained").subplots(1, 2)
    >>> axes = plot_spectrograms(spectrograms, titles=corpora.y_src, frame_step=0.01, ax=axes)
    >>> axes[0].get_xlabel()
    'time (s)'
    """
    values = np.asarray(spectrograms, dtype=float)
    if values.ndim != 3 or not values.size:
        raise ValueError(
            f"spectrograms must have shape (n, n_bins, n_frames); got {values.shape}. Pass "
            "spectrogram[np.newaxis] for one."
        )
    if not np.isfinite(values).any():
        raise ValueError("spectrograms must hold finite values; got none.")
    if titles is not None and len(titles) != len(values):
        raise ValueError(
            f"titles must have one for each of {len(values)} spectrograms; got {len(titles)}."
        )
    step = 1.0 if frame_step is None else check_positive("frame_step", frame_step)
    axes = find_axes_grid(len(values), ax, "spectrograms", size=(3.2, 2.4))
    n_bins, n_frames = values.shape[1:]
    scale = {"vmin": np.nanmin(values), "vmax": np.nanmax(values)}
    extent = (0, n_frames * step, -0.5, n_bins - 0.5)
    for number, (panel, rows) in enumerate(zip(axes, values, strict=True)):
        panel.imshow(rows, origin="lower", aspect="auto", cmap="magma", extent=extent, **scale)
        panel.set(xlabel="frame" if frame_step is None else "time (s)", ylabel="bin")
        if titles is not None:
            panel.set_title(str(titles[number]))
        panel.label_outer()
    return axes
