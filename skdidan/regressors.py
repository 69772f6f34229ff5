"""Linear classifiers that regress the emotions while they align the domains."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.linalg
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skdidan.domains import open_target, validate_domains
from skdidan.jda import conditional_contrasts
from skdidan.parameters import check_count, check_not_negative, check_positive
from skdidan.subspaces import marginal_contrast

__all__ = ["JDAR"]


class JDAR(ClassifierMixin, BaseEstimator):
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
        A map counts as found when a step lowers the objective by less than this share of it.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features)
        :math:`P^\top`. Rows of :math:`P` that the sparsity has driven out are next to zero.
    intercept_ : ndarray of float, shape (n_classes,)
        What the map gives for a row of zeros: the mean label less that of the mean source row.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        The classes of the target by which the last turn was made.
    objective_ : list of list of float
        The objective after each step of each turn; it never rises within a turn.
    n_iter_ : int
        Number of turns.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Names of the columns; only for data frames.

    Notes
    -----
    The paper leaves out the factor :math:`1 / n_s`, which makes the weights independent of the size
    of the source. Features should have similar scales; `CorpusScaler` sees to it. The sum of
    lengths is minimised by reweighted least squares: each step replaces a length :math:`l` by
    :math:`l^2 / 2 l_0 + l_0 / 2`, no smaller and equal at the last :math:`l_0`, which keeps the
    objective from rising. Lengths are smoothed to :math:`\sqrt{l^2 + 10^{-8}}`.

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

    # A plain Pipeline, or a search, routes these without being asked to.
    __metadata_request__fit = {"X_tgt": True, "sample_domain": True}  # noqa: RUF012

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

    def fit(
        self,
        X: Any,
        y: Any = None,
        X_tgt: Any = None,
        *,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Find the map.

        Parameters
        ----------
        X : array-like, shape (n_source, n_features)
            The source; with `sample_domain` both domains stacked, of n_samples rows.
        y : array-like, of as many entries as X
            Classes of the source. What stands there for a target row is dropped unread.
        X_tgt : array-like or Target, shape (n_target, n_features)
            The target.
        sample_domain : array-like of int, shape (n_samples,), optional
            ``>= 0`` for a source row of `X`, ``< 0`` for a target row.

        Returns
        -------
        self : JDAR
            The fitted classifier.

        Raises
        ------
        ValueError
            If a parameter is out of its range, the domains do not fit together, or `y` does not
            name at least two classes.

        Warns
        -----
        NoTargetWarning
            If no target is given.
        """
        self._check_parameters()
        X_src, y_src, X_tgt = validate_domains(
            self, X, y, X_tgt, sample_domain=sample_domain, supervised=True
        )
        self.classes_, codes = np.unique(y_src, return_inverse=True)
        mean, labels = X_src.mean(axis=0), np.eye(len(self.classes_))[codes]
        centred, prior = X_src - mean, labels.mean(axis=0)
        rows = centred if X_tgt is None else np.concatenate([centred, X_tgt - mean])
        n_target = len(rows) - len(X_src)
        # Two sets of equations, of the regression and of the means, in least squares.
        regression = centred / len(X_src) ** 0.5, (labels - prior) / len(X_src) ** 0.5
        contrasts = marginal_contrast(len(X_src), n_target)
        self.objective_, self.pseudo_labels_ = [], None
        P = np.ones((X_src.shape[1], len(self.classes_)))
        for turn in range(1, self.max_iter + 1):
            self.n_iter_ = turn
            means = self.trade_off**0.5 * contrasts.T @ rows
            A = np.concatenate([regression[0], means])
            B = np.concatenate([regression[1], np.zeros((len(means), P.shape[1]))])
            P, objective = _row_sparse_regression(A, B, self.alpha, P, self.tol)
            self.objective_.append(objective)
            if turn == self.max_iter or not n_target:
                break
            outputs = rows[len(X_src) :] @ P + prior
            y_tgt = self.classes_[outputs.argmax(axis=1)]
            if self.pseudo_labels_ is not None and np.array_equal(y_tgt, self.pseudo_labels_):
                break
            self.pseudo_labels_ = y_tgt
            conditional = conditional_contrasts(y_src, y_tgt)
            contrasts = np.hstack([marginal_contrast(len(X_src), n_target), conditional])
        self.coef_, self.intercept_ = P.T, prior - mean @ P
        return self

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


_SMOOTHING = 1e-8
_MOST_STEPS = 1000


def _row_sparse_regression(
    A: NDArray[Any], B: NDArray[Any], alpha: float, P: NDArray[Any], tol: float
) -> tuple[NDArray[Any], list[float]]:
    """Minimise ``|B - A P|^2 + alpha |P|_{2,1}``; return P and the objective after each step."""
    lengths = np.sqrt(np.square(P).sum(axis=1) + _SMOOTHING)
    objective: list[float] = []
    for _ in range(_MOST_STEPS):
        # A ridge regression with the price alpha / 2 lengths: plain after a change of scale.
        scale = np.sqrt(2 * lengths / alpha)
        P = scale[:, None] * _ridge(A * scale, B)
        lengths = np.sqrt(np.square(P).sum(axis=1) + _SMOOTHING)
        objective.append(float(np.square(B - A @ P).sum() + alpha * lengths.sum()))
        if len(objective) > 1 and objective[-2] - objective[-1] <= tol * objective[-1]:
            break
    return P, objective


def _ridge(A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
    """Minimise ``|B - A P|^2 + |P|^2``, in the space of the rows or the columns of A."""
    if A.shape[0] < A.shape[1]:
        dual = scipy.linalg.solve(A @ A.T + np.eye(len(A)), B, assume_a="pos")
        return A.T @ dual
    return scipy.linalg.solve(A.T @ A + np.eye(A.shape[1]), A.T @ B, assume_a="pos")
