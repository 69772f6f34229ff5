"""How source and target arrive: the two call shapes of every ``fit`` in skdidan."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import has_fit_parameter, validate_data

from skdidan.padding import count_frames, join_rows
from skdidan.reporting import warn_caller

__all__ = [
    "Domains",
    "NoTargetWarning",
    "Target",
    "check_finite",
    "check_missing",
    "merge_domains",
    "n_rows",
    "open_target",
    "source_path",
    "source_rows",
    "split_domains",
    "take_rows",
    "takes_target",
    "validate_domains",
    "warn_no_target",
]


class NoTargetWarning(UserWarning):
    """An adaptation estimator was fitted without any target and sees the source alone."""


class Target:
    """Holder of the unlabelled target that no cross-validation can slice.

    ``GridSearchCV.fit(X, y, X_tgt=X_tgt)`` slices every fit parameter that happens to have as many
    rows as ``X`` (scikit-learn issue 34270): with source and target of equal size every fold
    would be adapted to a part of the target only. A ``Target`` has no length, so it arrives whole.
    Every estimator of skdidan opens it.

    Parameters
    ----------
    X : array-like or list, of n_target rows
        The unlabelled target, in any form that the estimator takes as ``X_tgt``.

    Examples
    --------
    >>> from skdidan import Target
    >>> Target([[0.0, 1.0], [2.0, 3.0]])
    Target(2 rows)
    """

    __slots__ = ("X",)

    def __init__(self, X: Any) -> None:
        self.X = X

    def __repr__(self) -> str:
        return f"Target({n_rows(self.X)} rows)"


class Domains(NamedTuple):
    """The two domains of one fit.

    Attributes
    ----------
    X_src : array-like or list, of n_source rows
        The labelled source.
    y_src : array-like, shape (n_source,), or None
        Its labels.
    X_tgt : array-like or list, of n_target rows, or None
        The unlabelled target; None where none was given.
    """

    X_src: Any
    y_src: Any
    X_tgt: Any


def n_rows(X: Any) -> int:
    """Count the rows of an array, a data frame or a list.

    Raises
    ------
    TypeError
        If `X` is a single path or number instead of a sequence.
    """
    if not hasattr(X, "shape") and not hasattr(X, "__len__"):
        X = np.asarray(X)
    if isinstance(X, str | bytes) or getattr(X, "shape", None) == ():
        raise TypeError(f"Expected a sequence with one entry per row; got the single entry {X!r}.")
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def take_rows(X: Any, rows: NDArray[Any]) -> Any:
    """Take rows by a boolean mask or by indices from an array, a data frame, a tensor or a list."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "shape"):
        return X[rows]
    return [X[row] for row in rows]


def merge_domains(X_src: Any, X_tgt: Any, is_source: NDArray[np.bool_]) -> Any:
    """Stack source and target rows in the order of the stacked data that they came from.

    Parameters
    ----------
    X_src : array, data frame or list, of n_source rows
        Source rows.
    X_tgt : array, data frame or list, of n_target rows
        Target rows, in the same container.
    is_source : ndarray of bool, shape (n_samples,)
        Where the source rows stood, as from `source_rows`.

    Returns
    -------
    X : array, data frame or list, of n_samples rows
        Row ``i`` is the next source row where ``is_source[i]``, else the next target row.

    Examples
    --------
    >>> merge_domains(["a", "b"], ["c"], np.array([True, False, True]))
    ['a', 'c', 'b']
    """
    rows = np.argsort(np.argsort(~is_source, kind="stable"))
    if hasattr(X_src, "iloc"):
        import pandas as pd

        return take_rows(pd.concat([X_src, X_tgt]), rows)
    if hasattr(X_src, "shape"):
        return join_rows([X_src, X_tgt])[rows]
    return take_rows([*X_src, *X_tgt], rows)


def open_target(X: Any) -> Any:
    """Return what a `Target` holds, and anything else as it is."""
    while isinstance(X, Target):
        X = X.X
    return X


def source_rows(X: Any, sample_domain: ArrayLike) -> NDArray[np.bool_]:
    """Mark the source rows of stacked data.

    Parameters
    ----------
    X : array-like or list, of n_samples rows
        Source and target rows in any order.
    sample_domain : array-like of int, shape (n_samples,)
        ``>= 0`` for a source row, ``< 0`` for a target row.

    Returns
    -------
    mask : ndarray of bool, shape (n_samples,)
        True for the source rows.

    Raises
    ------
    ValueError
        If `sample_domain` is not one whole number per row.
    """
    domain = np.asarray(sample_domain)
    if domain.ndim != 1 or domain.dtype.kind not in "iuf":
        raise ValueError(
            "sample_domain must be a one-dimensional array of whole numbers, >= 0 for a source "
            f"row and < 0 for a target row; got shape {domain.shape} and dtype {domain.dtype}."
        )
    if len(domain) != n_rows(X):
        raise ValueError(f"sample_domain and X differ in length: {len(domain)} != {n_rows(X)}.")
    if domain.dtype.kind == "f" and not np.array_equal(domain, np.floor(domain)):
        raise ValueError("sample_domain must hold whole numbers; got a fraction or NaN.")
    return domain >= 0


