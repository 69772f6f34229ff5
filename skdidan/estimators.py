"""Base classes of the estimators: one ``fit`` for source and target, and its checks."""

from __future__ import annotations

import reprlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Set
from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.utils import Tags, check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skdidan.domains import Domains, NoTargetWarning, check_sample_domain, n_rows, open_target
from skdidan.labels import check_kinds, check_missing, is_missing
from skdidan.padding import count_frames
from skdidan.reporting import warn_caller

__all__ = [
    "TARGET_ROW",
    "DomainEstimator",
    "DomainTransformer",
    "GroupedEstimator",
    "check_finite",
    "check_result",
    "check_rows",
    "validate_domains",
]

_Place = Callable[[int], str]  # from the number of a row to its name in errors
_ROW = "row {} of X".format
TARGET_ROW = "row {} of X_tgt".format


class DomainEstimator(BaseEstimator, ABC):
    """Base of all estimators that are fitted to a source and a target.

    A subclass learns in ``_fit(domains)``. It may override ``_check_parameters``; ``_checks``, the
    options of `check_rows`, if its features are not finite matrices of double precision; and
    ``_min_source``, the least number of source rows; ``_kept``, what the next fit may begin with.
    """

    _checks: ClassVar[dict[str, Any]] = {}
    _min_source: ClassVar[int] = 1
    _kept: ClassVar[frozenset[str]] = frozenset()
    # Pipelines and searches of scikit-learn then pass these on by default.
    __metadata_request__fit: ClassVar[dict[str, Any]] = {"X_tgt": True, "sample_domain": True}

    def fit(
        self, X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: ArrayLike | None = None
    ) -> Self:
        """Fit to a labelled source and an unlabelled target.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features)
            The source; with `sample_domain` both domains stacked in any order, of n_samples rows.
        y : array-like, of as many entries as X, optional
            Labels of `X`, for estimators that use them. Entries for target rows are never read.
        X_tgt : array-like or Target, shape (n_target, n_features), optional
            The unlabelled target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row. Each number is a corpus.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, if the domains do not match or are too small, or if
            labels are needed and `y` has fewer than two classes.
        TypeError
            If a parameter or a row has the wrong type.

        Warns
        -----
        NoTargetWarning
            If no target is given: the estimator then uses the source alone.
        """
        self._learn(self._fit, X, y, X_tgt, sample_domain=sample_domain)
        return self

    def _learn(self, fit: Callable[[Domains], Any], *domains: Any, **more: Any) -> Any:
        """Call `fit` with checked domains; after an error the estimator is as before."""
        before = dict(vars(self))
        try:
            _check_seed(self)
            self._check_parameters()
            given = Domains.of(*domains, **more)
            if is_classifier(self) or get_tags(self).target_tags.required:
                check_missing(given.y_src, "y of the source", given.places()[0])
            learnt = {name for name in before if name.endswith("_")} - self.get_params(False).keys()
            for name in learnt - self._kept:
                delattr(self, name)
            return fit(self._check_domains(given))
        except BaseException:
            self.__dict__ = before
            raise

    @abstractmethod
    def _fit(self, domains: Domains) -> None:
        """Learn from both domains, which have passed all checks."""

    def _check_parameters(self) -> None:
        """Raise an error for parameters out of range."""

    def _wants_target(self) -> bool:
        """Tell whether to warn if no target is given."""
        return True

    def _check_domains(self, domains: Domains) -> Domains:
        """Convert both domains to arrays that `_fit` can use."""
        wanted = self._wants_target()
        return validate_domains(
            self, domains, min_source=self._min_source, wants_target=wanted, **self._checks
        )


def _check_seed(estimator: Any) -> None:
    seed = getattr(estimator, "random_state", None)
    try:
        check_random_state(seed)
    except ValueError as error:
        raise ValueError(
            "random_state must be None, a whole number from 0 to 2**32 - 1 or a "
            f"numpy.random.RandomState; got {seed!r}."
        ) from error


