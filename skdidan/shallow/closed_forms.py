"""Closed-form alignments of source and target: CORAL, subspace alignment, geodesic flow kernel."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, OneToOneFeatureMixin
from sklearn.utils.extmath import svd_flip

from skdidan.domains import Domains
from skdidan.estimators import DomainTransformer
from skdidan.parameters import check_boolean, check_count, check_fraction
from skdidan.shallow.eigenproblems import centre_rows, leading_svd, power_of_two, thin_svd

__all__ = ["GFK", "CorrelationAlignment", "SubspaceAlignment"]

_DEFAULT_COMPONENTS = 32


class DomainMaps(DomainTransformer):
    """Base of the transformers with one map for source rows and one for target rows."""

    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        if is_source.all():
            return self._map_source(X)
        Z = self._map_target(X)
        if is_source.any():
            Z[is_source] = self._map_source(X[is_source])
        return Z

    @abstractmethod
    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        """Map rows of the source."""

    def _map_target(self, X: NDArray[Any]) -> NDArray[Any]:
        """Map rows of the target, which do not change by default."""
        return X


class _Alignment(DomainMaps):
    """Maps that ``_align`` learns from the rows of both domains."""

    _min_source: ClassVar = 2

    def _fit(self, domains: Domains) -> None:
        X_src, _, X_tgt = domains
        X_tgt = X_src if X_tgt is None else X_tgt
        if len(X_tgt) < 2:
            raise ValueError("The target has 1 sample(s), but its variance needs at least two.")
        self.mean_source_, source = centre_rows(self, X_src.astype(np.float64))
        self.mean_target_, target = centre_rows(self, X_tgt.astype(np.float64))
        self._align(source, target)

    @abstractmethod
    def _align(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        """Learn the maps from centred rows; without a target, `target` is the source."""


class CorrelationAlignment(OneToOneFeatureMixin, _Alignment):
    r"""Correlation alignment (CORAL): give the source the mean and covariance of the target.

    A source row :math:`x` becomes

    .. math:: (x - \bar x_s)\, C_s^{-1/2} C_t^{1/2} + \bar x_t ,

    whitened by the covariance of the source and coloured by the covariance of the target [1]_.
    Target rows do not change.

    Several sources are pooled.

    Parameters
    ----------
    shrinkage : float in [0, 1] or "auto", default="auto"
        Weight of the scaled identity in each covariance matrix. "auto" estimates it for each domain
        by the method of Ledoit and Wolf [2]_. With more features than rows, :math:`C_s` is not
        invertible without shrinkage.
    with_mean : bool, default=True
        Whether to align the means, too. The paper does not: ``False`` maps :math:`x` to
        :math:`x\, C_s^{-1/2} C_t^{1/2}`.

    Attributes
    ----------
    matrix_ : ndarray of float, shape (n_features, n_features)
        :math:`C_s^{-1/2} C_t^{1/2}`, computed at each access.
    mean_source_, mean_target_ : ndarray of float, shape (n_features,)
        The means of the domains.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    Without shrinkage, directions in which the source is constant are mapped to zero.

    With more features than rows no covariance matrix is formed, and time and memory of `fit` grow
    linearly with the number of features. The axes then come from the eigenvectors of the products
    of the rows, unless the smallest eigenvalues are below :math:`10^{-7}` of the largest.

    See Also
    --------
    skdidan.CORAL : The penalty on the features of a network.

    References
    ----------
    .. [1] Sun, Feng, Saenko (2016). Return of frustratingly easy domain adaptation. AAAI,
       arXiv:1511.05547.
    .. [2] Ledoit, Wolf (2004). A well-conditioned estimator for large-dimensional covariance
       matrices. Journal of Multivariate Analysis 88(2).

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import CorrelationAlignment
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(50, 2)), rng.normal(size=(40, 2)) @ [[3, 1], [0, 1]]
    >>> coral = CorrelationAlignment(shrinkage=0.0)
    >>> Z_src = coral.fit_transform(X_src, X_tgt=X_tgt)
    >>> bool(np.allclose(np.cov(Z_src.T, bias=True), np.cov(X_tgt.T, bias=True)))
    True
    """

    def __init__(self, shrinkage: float | str = "auto", *, with_mean: bool = True) -> None:
        self.shrinkage = shrinkage
        self.with_mean = with_mean

    def _check_parameters(self) -> None:
        if not isinstance(self.shrinkage, str) or self.shrinkage != "auto":
            check_fraction("shrinkage other than 'auto'", self.shrinkage)
        check_boolean("with_mean", self.with_mean)

    @property
    def matrix_(self) -> NDArray[Any]:
        """The map of the source, without the means."""
        return self._align_covariance(np.eye(len(self.mean_source_)))

    def _align(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        self._whitening = self._root(source, -0.5)
        self._colouring = self._root(target, 0.5)

    def _root(
        self, centred: NDArray[Any], exponent: float
    ) -> tuple[float, NDArray[Any], NDArray[Any]]:
        """Raise the shrunk covariance matrix of centred rows to a power, for `_multiply`."""
        scale = power_of_two(self, centred)
        rows = centred / scale
        n, n_features = rows.shape
        if n > n_features:
            values, axes = np.linalg.eigh(rows.T @ rows / n)
        else:
            _, sigma, Vt = leading_svd(rows)
            values, axes = sigma**2 / n, Vt.T
        variance = values.sum() / n_features
        weight = self.shrinkage
        if isinstance(weight, str):
            weight = _ledoit_wolf_weight(rows, values)
        # The last one is the eigenvalue of all directions outside the span of the rows.
        values = np.append((1 - weight) * values + weight * variance, weight * variance)
        is_real = values > values.max() * n_features * np.finfo(float).eps
        powers = np.where(is_real, values, 1.0) ** exponent * is_real * scale ** (2 * exponent)
        outside = powers[-1] if len(values) <= n_features else 0.0
        return outside, axes, powers[:-1] - outside

    def _align_covariance(self, X: NDArray[Any]) -> NDArray[Any]:
        return _multiply(_multiply(X, *self._whitening), *self._colouring)

    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        if not self.with_mean:
            return self._align_covariance(X)
        return self._align_covariance(X - self.mean_source_) + self.mean_target_


def _multiply(
    X: NDArray[Any], outside: float, axes: NDArray[Any], gains: NDArray[Any]
) -> NDArray[Any]:
    """Multiply rows by ``outside I + axes diag(gains) axes'``; axes are (n_features, rank)."""
    return outside * X + (X @ axes * gains) @ axes.T