def source_path(method: Callable[..., Any], sample_domain: ArrayLike | None) -> dict[str, Any]:
    """Name the argument that tells a method the domains of its rows, if it asks for them."""
    if sample_domain is None or "sample_domain" not in signature(method).parameters:
        return {}
    return {"sample_domain": sample_domain}


def source_groups(
    X: Any, groups: ArrayLike | None, sample_domain: ArrayLike | None = None
) -> NDArray[Any] | None:
    """Return the groups of the source rows.

    Parameters
    ----------
    X : array-like or list
        The source; with `sample_domain`, both domains stacked.
    groups : array-like, of as many entries as X, or None
        The group of each row.
    sample_domain : array-like of int, shape (n_samples,), optional
        As in `split_domains`.

    Returns
    -------
    groups : ndarray, shape (n_source,), or None
        Those of the source, in their order.

    Raises
    ------
    ValueError
        If there is not one group for each row.
    """
    if groups is None:
        return None
    names = np.asarray(column_or_1d(groups))
    if len(names) != n_rows(open_target(X)):
        raise ValueError(
            f"groups and X differ in length: {len(names)} != {n_rows(open_target(X))}."
        )
    return names if sample_domain is None else names[source_rows(X, sample_domain)]


def split_domains(
    X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: ArrayLike | None = None
) -> Domains:
    """Separate source and target, whichever of the two call shapes they arrive in.

    Parameters
    ----------
    X : array-like or list, of n_source rows, or of n_samples rows with `sample_domain`
        The labelled source; with `sample_domain`, both domains stacked in any order.
    y : array-like, of as many entries as X, optional
        Labels of `X`. What stands there for a target row is dropped unread.
    X_tgt : array-like, list or Target, of n_target rows, optional
        The unlabelled target.
    sample_domain : array-like of int, shape (n_samples,), optional
        ``>= 0`` for a source row of `X`, ``< 0`` for a target row.

    Returns
    -------
    domains : Domains
        ``(X_src, y_src, X_tgt)``; ``X_tgt`` is None where no target was given.

    Raises
    ------
    ValueError
        If both shapes are given, if a domain is empty, or if lengths differ.
    TypeError
        If a domain is a single path or number instead of a sequence.

    Examples
    --------
    >>> from skdidan.domains import split_domains
    >>> split_domains(["a", "b", "c"], [0, 1, 9], sample_domain=[1, 1, -1])
    Domains(X_src=['a', 'b'], y_src=[0, 1], X_tgt=['c'])
    """
    X, X_tgt = open_target(X), open_target(X_tgt)
    if y is not None and n_rows(y) != n_rows(X):
        raise ValueError(f"y and X differ in length: {n_rows(y)} != {n_rows(X)}.")
    if sample_domain is not None:
        if X_tgt is not None:
            raise ValueError(
                "The target was given twice: pass X_tgt, or mark its rows in X by sample_domain "
                "< 0, not both."
            )
        is_source = source_rows(X, sample_domain)
        y = None if y is None else take_rows(y, is_source)
        if isinstance(y, np.ndarray) and y.dtype.kind == "O" and not isinstance(y.flat[0], str):
            y = np.array(y.tolist())  # what stood for the target had made objects of numbers
        X, X_tgt = take_rows(X, is_source), take_rows(X, ~is_source)
    for name, domain in (("source", X), ("target", X_tgt)):
        if domain is not None and n_rows(domain) == 0:
            mark = "" if sample_domain is None else f": sample_domain marks no {name} row"
            raise ValueError(f"The {name} has 0 sample(s), at least one is needed{mark}.")
    return Domains(X, y, X_tgt)


