"""Linear classifiers that regress the emotions while they align the domains."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.linear_model import Lasso, MultiTaskLasso
from sklearn.utils.validation import check_is_fitted, validate_data

from skdidan.domains import Domains, open_target
from skdidan.estimators import DomainEstimator, validate_domains
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.shallow.jda import conditional_contrasts
from skdidan.shallow.subspaces import marginal_contrast

__all__ = ["JDAR", "JIASL"]


_Equations = tuple[NDArray[Any], NDArray[Any]]


class _LinearClassifier(ClassifierMixin, DomainEstimator):
    """A linear map of rows of either domain to one score per class."""

    def _check_domains(self, domains: Domains) -> Domains:
        return validate_domains(self, domains, supervised=True)

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        self.classes_, codes = np.unique(y_src, return_inverse=True)
        mean, labels = X_src.mean(axis=0), np.eye(len(self.classes_))[codes]
        source, prior = X_src - mean, labels.mean(axis=0)
        target = None if X_tgt is None else X_tgt - mean
        root = len(source) ** 0.5
        self.objective_: list[Any] = []
        self.pseudo_labels_: NDArray[Any] | None = None
        P = self._map(source, codes, target, prior, (source / root, (labels - prior) / root))
        self.coef_, self.intercept_ = P.T, prior - mean @ P

    @abstractmethod
    def _map(
        self,
        source: NDArray[Any],
        codes: NDArray[Any],
        target: NDArray[Any] | None,
        prior: NDArray[Any],
        regression: _Equations,
    ) -> NDArray[Any]:
        """Find P for rows less the mean of the source; note objective, turns and pseudo-labels.

        `codes` are the classes of the source, `prior` is its mean label, and `regression` the left
        and right side of the equations of the regression on the source.
        """

    def decision_function(self, X: Any) -> NDArray[np.floating]:
        """Map rows of the target.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        scores : ndarray of float, shape (n_samples, n_classes)
            Their images; for two classes (n_samples,), how far the second is ahead of the first.
        """
        check_is_fitted(self)
        X = validate_data(self, open_target(X), reset=False)
        scores = X @ self.coef_.T + self.intercept_
        return scores if len(self.classes_) > 2 else scores[:, 1] - scores[:, 0]

    def predict(self, X: Any) -> NDArray[Any]:
        """Predict the class of rows of the target.

        Parameters
        ----------
        X : array-like or Target, shape (n_samples, n_features)
            Rows of the target.

        Returns
        -------
        y : ndarray, shape (n_samples,)
            Labels out of `classes_`.
        """
        scores = self.decision_function(X)
        winners = scores.argmax(axis=1) if scores.ndim == 2 else (scores > 0).astype(int)
        return self.classes_[winners]

    def _check_parameters(self) -> None:
        check_not_negative("trade_off", self.trade_off)
        check_positive("alpha", self.alpha)
        check_count("max_iter", self.max_iter)
        check_positive("tol", self.tol)


class JDAR(_LinearClassifier):
    r"""Joint distribution adaptive regression: a sparse linear map under which the domains agree.

    The map :math:`P` takes rows to one-hot labels :math:`Y_s` of the source, brings together the
    means of the domains and of every class in them, and uses few features [1]_:

    .. math:: \min_P \tfrac{1}{n_s} \|Y_s - X_s P\|_F^2
        + \lambda \sum_{c=0}^{C} \|(\bar x_s^c - \bar x_t^c) P\|^2 + \mu \|P\|_{2,1} ,

    where :math:`c = 0` stands for whole domains, and :math:`\|P\|_{2,1}` sums the lengths of the
    rows of :math:`P`. The classes of the target are those that the map itself gives, turn by turn:
    map, labels of the target, map with these. A class that it gives nowhere has no term. The first
    turn has whole domains only.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the distances of the means; 0 makes it a regression on the source.
    alpha : float > 0, default=0.01
        Weight :math:`\mu` of the row sparsity: the higher, the fewer features count.
    max_iter : int > 0, default=10
        Most turns. It ends sooner where the labels of the target repeat.
    tol : float > 0, default=1e-5
        Tolerance of the objective of each map, as a share of the total variance of the one-hot
        labels. The duality gap bounds the distance to the minimum.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features)
        :math:`P^\top`. Rows of :math:`P` removed by the penalty are exactly zero.
    intercept_ : ndarray of float, shape (n_classes,)
        What the map gives for a row of zeros: the mean label less that of the mean source row.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        The classes of the target by which the last turn was made.
    objective_ : list of float, of n_iter_ entries
        The objective at the map of each iteration, with the pseudo-labels of that iteration.
    n_iter_ : int
        Number of turns.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Names of the columns; only for data frames.

    Notes
    -----
    The paper leaves out the factor :math:`1 / n_s`, which makes the weights independent of the size
    of the source. Features should have similar scales; `CorpusScaler` sees to it. Each map is the
    `sklearn.linear_model.MultiTaskLasso` of the source and of the differences of the means, stacked
    as equations; it starts from the map of the iteration before.

    References
    ----------
    .. [1] Zhang, Jiang, Zong, Zheng, Zhao (2021). Cross-corpus speech emotion recognition using
       joint distribution adaptive regression. ICASSP.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JDAR
    >>> rng = np.random.default_rng(0)
    >>> X_src = rng.normal(size=(60, 4))
    >>> y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    >>> jdar = JDAR().fit(X_src, y_src, rng.normal(size=(40, 4)) + [0, 3, 0, 0])
    >>> jdar.predict([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]).tolist()
    ['anger', 'neutral']
    """

    def __init__(
        self,
        trade_off: float = 1.0,
        *,
        alpha: float = 0.01,
        max_iter: int = 10,
        tol: float = 1e-5,
    ) -> None:
        self.trade_off = trade_off
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol

    def _map(
        self,
        source: NDArray[Any],
        codes: NDArray[Any],
        target: NDArray[Any] | None,
        prior: NDArray[Any],
        regression: _Equations,
    ) -> NDArray[Any]:
        n_target = 0 if target is None else len(target)
        rows = source if target is None else np.concatenate([source, target])
        marginal = contrasts = marginal_contrast(len(source), n_target)
        P = np.zeros((source.shape[1], len(prior)))
        codes_tgt = None
        for turn in range(1, self.max_iter + 1):
            self.n_iter_ = turn
            means = self.trade_off**0.5 * contrasts.T @ rows
            A = np.concatenate([regression[0], means])
            B = np.concatenate([regression[1], np.zeros((len(means), len(prior)))])
            P = _row_sparse_regression(A, B, self.alpha, P, self.tol)
            self.objective_.append(_regression_objective(A, B, self.alpha, P))
            if turn == self.max_iter or target is None:
                break
            labels = (target @ P + prior).argmax(axis=1)
            if codes_tgt is not None and np.array_equal(labels, codes_tgt):
                break
            codes_tgt, self.pseudo_labels_ = labels, self.classes_[labels]
            contrasts = np.hstack([marginal, conditional_contrasts(codes, codes_tgt)])
        return P


class JIASL(_LinearClassifier):
    r"""Joint implicitly aligned subspace learning: the linear relative of `DIDANClassifier`.

    A map :math:`P` takes rows to one-hot labels :math:`Y_s` of the source, under which the target
    is a sparse combination of the source: each of its rows of all source rows, and also of those of
    its own class alone. It uses few features:

    .. math::
        \min_{P, W, V} \tfrac{1}{n_s} \|Y_s - X_s P\|_F^2
        + \tfrac{\lambda}{n_t} \bigl( \|X_t P - W X_s P\|_F^2 + 2 \tau \|W\|_1
        + \|X_t P - V X_s P\|_F^2 + 2 \tau \|V\|_1 \bigr) + \mu \|P\|_{2,1}

    with :math:`V_{ij} = 0` where target row `i` and source row `j` differ in class, and
    :math:`\|P\|_{2,1}` the sum of the lengths of the rows of :math:`P`. The classes of the target
    are those that the map itself gives, turn by turn: codes of the current map, map, classes. The
    first turn starts at the regression on the source. A target row of a class that no source row
    has does not occur, for the map knows no other.

    The paper [1]_ was at hand as an abstract only (sparse reconstruction for the marginal and the
    conditional distributions under a linear regression): this is a reading of it.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the reconstruction; 0 makes it a regression on the source.
    sparsity : float > 0, default=0.01
        Price :math:`\tau` of the codes: the higher, the fewer source rows rebuild a target row.
    alpha : float > 0, default=0.01
        Weight :math:`\mu` of the row sparsity: the higher, the fewer features count.
    max_iter : int > 0, default=20
        Most turns. It ends sooner where the classes repeat and the objective comes to rest.
    tol : float > 0, default=1e-5
        Tolerance of the objective of each map, as a share of the total variance of the one-hot
        labels, and of its decrease in the last iteration, as a share of the objective.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features)
        :math:`P^\top`. Rows of :math:`P` removed by the penalty are exactly zero.
    intercept_ : ndarray of float, shape (n_classes,)
        What the map gives for a row of zeros: the mean label less that of the mean source row.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        The classes of the target by which the last turn was made.
    objective_ : list of tuple of float
        Of each turn, the objective before the codes, after the codes, and after the map, under the
        classes of that turn; it never rises within a turn.
    n_iter_ : int
        Number of turns.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Names of the columns; only for data frames.

    Notes
    -----
    The codes are found by coordinate descent (`sklearn.linear_model.Lasso`), one target row after
    another, which takes most of the time: it grows with the product of the sizes of the domains,
    and is minutes for thousands of rows each. The map is found as in `JDAR`. Rows of both domains
    are taken less the mean of the source. Features should have similar scales; `CorpusScaler` sees
    to it.

    References
    ----------
    .. [1] Implicitly aligning joint distributions for cross-corpus speech emotion recognition.
       Electronics 11(17), 2745, 2022. doi:10.3390/electronics11172745

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JIASL
    >>> rng = np.random.default_rng(0)
    >>> X_src = rng.normal(size=(60, 4))
    >>> y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    >>> jiasl = JIASL().fit(X_src, y_src, rng.normal(size=(40, 4)) + [0, 3, 0, 0])
    >>> jiasl.predict([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]).tolist()
    ['anger', 'neutral']
    """

    def __init__(
        self,
        trade_off: float = 1.0,
        *,
        sparsity: float = 0.01,
        alpha: float = 0.01,
        max_iter: int = 20,
        tol: float = 1e-5,
    ) -> None:
        self.trade_off = trade_off
        self.sparsity = sparsity
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("sparsity", self.sparsity)

    def _map(
        self,
        source: NDArray[Any],
        codes: NDArray[Any],
        target: NDArray[Any] | None,
        prior: NDArray[Any],
        regression: _Equations,
    ) -> NDArray[Any]:
        start = np.zeros((source.shape[1], len(prior)))
        P = _row_sparse_regression(*regression, self.alpha, start, self.tol)
        if target is None:
            self.n_iter_ = 1
            return P
        share = self.trade_off / len(target)
        everywhere = np.ones((len(target), len(source)), dtype=bool)
        W = V = np.zeros(everywhere.shape)
        codes_tgt = None
        for turn in range(1, self.max_iter + 1):
            self.n_iter_ = turn
            labels = (target @ P + prior).argmax(axis=1)
            repeats = codes_tgt is not None and np.array_equal(labels, codes_tgt)
            codes_tgt, self.pseudo_labels_ = labels, self.classes_[labels]
            same_class = codes_tgt[:, None] == codes
            V = V * same_class

            def objective(P: NDArray[Any], W: NDArray[Any], V: NDArray[Any], base: float) -> float:
                missed = [np.square((target - C @ source) @ P).sum() for C in (W, V)]
                price = 2 * self.sparsity * (np.abs(W).sum() + np.abs(V).sum())
                return float(base + share * (sum(missed) + price))

            A, B = regression
            base = _regression_objective(A, B, self.alpha, P)
            before = objective(P, W, V, base)
            W = _masked_codes(source @ P, target @ P, everywhere, self.sparsity, W)
            V = _masked_codes(source @ P, target @ P, same_class, self.sparsity, V)
            coded = objective(P, W, V, base)
            missed = share**0.5 * np.concatenate([target - C @ source for C in (W, V)])
            P = _row_sparse_regression(
                np.concatenate([A, missed]),
                np.concatenate([B, np.zeros((len(missed), B.shape[1]))]),
                self.alpha,
                P,
                self.tol,
            )
            mapped = objective(P, W, V, _regression_objective(A, B, self.alpha, P))
            self.objective_.append((before, coded, mapped))
            if repeats and before - mapped <= self.tol * mapped:
                break
        return P


# Far more sweeps over the coordinates than any data have needed.
_MAX_SWEEPS = 100_000


def _row_sparse_regression(
    A: NDArray[Any], B: NDArray[Any], alpha: float, start: NDArray[Any], tol: float
) -> NDArray[Any]:
    """Minimise ``|B - A P|^2 + alpha |P|_{2,1}``, to ``tol |B|^2`` above the minimum at most."""
    # scikit-learn divides this objective by twice the number of equations, and its tolerance
    # concerns half of it.
    lasso = MultiTaskLasso(
        alpha / (2 * len(A)),
        fit_intercept=False,
        warm_start=True,
        tol=tol / 2,
        max_iter=_MAX_SWEEPS,
        # In random order correlated features take up to ten times fewer sweeps than in turn.
        selection="random",
        random_state=0,
    )
    lasso.coef_ = start.T.copy()
    return lasso.fit(A, B).coef_.T


def _regression_objective(A: NDArray[Any], B: NDArray[Any], alpha: float, P: NDArray[Any]) -> float:
    return float(np.square(B - A @ P).sum() + alpha * np.linalg.norm(P, axis=1).sum())


def _masked_codes(
    source: NDArray[Any],
    target: NDArray[Any],
    allowed: NDArray[np.bool_],
    sparsity: float,
    start: NDArray[Any],
) -> NDArray[Any]:
    """Rebuild each target row from the source rows allowed to it, starting from earlier codes."""
    codes = np.zeros_like(start)
    patterns, members = np.unique(allowed, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        rows = np.flatnonzero(members == number)
        if not pattern.any():
            continue
        dictionary = source[pattern].T
        # scikit-learn divides the error by twice the number of equations.
        lasso = Lasso(
            sparsity / len(dictionary), fit_intercept=False, warm_start=True, max_iter=_MAX_SWEEPS
        )
        lasso.coef_ = start[np.ix_(rows, pattern)]
        codes[np.ix_(rows, pattern)] = lasso.fit(dictionary, target[rows].T).coef_
    return codes
