"""Joint distribution adaptive regression (JDAR), and implicit alignment by regression (JIASL)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.linear_model import Lasso

from skdidan.parameters import check_positive
from skdidan.shallow.codes import exact_codes
from skdidan.shallow.linear import LinearClassifier, MeanAligner
from skdidan.shallow.sparsity import Sparsity

__all__ = ["JDAR", "JIASL"]

_Array = NDArray[Any]
_Equations = tuple[_Array, _Array]


class JDAR(MeanAligner):
    r"""Joint distribution adaptive regression: a sparse linear map that aligns class means.

    The map :math:`P` predicts the one-hot labels :math:`Y_s` of the source, brings the means of
    both domains and of each class together, and uses few features [1]_:

    .. math:: \min_P \tfrac{1}{n_s} \|Y_s - X_s P\|_F^2
        + \lambda \sum_{c=0}^{C} \|(\bar x_s^c - \bar x_t^c) P\|^2 + \mu \|P\|_{2,1} ,

    where :math:`c = 0` stands for whole domains, and :math:`\|P\|_{2,1}` is the sum of the norms of
    the rows of :math:`P`. The target has no labels, so each iteration uses those predicted by the
    previous map. The first iteration aligns the means of the whole domains only. A class without
    any predicted target row has no term.

    Several sources are pooled.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the alignment; 0 gives a regression on the source.
    alpha : float > 0, default=0.01
        Weight :math:`\mu` of the sparsity penalty. Larger values keep fewer features.
    max_iter : int > 0, default=10
        Maximum number of iterations. Stops early once the pseudo-labels repeat.
    tol : float > 0, default=1e-5
        Tolerance of each map: its duality gap, which bounds the distance of the objective to the
        minimum, is at most 100 times this share of the total variance of the one-hot labels.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features)
        :math:`P^\top`. Rows of :math:`P` removed by the penalty are exactly zero.
    intercept_ : ndarray of float, shape (n_classes,)
        The scores of a row of zeros.
    feature_importances_ : ndarray of float, shape (n_features,)
        Lengths of the rows of :math:`P`.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        Target labels used in the last iteration; None if it used none.
    objective_ : list of float, of n_iterations entries
        Objective after each iteration, with the pseudo-labels of that iteration.
    n_iter_ : int
        Number of iterations.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    The paper omits the factor :math:`1 / n_s`; with it, the weights do not depend on the size of
    the source. Features should have similar scales, as after `CorpusScaler`. Each map is a
    `sklearn.linear_model.MultiTaskLasso` on the source rows stacked on the differences of means,
    and starts from the map of the previous iteration.

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
        self, trade_off: float = 1.0, *, alpha: float = 0.01, max_iter: int = 10, tol: float = 1e-5
    ) -> None:
        self.trade_off = trade_off
        self.alpha = alpha
        self.max_iter = max_iter
        self.tol = tol

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive("alpha", self.alpha)


