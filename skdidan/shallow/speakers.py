"""Subtract the offsets of unknown speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist
from sklearn.base import OneToOneFeatureMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import Domains
from skdidan.estimators import DomainTransformer
from skdidan.parameters import check_count, check_counts, check_not_negative
from skdidan.shallow.eigenproblems import thin_svd
from skdidan.shallow.scaling import CorpusScaler
from skdidan.validation import check_rows

__all__ = ["SpeakerScaler"]

# Only the directions in which the speakers of the source differ matter, not their number.
_SOURCE_COMPONENTS, _SOURCE_CLUSTERS = 20, 8
_TREE_ROWS = 5000  # most rows of which all pairs are compared, about 100 MB
_LEAST_DEVIATION = 0.1  # of a standardised feature without offsets
_SHRINKAGE = 0.3  # of the covariance within speakers towards a multiple of the identity


class SpeakerScaler(OneToOneFeatureMixin, DomainTransformer):
    r"""Subtract the offsets of the target's speakers, who are estimated by clustering.

    A speaker's voice shifts all of their recordings, often by more than an emotion does.
    Standardising each speaker removes the shift, but needs the speakers. Clusters of rows are not
    enough: they mix speakers with emotions, whose differences would then be removed, too. This
    transformer keeps them apart in four steps.

    1. Each domain is standardised by itself. ``LogisticRegression(C=0.01,
       class_weight="balanced")``, fitted to the source, predicts probabilities :math:`p_{ik}` of
       the emotions of the target rows :math:`x_i`. The unexplained part is
       :math:`e_i = x_i - \sum_k p_{ik} \mu_k`, with the means
       :math:`\mu_k = \sum_i p_{ik} x_i / \sum_i p_{ik}`.
    2. Directions in which one speaker varies are scaled down, as in within-class covariance
       normalisation [1]_: :math:`e_i` is multiplied by
       :math:`(0.7\, C + 0.3 \operatorname{tr}(C) / d \, I)^{-1/2}`. The covariance :math:`C` of
       :math:`d` features is that within 8 clusters of the source, found in 20 principal components
       after its emotions were removed by their means.
    3. The first `n_components` principal components of the result, scaled to length one, are
       clustered by Ward's method. Its tree is cut at each number of clusters. Rows belong to the
       nearest centre.
    4. The offset of a cluster :math:`S` is :math:`\sum_{i \in S} e_i / (|S| + s)`. The mean offset
       over the clusterings is subtracted. Then each feature gets back the variance of the target in
       `fit`, about its new mean.

    Rows of the source stay as they are.

    Several sources are pooled.

    Parameters
    ----------
    n_speakers : sequence of int > 0, default=(3, 4, 6, 8, 12)
        Numbers of clusters. The true number need not be among them: their offsets are averaged.
    n_components : int > 0, default=50
        Number of principal components in which rows are clustered.
    shrinkage : float >= 0, default=20.0
        Number :math:`s` of rows of zero offset that are added to each cluster. Larger values remove
        less.
    random_state : int, RandomState or None, default=None
        Seed of the choice of 5000 rows for the tree, in larger domains.

    Attributes
    ----------
    speakers_ : ndarray of int, shape (n_target, n_clusterings)
        Cluster of each target row in each clustering. Empty without at least
        two target rows, which then stay as they are.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    See Also
    --------
    CorpusScaler : Standardises by speakers who are known (``groups_tgt``), or by corpora.

    Notes
    -----
    The result has the scale of `X`; a `CorpusScaler` before or after it makes no other difference.
    The combination of the four steps is this package's own.

    References
    ----------
    .. [1] Hatch, Kajarekar, Stolcke (2006). Within-class covariance normalization for SVM-based
       speaker recognition. Interspeech.

    Examples
    --------
    Two speakers differ far more in the second feature than the two emotions do in the first.

    >>> import numpy as np
    >>> from skdidan import SpeakerScaler
    >>> rng = np.random.default_rng(0)
    >>> y, speaker = np.repeat([0, 1], 100), np.tile([0, 1], 100)
    >>> X = rng.normal(size=(200, 2)) + np.column_stack([2 * y, 20 * speaker])
    >>> scaler = SpeakerScaler([2])
    >>> Z = scaler.fit(X, y, X).transform(X)
    >>> def difference(Z, groups):
    ...     return np.abs(Z[groups == 0].mean(axis=0) - Z[groups == 1].mean(axis=0)) / Z.std(axis=0)
    >>> difference(X, speaker).round(1), difference(Z, speaker).round(1)
    (array([0.1, 2. ]), array([0. , 1.7]))
    """

    _scaler: CorpusScaler

    def __init__(
        self,
        n_speakers: Sequence[int] = (3, 4, 6, 8, 12),
        *,
        n_components: int = 50,
        shrinkage: float = 20.0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_speakers = n_speakers
        self.n_components = n_components
        self.shrinkage = shrinkage
        self.random_state = random_state

    def _check_parameters(self) -> None:
        if not check_counts("n_speakers", self.n_speakers):
            raise ValueError("n_speakers must hold at least one number of clusters; got none.")
        check_count("n_components", self.n_components)
        check_not_negative("shrinkage", self.shrinkage)

    def adapt(self, X_tgt: Any) -> Self:
        """Estimate the speakers of a new target, in place of the old one, without the source.

        Parameters
        ----------
        X_tgt : array-like or Target, shape (n_target, n_features)
            The target.

        Returns
        -------
        self : SpeakerScaler
            The fitted scaler.

        Raises
        ------
        ValueError
            If `X_tgt` has other columns than in `fit`.
        """
        check_is_fitted(self)
        X = check_rows(self, X_tgt, **self._checks)
        before = dict(vars(self))
        try:
            self._scaler = deepcopy(self._scaler)
            self._fit_target(X)
        except BaseException:
            self.__dict__ = before
            raise
        return self

    def _fit(self, domains: Domains) -> None:
        # In place of the target, until there is one.
        self._scaler = CorpusScaler().set_output(transform="default")
        X_src = domains.X_src.astype(float)
        X_src = self._scaler.fit_transform(X_src, X_tgt=X_src)
        self._classifier = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
        self._classifier.fit(X_src, domains.y_src)
        random_state = check_random_state(self.random_state)
        self._axes, self._reductions = _within_speakers(X_src, domains.y_src, random_state)
        self._fit_target(domains.X_tgt)

    def _fit_target(self, X_tgt: NDArray[Any] | None) -> None:
        if X_tgt is None or len(X_tgt) < 2:
            self.speakers_ = np.empty((0, 0), dtype=int)
            return
        X_tgt = self._scaler.adapt(X_tgt).transform(X_tgt.astype(float))
        random_state = check_random_state(self.random_state)
        probabilities = self._classifier.predict_proba(X_tgt)
        self._emotion_means = _class_means(X_tgt, probabilities)
        unexplained = X_tgt - probabilities @ self._emotion_means
        axes = PCA(min(self.n_components, *X_tgt.shape), svd_solver="full"), Normalizer()
        self._projection = make_pipeline(*axes).set_output(transform="default")
        with np.errstate(invalid="ignore"):  # shares of the variance of equal rows
            points = self._projection.fit_transform(self._whiten(unexplained))
        self._clusterings, columns = [], []
        for centres in _ward_centres(points, self.n_speakers, random_state):
            nearest = _nearest(points, centres)
            is_member = nearest[:, np.newaxis] == np.arange(len(centres))
            counts = is_member.sum(axis=0) + self.shrinkage
            offsets = (is_member / np.maximum(counts, 1)).T @ unexplained
            self._clusterings.append((centres, offsets))
            columns.append(nearest)
        self.speakers_ = np.column_stack(columns)
        moved = self._subtract_offsets(X_tgt)
        self._mean, after = moved.mean(axis=0), moved.std(axis=0)
        # A feature that is nearly constant, before or after, has no variance to get back.
        before = np.where(after > _LEAST_DEVIATION, X_tgt.std(axis=0), after)
        self._stretch = np.divide(before, after, out=np.ones_like(after), where=before > 0)

    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        if not self.speakers_.size or is_source.all():
            return X
        Z = X.copy()
        moved = self._subtract_offsets(self._scaler.transform(X[~is_source]))
        statistics = self._scaler.scalers_[-1, None]
        moved = self._mean + (moved - self._mean) * self._stretch
        Z[~is_source] = moved * statistics.scale_ + statistics.mean_
        return Z

    def _subtract_offsets(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Subtract from target rows the mean offset of their clusters over all clusterings."""
        unexplained = X - self._classifier.predict_proba(X) @ self._emotion_means
        points = self._projection.transform(self._whiten(unexplained))
        offsets = [offsets[_nearest(points, centres)] for centres, offsets in self._clusterings]
        return X - np.mean(offsets, axis=0)

    def _whiten(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Scale down directions in which single speakers vary."""
        return rows - (rows @ self._axes * self._reductions) @ self._axes.T

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _nearest(points: NDArray[Any], centres: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number of the nearest centre of each point.

    Distances by products would lose the digits in which points beside an outlier differ.
    """
    return cdist(points, centres).argmin(axis=1)


def _memberships(labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return the one-hot labels, a column for each label that occurs."""
    return (labels[:, np.newaxis] == np.unique(labels)).astype(np.float64)


def _class_means(X: NDArray[Any], probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Return weighted means; 0 for a class without weight."""
    return (probabilities / np.maximum(probabilities.sum(axis=0), np.finfo(float).tiny)).T @ X


def _within_speakers(
    X: NDArray[Any], y: NDArray[Any], random_state: np.random.RandomState
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return axes in columns, and the share of its length that each loses by whitening.

    The whitening is up to a factor the inverse root of the shrunk covariance within clusters, which
    stand for the speakers. No matrix of all pairs of features is formed.
    """
    is_class = _memberships(y)
    unexplained = X - is_class @ _class_means(X, is_class)
    components = PCA(min(_SOURCE_COMPONENTS, *X.shape), svd_solver="full")
    points = components.set_output(transform="default").fit_transform(unexplained)
    [centres] = _ward_centres(points, [_SOURCE_CLUSTERS], random_state)
    is_speaker = _memberships(_nearest(points, centres))
    _, lengths, axes = thin_svd(X - is_speaker @ _class_means(X, is_speaker))
    variances = lengths**2 / len(X)
    floor = _SHRINKAGE * variances.sum() / X.shape[1]
    total = (1 - _SHRINKAGE) * variances + floor
    return axes.T, 1 - np.sqrt(np.divide(floor, total, out=np.ones_like(total), where=total > 0))


def _ward_centres(
    points: NDArray[Any], numbers: Sequence[int], random_state: np.random.RandomState
) -> Iterator[NDArray[np.float64]]:
    """Yield the centres of each number of clusters, all cut from one tree."""
    if len(points) > _TREE_ROWS:
        points = points[random_state.choice(len(points), _TREE_ROWS, replace=False)]
    tree = linkage(pdist(points), "ward")
    for number in numbers:
        yield _class_means(points, _memberships(fcluster(tree, number, "maxclust")))
