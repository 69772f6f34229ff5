"""Multi-source discriminant subspace alignment (MDSA): a map and a weight for each source."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skdidan.domains import UNKNOWN_CORPUS, Domains, check_sample_domain, unknown_corpus
from skdidan.estimators import DomainEstimator
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.probabilities import DomainwiseClassifier
from skdidan.shallow.coupled import (
    Codes,
    count_components,
    discriminant,
    reduce_rows,
    solve_map,
    unit_scale,
)
from skdidan.shallow.weighting import check_weighable, inner_has
from skdidan.simplex import project_on_simplex
from skdidan.validation import check_result, check_rows

__all__ = ["MDSA"]

_Array = NDArray[Any]

_DEFAULT_COMPONENTS = 20


class MDSA(MetaEstimatorMixin, DomainwiseClassifier, DomainEstimator):
    r"""Multi-source discriminant subspace alignment (MDSA): one map and weight for each source.

    The map :math:`P_v` of source corpus `v` gathers the rows of a class, stays close to the common
    map :math:`P_c` of the target, and lets its rows reconstruct the target with the codes
    :math:`Z_v`. A corpus for which this costs much gets a small weight :math:`\alpha_v` [1]_:

    .. math::
        \min_{P, Z, \alpha} \; & \sum_v \alpha_v c_v + \beta \sum_v \|P_v - P_c\|_F^2
        + \gamma \bar c \sum_v \alpha_v^2
        \quad \text{subject to} \quad \alpha_v \ge 0, \quad \sum_v \alpha_v = 1 , \\
        & c_v = \operatorname{tr}(P_v^\top L_v P_v)
        + \frac{g}{n_t} \|X_t P_c - Z_v X_v P_v\|_F^2 .

    :math:`L_v = S_w - \mu S_b` has the scatter matrices within and between the classes of a corpus,
    divided by its rows, and :math:`\mu = 10^{-5}`; negative eigenvalues are set to zero, or a map
    could grow without bound. :math:`\bar c` is the mean of the :math:`c_v` at
    the beginning of an iteration, so that :math:`\gamma` has no unit. A classifier is then fitted
    to the mapped rows of all sources, those of corpus `v` weighted by :math:`\alpha_v`.

    Several sources are told apart, by their numbers in `sample_domain`, as `leave_one_corpus_out`
    makes them. With a single source it works, too; several target corpora are one target.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None takes 20, or as many as the data allow if that is fewer: one less
        than the rows of all domains, or the number of features.
    reconstruction : float >= 0, default=1.0
        Weight `g` of the reconstruction.
    coupling : float > 0, default=1.0
        Weight :math:`\beta` of the distance between the maps.
    evenness : float > 0, default=1.0
        Weight :math:`\gamma`. Large values weigh all sources alike, small ones use the best alone.
    max_iter : int > 0, default=10
        Number of iterations.
    estimator : classifier, default=None
        A classifier whose ``fit`` takes ``sample_weight``. None takes
        ``LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)``; the paper has a
        linear support vector machine.

    Attributes
    ----------
    sources_ : ndarray of int, shape (n_sources,)
        The numbers of the source corpora.
    source_weights_ : ndarray of float, shape (n_sources,)
        The weights :math:`\alpha_v`.
    components_ : ndarray of float, shape (n_components, n_features)
        The common map of the target, for rows minus `mean_`. Components of the mapped rows have
        unit variance; those beyond the rank of the data are zero.
    source_components_ : ndarray of float, shape (n_sources, n_components, n_features)
        The map of each source.
    estimator_ : classifier
        The fitted classifier.
    objective_ : list of tuple of float, of max_iter entries
        Objective before and after each iteration. It never rises within an iteration.
    n_iter_ : int
        Number of iterations.
    mean_ : ndarray of float, shape (n_features,)
        Mean of the rows of all domains.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    A reading of the paper, of which the closed forms are known by the authors' code. The rows are
    reduced to at most 500 principal components, and divided by the root of their mean squared
    length. An iteration minimises the objective over each part given the others:

    .. math::
        P_v &= \bigl( \alpha_v L_v + \tfrac{\alpha_v g}{n_t} X_v^\top Z_v^\top Z_v X_v
        + \beta I \bigr)^{-1} \bigl( \tfrac{\alpha_v g}{n_t} X_v^\top Z_v^\top X_t P_c
        + \beta P_c \bigr), \qquad Z_v = X_t P_c (X_v P_v)^+ , \\
        P_c &= \bigl( \tfrac{g}{n_t} X_t^\top X_t + V \beta I \bigr)^{-1} \sum_v \bigl(
        \tfrac{\alpha_v g}{n_t} X_t^\top Z_v X_v P_v + \beta P_v \bigr) ,

    and :math:`\alpha` is the projection of :math:`-c_v / (2 \gamma \bar c)` onto the simplex.

    - The authors' code projects :math:`+c_v / (2 \gamma)`, which gives the dearer source more
      weight. The objective that it prints has its minimum at the minus.
    - That code updates :math:`P_c` by one source after the other; here all sources enter at once.
      The divisors and :math:`\bar c` are this package's, and so is the weight of the rows in the
      classifier.
    - The codes fit any target exactly if a source has as many independent rows as components, so
      the weights depend on how well the classes of a source are gathered. Noise and wrong labels
      lower the weight of a source; a shift of its mean does not.

    Without a target, the sources take its place. Features should have similar scales in each
    corpus, as after `CorpusScaler`. As in `CDSA`, the maps shrink: use few iterations.

    References
    ----------
    .. [1] Li, Song, Zheng (2023). Multi-source discriminant subspace alignment for cross-domain
       speech emotion recognition. IEEE/ACM Transactions on Audio, Speech, and Language Processing
       31.

    Examples
    --------
    The labels of the second corpus are wrong:

    >>> import numpy as np
    >>> from skdidan import MDSA
    >>> rng = np.random.default_rng(0)
    >>> y = np.tile(["anger", "neutral"], 75)
    >>> X = rng.normal(size=(150, 3)) + 4 * (y == "anger")[:, None]
    >>> sample_domain = np.repeat([0, 1, -1], 50)
    >>> y[50:100] = rng.permutation(y[50:100])
    >>> mdsa = MDSA().fit(X, y, sample_domain=sample_domain)
    >>> bool(mdsa.source_weights_[0] > 2 * mdsa.source_weights_[1])
    True
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        reconstruction: float = 1.0,
        coupling: float = 1.0,
        evenness: float = 1.0,
        max_iter: int = 10,
        estimator: BaseEstimator | None = None,
    ) -> None:
        self.n_components = n_components
        self.reconstruction = reconstruction
        self.coupling = coupling
        self.evenness = evenness
        self.max_iter = max_iter
        self.estimator = estimator

    def _check_parameters(self) -> None:
        check_not_negative("reconstruction", self.reconstruction)
        check_positive("coupling", self.coupling)
        check_positive("evenness", self.evenness)
        check_count("max_iter", self.max_iter)
        check_weighable(self._default())

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        X = X_src if X_tgt is None else np.concatenate([X_src, X_tgt])
        n_components = count_components(self.n_components, _DEFAULT_COMPONENTS, *X.shape)
        reduced = reduce_rows(self, X)
        self.sources_, corpus = np.unique(domains.corpora[: len(X_src)], return_inverse=True)
        members = [np.flatnonzero(corpus == v) for v in range(len(self.sources_))]
        sources = [reduced.rows[rows] for rows in members]
        scatters = [discriminant(reduced.rows[rows], y_src[rows]) for rows in members]
        target = reduced.rows if X_tgt is None else reduced.rows[len(X_src) :]
        maps = _Maps(sources, target, scatters, n_components, self)
        self.objective_: list[tuple[float, float]] = []
        for _ in range(self.max_iter):
            self.objective_.append(maps.iterate())
        self.n_iter_, self.source_weights_ = self.max_iter, maps.weights
        mapped = [rows @ P for rows, P in zip(sources, maps.P_v, strict=True)]
        scale = unit_scale(*mapped, target @ maps.P_c)
        self.mean_, self.components_ = reduced.mean, reduced.expand(maps.P_c * scale, n_components)
        expanded = [reduced.expand(P * scale, n_components) for P in maps.P_v]
        self.source_components_ = np.array(expanded)
        self._classify(self._map(X_src, domains.corpora[: len(X_src)]), y_src, corpus)

    def _classify(self, Z: _Array, y_src: _Array, corpus: _Array) -> None:
        weights = len(self.sources_) * self.source_weights_[corpus]
        lost = sorted({*y_src.tolist()} - {*y_src[weights > 0].tolist()})
        if lost:
            raise ValueError(
                f"All sources with {lost} have weight 0: raise evenness={self.evenness!r}, or drop "
                "these classes."
            )
        self.estimator_ = clone(self._default()).fit(Z, y_src, sample_weight=weights)
        self.classes_ = self.estimator_.classes_

    def predict(self, X: Any, *, sample_domain: ArrayLike | None = None) -> NDArray[Any]:
        """Predict the class of rows of the target, or of the domains marked by `sample_domain`.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for rows of the source, which are mapped as those of their corpus in `fit`.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            The predicted classes.
        """
        return self._call("predict", X, sample_domain)

    @available_if(inner_has("predict_proba"))
    def predict_proba(
        self, X: Any, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Predict the probability of each class.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        probabilities : ndarray of float, shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._call("predict_proba", X, sample_domain)

    @available_if(inner_has("decision_function"))
    def decision_function(
        self, X: Any, *, sample_domain: ArrayLike | None = None
    ) -> NDArray[np.floating]:
        """Compute the scores of the classifier.

        Parameters
        ----------
        X, sample_domain
            As in `predict`.

        Returns
        -------
        scores : ndarray of float, shape (n_samples,) or (n_samples, n_classes)
            Scores in the shape that the classifier returns.
        """
        return self._call("decision_function", X, sample_domain)

    def _call(self, method: str, X: Any, sample_domain: ArrayLike | None) -> NDArray[Any]:
        check_is_fitted(self)
        X = check_rows(self, X)
        numbers = np.full(len(X), -1)
        if sample_domain is not None:
            numbers = check_sample_domain(X, sample_domain)
        return getattr(self.estimator_, method)(self._map(X, numbers))

    def _map(self, X: _Array, numbers: _Array) -> _Array:
        """Map each row by the map of its corpus."""
        if len(self.sources_) == 1:  # whatever its number is
            numbers = np.where(numbers < 0, -1, self.sources_[0])
        unknown = np.setdiff1d(numbers[numbers >= 0], self.sources_)
        if UNKNOWN_CORPUS in unknown:
            raise ValueError(unknown_corpus(self.sources_.tolist()))
        if unknown.size:
            raise ValueError(
                f"sample_domain holds {unknown.tolist()}, but the sources in fit were "
                f"{self.sources_.tolist()}. Use their numbers, or -1 for rows of the target."
            )
        with np.errstate(over="ignore", invalid="ignore"):  # reported next
            centred = X - self.mean_
            Z = centred @ self.components_.T
            for number, components in zip(self.sources_, self.source_components_, strict=True):
                Z[numbers == number] = centred[numbers == number] @ components.T
        check_result(self, Z)
        return Z

    def _default(self) -> Any:
        if self.estimator is not None:
            return self.estimator
        return LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)


