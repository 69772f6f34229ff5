"""Coupled discriminant subspace alignment (CDSA) with reconstruction of the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, clone
from sklearn.svm import SVC
from sklearn.utils import Tags

from skdidan.domains import Domains
from skdidan.parameters import check_count, check_not_negative
from skdidan.shallow.closed_forms import DomainMaps
from skdidan.shallow.coupled import (
    Codes,
    count_components,
    discriminant,
    reduce_rows,
    solve_map,
    unit_scale,
)
from skdidan.shallow.jda import check_classifier

__all__ = ["CDSA"]

_Array = NDArray[Any]

_DEFAULT_COMPONENTS = 20


class CDSA(ClassNamePrefixFeaturesOutMixin, DomainMaps):
    r"""Coupled discriminant subspace alignment (CDSA): one map for each domain.

    The maps :math:`P_s` and :math:`P_t` gather the rows of a class, stay close to each other, and
    let mapped source rows reconstruct the mapped target rows with the codes :math:`Z` [1]_:

    .. math::
        \min_{P_s, P_t, Z} \; & \operatorname{tr}(P_s^\top L_s P_s)
        + \operatorname{tr}(P_t^\top L_t P_t) + \beta \|P_s - P_t\|_F^2 \\
        & + \frac{\alpha}{n_t} \|X_t P_t - Z X_s P_s\|_F^2
        + \frac{\gamma}{\sqrt{n_t}} \sum_{i=1}^{n_s} \|z_i\| .

    The column :math:`z_i` belongs to source row `i`, so the last term uses few source rows.
    :math:`L = S_w - \mu S_b` has the scatter matrices within and between the classes of a domain,
    divided by its rows, and :math:`\mu = 10^{-5}`; negative eigenvalues are set to zero, or a map
    could grow without bound. The target has no labels, so each iteration uses
    those that a classifier, fitted to the mapped source, predicts.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None takes 20, which was chosen among a few on three corpora, by their
        target labels; or as many as the data allow if that is fewer: one less than the rows of both
        domains, or the number of features.
    reconstruction : float >= 0, default=1.0
        Weight :math:`\alpha` of the reconstruction.
    coupling : float >= 0, default=1.0
        Weight :math:`\beta` of the distance of the maps. One of the two weights must be above 0.
    sparsity : float >= 0, default=0.01
        Penalty weight :math:`\gamma` of the codes. Larger values use fewer source rows.
    max_iter : int > 0, default=10
        Maximum number of iterations. Stops early once the pseudo-labels repeat.
    estimator : classifier, default=None
        Predicts target labels from the components. None takes
        ``SVC(kernel="linear", C=0.01, class_weight="balanced")``.

    Attributes
    ----------
    source_components_, components_ : ndarray of float, shape (n_components, n_features)
        The maps of source and target rows, minus `mean_`, to components of unit variance. Those
        beyond the rank of the data are zero.
    source_weights_ : ndarray of float, shape (n_source,)
        The norms :math:`\|z_i\|`.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        Target labels used in the last iteration; None without a target.
    objective_ : list of tuple of float, of n_iterations entries
        Objective before the maps, after the maps and after the codes of each iteration, with the
        pseudo-labels of that iteration. It never rises within an iteration.
    n_iter_ : int
        Number of iterations.
    mean_ : ndarray of float, shape (n_features,)
        Mean of the rows of both domains.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    A reading of the paper, whose objective, closed forms and code are known. The rows are reduced
    to at most 500 principal components, and divided by the root of their mean squared length. Then
    each part has its minimum given the others: both maps begin at the first principal axes, and

    .. math::
        P_t &= (L_t + \tfrac{\alpha}{n_t} X_t^\top X_t + \beta I)^{-1}
        (\tfrac{\alpha}{n_t} X_t^\top Z X_s P_s + \beta P_s) , \\
        P_s &= (L_s + \tfrac{\alpha}{n_t} X_s^\top Z^\top Z X_s + \beta I)^{-1}
        (\tfrac{\alpha}{n_t} X_s^\top Z^\top X_t P_t + \beta P_t) , \\
        Z &= X_t P_t K^{-1} P_s^\top X_s^\top D , \qquad
        K = P_s^\top X_s^\top D X_s P_s + \tfrac{\gamma \sqrt{n_t}}{2 \alpha} I ,

    where :math:`D` holds the former norms :math:`\|z_i\|`. Both forms of :math:`Z` in this class
    and in the paper are equal; this one has only matrices of the size of the components. It
    replaces each norm by its tangent in the square, so the objective cannot rise.

    - The paper prints :math:`-\beta` in both places of :math:`P_s`. The derivative of its objective
      has :math:`+\beta`; with the minus the objective may rise.
    - The divisors :math:`n_t` and :math:`\sqrt{n_t}` are this package's, so that the weights do not
      depend on the number of rows. Components are given unit variance at the end.
    - The paper demands :math:`P^\top P = I`, which its closed forms ignore. Without it the maps
      shrink, and after many iterations all components resemble the first one. Use few iterations.
    - The code of the authors maps target rows by :math:`P_s`, too. This class maps them by
      :math:`P_t`, the meaning of the equations.

    Without a target the source takes its place, with its labels, and all rows are mapped by
    :math:`P_s`. Features should have similar scales, as after `CorpusScaler`.

    References
    ----------
    .. [1] Li, Song, Zhao, Zhang, Zheng (2022). Coupled discriminant subspace alignment for
       cross-database speech emotion recognition. Interspeech.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import CDSA
    >>> rng = np.random.default_rng(0)
    >>> y_src = np.repeat(["anger", "neutral"], 25)
    >>> X_src = rng.normal(size=(50, 3)) + 4 * (y_src == "anger")[:, None]
    >>> X_tgt = rng.normal(size=(40, 3)) + [4, 0, 0]
    >>> cdsa = CDSA(n_components=2)
    >>> cdsa.fit_transform(X_src, y_src, X_tgt).shape, cdsa.transform(X_tgt).shape
    ((50, 2), (40, 2))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        reconstruction: float = 1.0,
        coupling: float = 1.0,
        sparsity: float = 0.01,
        max_iter: int = 10,
        estimator: BaseEstimator | None = None,
    ) -> None:
        self.n_components = n_components
        self.reconstruction = reconstruction
        self.coupling = coupling
        self.sparsity = sparsity
        self.max_iter = max_iter
        self.estimator = estimator

    def _check_parameters(self) -> None:
        check_not_negative("reconstruction", self.reconstruction)
        check_not_negative("coupling", self.coupling)
        if not self.reconstruction and not self.coupling:
            raise ValueError(
                "reconstruction and coupling must not both be 0: without them nothing joins the "
                "domains, and the maps are zero."
            )
        check_not_negative("sparsity", self.sparsity)
        check_count("max_iter", self.max_iter)
        check_classifier(self.estimator)

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        is_alone = X_tgt is None
        X = np.concatenate([X_src, X_src if X_tgt is None else X_tgt])
        n_components = count_components(self.n_components, _DEFAULT_COMPONENTS, *X.shape)
        reduced = reduce_rows(self, X)
        source, target = np.split(reduced.rows, [len(X_src)])
        maps = _Maps(source, target, n_components, y_src, self)
        labels = y_src if is_alone else self._predict(maps, y_src)
        self.objective_: list[Any] = []
        for iteration in range(1, self.max_iter + 1):
            self.n_iter_ = iteration
            self.pseudo_labels_ = None if is_alone else labels
            maps.know(labels)
            values = [maps.objective()]
            for update in (maps.update_maps, maps.update_codes):
                update()
                values.append(maps.objective())
            self.objective_.append(tuple(values))
            if iteration < self.max_iter and not is_alone:
                before, labels = labels, self._predict(maps, y_src)
                if np.array_equal(before, labels):
                    break
        maps.P_t = maps.P_s if is_alone else maps.P_t
        scale = unit_scale(*maps.mapped())
        self.mean_, self._n_features_out = reduced.mean, n_components
        self.source_components_ = reduced.expand(maps.P_s * scale, n_components)
        self.components_ = reduced.expand(maps.P_t * scale, n_components)
        self.source_weights_ = maps.codes.lengths()

    def _predict(self, maps: _Maps, y_src: _Array) -> _Array:
        estimator = SVC(kernel="linear", C=0.01, class_weight="balanced")
        if self.estimator is not None:
            estimator = clone(self.estimator)
        scale = unit_scale(*maps.mapped())
        source, target = (rows * scale for rows in maps.mapped())
        return estimator.fit(source, y_src).predict(target)

    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_) @ self.source_components_.T

    def _map_target(self, X: NDArray[Any]) -> NDArray[Any]:
        return (X - self.mean_) @ self.components_.T

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class _Maps:
    """The maps and the codes of a fit."""

    def __init__(
        self, source: _Array, target: _Array, n_components: int, y_src: _Array, settings: CDSA
    ) -> None:
        self.source, self.target = source, target
        self.share = settings.reconstruction / len(target)
        self.coupling = float(settings.coupling)
        self.sparsity = settings.sparsity / len(target) ** 0.5
        self.L_s = self.L_t = discriminant(source, y_src)
        self.P_s = self.P_t = np.eye(source.shape[1])[:, :n_components]
        self.codes = Codes(np.zeros((len(source), self.P_s.shape[1])), target @ self.P_t)
        self.update_codes(np.ones(len(source)))

    def know(self, labels: _Array) -> None:
        """Set the labels of the target."""
        self.L_t = discriminant(self.target, labels)

    def mapped(self) -> tuple[_Array, _Array]:
        """Return the mapped rows of both domains."""
        return self.source @ self.P_s, self.target @ self.P_t

    def update_maps(self) -> None:
        """Minimise the objective over the map of the target, then over that of the source."""
        A = self.L_t + self.share * self.target.T @ self.target
        A += self.coupling * np.eye(len(A))
        reconstructed = self.codes.apply(self.source @ self.P_s)
        B = self.share * self.target.T @ reconstructed + self.coupling * self.P_s
        self.P_t = solve_map(A, B)
        mapped = self.target @ self.P_t
        weights = self.share, self.coupling
        self.P_s = self.codes.map_source(self.source, mapped, self.P_t, self.L_s, *weights)

    def update_codes(self, lengths: _Array | None = None) -> None:
        """Lower the objective over the codes, given the former norms of their columns."""
        if self.share:
            ridge = self.sparsity / (2 * self.share)
            lengths = self.codes.lengths() if lengths is None else lengths
            self.codes = Codes.of(*self.mapped(), lengths, ridge)

    def objective(self) -> float:
        """Return the value of the objective."""
        source, target = self.mapped()
        error = target - self.codes.apply(source)
        terms = [np.trace(P.T @ L @ P) for P, L in ((self.P_s, self.L_s), (self.P_t, self.L_t))]
        terms += [self.coupling * np.square(self.P_s - self.P_t).sum()]
        terms += [self.share * np.square(error).sum(), self.sparsity * self.codes.lengths().sum()]
        return float(sum(terms))