def validate_domains(
    estimator: Any,
    X: Any,
    y: Any = None,
    X_tgt: Any = None,
    *,
    sample_domain: ArrayLike | None = None,
    supervised: bool = False,
    allow_nd: bool = False,
    dtype: Any = np.float64,
    padding: bool = False,
    min_source: int = 1,
    wants_target: bool = True,
) -> Domains:
    """Separate the domains and turn them into finite numeric arrays of one feature shape.

    Sets ``n_features_in_`` and, for data frames, ``feature_names_in_`` on the estimator; warns
    with `NoTargetWarning` where no target is given.

    Parameters
    ----------
    estimator : estimator
        For the names in errors and the attributes above.
    X, y, X_tgt, sample_domain
        As in `split_domains`.
    supervised : bool, default=False
        Whether `y` is needed, and must name at least two classes.
    allow_nd : bool, default=False
        Whether rows may have more than one axis.
    dtype : dtype, default=numpy.float64
        Type of the returned features.
    padding : bool, default=False
        Whether rows of two axes may be spectrograms of different lengths: NaN may pad them, and the
        domains may differ in the number of frames.
    min_source : int, default=1
        Fewest source rows that will do.
    wants_target : bool, default=True
        Whether to warn if there is no target.

    Returns
    -------
    domains : Domains
        Features as arrays of `dtype`, labels as a one-dimensional array.

    Raises
    ------
    ValueError
        If anything is wrong with either domain, or their feature shapes differ.
    """
    X, y, X_tgt = split_domains(X, y, X_tgt, sample_domain=sample_domain)
    checks: dict[str, Any] = {"allow_nd": allow_nd, "dtype": dtype, "order": "C"}
    checks["ensure_all_finite"] = "allow-nan" if padding else True
    if supervised:
        check_missing(y, "y of the source")
        X, y = validate_data(estimator, X, y, ensure_min_samples=min_source, **checks)
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(
                f"{type(estimator).__name__} needs at least two classes in the source labels; "
                f"got one class: {classes.tolist()}."
            )
    else:
        X = validate_data(estimator, X, ensure_min_samples=min_source, **checks)
    if padding:
        check_finite(estimator, X)
    if X_tgt is None and wants_target:
        warn_no_target(estimator)
    if X_tgt is not None:
        X_tgt = _validate_target(estimator, X_tgt, X.shape[1:], checks, padding=padding)
    return Domains(X, y, X_tgt)


def check_finite(estimator: Any, X: NDArray[Any]) -> None:
    """Raise a ValueError for NaN, unless it pads spectrograms after the end of a recording."""
    if X.ndim == 3:
        count_frames(X)
    else:
        assert_all_finite(X, estimator_name=type(estimator).__name__, input_name="X")


def check_missing(labels: Any, name: str) -> None:
    """Raise a ValueError for labels that are None, NaN or NA, which would pass as a class."""
    if isinstance(labels, np.ndarray) and labels.dtype != object:
        return
    values = np.asarray(labels, dtype=object)  # or NaN beside strings would become one
    if values.ndim != 1:
        return
    missing = [row for row, value in enumerate(values) if _is_missing(value)]
    if missing:
        raise ValueError(
            f"{name} holds {len(missing)} missing label(s), the first in row {missing[0]}."
        )


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _validate_target(
    estimator: Any,
    X_tgt: Any,
    row_shape: tuple[int, ...],
    checks: dict[str, Any],
    *,
    padding: bool,
) -> NDArray[Any]:
    try:
        X_tgt = X_tgt if hasattr(X_tgt, "shape") else np.asarray(X_tgt)
        shape = X_tgt.shape[1:]
        is_longer_or_shorter = padding and len(shape) == 2 and shape[:1] == row_shape[:-1]
        if shape == row_shape or is_longer_or_shorter:
            X_tgt = validate_data(estimator, X_tgt, reset=False, **checks)
            if padding:
                check_finite(estimator, X_tgt)
            return X_tgt
    except ValueError as error:
        raise ValueError(f"The target is not valid: {error}") from error
    raise ValueError(
        f"Source and target differ in the shape of a row: {row_shape} != {X_tgt.shape[1:]}."
    )


def warn_no_target(estimator: Any) -> None:
    """Warn that an estimator was fitted without a target."""
    warn_caller(
        f"{type(estimator).__name__} was fitted without a target and uses the source alone. Pass "
        "fit(X_src, y_src, X_tgt), or stacked data with sample_domain, to adapt.",
        NoTargetWarning,
    )


def takes_target(estimator: Any) -> bool:
    """Tell whether ``fit`` of an estimator, or of the one it wraps, makes use of ``X_tgt``.

    A stateless one, whose ``fit`` learns nothing, does not, though it has the parameter.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skdidan import CorpusScaler, LogMelSpectrogram
    >>> takes_target(CorpusScaler()), takes_target(StandardScaler())
    (True, False)
    >>> takes_target(LogMelSpectrogram())
    False
    >>> takes_target(GridSearchCV(CorpusScaler(), {}))
    True
    """
    tags = getattr(estimator, "__sklearn_tags__", None)
    if has_fit_parameter(estimator, "X_tgt"):
        return tags is None or tags().requires_fit
    inner = getattr(estimator, "estimator", None)
    return inner is not None and takes_target(inner)