class _Maps:
    """The maps, codes and weights of a fit."""

    def __init__(
        self,
        sources: list[_Array],
        target: _Array,
        scatters: list[_Array],
        n_components: int,
        settings: MDSA,
    ) -> None:
        self.sources, self.target, self.scatters = sources, target, scatters
        self.share = settings.reconstruction / len(target)
        self.coupling, self.evenness = float(settings.coupling), float(settings.evenness)
        self.weights = np.full(len(sources), 1 / len(sources))
        self.P_c = np.eye(target.shape[1])[:, :n_components]
        self.P_v = [self.P_c] * len(sources)
        self.codes = [self._reconstruct(v) for v in range(len(sources))]

    def iterate(self) -> tuple[float, float]:
        """Minimise over each part in turn; return the objective before and after."""
        unit = float(np.mean(self._costs())) or 1.0
        before = self._objective(unit)
        image = self.target @ self.P_c
        for v, (rows, L) in enumerate(zip(self.sources, self.scatters, strict=True)):
            weight, codes = self.weights[v], self.codes[v]
            weights = weight * self.share, self.coupling
            self.P_v[v] = codes.map_source(rows, image, self.P_c, weight * L, *weights)
            self.codes[v] = self._reconstruct(v)
        gram = self.share * self.target.T @ self.target
        mean = sum(weight * self._reconstructed(v) for v, weight in enumerate(self.weights))
        A = gram + len(self.sources) * self.coupling * np.eye(len(gram))
        B = self.share * self.target.T @ mean + self.coupling * sum(self.P_v)
        self.P_c = solve_map(A, B)
        costs = self._costs() / (2 * self.evenness * unit)
        self.weights = project_on_simplex(-costs[np.newaxis])[0]
        return before, self._objective(unit)

    def _reconstruct(self, v: int) -> Codes:
        rows = self.sources[v] @ self.P_v[v]
        return Codes.of(rows, self.target @ self.P_c, np.ones(len(rows)), 0.0)

    def _reconstructed(self, v: int) -> _Array:
        return self.codes[v].apply(self.sources[v] @ self.P_v[v])

    def _costs(self) -> _Array:
        """Return the cost of each source."""
        image = self.target @ self.P_c
        errors = [np.square(image - self._reconstructed(v)).sum() for v in range(len(self.P_v))]
        pairs = zip(self.P_v, self.scatters, strict=True)
        return np.array([np.trace(P.T @ L @ P) for P, L in pairs]) + self.share * np.array(errors)

    def _objective(self, unit: float) -> float:
        distance = sum(np.square(P - self.P_c).sum() for P in self.P_v)
        penalty = self.evenness * unit * np.square(self.weights).sum()
        return float(self.weights @ self._costs() + self.coupling * distance + penalty)
