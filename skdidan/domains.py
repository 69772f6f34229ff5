"""Source and target: their container, and the two call shapes of every ``fit``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from inspect import signature
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skdidan.labels import check_missing, check_not_labels, plain_labels
from skdidan.lazy_rows import LazyRows, is_dataset, open_dataset
from skdidan.padding import join_rows
from skdidan.slicing import warn_of_slicing

__all__ = [
    "UNKNOWN_CORPUS",
    "Domains",
    "NoTargetWarning",
    "Target",
    "check_groups",
    "check_sample_domain",
    "check_weights",
    "n_rows",
    "open_target",
    "sortable_groups",
    "source_path",
    "split_domains",
    "take_rows",
    "takes_target",
    "unknown_corpus",
]

#: Corpus number of source rows whose corpus is not known, as in scores of a search.
UNKNOWN_CORPUS = int(np.iinfo(np.int64).max)
# Corpus numbers if the target is given as X_tgt; sample_domain holds those of stacked data.
_SOURCE, _TARGET = 0, -1


def unknown_corpus(fitted: list[int]) -> str:
    """Return the error for source rows of an unknown corpus."""
    return (
        f"This score reads source rows, but not their corpora, and fit saw the corpora {fitted}. "
        "Search by a criterion of the target alone, such as TargetScorer('information', X_tgt)."
    )


class NoTargetWarning(UserWarning):
    """An adaptation estimator was fitted without a target, on the source alone."""


class Target:
    """Wrap the unlabelled target so that no cross-validation can slice it.

    ``GridSearchCV.fit(X, y, X_tgt=X_tgt)`` slices each fit parameter that has as many rows as ``X``
    (scikit-learn issue 34270). With domains of equal size, each fold would then be adapted to a
    part of the target only. A ``Target`` has no length, so searches pass it on whole. Each
    estimator of skdidan unwraps it.

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


