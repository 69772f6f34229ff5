"""Histories of trainings, and a warning of those that were cut short."""

from __future__ import annotations

from typing import Any

from skdidan.neural.training import AdaptationNet
from skdidan.reporting import warn_caller

__all__ = ["read_history", "warn_of_interrupt"]

_BOOKKEEPING = ("_best", "batches", "_batch_count", "_batch_size")  # skorch's own, in the history


def warn_of_interrupt(nets: list[AdaptationNet], n_networks: int) -> None:
    """Warn if Ctrl-C has left fewer networks or epochs."""
    last = nets[-1]
    if len(nets) < n_networks or last.is_interrupted:
        warn_caller(
            f"The fit was interrupted, and is kept: {len(last.history)} of {last.max_epochs} "
            f"epochs of network {len(nets)} of {n_networks}."
        )


def read_history(net: AdaptationNet) -> list[dict[str, Any]]:
    """Return the history of a training, a dict for each epoch, without skorch's bookkeeping."""
    return [
        {name: value for name, value in epoch.items() if not name.endswith(_BOOKKEEPING)}
        for epoch in net.history.to_list()
    ]
