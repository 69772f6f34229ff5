"""Checks of the rows that estimators are given, and of the results that they return."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from skdidan.domains import Domains, NoTargetWarning, n_rows, open_target
from skdidan.labels import check_kinds, is_missing
from skdidan.lazy_rows import LazyRows, blocks_of, open_dataset
from skdidan.padding import count_frames, is_padded
from skdidan.reporting import warn_caller

__all__ = [
    *("TARGET_ROW", "check_finite", "check_result", "check_rows", "check_seed"),
    "validate_domains",
]

_Place = Callable[[int], str]  # from the number of a row to its name in errors
_ROW = "row {} of X".format
TARGET_ROW = "row {} of X_tgt".format


def validate_domains(
    estimator: Any,
    domains: Domains,
    *,
    allow_nd: bool = False,
    dtype: Any = np.float64,
    padding: bool = False,
    lazy: bool = False,
    min_source: int = 1,
    wants_target: bool = True,
) -> Domains:
    """Convert both domains to finite numeric arrays, or `LazyRows`, of one feature shape.

    Labels are checked if the tags of the estimator require them. Sets ``n_features_in_`` and, for
    data frames, ``feature_names_in_``. Warns with `NoTargetWarning` if there is no target.
    """
    X, y, X_tgt = domains
    source, target = domains.places()
    checks: dict[str, Any] = {"allow_nd": allow_nd, "dtype": dtype}
    checks |= {"padding": padding, "lazy": lazy}
    options: dict[str, Any] = {"reset": True, "ensure_min_samples": min_source, **checks}
    if get_tags(estimator).target_tags.required:
        check_kinds(y)
        X, y = check_rows(estimator, X, y, place=source, **options)
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(estimator).__name__} needs at least two classes in the source labels; "
                f"got one class: {classes.tolist()}."
            )
    else:
        X, y = check_rows(estimator, X, place=source, **options), None
    if X_tgt is None and wants_target:
        warn_caller(
            f"{type(estimator).__name__} was fitted without a target and uses the source alone. "
            "To adapt, use fit(X_src, y_src, X_tgt), or stacked data with sample_domain.",
            NoTargetWarning,
        )
    _warn_of_constants(estimator, domains.X_src, X, "source")
    if X_tgt is not None:
        X_tgt = _validate_target(estimator, X_tgt, X.shape[1:], target, checks)
        _warn_of_constants(estimator, domains.X_tgt, X_tgt, "target")
    return replace(domains, X_src=X, y_src=y, X_tgt=X_tgt)


def _warn_of_constants(estimator: Any, given: Any, X: NDArray[Any], domain: str) -> None:
    """Warn of features that vary, but are constant in the single precision of a network."""
    if X.dtype != np.float32 or X.ndim != 2 or getattr(given, "dtype", None) == np.float32:
        return
    blocks = blocks_of(open_dataset(given))
    parts = [np.asarray(values, dtype=np.float64) for _, values in blocks]
    low = np.min([values.min(axis=0) for values in parts], axis=0)
    high = np.max([values.max(axis=0) for values in parts], axis=0)
    varies = high - low > 1e-13 * np.maximum(np.abs(low), np.abs(high))  # by more than rounding
    lost = np.flatnonzero(varies & (low.astype(np.float32) == high.astype(np.float32)))
    if lost.size:
        warn_caller(
            f"{lost.size} of {X.shape[1]} features of the {domain}, the first in column {lost[0]}, "
            f"are constant in the single precision of {type(estimator).__name__}. Scale the "
            "features first (CorpusScaler).",
        )


def check_rows(
    estimator: Any,
    X: Any,
    *y: Any,
    place: _Place = _ROW,
    padding: bool = False,
    lazy: bool = False,
    ndim: int | None = None,
    **checks: Any,
) -> Any:
    """Convert rows to an array of finite numbers by ``validate_data``; with y, return both.

    An error names the place of the first other entry. `padding` allows what `count_frames` does;
    `lazy` leaves `LazyRows` where they are, once each block of them has been checked; `ndim` is the
    number of axes in fit, for estimators that take several.
    """
    X = open_dataset(open_target(X))
    if lazy and isinstance(X, LazyRows):
        return _check_blocks(estimator, X, *y, place=place, padding=padding, ndim=ndim, **checks)
    if isinstance(X, LazyRows):
        X = np.asarray(X)
    if X is None:
        raise TypeError("None holds no rows: pass an array, a list or a data frame.")
    if not hasattr(X, "shape"):
        n_rows(X)  # which refuses what is no sequence, or has no order
    _check_axes(estimator, getattr(X, "shape", ()), ndim)
    dtypes = getattr(X, "dtypes", ()) if hasattr(X, "columns") else [getattr(X, "dtype", None)]
    for dtype in dtypes:
        if getattr(dtype, "kind", None) in {"m", "M", "V"}:  # dates, which NumPy would count
            raise TypeError(f"X holds {dtype}, which is no type of numbers: convert it to floats.")
    # A table of pyarrow has its arrays under "columns".
    names = "column_names" if hasattr(X, "to_pylist") else "columns"
    counts = Counter(getattr(X, names, ()))
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"X has several columns of one name, {repeated}: rename them.")
    checks = {"reset": False, "dtype": np.float64, "order": "C", **checks}
    try:
        with np.errstate(over="ignore"):  # numbers too large for the type become infinite
            checked = validate_data(estimator, X, *y, ensure_all_finite=False, **checks)
    except (OverflowError, TypeError, ValueError) as error:
        if (explained := _explain(estimator, X, error, place)) is None:
            if isinstance(X, np.ndarray) and X.dtype.kind == "f":
                check_finite(estimator, X, place, padding)  # the error to name first
            raise
        raise explained from error
    _check_axes(estimator, checked[0].shape if y else checked.shape, ndim)  # of lists
    check_finite(estimator, checked[0] if y else checked, place, padding)
    return checked


def _check_blocks(
    estimator: Any, X: LazyRows, *y: Any, place: _Place, dtype: Any = np.float64, **checks: Any
) -> Any:
    """Check `LazyRows` block by block; return them, converted to an accepted type."""
    labels, has_padding = [], False
    for start, values in X.blocks():
        parts = [part if part is None else part[start : start + len(values)] for part in y]
        if len(values) < len(X):
            checks["ensure_min_samples"] = 1
        checks["place"] = lambda row, start=start: place(start + row)
        found = check_rows(estimator, values, *parts, dtype=dtype, **checks)
        labels += [found[1]] if y else []
        has_padding |= is_padded(values)
        checks["reset"] = False  # the first block has told what there is
    wanted = dtype if isinstance(dtype, tuple) else (dtype,)
    checked = X.astype(X.dtype if X.dtype in wanted else wanted[0])
    checked.has_padding = has_padding
    return (checked, np.concatenate(labels)) if y else checked


def _check_axes(estimator: Any, shape: tuple[int, ...], ndim: int | None) -> None:
    if ndim is not None and len(shape) > 1 and len(shape) != ndim:
        kind = "rows of features" if ndim == 2 else "spectrograms"
        raise ValueError(
            f"X must have {ndim} axes, as in fit; got shape {tuple(shape)}. "
            f"{type(estimator).__name__} was fitted on {kind}."
        )


def check_finite(
    estimator: Any, X: NDArray[Any], place: _Place = _ROW, padding: bool = False
) -> None:
    """Raise a ValueError that names the first entry that is NaN, but no padding, or infinite."""
    if X.ndim > 2 and 0 in X.shape[1:]:
        raise ValueError(
            f"X has rows of shape {X.shape[1:]}, without any bin or frame. Drop these recordings."
        )
    has_frames = padding and X.ndim == 3
    if has_frames:
        count_frames(X, place)
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(X.sum()):  # which takes no memory
            return
    is_bad = np.isinf(X) if has_frames else ~np.isfinite(X)
    if is_bad.any():
        entry = np.argwhere(is_bad)[0].tolist()
        is_nan = np.isnan(X[tuple(entry)])
        what = "NaN" if is_nan else f"infinity or a value too large for {X.dtype!r}"
        raise ValueError(
            f"{_fault(estimator, entry, what, place)}. Drop these rows, or replace the values, as "
            "by sklearn.impute.SimpleImputer."
        )


def check_result(estimator: Any, Z: NDArray[Any], *, padding: bool = False) -> None:
    """Raise a ValueError that names the first row whose result is not finite, nor padding."""
    if not (is_finite := ~np.isinf(Z) if padding else np.isfinite(Z)).all():
        raise ValueError(
            f"{type(estimator).__name__} maps row {np.argwhere(~is_finite)[0][0]} of X, far beyond "
            f"those of fit, to numbers too large for {Z.dtype}. Scale the features first by "
            "CorpusScaler, or drop these rows."
        )


def check_seed(seed: Any) -> None:
    """Raise a ValueError that names `random_state` unless `seed` is one."""
    try:
        if isinstance(seed, bool):
            raise ValueError("a truth counts nothing")
        check_random_state(seed)
    except ValueError as error:
        raise ValueError(
            "random_state must be None, a whole number from 0 to 2**32 - 1 or a "
            f"numpy.random.RandomState; got {seed!r}."
        ) from error


def _explain(estimator: Any, X: Any, error: Exception, place: _Place) -> Exception | None:
    """Return an error that names the first entry that is to blame, if there is one."""
    if (found := _first_odd(X)) is None:
        return None
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"{_fault(estimator, *found, place)}: {error}")


def _first_odd(X: Any) -> tuple[list[int], str] | None:
    """Find the first row of another shape, or entry that is no float: its place, and a text."""
    shape: tuple[int, ...] = ()
    rows = np.asarray(X, dtype=object) if hasattr(X, "columns") else X
    is_array = isinstance(rows, np.ndarray) and rows.dtype.kind in "OSTU"
    for row, values in enumerate(rows if is_array or isinstance(rows, list | tuple) else ()):
        cells = np.asarray(values, dtype=object)
        shape = cells.shape if row == 0 else shape
        if cells.shape != shape:
            return [row], f"rows of different shapes, {shape} and {cells.shape}"
        for place, value in np.ndenumerate(cells):
            try:
                float(value)
            except (OverflowError, TypeError, ValueError):
                if np.ndim(value):  # as a search slices a Dataset
                    return [row, *place], "an array (wrap a Dataset in LazyRows, to slice it)"
                return [row, *place], "NaN" if is_missing(value) else reprlib.repr(value)
    return None


def _fault(estimator: Any, entry: list[int], what: str, place: _Place) -> str:
    """Say where an entry is that no estimator takes."""
    axes = ["column"] if len(entry) == 2 else ["bin", "frame"]
    where = [place(entry[0]), *map("{} {}".format, axes, entry[1:])]
    names = getattr(estimator, "feature_names_in_", ())
    if len(entry) == 2 and entry[1] < len(names):
        where[1] = f"column {names[entry[1]]!r}"
    return f"Input X contains {what}, first in {', '.join(where)}"


def _validate_target(
    estimator: Any, X_tgt: Any, row_shape: tuple[int, ...], place: _Place, checks: dict[str, Any]
) -> NDArray[Any]:
    try:
        X_tgt = open_dataset(X_tgt)
        X_tgt = X_tgt if hasattr(X_tgt, "shape") else np.asarray(X_tgt)
        shape = X_tgt.shape[1:]
        has_equal_bins = checks["padding"] and len(shape) == 2 and shape[:1] == row_shape[:-1]
        if shape == row_shape or has_equal_bins:
            return check_rows(estimator, X_tgt, place=place, **checks)
    except (TypeError, ValueError) as error:
        explained = None if hasattr(X_tgt, "shape") else _explain(estimator, X_tgt, error, place)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"The target is not valid: {explained or error}") from error
    raise ValueError(
        f"Source and target differ in the shape of a row: {row_shape} != {X_tgt.shape[1:]}."
    )