@dataclass(frozen=True, eq=False)
class Domains:
    """Source and target of one fit, with the labels, corpora and groups of their rows.

    A public method creates it once, by `Domains.of`. A pipeline passes it from step to step. It
    unpacks as ``X_src, y_src, X_tgt``.

    Attributes
    ----------
    X_src : array-like or list, of n_source rows
        The labelled source.
    y_src : ndarray, shape (n_source,), or None
        Labels of the source: numbers or text, whatever container they came in.
    X_tgt : array-like or list, of n_target rows, or None
        The unlabelled target, if given.
    corpora : ndarray of int, shape (n_source + n_target,)
        Number of the corpus of each row, source first: the entries of `sample_domain`, or 0 for the
        source and -1 for the target if `X_tgt` was given.
    groups : ndarray, shape (n_source,), or None
        Group of each source row, such as its speaker.
    weights : ndarray of float, shape (n_source,), or None
        Weight of each source row in the loss, if given.
    order : ndarray of int, shape (n_source + n_target,), or None
        Indices of the rows, source first, in the caller's stacked `X`; None if `X_tgt` was given.
    """

    X_src: Any
    y_src: Any
    X_tgt: Any
    corpora: NDArray[Any] = field(repr=False)
    groups: NDArray[Any] | None = field(default=None, repr=False)
    weights: NDArray[np.float64] | None = field(default=None, repr=False)
    order: NDArray[np.intp] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Separate source and target, given in either of the two call shapes."""
        is_held = isinstance(X_tgt, Target)
        X, X_tgt = open_target(X), open_target(X_tgt, "X_tgt")
        if sample_domain is None:
            check_not_labels(X_tgt, y, n_rows(X))
        if y is not None and n_rows(y, "y") != n_rows(X):
            lengths = [len(part) for part in X if getattr(part, "ndim", 0) > 1]
            hint = " Wrap shards: LazyRows(X)." if sum(lengths) == n_rows(y) > 0 else ""
            raise ValueError(f"y and X differ in length: {n_rows(y)} != {n_rows(X)}.{hint}")
        if sample_domain is None:
            _check_not_empty(X, X_tgt)
            counts = [n_rows(X), 0 if X_tgt is None else n_rows(X_tgt)]
            if not is_held:
                warn_of_slicing(*counts)
            names = None if groups is None else check_groups(groups, counts[0])
            corpora = np.repeat([_SOURCE, _TARGET], counts)
            return cls(X, plain_labels(y), X_tgt, corpora, names).weigh(sample_weight)
        if X_tgt is not None:
            raise ValueError(
                "The target was given twice: pass X_tgt, or mark its rows in X by sample_domain "
                "< 0, not both."
            )
        corpora = check_sample_domain(X, sample_domain)
        order = np.argsort(corpora < 0, kind="stable")
        source, target = np.split(order, [np.count_nonzero(corpora >= 0)])
        X, X_tgt = take_rows(X, source), take_rows(X, target)
        _check_not_empty(X, X_tgt, ": sample_domain marks no {} row")
        # Whatever stands for target rows is dropped first: it may have turned numbers into objects.
        y = None if y is None else plain_labels(take_rows(y, source))
        names = None if groups is None else check_groups(groups, len(order), rows=source)
        found = cls(X, y, X_tgt, corpora[order], names, order=order)
        return found.weigh(sample_weight)

    def __iter__(self) -> Iterator[Any]:
        return iter((self.X_src, self.y_src, self.X_tgt))

    @property
    def n_source(self) -> int:
        """Number of source rows."""
        return n_rows(self.X_src)

    @property
    def n_target(self) -> int:
        """Number of target rows; 0 without a target."""
        return 0 if self.X_tgt is None else n_rows(self.X_tgt)

    @property
    def has_several(self) -> bool:
        """True if the source or the target has several corpora."""
        return any(len(np.unique(part)) > 1 for part in np.split(self.corpora, [self.n_source]))

    def replace(self, X_src: Any, X_tgt: Any) -> Self:
        """Return a copy with transformed rows, one per former row."""
        return replace(self, X_src=X_src, X_tgt=X_tgt)

    def weigh(self, sample_weight: ArrayLike | None, name: str = "sample_weight") -> Self:
        """Return a copy with weights of the source rows, given for the rows of the caller's `X`."""
        if sample_weight is None:
            return replace(self, weights=None)
        rows = np.arange(self.n_source) if self.order is None else self.order[: self.n_source]
        n = self.n_source if self.order is None else len(self.order)
        return replace(self, weights=check_weights(sample_weight, n, rows, name))

    def cut(
        self, X_src: Any, source: NDArray[np.intp], X_tgt: Any, target: NDArray[np.intp]
    ) -> Self:
        """Return a copy with parts of rows, such as windows, given the row index of each part."""
        corpora_src, corpora_tgt = np.split(self.corpora, [self.n_source])
        return replace(
            self,
            X_src=X_src,
            y_src=None if self.y_src is None else take_rows(self.y_src, source),
            X_tgt=X_tgt,
            corpora=np.concatenate([corpora_src[source], corpora_tgt[target]]),
            groups=None if self.groups is None else self.groups[source],
            weights=None if self.weights is None else self.weights[source],
            order=None,
        )

    def stack(self) -> tuple[Any, Any, Any, NDArray[np.int64]]:
        """Stack rows, labels, groups and corpus numbers; target rows get placeholders.

        The rows are in the caller's order, or source first if the domains were given apart.
        """
        X = self.X_src if self.X_tgt is None else _concatenate(self.X_src, self.X_tgt)
        rows = np.arange(len(self.corpora))
        if self.order is not None:
            rows = np.argsort(self.order)
            X = take_rows(X, rows)
        return X, self.spread(self.y_src), self.spread(self.groups), self.corpora[rows]

    def spread(self, values: Any) -> Any:
        """Return values of source rows in the order of `stack`; target rows get placeholders."""
        if values is None:
            return None
        rows = np.arange(len(self.corpora)) if self.order is None else np.argsort(self.order)
        return take_rows(values, np.where(rows < self.n_source, rows, 0))

    def unstack(self, stacked: Any) -> Self:
        """Return a copy with transformed rows of both domains, given in the order of `stack`."""
        order = np.arange(n_rows(stacked)) if self.order is None else self.order
        parts = np.split(order, [self.n_source])
        return self.replace(*(take_rows(stacked, part) for part in parts))

    def places(self) -> tuple[Callable[[int], str], Callable[[int], str]]:
        """Return two functions from a row number to its name in errors, such as "row 3 of X"."""
        if self.order is None:
            return lambda n: f"row {n} of X", lambda n: f"row {n} of X_tgt"
        source, target = np.split(self.order, [self.n_source])
        return lambda n: f"row {source[n]} of X", lambda n: f"row {target[n]} of X"

    def restore(self) -> Any:
        """Return the rows of the caller's `X` in the caller's order."""
        return self.X_src if self.order is None else self.stack()[0]


