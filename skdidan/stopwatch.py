"""Measure how much of a run is spent on the features of recordings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["FeatureTime", "feature_work", "measure_features"]


class FeatureTime:
    """Seconds spent on features since the measurement began."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.is_running = False


# Each thread has a context of its own, so that runs in threads do not mix their times.
_MEASUREMENT: ContextVar[FeatureTime | None] = ContextVar("_MEASUREMENT", default=None)


@contextmanager
def measure_features() -> Iterator[FeatureTime]:
    """Add up the time of all `feature_work` in the block."""
    token = _MEASUREMENT.set(FeatureTime())
    try:
        measurement = _MEASUREMENT.get()
        assert measurement is not None
        yield measurement
    finally:
        _MEASUREMENT.reset(token)


@contextmanager
def feature_work() -> Iterator[None]:
    """Count the block as work on features; a block within another counts once."""
    measurement = _MEASUREMENT.get()
    if measurement is None or measurement.is_running:
        yield
        return
    measurement.is_running, start = True, time.perf_counter()
    try:
        yield
    finally:
        measurement.is_running = False
        measurement.seconds += time.perf_counter() - start
