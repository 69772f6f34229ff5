"""Score a network after each epoch, on held-out source rows or on the target."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from skorch.callbacks import Callback, EarlyStopping
from torch import Tensor

from skdidan.criteria import NOT_NEGATIVE, TARGET_CRITERIA
from skdidan.metrics import uar
from skdidan.neural.batches import ArrayRows
from skdidan.neural.calibration import CALIBRATIONS
from skdidan.neural.losses import SquaredError
from skdidan.neural.training import AdaptationNet, Observer
from skdidan.parameters import check_count, check_option, check_share, split_product
from skdidan.simplex import project_on_simplex

__all__ = ["SOURCE", "EpochScores", "NetPredictions", "check_monitoring", "monitor_callbacks"]

SOURCE = "source"  # UAR on the held-out source


class NetPredictions(NamedTuple):
    """Predictions of a network for rows of data."""

    scores: NDArray[Any]  # outputs of the network, (n_samples, n_classes)
    embeddings: NDArray[Any]  # inputs of the output layer, (n_samples, n_features), of float32
    is_regression: bool  # the outputs estimate the probabilities, as under the squared error
    temperature: float | None = None  # which calibrates them

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return self.scores.shape[1]

    @property
    def predicted(self) -> NDArray[Any]:
        """Indices of the predicted classes, shape (n_samples,)."""
        return self.scores.argmax(axis=1)

    @property
    def probabilities(self) -> NDArray[Any]:
        """Softmax of the outputs, or the probabilities nearest to the outputs of a regression."""
        if self.temperature is not None:
            return softmax(self.scores / self.temperature, axis=1)
        if self.is_regression:
            return project_on_simplex(self.scores)
        return softmax(self.scores, axis=1)

    @classmethod
    def of(cls, net: AdaptationNet, X: Tensor | ArrayRows) -> NetPredictions:
        """Evaluate a net on rows (n_samples, ...)."""
        outputs = net.outputs(X)
        scores, embeddings = outputs.logits.double(), outputs.features
        is_far = ~scores.isfinite().all(dim=1)
        if is_far.any():  # rows of 1e38 may overflow in single precision
            net = deepcopy(net)
            net.module_.double()
            far = net.outputs(X[is_far].double())
            scores[is_far], embeddings[is_far] = far.logits, far.features.float()
        is_regression = isinstance(net.criterion_, SquaredError)
        return cls(scores.numpy(), embeddings.numpy(), is_regression)

    @classmethod
    def mean(cls, several: list[NetPredictions]) -> NetPredictions:
        """Average the scores of networks, and put their embeddings side by side."""
        scores = np.mean([each.scores for each in several], axis=0)
        embeddings = np.hstack([each.embeddings for each in several])
        return cls(scores, embeddings, several[0].is_regression)


class EpochScores(Observer):
    """Record scores of the network in the history after each epoch.

    The column ``monitor_<name>`` holds each factor of the monitor, and ``monitor`` their product;
    higher is better.

    It reads class indices `y_idx` of held-out source rows, if `names` has "source", and the target.
    """

    def __init__(
        self,
        names: list[str],
        held_out: Tensor | ArrayRows,
        y_idx: NDArray[Any],
        target: Tensor | ArrayRows | None,
    ) -> None:
        self.names = names
        self.held_out = held_out
        self.y_idx = y_idx
        self.target = target

    def on_epoch_end(self, net: AdaptationNet, **kwargs: Any) -> None:
        """Score the network in its present state."""
        scores = {}
        if SOURCE in self.names:
            scores[SOURCE] = uar(self.y_idx, NetPredictions.of(net, self.held_out).predicted)
        others = [name for name in self.names if name != SOURCE]
        if self.target is not None and others:
            target = NetPredictions.of(net, self.target)
            net.check_outputs(target.scores, f"epoch {len(net.history)}")
            scores |= {name: TARGET_CRITERIA[name](target) for name in others}
        for name, score in scores.items():
            net.history.record(f"monitor_{name}", score)
        net.history.record("monitor", math.prod(scores.values()))

    def on_train_end(self, net: AdaptationNet, **kwargs: Any) -> None:
        """Drop the data, so that a fitted classifier does not hold it."""
        # A slice alone would keep the memory of all rows.
        self.held_out, self.target = self.held_out[:0].clone(), None


def monitor_callbacks(
    monitor: str | None,
    patience: int,
    held_out: Tensor | ArrayRows,
    y_idx: NDArray[Any],
    target: Tensor | ArrayRows | None,
) -> list[tuple[str, Callback]]:
    """Return the callbacks that score each epoch and keep the best; none without a monitor."""
    if monitor is None:
        return []
    names = _factors(monitor)
    if target is None and names != [SOURCE]:
        raise ValueError(
            f"monitor={monitor!r} needs a target in training (SourceOnlyClassifier has one with "
            f"use_target=True); without one, take monitor={SOURCE!r}."
        )
    best = EarlyStopping(
        "monitor", patience=patience, threshold=0, lower_is_better=False, load_best=True
    )
    return [("epoch_scores", EpochScores(names, held_out, y_idx, target)), ("best_epoch", best)]


def check_monitoring(
    monitor: Any, validation_fraction: Any, patience: Any, calibration: Any
) -> None:
    """Raise a ValueError unless the parameters of these names go together."""
    names = [] if monitor is None else _factors(monitor)
    if calibration is not None:
        check_option("calibration", calibration, CALIBRATIONS)
    if validation_fraction is not None:
        check_share("validation_fraction", validation_fraction)
    if patience is not None:
        check_count("patience", patience)
    needs_rows = SOURCE in names or calibration is not None
    if needs_rows != (validation_fraction is not None):
        raise ValueError(
            "monitor='source', or a product with it, or calibration, and validation_fraction go "
            f"together; got monitor={monitor!r}, calibration={calibration!r} and "
            f"validation_fraction={validation_fraction}."
        )
    if patience is not None and monitor is None:
        raise ValueError(f"patience={patience} needs a monitor, such as 'information'.")


def _factors(monitor: Any) -> list[str]:
    """Return the names that a monitor multiplies, or raise a ValueError."""
    return split_product("monitor", monitor, {SOURCE, *TARGET_CRITERIA}, {SOURCE, *NOT_NEGATIVE})