class JIASL(LinearClassifier):
    r"""Joint implicitly aligned subspace learning, the linear relative of `DIDANClassifier`.

    The map :math:`P` predicts the one-hot labels :math:`Y_s` of the source. Under it, each target
    row is reconstructed as a sparse combination of all source rows, and of the source rows of its
    own class. The map uses few features:

    .. math::
        \min_{P, W, V} \tfrac{1}{n_s} \|Y_s - X_s P\|_F^2
        + \tfrac{\lambda}{n_t} \bigl( \|X_t P - W X_s P\|_F^2 + 2 \tau \|W\|_1
        + \|X_t P - V X_s P\|_F^2 + 2 \tau \|V\|_1 \bigr) + \mu \|P\|_{2,1}

    with :math:`V_{ij} = 0` where target row `i` and source row `j` differ in class, and
    :math:`\|P\|_{2,1}` the sum of the norms of the rows of :math:`P`. The first map is the
    regression on the source. Each iteration then predicts the target labels with the current map,
    solves for the codes :math:`W` and :math:`V`, and solves for the map.

    Only the abstract of [1]_ was available. It describes sparse reconstruction for the marginal and
    conditional distributions under a linear regression. The objective above is our reading.

    Several sources are pooled.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the reconstruction; 0 gives a regression on the source.
    sparsity : float > 0, default=0.01
        Penalty weight :math:`\tau` of the codes. Higher values use fewer source rows per row.
    alpha : float > 0, default=0.01
        Weight :math:`\mu` of the sparsity penalty on the map. Larger values keep fewer features.
    max_iter : int > 0, default=20
        Maximum number of iterations. Stops once pseudo-labels repeat and the objective converges.
    tol : float > 0, default=1e-5
        Tolerance of each map: its duality gap is at most 100 times this share of the total variance
        of the one-hot labels. Also the relative decrease of the objective at convergence.

    Attributes
    ----------
    coef_ : ndarray of float, shape (n_classes, n_features)
        :math:`P^\top`. Rows of :math:`P` removed by the penalty are exactly zero.
    intercept_ : ndarray of float, shape (n_classes,)
        The scores of a row of zeros.
    feature_importances_ : ndarray of float, shape (n_features,)
        Lengths of the rows of :math:`P`.
    classes_ : ndarray, shape (n_classes,)
        The classes.
    pseudo_labels_ : ndarray, shape (n_target,), or None
        Target labels used in the last iteration; None without a target.
    objective_ : list of tuple of float, of n_iterations entries
        Objective before the codes, after the codes and after the map of each iteration, with the
        pseudo-labels of that iteration. It never rises within an iteration. Empty without a target.
    n_iter_ : int
        Number of iterations; 1 without a target.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    The codes are exact up to rounding errors: a dual active-set method [2]_ finds them for all
    target rows at once. Most of the time goes to the map, which is found as in `JDAR`. The errors
    of the reconstruction are up to two more equations per target row. The mean of the
    source is subtracted from the rows of both domains. Features should have similar scales, as
    after `CorpusScaler`.

    References
    ----------
    .. [1] Implicitly aligning joint distributions for cross-corpus speech emotion recognition.
       Electronics 11(17), 2745, 2022. doi:10.3390/electronics11172745
    .. [2] Goldfarb, Idnani (1983). A numerically stable dual method for solving strictly convex
       quadratic programs. Mathematical Programming 27. doi:10.1007/BF02591962

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
        check_positive("alpha", self.alpha)

    def _map(
        self,
        source: _Array,
        y_idx: _Array,
        target: _Array,
        prior: _Array,
        regression: _Equations,
        sparsity: Sparsity,
    ) -> _Array:
        A, B = regression
        P = sparsity.regress(A, B, np.zeros((source.shape[1], len(prior))), self.tol)
        if not len(target):
            self.n_iter_ = 1
            return P
        share = self.trade_off / len(target)
        all_pairs = np.ones((len(target), len(source)), dtype=bool)
        W = V = np.zeros(all_pairs.shape)
        y_idx_tgt = np.empty(0, dtype=int)
        scaled = (2 * share) ** 0.5 * source, (2 * share) ** 0.5 * target
        n_equations = len(A) + len(target) + min(len(source), len(target))
        left = np.empty((n_equations, A.shape[1]), order="F")  # as scikit-learn takes it uncopied
        left[: len(A)] = A
        right = np.concatenate([B, np.zeros((n_equations - len(A), B.shape[1]))])

        def objective(P: NDArray[Any], W: NDArray[Any], V: NDArray[Any]) -> float:
            images = source @ P, target @ P
            errors = [np.square(images[1] - codes @ images[0]).sum() for codes in (W, V)]
            penalty = 2 * self.sparsity * (np.abs(W).sum() + np.abs(V).sum())
            value = sparsity.objective(A, B, P)
            return float(value + share * (sum(errors) + penalty))

        for iteration in range(1, self.max_iter + 1):
            self.n_iter_ = iteration
            predicted = (target @ P + prior).argmax(axis=1)
            repeats = np.array_equal(predicted, y_idx_tgt)
            y_idx_tgt, self.pseudo_labels_ = predicted, self.classes_[predicted]
            same_class = y_idx_tgt[:, None] == y_idx
            V = V * same_class
            before = objective(P, W, V)
            W = _masked_codes(source @ P, target @ P, all_pairs, self.sparsity, W)
            V = _masked_codes(source @ P, target @ P, same_class, self.sparsity, V)
            coded = objective(P, W, V)
            left[len(A) :] = _reconstruction_errors(*scaled, W, V)
            P = sparsity.regress(left, right, P, self.tol)
            mapped = objective(P, W, V)
            self.objective_.append((before, coded, mapped))
            if repeats and before - mapped <= self.tol * mapped:
                break
        return P


def _reconstruction_errors(source: _Array, target: _Array, W: _Array, V: _Array) -> _Array:
    """Return fewer rows than the stacked ``target - codes source``, with half of their products.

    An orthogonal map turns the errors of W and V into those of their mean and half their difference
    times the source, each times the root of 2. A QR decomposition shortens the latter.
    """
    mean = target - csr_array((W + V) / 2) @ source
    return np.concatenate([mean, np.linalg.qr((W - V) / 2, mode="r") @ source])


def _masked_codes(
    source: _Array, target: _Array, allowed: _Array, sparsity: float, start: _Array
) -> _Array:
    """Reconstruct each target row from its allowed source rows.

    Where rounding errors prevent an exact solution, coordinate descent starts from given codes.
    """
    codes = np.zeros_like(start)
    packed = np.packbits(allowed, axis=1)  # eight times faster to sort
    _, firsts, members = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    for number, pattern in enumerate(allowed[firsts]):
        rows = np.flatnonzero(members == number)
        if not pattern.any():
            continue
        exact, is_found = exact_codes(source[pattern], target[rows], sparsity)
        codes[np.ix_(rows, pattern)] = exact
        rows = rows[~is_found]
        if not len(rows):
            continue
        dictionary = source[pattern].T
        # scikit-learn divides the squared error by twice the number of equations.
        lasso = Lasso(
            sparsity / len(dictionary), fit_intercept=False, warm_start=True, max_iter=100_000
        )
        lasso.coef_ = start[np.ix_(rows, pattern)]
        codes[np.ix_(rows, pattern)] = lasso.fit(dictionary, target[rows].T).coef_
    return codes
