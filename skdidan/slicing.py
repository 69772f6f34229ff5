"""Notice a target that the folds of a search have sliced."""

from __future__ import annotations

import inspect

import numpy as np

from skdidan.reporting import warn_caller

__all__ = ["warn_of_slicing"]


def warn_of_slicing(n_source: int, n_target: int) -> None:
    """Warn if scikit-learn trains on a fold, and the target has as many rows as the fold.

    A search, a stack or a calibration slices each argument of `fit` that is as long as ``X``. Only
    the frames of these functions know that there are folds.
    """
    if n_source != n_target:
        return
    frame, n_fits = inspect.currentframe(), 0
    while frame is not None:
        place, found = frame.f_globals.get("__name__", ""), frame.f_locals
        n_fits += place.startswith("skdidan.") and frame.f_code.co_name == "_learn"
        if n_fits > 1:  # the estimator around this one has noticed it
            return
        if place.startswith("sklearn.") and {"X", "train"} <= found.keys():
            if np.size(found["train"]) == n_source:
                warn_caller(
                    f"X_tgt has {n_target} rows, as many as the part of the source in a fold: "
                    "scikit-learn slices every argument of fit that is as long as X. Pass it "
                    "whole, as X_tgt=Target(X_tgt)."
                )
            return
        frame = frame.f_back
