"""Selection of the features that tell the emotions apart in both corpora."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skdidan.domains import Domains, NoTargetWarning, n_rows, open_target, sortable_groups
from skdidan.estimators import DomainTransformer
from skdidan.parameters import check_count, check_number
from skdidan.reporting import quiet
from skdidan.shallow.regressors import JDAR

__all__ = ["CorpusInvariantSelector"]

_Array = NDArray[Any]

_ALPHA = 0.1  # sparser than a good classifier: of features that are much alike, few are used


class CorpusInvariantSelector(DomainTransformer, SelectorMixin):
    r"""Select the features that tell the emotions apart in both corpora, by a sparse regression.

    A regression such as `JDAR` keeps features that predict the labels of the source and whose means
    agree between the domains; the length of a feature's row in the map :math:`P` says how much it
    is used. One fit says little about features that are much alike. The selector therefore fits the
    regression to resampled speakers, in the manner of stability selection [2]_: in each of
    `n_resamples` fits it draws as many speakers of the source as there are, with replacement, and
    as many rows of the target. The importance of feature `j` is

    .. math:: \frac1R \sum_{r=1}^{R} \|P^{(r)}_j\| ,

    and its stability the share of the fits in which it is selected. The most important features are
    the columns of the result, in their order and unchanged. Several sources are pooled.

    This is a reading of [1]_; the full text was not at hand. Its abstract states the aim, to find
    features that are emotional and corpus-invariant, and a regression with the :math:`L_{2,1}` norm
    of `JDAR`. Resampling is this package's addition.

    Parameters
    ----------
    n_features_to_select : int > 0, default=None
        Number of features to select. A fit selects the same number, those of the longest rows. With
        None a fit selects all features whose rows are not zero, and without `threshold` the result
        has half of the features, rounded up.
    threshold : float > 0 and <= 1, default=None
        Least stability of a selected feature. None sets no limit. The result may then have fewer
        features than `n_features_to_select`.
    estimator : classifier, default=None
        The regression: `JDAR`, `AKTLR` or another classifier whose ``fit`` takes `X_tgt` and sets
        ``feature_importances_``. Copies are fitted. None takes ``JDAR(alpha=0.1)``, which uses
        fewer features than the default of `JDAR`.
    n_resamples : int > 0, default=20
        Number of fits.
    random_state : int, RandomState or None, default=None
        Seed of the resamples.

    Attributes
    ----------
    importances_ : ndarray of float, shape (n_features,)
        Mean importance of each feature over the fits.
    stability_ : ndarray of float, shape (n_features,)
        Share of the fits in which each feature is selected.
    support_ : ndarray of bool, shape (n_features,)
        Which features are selected, as `get_support` returns it.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    See Also
    --------
    sklearn.feature_selection.SelectFromModel : Selection by one fit, without the target.

    Notes
    -----
    ``fit(X, y, X_tgt, groups=speakers)`` draws whole speakers; without `groups` each row of the
    source is drawn alone. Rows of the target are drawn alone, since their speakers are unknown. The
    source corpora are pooled, but speakers of the same name in two of them are two speakers. A draw
    with a single class is drawn again. `AdaptationPipeline` hands on its `groups`. Features should
    have similar scales, as after `CorpusScaler`.

    References
    ----------
    .. [1] Lian, Lu, Zhao, Li, Qi, Zong (2024). Exploring corpus-invariant emotional acoustic
       feature for cross-corpus speech emotion recognition. Expert Systems with Applications.
       doi:10.1016/j.eswa.2024.125162
    .. [2] Meinshausen, Bühlmann (2010). Stability selection. Journal of the Royal Statistical
       Society B 72(4). doi:10.1111/j.1467-9868.2010.00740.x

    Examples
    --------
    Two features tell the classes in the source. In the target, the second says the opposite.

    >>> import numpy as np
    >>> from skdidan import CorpusInvariantSelector
    >>> rng = np.random.default_rng(0)
    >>> y_src, y_tgt = np.arange(60) % 2, np.arange(40) % 2
    >>> X_src, X_tgt = rng.normal(size=(60, 4)), rng.normal(size=(40, 4))
    >>> X_src[:, :2] += 3 * y_src[:, None]
    >>> X_tgt[:, :2] += [3, -1] * y_tgt[:, None]
    >>> selector = CorpusInvariantSelector(1, random_state=0).fit(X_src, y_src, X_tgt)
    >>> selector.get_feature_names_out().tolist()
    ['x0']
    >>> selector.transform(X_tgt).shape
    (40, 1)
    """

    draws_groups = True
    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": None, "groups": True}

    def __init__(
        self,
        n_features_to_select: int | None = None,
        *,
        threshold: float | None = None,
        estimator: BaseEstimator | None = None,
        n_resamples: int = 20,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.threshold = threshold
        self.estimator = estimator
        self.n_resamples = n_resamples
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit regressions to resamples of a labelled source and an unlabelled target.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features)
            The source; with `sample_domain` both domains stacked in any order, of n_samples rows.
        y : array-like, of as many entries as X
            Labels of `X`. Entries for target rows are never read.
        X_tgt : array-like or Target, shape (n_target, n_features), optional
            The unlabelled target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row.
        groups : array-like, of as many entries as X, optional
            Group of each row, such as its speaker. Whole groups are drawn; without them, rows.

        Returns
        -------
        self : object
            The fitted selector.

        Raises
        ------
        ValueError
            If a parameter is out of range, the domains do not match or are too small, or no feature
            reaches `threshold`.
        TypeError
            If a parameter or a row has the wrong type.

        Warns
        -----
        NoTargetWarning
            If no target is given: the regressions then use the source alone.
        """
        self._learn(self._fit, X, y, X_tgt, sample_domain=sample_domain, groups=groups)
        return self

    def fit_transform(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> NDArray[np.floating]:
        """Fit to both domains and return the selected columns of `X`.

        Parameters
        ----------
        X, y, X_tgt, sample_domain, groups
            As in `fit`.

        Returns
        -------
        Z : ndarray of float, shape (n_source, n_selected) or (n_samples, n_selected)
            The selected columns of the source; with `sample_domain`, of all rows in the order of
            `X`. float32 if `X` is float32, else float64.
        """
        self.fit(X, y, X_tgt, sample_domain=sample_domain, groups=groups)
        numbers = np.zeros(n_rows(open_target(X))) if sample_domain is None else sample_domain
        return self.transform(X, sample_domain=numbers)

    def _fit(self, domains: Domains) -> None:
        n_features, n_wanted = self.n_features_in_, self.n_features_to_select
        if n_wanted is not None and n_wanted > n_features:
            raise ValueError(
                f"n_features_to_select must not exceed the number of features, {n_features}; got "
                f"{n_wanted}."
            )
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=self.n_resamples)
        lengths = np.array([self._importances(domains, seed) for seed in seeds])
        self.importances_ = lengths.mean(axis=0)
        n_each = n_features if n_wanted is None else n_wanted
        longest = np.argsort(-lengths, axis=1, kind="stable")[:, :n_each]
        is_selected = np.zeros(lengths.shape, dtype=bool)
        np.put_along_axis(is_selected, longest, True, axis=1)
        self.stability_ = (is_selected & (lengths > 0)).mean(axis=0)
        is_stable = self.stability_ >= (0 if self.threshold is None else self.threshold)
        if not is_stable.any():
            raise ValueError(
                f"No feature has a stability of threshold={self.threshold}: the highest is "
                f"{self.stability_.max():.2f}. Use a lower threshold."
            )
        if n_wanted is None:
            n_wanted = (n_features + 1) // 2 if self.threshold is None else n_features
        order = np.lexsort([-self.importances_, ~is_stable])[:n_wanted]
        self.support_ = np.zeros(n_features, dtype=bool)
        self.support_[order] = True
        self.support_ &= is_stable

    def _importances(self, domains: Domains, seed: int) -> NDArray[np.float64]:
        """Return the importances of a regression fitted to one resample."""
        rng = np.random.default_rng(seed)
        X_src, y_src, X_tgt = domains
        source = _draw_source(domains, rng)
        target = rng.integers(domains.n_target, size=domains.n_target) if domains.n_target else None
        parts = [X_src[source], None if target is None else X_tgt[target]]
        if (names := getattr(self, "feature_names_in_", None)) is not None:  # groups by names
            parts = [part if part is None else pd.DataFrame(part, columns=names) for part in parts]
        estimator = JDAR(alpha=_ALPHA) if self.estimator is None else clone(self.estimator)
        with quiet(".*", NoTargetWarning):  # in favour of the one of the selector
            estimator.fit(parts[0], y_src[source], parts[1])
        importances = getattr(estimator, "feature_importances_", None)
        if importances is None:
            raise ValueError(f"estimator must set feature_importances_ in fit; got {estimator!r}.")
        return np.asarray(importances, dtype=np.float64)

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        return self.support_

    def _transform(self, X: _Array, is_source: NDArray[np.bool_]) -> _Array:
        return X[:, self.support_]

    def _check_parameters(self) -> None:
        if self.n_features_to_select is not None:
            check_count("n_features_to_select", self.n_features_to_select)
        if (share := self.threshold) is not None:
            check_number("threshold", share, lambda: 0 < share <= 1, "above 0 and at most 1")
        check_count("n_resamples", self.n_resamples)
        estimator = self.estimator
        if estimator is not None and not (
            isinstance(estimator, BaseEstimator)
            and is_classifier(estimator)
            and has_fit_parameter(estimator, "X_tgt")
        ):
            raise ValueError(
                "estimator must be a classifier whose fit takes X_tgt, such as JDAR() or AKTLR(), "
                f"or None; got {estimator!r}."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _draw_source(domains: Domains, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw speakers of the source, or rows without speakers, until there are two classes."""
    n = domains.n_source
    if domains.groups is None:
        members = [np.array([row]) for row in range(n)]
    else:
        _, names = np.unique(sortable_groups(domains.groups), return_inverse=True)
        speakers: dict[tuple[int, int], list[int]] = {}
        for row, key in enumerate(zip(domains.corpora[:n].tolist(), names.tolist(), strict=True)):
            speakers.setdefault(key, []).append(row)
        members = [np.array(rows) for rows in speakers.values()]
    while True:
        drawn = [members[number] for number in rng.integers(len(members), size=len(members))]
        rows = np.concatenate(drawn)
        if len(np.unique(domains.y_src[rows])) > 1:
            return rows