def split_domains(
    X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: ArrayLike | None = None
) -> Domains:
    """Separate source and target, given in either of the two call shapes.

    Parameters
    ----------
    X : array-like or list, of n_source rows; of n_samples rows with `sample_domain`
        The labelled source; with `sample_domain`, both domains stacked in any order.
    y : array-like, of as many entries as X, optional
        Labels of `X`. Entries for target rows are never read.
    X_tgt : array-like, list or Target, of n_target rows, optional
        The unlabelled target.
    sample_domain : array-like of int, shape (n_samples,), optional
        ``>= 0`` for a source row of `X`, ``< 0`` for a target row.

    Returns
    -------
    domains : Domains
        Unpacks as ``X_src, y_src, X_tgt``; ``X_tgt`` is None if no target was given.

    Raises
    ------
    ValueError
        If both shapes are given, if a domain is empty, or if lengths differ.
    TypeError
        If a domain is a single path or number instead of a sequence.

    Examples
    --------
    >>> from skdidan import split_domains
    >>> split_domains(["a", "b", "c"], [0, 1, 9], sample_domain=[1, 1, -1])
    Domains(X_src=['a', 'b'], y_src=array([0, 1]), X_tgt=['c'])
    """
    return Domains.of(X, y, X_tgt, sample_domain=sample_domain)


def _check_not_empty(X_src: Any, X_tgt: Any, hint: str = "") -> None:
    for domain, name, X in (("source", "X", X_src), ("target", "X_tgt", X_tgt)):
        if X is not None and n_rows(X, name) == 0:
            raise ValueError(
                f"The {domain} has 0 sample(s), but at least one is needed{hint.format(domain)}."
            )


def _concatenate(X_src: Any, X_tgt: Any) -> Any:
    """Stack arrays, data frames or lists."""
    both = X_src, X_tgt
    if any(isinstance(X, LazyRows) for X in both):
        opened = map(open_dataset, both)
        return join_rows([X if hasattr(X, "dtype") else np.asarray(X) for X in opened])
    if all(map(is_dataset, both)):
        return sys.modules["torch.utils.data"].ConcatDataset(both)
    if hasattr(X_src, "iloc"):
        import pandas as pd

        return pd.concat([X_src, X_tgt])
    if type(X_src).__module__.startswith("polars"):
        return sys.modules["polars"].concat([X_src, X_tgt])
    return join_rows([X_src, X_tgt]) if hasattr(X_src, "shape") else [*X_src, *X_tgt]


def n_rows(X: Any, name: str = "X") -> int:
    """Count the rows of an array, a data frame or a list; errors call it `name`."""
    # Classes have the attributes of their objects, and NumPy has a function named shape.
    has_length = hasattr(X, "__len__") and not isinstance(X, type)
    rows = X if has_length or isinstance(getattr(X, "shape", None), tuple) else np.asarray(X)
    wanted = f"{name} must be a sequence with one entry per row; got"
    if isinstance(X, str | bytes) or getattr(rows, "shape", None) == ():
        raise TypeError(f"{wanted} the single entry {X!r}.")
    if isinstance(X, Mapping | Set) and not hasattr(X, "shape"):
        raise TypeError(
            f"{wanted} a {type(X).__name__}, whose entries have no positions. Pass a list in the "
            "order of the rows."
        )
    return int(rows.shape[0]) if hasattr(rows, "shape") else len(rows)


def take_rows(X: Any, rows: NDArray[Any]) -> Any:
    """Take rows by a boolean mask or by indices from an array, a data frame, a tensor or a list."""
    rows = np.asarray(rows)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "to_pylist"):  # of pyarrow
        return X.take(rows)
    if is_dataset(X):
        return sys.modules["torch.utils.data"].Subset(X, rows.tolist())
    return X[rows] if hasattr(X, "shape") else [X[row] for row in rows]


def open_target(X: Any, name: str = "X") -> Any:
    """Return the content of a `Target`, and any other object; refuse what a mask hides."""
    while isinstance(X, Target):
        X = X.X
    for row, part in enumerate(X) if isinstance(X, list | tuple) else [(None, X)]:
        if isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part):
            place = np.argwhere(np.ma.getmaskarray(part))[0].tolist()
            where = ", column ".join(map(str, place if row is None else [row, *place]))
            raise ValueError(
                f"{name} has masked entries, the first in row {where}. NumPy would compute with "
                "the values below the mask: fill them, or drop the rows."
            )
    return np.asarray(X) if isinstance(X, np.ma.MaskedArray) else X


