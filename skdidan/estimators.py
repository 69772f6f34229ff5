"""Base classes of the estimators: one ``fit`` for source and target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin, is_classifier
from sklearn.utils import Tags, get_tags
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains, check_sample_domain, n_rows, open_target
from skdidan.labels import check_missing
from skdidan.validation import check_result, check_rows, check_seed, validate_domains

__all__ = ["DomainEstimator", "DomainTransformer", "GroupedEstimator"]


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
        single = {
            name: value
            for name, value in self.get_params(False).items()
            if isinstance(value, np.floating) and not isinstance(value, float)
        }
        try:
            # With numbers of single precision, NumPy would compute in single precision.
            self.__dict__.update({name: float(value) for name, value in single.items()})
            check_seed(getattr(self, "random_state", None))
            self._check_parameters()
            given = Domains.of(*domains, **more)
            if is_classifier(self) or get_tags(self).target_tags.required:
                check_missing(given.y_src, "y of the source", given.places()[0])
            learnt = {name for name in before if name.endswith("_")} - self.get_params(False).keys()
            for name in learnt - self._kept:
                delattr(self, name)
            result = fit(self._check_domains(given))
            self.__dict__.update(single)
            return result
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
        rows = self._check_new(X)
        is_source = np.zeros(len(rows), dtype=bool)
        if sample_domain is not None:
            is_source = check_sample_domain(rows, sample_domain) >= 0
        with np.errstate(over="ignore", invalid="ignore"):  # reported next
            Z = self._transform(rows.astype(np.float64), is_source).astype(rows.dtype)
        check_result(self, Z, padding=self._checks.get("padding", False))
        return Z

    def _check_new(self, X: Any) -> NDArray[Any]:
        """Return rows that `transform` is given as an array."""
        return check_rows(self, X, **self._checks)

    @abstractmethod
    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        """Map rows of double precision, of either domain."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
