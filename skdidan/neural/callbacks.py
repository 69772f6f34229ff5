"""Callbacks of skorch that cannot work in the training of a classifier."""

from __future__ import annotations

from typing import Any

from skorch import callbacks as ready

from skdidan.neural.training import HELD_OUT

__all__ = ["check_callbacks"]

_FILES = ready.Checkpoint, ready.TrainEndCheckpoint, ready.LoadInitState


def check_callbacks(callbacks: Any, n_networks: int) -> None:
    """Raise an error for callbacks that cannot work here."""
    for item in callbacks if isinstance(callbacks, list | tuple) else [None]:
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        kind = callback if isinstance(callback, type) else type(callback)
        if not issubclass(kind, ready.Callback):
            raise TypeError(f"callbacks must be a list of callbacks of skorch; got {callbacks!r}.")
        is_score = issubclass(kind, ready.EpochScoring | ready.BatchScoring)
        if is_score or not getattr(callback, "on_train", True):
            raise ValueError(f"callbacks cannot score, but hold {kind.__name__}. {HELD_OUT}")
        if issubclass(kind, ready.InputShapeSetter):
            raise ValueError(
                f"callbacks hold {kind.__name__}, which is of no use: a network is made for the "
                "shape of X, as network(input_shape, n_classes, **network_params)."
            )
        if issubclass(kind, ready.WandbLogger) and getattr(callback, "save_model", True):
            raise ValueError(
                f"callbacks hold {kind.__name__}, whose save_model needs the column 'valid_loss'. "
                "Set save_model=False, and take Checkpoint or skdidan.save."
            )
        if n_networks > 1 and issubclass(kind, _FILES):
            raise ValueError(
                f"callbacks hold {kind.__name__}, which would keep the last of {n_networks} "
                "networks only. Set n_networks=1."
            )
