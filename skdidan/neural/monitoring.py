"""Which epoch was best? Scores of a network after each, by held-out source or by the target."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from skorch.callbacks import Callback
from torch import Tensor

from skdidan.criteria import NOT_NEGATIVE, TARGET_CRITERIA
from skdidan.metrics import uar
from skdidan.neural.training import AdaptationNet, SquaredError
from skdidan.parameters import split_product

__all__ = ["SOURCE", "EpochScores", "NetAnswers", "check_monitor"]

SOURCE = "source"  # the UAR on the held-out source


class NetAnswers(NamedTuple):
    """What a network says of rows.

    Attributes
    ----------
    scores : ndarray of float, shape (n_samples, n_classes)
        The outputs.
    embeddings : ndarray of float32, shape (n_samples, n_features)
        The inputs of the output layer.
    is_regression : bool
        Whether the outputs themselves estimate the probabilities, as under the squared error.
    """

    scores: NDArray[Any]
    embeddings: NDArray[Any]
    is_regression: bool

    @property
    def n_classes(self) -> int:
        """The number of outputs."""
        return self.scores.shape[1]

    @property
    def predicted(self) -> NDArray[Any]:
        """Codes of the predicted classes, shape (n_samples,)."""
        return self.scores.argmax(axis=1)

    @property
    def probabilities(self) -> NDArray[Any]:
        """The softmax of the outputs, or the nearest distribution to those of a regression."""
        if self.is_regression:
            return _project_on_simplex(self.scores)
        return softmax(self.scores, axis=1)

    @classmethod
    def of(cls, net: AdaptationNet, X: Tensor) -> NetAnswers:
        """Ask a net about rows (n_samples, ...)."""
        outputs = net.outputs(X)
        scores, embeddings = outputs.logits.double().numpy(), outputs.features.numpy()
        return cls(scores, embeddings, isinstance(net.criterion_, SquaredError))


class EpochScores(Callback):
    """Write scores of the network into the history after each epoch.

    Each factor of the monitor has a column ``monitor_<name>``, and their product is ``monitor``:
    the higher, the better.

    Parameters
    ----------
    monitor : str
        Names of factors joined by ``*``, see `check_monitor`.
    held_out : Tensor, shape (n_held_out, ...)
        Rows of the source that are not trained on; none unless the monitor asks for them.
    codes : ndarray of int, shape (n_held_out,)
        Codes of their classes.
    target : Tensor, shape (n_target, ...), or None
        The target.
    """

    def __init__(
        self,
        monitor: str,
        held_out: Tensor,
        codes: NDArray[Any],
        target: Tensor | None,
    ) -> None:
        self.monitor = monitor
        self.held_out = held_out
        self.codes = codes
        self.target = target

    def on_epoch_end(self, net: AdaptationNet, **kwargs: Any) -> None:
        """Score the network as it is now."""
        scores, names = {}, check_monitor(self.monitor)
        if SOURCE in names:
            scores[SOURCE] = uar(self.codes, NetAnswers.of(net, self.held_out).predicted)
        if self.target is not None and names != [SOURCE]:
            answers = NetAnswers.of(net, self.target)
            scores |= {name: TARGET_CRITERIA[name](answers) for name in names if name != SOURCE}
        for name, score in scores.items():
            net.history.record(f"monitor_{name}", score)
        net.history.record("monitor", math.prod(scores.values()))

    def on_train_end(self, net: AdaptationNet, **kwargs: Any) -> None:
        """Let go of the data, which a saved classifier shall not carry along."""
        self.held_out, self.target = self.held_out[:0], None


def check_monitor(monitor: Any) -> list[str]:
    """Return the factors of a monitor, or raise a ValueError.

    Parameters
    ----------
    monitor : str
        "source", a name of `skdidan.criteria.TARGET_CRITERIA`, or several joined by ``*``.

    Returns
    -------
    factors : list of str
        Their names.

    Raises
    ------
    ValueError
        If the monitor is anything else, or multiplies criteria that may be negative.
    """
    return split_product("monitor", monitor, {SOURCE, *TARGET_CRITERIA}, {SOURCE, *NOT_NEGATIVE})


def _project_on_simplex(points: NDArray[Any]) -> NDArray[Any]:
    """Project each row onto the probability simplex: shift, then clip at zero.

    Only the entries above the shift stay positive, and the largest is always one of them.
    """
    descending = -np.sort(-points, axis=1)
    ranks = np.arange(1, points.shape[1] + 1)
    shifts = (np.cumsum(descending, axis=1) - 1) / ranks
    n_positive = (descending > shifts).sum(axis=1)
    shift = np.take_along_axis(shifts, n_positive[:, np.newaxis] - 1, axis=1)
    return np.clip(points - shift, 0, None)