def _ledoit_wolf_weight(rows: NDArray[Any], values: NDArray[Any]) -> float:
    """Estimate the shrinkage from centred rows and the eigenvalues of their covariance."""
    n, n_features = rows.shape
    mean = values.sum() / n_features
    distance = np.square(values - mean).sum() + (n_features - len(values)) * mean**2
    fourth_moment = np.square(np.square(rows).sum(axis=1)).mean()
    error = (fourth_moment - np.square(values).sum()) / n
    return float(np.clip(error / distance, 0, 1)) if distance > 0 else 0.0


class _PrincipalAlignment(_Alignment):
    """Base of the alignments of principal subspaces."""

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    def _principal_axes(self, *domains: NDArray[Any]) -> list[NDArray[Any]]:
        """Return the orthonormal axes of each domain in columns."""
        n_source, n_target = map(len, domains)
        n_features = domains[0].shape[1]
        limit = min(n_source - 1, n_target - 1, n_features)
        n_components = min(_DEFAULT_COMPONENTS, limit)
        if self.n_components is not None:
            n_components = check_count("n_components", self.n_components)
        if n_components > limit:
            raise ValueError(
                f"n_components must be below n_source={n_source} and n_target={n_target}, and "
                f"at most n_features={n_features}; got {self.n_components}. Use at most "
                f"{limit}, or None."
            )
        axes = []
        for centred in domains:
            U, _, Vt = leading_svd(centred / power_of_two(self, centred), n_components)
            axes.append(svd_flip(U, Vt, u_based_decision=False)[1].T)
        return axes


class SubspaceAlignment(ClassNamePrefixFeaturesOutMixin, _PrincipalAlignment):
    r"""Subspace alignment: map the principal axes of the source to those of the target.

    With the leading principal axes :math:`P_s` and :math:`P_t` of the domains in columns, rows
    become

    .. math:: z_s = (x_s - \bar x_s)\, P_s P_s^\top P_t, \qquad z_t = (x_t - \bar x_t)\, P_t .

    :math:`M = P_s^\top P_t` minimises :math:`\|P_s M - P_t\|_F` in closed form [1]_.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Number of principal axes. None takes 32, or as many as the data allow if that is fewer: one
        less than the rows of either domain, or the number of features.

    Attributes
    ----------
    source_components_ : ndarray of float, shape (n_components, n_features)
        The axes of the source after the alignment, :math:`(P_s M)^\top`.
    components_ : ndarray of float, shape (n_components, n_features)
        The axes of the target, :math:`P_t^\top`.
    mean_source_, mean_target_ : ndarray of float, shape (n_features,)
        The means of the domains.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    With more features than rows, the axes come from the eigenvectors of the products of the rows,
    so time grows linearly with the number of features.

    References
    ----------
    .. [1] Fernando, Habrard, Sebban, Tuytelaars (2013). Unsupervised visual domain adaptation using
       subspace alignment. ICCV. doi:10.1109/ICCV.2013.368

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import SubspaceAlignment
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(50, 5)), rng.normal(size=(40, 5))
    >>> alignment = SubspaceAlignment(n_components=2)
    >>> alignment.fit_transform(X_src, X_tgt=X_tgt).shape, alignment.transform(X_tgt).shape
    ((50, 2), (40, 2))
    """

    def _align(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        P_s, P_t = self._principal_axes(source, target)
        self.source_components_ = (P_s @ (P_s.T @ P_t)).T
        self.components_ = P_t.T
        self._n_features_out = P_t.shape[1]

    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_source_) @ self.source_components_.T

    def _map_target(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_target_) @ self.components_.T


