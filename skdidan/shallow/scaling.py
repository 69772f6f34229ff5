"""Corpus-wise (or speaker-wise) standardisation of features and spectrograms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import (
    UNKNOWN_CORPUS,
    Domains,
    check_groups,
    check_sample_domain,
    n_rows,
    open_target,
    unknown_corpus,
)
from skdidan.estimators import DomainEstimator
from skdidan.lazy_rows import LazyRows
from skdidan.reporting import warn_caller
from skdidan.validation import check_finite, check_rows

__all__ = ["CorpusScaler"]

_BLOCK = 2**20  # values scaled at once, 8 MiB


class CorpusScaler(OneToOneFeatureMixin, TransformerMixin, DomainEstimator):
    r"""Standardise each corpus, or each of its speakers, by its own statistics.

    A value :math:`x` of feature :math:`j` in a row of corpus :math:`c` becomes

    .. math:: z = (x - \mu_{cj}) / \sigma_{cj}

    with the mean and the standard deviation (divided by the number of values) of that feature in
    that corpus. A constant feature is divided by 1. For spectrograms, a feature is a frequency bin:
    its statistics run over rows and frames. Frames of NaN pad spectrograms of different lengths;
    they are ignored and kept. With `groups`, ``c`` is a speaker of a corpus. The scaler uses no
    labels, so it may be fitted to the target.

    Several sources are told apart: each is scaled by its own statistics.

    Parameters
    ----------
    with_mean : bool, default=True
        Whether to subtract the mean.
    with_std : bool, default=True
        Whether to divide by the standard deviation.

    Attributes
    ----------
    scalers_ : dict of (int, object or None) to StandardScaler
        The statistics by corpus and group; the group None is the whole corpus. The numbers of the
        corpora are those of `sample_domain`, or 0 (source) and -1 (target) if `X_tgt` was given.
    ndim_ : int
        2 for features, 3 for spectrograms.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, or of frequency bins, and names of the columns of data frames.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : One set of statistics for all rows.

    Notes
    -----
    `fit_transform` scales source rows, and `transform` scales target rows. A cross-validation
    passes held-out source rows to `transform`: they are scaled by the statistics of the target,
    unless `sample_domain` marks them as source rows.

    References
    ----------
    B. Schuller, B. Vlasenko, F. Eyben, M. Wöllmer, A. Stuhlsatz, A. Wendemuth, G. Rigoll:
    "Cross-Corpus Acoustic Emotion Recognition: Variances and Strategies", IEEE Transactions on
    Affective Computing 1(2), 2010. doi:10.1109/T-AFFC.2010.8

    Examples
    --------
    >>> from skdidan import CorpusScaler
    >>> scaler = CorpusScaler()
    >>> scaler.fit_transform([[0.0], [2.0]], X_tgt=[[10.0], [30.0]])
    array([[-1.],
           [ 1.]])
    >>> scaler.transform([[10.0], [40.0]])
    array([[-1.],
           [ 2.]])
    """

    _checks: ClassVar = {
        "allow_nd": True,
        "dtype": (np.float64, np.float32),
        "padding": True,
        "lazy": True,
    }
    # Fit and transform request the same, because fit_transform has one request for both. Groups go
    # to the splitter of a search, unless set_fit_request requests them.
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": None, "groups": False}
    __metadata_request__transform: ClassVar = {"groups": False}

    scalers_: dict[tuple[int, Any], StandardScaler]

    def __init__(self, *, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean = with_mean
        self.with_std = with_std

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        groups_tgt: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Self:
        """Compute the statistics of each corpus, and of each group in it.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features) or (n_source, n_bins, n_frames)
            The source; with `sample_domain` both domains stacked, of n_samples rows. `LazyRows` are
            read block by block, as those of the target are.
        y : object, optional
            Ignored.
        X_tgt : array-like or Target, shape (n_target, n_features) or (n_target, n_bins, n_frames)
            The target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row, ``< 0`` for a target row. Each number is a corpus.
        groups : sequence, of as many entries as X, optional
            Group of each row of `X`, such as its speaker. Groups of the same name in different
            corpora are different groups.
        groups_tgt : sequence, of n_target entries, optional
            Group of each row of `X_tgt`.

        Returns
        -------
        self : CorpusScaler
            The fitted scaler.

        Raises
        ------
        ValueError
            If `X` has neither two nor three axes, if it holds NaN other than as padding after the
            end of a spectrogram, if `groups` or `groups_tgt` does not name one group per row, or if
            `groups_tgt` is given without `X_tgt`.

        Warns
        -----
        NoTargetWarning
            If no target is given: target rows are then scaled by the statistics of the source.
        """
        if groups_tgt is not None and (X_tgt is None or sample_domain is not None):
            raise ValueError(
                "groups_tgt needs X_tgt, which was not given; with sample_domain, pass the groups "
                "of all rows as groups."
            )
        fit = partial(self._fit, groups=groups, groups_tgt=groups_tgt)
        self._learn(fit, X, None, X_tgt, sample_domain=sample_domain)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
        groups_tgt: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Any:
        """Fit to both domains and scale the rows of `X`, each by its own corpus.

        Parameters
        ----------
        X, y, X_tgt, sample_domain, groups, groups_tgt
            As in `fit`.

        Returns
        -------
        X_scaled : ndarray of float, same shape as X
            The scaled source rows; with `sample_domain`, all rows in the order of `X`. float32 if
            `X` is float32, else float64. `LazyRows` stay so.
        """
        self.fit(X, y, X_tgt, sample_domain=sample_domain, groups=groups, groups_tgt=groups_tgt)
        numbers = np.zeros(n_rows(open_target(X))) if sample_domain is None else sample_domain
        return self.transform(X, sample_domain=numbers, groups=groups)

    def adapt(self, X_tgt: Any, *, groups_tgt: Sequence[Any] | NDArray[Any] | None = None) -> Self:
        """Compute the statistics of a new target, in place of those of the old one.

        The statistics of the source stay.

        Parameters
        ----------
        X_tgt : array-like or Target, shape (n_target, n_features) or (n_target, n_bins, n_frames)
            The target. No row of the source is needed.
        groups_tgt : sequence, of n_target entries, optional
            Group of each row, such as its speaker.

        Returns
        -------
        self : CorpusScaler
            The fitted scaler.

        Raises
        ------
        ValueError
            If `X_tgt` has another number of axes or columns than in `fit`, or `groups_tgt` does not
            name one group per row.
        """
        check_is_fitted(self)
        X = self._check_new(X_tgt)
        target = self._scale_parts(X, np.full(len(X), -1), _group_names(groups_tgt, len(X)))
        self.scalers_ = {key: part for key, part in self.scalers_.items() if key[0] >= 0} | target
        return self

    def transform(
        self,
        X: Any,
        *,
        sample_domain: ArrayLike | None = None,
        groups: Sequence[Any] | NDArray[Any] | None = None,
    ) -> Any:
        """Scale rows of the target, or of the domains marked by `sample_domain`.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features) or (n_samples, n_bins, n_frames)
            Rows of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row, ``< 0`` for a target row. If `fit` saw several corpora of one
            domain, the number of the corpus of each row.
        groups : sequence, of n_samples entries, optional
            Group of each row. A group that `fit` saw in the same corpus keeps its statistics. A new
            group gets those of its rows in `X`, or of its corpus if its rows hold a single value.

        Returns
        -------
        X_scaled : ndarray of float, same shape as X
            The scaled rows. float32 if `X` is float32, else float64. `LazyRows` stay so, and are
            scaled when they are read.

        Raises
        ------
        ValueError
            If `X` has another number of axes than in `fit`, if the corpus of a row is ambiguous, or
            if `groups` does not name one group per row.

        Warns
        -----
        UserWarning
            If a new group is too small for statistics of its own.
        """
        check_is_fitted(self)
        X = self._check_new(X)
        if sample_domain is None:
            numbers = np.full(len(X), self._corpus(None))
        else:
            numbers = check_sample_domain(X, sample_domain)
        corpora = {number: self._corpus(number) for number in np.unique(numbers).tolist()}
        scalers: list[StandardScaler] = []
        chosen, too_small = np.empty(len(X), dtype=np.intp), []
        for (number, name), rows in _parts(numbers, _group_names(groups, len(X))).items():
            scaler = self.scalers_.get((corpora[number], name))
            if scaler is None and _are_single(np.asarray(X[rows[:2]])):
                # Its own statistics would turn any single value into 0.
                scaler = self.scalers_[corpora[number], None]
                too_small.append(name)
            chosen[rows] = len(scalers)
            scalers.append(scaler or self._statistics(X, rows))
        if too_small:
            warn_caller(
                f"The new groups {too_small} have one row each and are scaled by the statistics of "
                "their corpus. Pass more rows of these groups, or no groups.",
            )
        scale = partial(self._scale, scalers, chosen)
        return X.map(scale) if isinstance(X, LazyRows) else scale(X, np.arange(len(X)))

    def _scale(
        self,
        scalers: list[StandardScaler],
        chosen: NDArray[np.intp],
        X: NDArray[Any],
        rows: NDArray[np.intp],
    ) -> NDArray[Any]:
        """Scale rows, given their numbers, each by the scaler chosen for its number."""
        scaled, numbers = np.empty_like(X), chosen[rows]
        for number in np.unique(numbers):
            for some, values in _blocks(X, np.flatnonzero(numbers == number)):
                with np.errstate(over="ignore"):  # reported below
                    values = scalers[number].transform(values).reshape(len(some), -1, X.shape[1])
                    scaled[some] = np.moveaxis(values, 1, -1).reshape(len(some), *X.shape[1:])
        check_finite(self, scaled, lambda n: f"row {rows[n]} of X", padding=True)
        return scaled

    def _check_domains(self, domains: Domains) -> Domains:
        domains = super()._check_domains(domains)
        if domains.X_src.ndim > 3:
            raise ValueError(
                "X must be of shape (n_source, n_features) or (n_source, n_bins, n_frames); "
                f"got {domains.X_src.shape}."
            )
        return domains

    def _fit(self, domains: Domains, groups: Any = None, groups_tgt: Any = None) -> None:
        n = domains.n_source
        if domains.order is not None:
            names = _group_names(groups, len(domains.order))[domains.order]
        else:
            names_tgt = _group_names(groups_tgt, domains.n_target, "groups_tgt")
            names = np.concatenate([_group_names(groups, n), names_tgt])
        self.ndim_ = domains.X_src.ndim
        self._with_mean, self._with_std = self.with_mean, self.with_std  # for new groups, too
        self.scalers_ = {}
        for X, part in ((domains.X_src, slice(n)), (domains.X_tgt, slice(n, None))):
            if X is not None:
                self.scalers_ |= self._scale_parts(X, domains.corpora[part], names[part])

    def _check_new(self, X: Any) -> NDArray[Any]:
        return check_rows(self, X, ndim=self.ndim_, **self._checks)

    def _scale_parts(
        self, X: NDArray[Any], numbers: NDArray[Any], names: NDArray[np.object_]
    ) -> dict[tuple[int, Any], StandardScaler]:
        """Return the statistics of each corpus, and of each group in it."""
        parts = _parts(numbers, np.full_like(names, None)) | _parts(numbers, names)
        return {key: self._statistics(X, rows) for key, rows in parts.items()}

    def _statistics(self, X: NDArray[Any], rows: list[int]) -> StandardScaler:
        scaler = StandardScaler(with_mean=self._with_mean, with_std=self._with_std)
        # A global set_output concerns the output of CorpusScaler, not this inner step.
        scaler.set_output(transform="default")
        peaks = [np.nanmax(np.abs(values), axis=0) for _, values in _blocks(X, rows)]
        # Powers of two change no digit, and squares of large or small numbers have no place.
        exponent = np.frexp(np.max(peaks, axis=0))[1]
        for _, values in _blocks(X, rows):
            scaler.partial_fit(np.ldexp(values, -exponent))
        if self._with_std:
            is_constant = scaler.scale_ != np.sqrt(scaler.var_)
            scaler.scale_ = np.where(is_constant, 1.0, np.ldexp(scaler.scale_, exponent))
            with np.errstate(over="ignore", under="ignore"):
                scaler.var_ = np.ldexp(scaler.var_, 2 * exponent)
        if scaler.mean_ is not None:
            scaler.mean_ = np.ldexp(scaler.mean_, exponent)
        return scaler

    def _corpus(self, number: int | None) -> int:
        """Find the fitted corpus for a number in `sample_domain`; None means the target."""
        fitted = sorted({corpus for corpus, _ in self.scalers_})
        is_target = number is None or number < 0
        candidates = [corpus for corpus in fitted if (corpus < 0) == is_target] or fitted
        if number in candidates:
            return number
        if len(candidates) > 1:
            if number == UNKNOWN_CORPUS:
                raise ValueError(unknown_corpus(candidates))
            raise ValueError(
                f"The corpus of the rows is ambiguous: fit saw {candidates}, and sample_domain is "
                f"{number}. Pass the number of the corpus of each row as sample_domain."
            )
        return candidates[0]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    @available_if(lambda scaler: getattr(scaler, "ndim_", 2) == 2)  # else no data frame can hold it
    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[Any]:
        """Return the names of the columns in `fit`, else `input_features`; not for spectrograms."""
        return super().get_feature_names_out(input_features)


def _group_names(groups: Any, n: int, parameter: str = "groups") -> NDArray[np.object_]:
    """Return one group per row, or None (the whole corpus) for each row if there are no groups."""
    if groups is None:
        return np.full(n, None, dtype=object)
    return check_groups(groups, n, parameter).astype(object)


def _parts(numbers: NDArray[Any], names: NDArray[np.object_]) -> dict[tuple[int, Any], list[int]]:
    """List the rows of each group of each corpus."""
    parts = defaultdict(list)
    for row, key in enumerate(zip(numbers.tolist(), names.tolist(), strict=True)):
        parts[key].append(row)
    return dict(parts)


def _are_single(X: NDArray[Any]) -> bool:
    """Tell whether rows hold a single value of a feature."""
    return bool(np.count_nonzero(~np.isnan(X[:, 0])) < 2)


def _blocks(X: Any, rows: Any) -> Iterator[tuple[Any, NDArray[np.float64]]]:
    """Yield some rows at a time, and their values in double precision, (n * n_frames, n_bins)."""
    n = max(1, _BLOCK // int(np.prod(X.shape[1:])))
    for start in range(0, len(rows), n):
        some = rows[start : start + n]
        values = np.asarray(X[some], dtype=np.float64).reshape(len(some), X.shape[1], -1)
        yield some, np.moveaxis(values, 1, -1).reshape(-1, X.shape[1])