def check_sample_domain(X: Any, sample_domain: ArrayLike) -> NDArray[np.int64]:
    """Check `sample_domain` and return it as an array of integers."""
    corpora = plain_labels(np.asarray(open_target(sample_domain, "sample_domain")))
    if corpora.ndim != 1 or corpora.dtype.kind not in "iuf":
        raise ValueError(
            "sample_domain must be a one-dimensional array of whole numbers, >= 0 for a source "
            f"row and < 0 for a target row; got shape {corpora.shape} and dtype {corpora.dtype}."
        )
    if len(corpora) != n_rows(X):
        raise ValueError(f"sample_domain and X differ in length: {len(corpora)} != {n_rows(X)}.")
    with np.errstate(invalid="ignore"):  # what does not fit differs after the cast
        numbers = corpora.astype(np.int64)
    if not (numbers == corpora).all() or (corpora.dtype.kind != "i" and (corpora >= 2.0**63).any()):
        raise ValueError("sample_domain must hold whole numbers of 64 bits; got others, or NaN.")
    return numbers


def check_groups(
    groups: Any, n: int, name: str = "groups", rows: NDArray[np.intp] | None = None
) -> NDArray[Any]:
    """Return one group per row, or per selected row; raise a ValueError that names `name`."""
    if n_rows(groups, name) != n:
        raise ValueError(f"{name} must have one entry per row: {n_rows(groups)} != {n}.")
    values = plain_labels(groups)
    if np.shape(values) == (n, 1):
        values = np.asarray(values)[:, 0]
    if np.ndim(values) != 1:
        raise ValueError(
            f"{name} must be one-dimensional, with one name per row; got shape "
            f"{np.shape(values)}. Join several names of a row into one string."
        )
    rows = np.arange(n) if rows is None else rows
    values = plain_labels(values[rows])
    check_missing(values, name, lambda row: f"row {rows[row]}")
    return values


def check_weights(
    weights: Any, n: int, rows: NDArray[np.intp], name: str = "sample_weight"
) -> NDArray[np.float64]:
    """Return the weights of selected rows; raise a ValueError that names `name`."""
    if n_rows(weights, name) != n:
        raise ValueError(f"{name} must have one entry per row: {n_rows(weights)} != {n}.")
    values = np.asarray(plain_labels(weights))
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional; got shape {values.shape}.")
    try:
        if values.dtype.kind in "cmM":  # of which NumPy would keep a part, or count days
            raise TypeError
        values = values[rows].astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers; got {values[rows][:3].tolist()}...") from None
    if not (np.isfinite(values) & (values >= 0)).all():
        row = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))[0]
        raise ValueError(
            f"{name} must hold finite numbers of at least 0; got {values[row]} in row {rows[row]}."
        )
    if not values.any():
        raise ValueError(f"{name} is zero in all rows of the source: give one a weight above 0.")
    return values


def sortable_groups(groups: NDArray[Any]) -> NDArray[Any]:
    """Return groups that splitters of scikit-learn can sort: those of any other type as numbers."""
    if groups.dtype.kind != "O":
        return groups
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups])


def source_path(method: Callable[..., Any], sample_domain: ArrayLike | None) -> dict[str, Any]:
    """Return `sample_domain` as a keyword argument of a method, if the method takes it."""
    if sample_domain is None or "sample_domain" not in signature(method).parameters:
        return {}
    return {"sample_domain": sample_domain}


def takes_target(estimator: Any) -> bool:
    """Return whether ``fit`` of an estimator, or of the one it wraps, uses ``X_tgt``.

    A stateless estimator has the parameter but does not use it, since its ``fit`` learns nothing.
    With metadata routing on, containers such as scikit-learn's Pipeline use it if a step does.
    """
    tags = getattr(estimator, "__sklearn_tags__", None)
    if has_fit_parameter(estimator, "X_tgt"):
        return tags is None or tags().requires_fit
    inner = getattr(estimator, "estimator", None)
    if inner is not None:
        return takes_target(inner)
    # A ColumnTransformer would hand all columns of the target to a step that has some of them.
    if not get_config()["enable_metadata_routing"] or hasattr(estimator, "transformers"):
        return False
    try:
        return bool(get_routing_for_object(estimator).consumes("fit", ["X_tgt"]))
    except NotImplementedError:  # raised by the containers of scikit-learn that hand nothing on
        return False