class GFK(OneToOneFeatureMixin, _PrincipalAlignment):
    r"""Geodesic flow kernel (GFK): compare rows in all subspaces between source and target.

    The principal subspaces of the domains are two points of a Grassmann manifold. The shortest path
    :math:`\Phi(t)` between them starts at
    :math:`\operatorname{span} \Phi(0) = \operatorname{span} P_s` and ends at
    :math:`\operatorname{span} \Phi(1) = \operatorname{span} P_t`. The kernel compares rows in every
    subspace of the path [1]_:

    .. math:: k(x, z) = x^\top G z, \qquad G = \int_0^1 \Phi(t) \Phi(t)^\top \, dt .

    The transformer subtracts the mean of each domain and maps rows to :math:`x\, G^{1/2}`, so that
    any linear method uses this kernel. The number of features does not change.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the subspaces. None takes 32, or as many as the data allow if that is fewer:
        one less than the rows of either domain, or the number of features.

    Attributes
    ----------
    components_ : ndarray of float, shape (2 * n_components, n_features)
        The factor :math:`L^\top` of :math:`G^{1/2} = L L^\top`, two rows for each angle. For a
        direction that both subspaces share, the second row is zero.
    angles_ : ndarray of float, shape (n_components,)
        The principal angles between the subspaces in radians, in ascending order.
    mean_source_, mean_target_ : ndarray of float, shape (n_features,)
        The means of the domains.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    With :math:`P_s^\top P_t = U \cos(\Theta) V^\top` the path is
    :math:`\Phi(t) = A \cos(t \Theta) + B \sin(t \Theta)`, :math:`A = P_s U` and
    :math:`B = (P_t V - A \cos \Theta) \sin(\Theta)^{-1}`. For each angle :math:`\theta` the
    integral is a 2 x 2 matrix, and so is its root. Neither `G` nor the orthogonal complement of the
    source subspace is formed. The `G` of the paper is twice this one.

    References
    ----------
    .. [1] Gong, Shi, Sha, Grauman (2012). Geodesic flow kernel for unsupervised domain adaptation.
       CVPR. doi:10.1109/CVPR.2012.6247911

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import GFK
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(50, 5)), rng.normal(size=(40, 5))
    >>> gfk = GFK(n_components=2)
    >>> gfk.fit_transform(X_src, X_tgt=X_tgt).shape, gfk.transform(X_tgt).shape
    ((50, 5), (40, 5))
    """

    def _align(self, source: NDArray[Any], target: NDArray[Any]) -> None:
        P_s, P_t = self._principal_axes(source, target)
        U, cosines, Vt = thin_svd(P_s.T @ P_t)
        starts = P_s @ U
        residuals = P_t @ Vt.T - starts * cosines
        # For small angles the sine is precise, but the cosine is not.
        sines = np.linalg.norm(residuals, axis=0)
        self.angles_ = np.arctan2(sines, cosines)
        is_shared = sines < 1e-7
        ends = np.divide(residuals, sines, out=np.zeros_like(residuals), where=~is_shared)
        pairs = np.stack([starts, ends], axis=2)  # (n_features, n_components, 2)
        roots = _flow_roots(self.angles_)
        self.components_ = np.einsum("fcp,cpq->cqf", pairs, roots).reshape(-1, len(pairs))

    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_source_) @ self.components_.T @ self.components_

    def _map_target(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_target_) @ self.components_.T @ self.components_


def _flow_roots(angles: NDArray[Any]) -> NDArray[Any]:
    """Fourth roots of the products of ``(cos t a, sin t a)``, integrated over t from 0 to 1."""
    # An integral is (I + sin(a)/a [[cos a, sin a], [sin a, -cos a]]) / 2, so this is for any power.
    sinc, cosines, sines = np.sinc(angles / np.pi), np.cos(angles), np.sin(angles)
    high, low = (np.maximum(1 + sign * sinc, 0) ** 0.25 / 2**1.25 for sign in (1, -1))
    mean, half = high + low, high - low
    roots = [[mean + half * cosines, half * sines], [half * sines, mean - half * cosines]]
    return np.array(roots).transpose(2, 0, 1)
