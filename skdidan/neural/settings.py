"""Checks of the parameters that all neural classifiers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skdidan.neural.callbacks import check_callbacks
from skdidan.neural.checkpoints import check_checkpoint
from skdidan.neural.factory import check_layers
from skdidan.neural.generators import find_generators
from skdidan.neural.initial import read_weights
from skdidan.neural.losses import LOSSES
from skdidan.neural.monitoring import check_monitoring
from skdidan.neural.optimizers import check_optimizer
from skdidan.parameters import (
    check_arguments,
    check_boolean,
    check_count,
    check_not_negative,
    check_option,
    check_positive,
    check_verbose,
)
from skdidan.torch_state import find_device

__all__ = ["check_settings"]

_LARGEST_RATE = 1e37  # of the steps that AdamW takes in single precision


def check_settings(classifier: Any) -> None:
    """Raise an error that names a parameter of a neural classifier that is out of range."""
    check_option("loss", classifier.loss, ["auto", *LOSSES])
    if not isinstance(classifier.network_params, Mapping | None):
        raise ValueError(
            "network_params must be a dict of arguments of network; got "
            f"{classifier.network_params!r}."
        )
    if check_positive("lr", classifier.lr) > _LARGEST_RATE:
        raise ValueError(f"lr must be at most {_LARGEST_RATE}; got {classifier.lr!r}.")
    check_not_negative("weight_decay", classifier.weight_decay, single=True)
    optimizer = classifier.optimizer, classifier.optimizer_params
    check_optimizer(*optimizer, classifier.lr, classifier.weight_decay)
    if classifier.schedule is not None:
        check_option("schedule", classifier.schedule, ["cooldown"])
    read_weights(classifier.initial_weights)
    augmentation = classifier.augmentation
    # An object of a class may be one, a class is none.
    if augmentation is not None and (not callable(augmentation) or isinstance(augmentation, type)):
        raise TypeError(
            "augmentation must be a function from a tensor of rows to one of the same shape; got "
            f"{augmentation!r}."
        )
    check_option("precision", classifier.precision, ["float32", "bf16"])
    check_boolean("compile", classifier.compile)
    check_count("max_epochs", classifier.max_epochs)
    check_count("batch_size", classifier.batch_size)
    check_count("n_networks", classifier._count_networks())
    check_not_negative("trade_off", classifier.trade_off, single=True)
    check_verbose(classifier.verbose)
    find_device(classifier.device)
    check_checkpoint(classifier.checkpoint, classifier.callbacks)
    check_boolean("warm_start", classifier.warm_start)
    check_option("on_interrupt", classifier.on_interrupt, ["raise", "keep"])
    callbacks = [] if classifier.callbacks is None else classifier.callbacks
    check_callbacks(callbacks, classifier._count_networks())
    check_monitoring(
        classifier.monitor,
        classifier.validation_fraction,
        classifier.patience,
        classifier.calibration,
    )
    if classifier.penalty_params is not None:
        check_arguments("penalty_params", classifier.penalty_params, classifier.penalty)
        with find_generators(classifier):  # a penalty may draw initial weights
            classifier._make_penalty()  # which checks the values
    check_layers(classifier.align_on)