class GroupedEstimator(DomainEstimator):
    """Base of the estimators whose `fit` also takes groups and weights of the source."""

    # Groups go to the splitter of a search, unless set_fit_request requests them.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": True, "groups": False}

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Fit to a labelled source and an unlabelled target.

        Parameters
        ----------
        X : array-like or list, of n_source rows
            The source, in any form that the estimator, or its first step, takes: paths, waveforms,
            spectrograms of shape (n_source, n_bins, n_frames), padded with frames of NaN after the
            end of a recording, or features of shape (n_source, n_features). With `sample_domain`,
            both domains stacked in any order, of n_samples rows.
        y : array-like, of as many entries as X
            Labels of `X`. Entries for target rows are never read.
        X_tgt : array-like, list or Target, of n_target rows, optional
            The unlabelled target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row. Each number is a corpus.
        groups : array-like, of as many entries as X, optional
            Group of each row, such as its speaker. A network's validation set takes whole groups.
        sample_weight : array-like of float >= 0, of as many entries as X, optional
            Weight of each source row for the classifier inside, or for that at the end of a
            pipeline or search inside. Entries for target rows are never read.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, the domains do not match or are too small, the source
            has fewer than two classes, or there is NaN other than after the end of a recording.
        TypeError
            If a parameter, a step or a row has the wrong type, or if `groups` or `sample_weight` is
            given and the classifier does not take it.
        FloatingPointError
            If the training of a network diverges before an epoch with a finite loss is over.

        Warns
        -----
        NoTargetWarning
            If no target is given: each estimator that takes one then uses the source alone.
        ConvergenceWarning
            If the training of a network diverges after an epoch with a finite loss. The weights of
            the last such epoch, or of the best with `monitor`, are kept.
        UserWarning
            If Ctrl-C ends the training of a network with ``on_interrupt="keep"``.
        """
        more = {"groups": groups, "sample_weight": sample_weight}
        self._learn(self._fit, X, y, X_tgt, sample_domain=sample_domain, **more)
        return self


class DomainTransformer(TransformerMixin, DomainEstimator):
    """Base of the feature transformers that are fitted to a source and a target.

    A subclass maps rows of double precision in ``_transform(X, is_source)``.
    """

    _checks: ClassVar = {"dtype": (np.float64, np.float32)}
    #: Whether `fit` uses groups of the source, which a pipeline then hands on.
    draws_groups: ClassVar[bool] = False
    # Without a request for sample_domain: a plain Pipeline would fit its last step to target rows.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": None}

    def fit_transform(
        self, X: Any, y: Any = None, X_tgt: Any = None, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Fit to both domains and transform the rows of `X`, each with the map of its own domain.

        Parameters
        ----------
        X, y, X_tgt, sample_domain
            As in `fit`.

        Returns
        -------
        Z : ndarray of float, shape (n_source, n_out) or (n_samples, n_out)
            The transformed source; with `sample_domain`, all rows in the order of `X`. float32 if
            `X` is float32, else float64.
        """
        self.fit(X, y, X_tgt, sample_domain=sample_domain)
        numbers = np.zeros(n_rows(open_target(X))) if sample_domain is None else sample_domain
        return self.transform(X, sample_domain=numbers)

    def transform(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[np.floating]:
        """Transform rows of the target, or of the domains marked by `sample_domain`.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target, seen in `fit` or new.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row, ``< 0`` for a target row.

        Returns
        -------
        Z : ndarray of float, shape (n_samples, n_out)
            The transformed rows. float32 if `X` is float32, else float64.

        Raises
        ------
        ValueError
            If the columns of `X` differ from those in `fit`, if `sample_domain` does not have one
            entry per row, or if a result is too large for its type.
        """
        check_is_fitted(self)
        rows = check_rows(self, X, **self._checks)
        is_source = np.zeros(len(rows), dtype=bool)
        if sample_domain is not None:
            is_source = check_sample_domain(rows, sample_domain) >= 0
        with np.errstate(over="ignore", invalid="ignore"):  # reported next
            Z = self._transform(rows.astype(np.float64), is_source).astype(rows.dtype)
        check_result(self, Z, padding=self._checks.get("padding", False))
        return Z

    @abstractmethod
    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        """Map rows of double precision, of either domain."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def validate_domains(
    estimator: Any,
    domains: Domains,
    *,
    allow_nd: bool = False,
    dtype: Any = np.float64,
    padding: bool = False,
    min_source: int = 1,
    wants_target: bool = True,
) -> Domains:
    """Convert both domains to finite numeric arrays of one feature shape.

    Labels are checked if the tags of the estimator require them. Sets ``n_features_in_`` and, for
    data frames, ``feature_names_in_``. Warns with `NoTargetWarning` if there is no target.
    """
    X, y, X_tgt = domains
    source, target = domains.places()
    checks: dict[str, Any] = {"allow_nd": allow_nd, "dtype": dtype, "padding": padding}
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
    values = np.asarray(given, dtype=np.float64)
    varies = np.ptp(values, axis=0) > 1e-13 * np.abs(values).max(axis=0)  # by more than rounding
    lost = np.flatnonzero(varies & (np.ptp(X, axis=0) == 0))
    if lost.size:
        warn_caller(
            f"{lost.size} of {X.shape[1]} features of the {domain}, the first in column {lost[0]}, "
            f"are constant in the single precision of {type(estimator).__name__}. Scale the "
            "features first (CorpusScaler).",
        )


def check_rows(
    estimator: Any, X: Any, *y: Any, place: _Place = _ROW, padding: bool = False, **checks: Any
) -> Any:
    """Convert rows to an array of finite numbers by ``validate_data``; with y, return both.

    An error names the place of the first other entry. `padding` allows what `count_frames` does.
    """
    X = open_target(X)
    if X is None:
        raise TypeError("None holds no rows: pass an array, a list or a data frame.")
    if isinstance(X, Mapping | Set):
        n_rows(X)  # which says that they have no order
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
    check_finite(estimator, checked[0] if y else checked, place, padding)
    return checked


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
        X_tgt = X_tgt if hasattr(X_tgt, "shape") else np.asarray(X_tgt)
        shape = X_tgt.shape[1:]
        has_equal_bins = checks["padding"] and len(shape) == 2 and shape[:1] == row_shape[:-1]
        if shape == row_shape or has_equal_bins:
            return check_rows(estimator, X_tgt, place=place, **checks)
    except ValueError as error:
        explained = None if hasattr(X_tgt, "shape") else _explain(estimator, X_tgt, error, place)
        raise ValueError(f"The target is not valid: {explained or error}") from error
    raise ValueError(
        f"Source and target differ in the shape of a row: {row_shape} != {X_tgt.shape[1:]}."
    )
