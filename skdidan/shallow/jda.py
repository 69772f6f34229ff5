"""Joint distribution adaptation (JDA): transfer components that also align the class means."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import Tags

from skdidan.domains import Domains
from skdidan.parameters import check_count, check_not_negative
from skdidan.shallow.subspaces import TCA, Solver, marginal_contrast

__all__ = ["JDA"]


class JDA(TCA):
    r"""Joint distribution adaptation (JDA), and balanced distribution adaptation (BDA).

    Transfer components as in `TCA` that also bring the class means of the domains together. The
    target has no labels, so each iteration uses those that a classifier, fitted to the components
    of the source, predicts from the components of the target [1]_. In

    .. math:: \min_W \operatorname{tr}\Bigl( W^\top K \bigl( L_0 + \beta \sum_c L_c \bigr) K W
              \Bigr) + \mu \operatorname{tr}(W^\top W)
              \quad \text{subject to} \quad W^\top K H K W = n I

    :math:`K`, :math:`H` and :math:`L_0 = e e^\top` are the :math:`K`, :math:`H` and :math:`L` of
    `TCA`, and :math:`L_c = e_c e_c^\top` is the same for the rows of class `c`: :math:`e_c` holds
    :math:`1 / n_s^c` for its source rows, :math:`-1 / n_t^c` for its target rows, else 0. A class
    without any predicted target row has no term. The first iteration uses :math:`L_0` only.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None takes 32, but at most the number of rows of both domains and, for
        the linear and poly kernels, the dimension of their feature space.
    kernel : {"linear", "poly", "rbf", "precomputed"}, default="linear"
        ``k(x, z) = x' z``, ``(gamma x' z + coef0)^degree`` or ``exp(-gamma ||x - z||^2)``. With
        "precomputed", each row holds its kernel values with the n rows of the fit: source rows
        first, then target rows; with `sample_domain`, in the order of the stacked rows.
    gamma : float > 0, default=None
        Scale of the poly and rbf kernels. None takes one over the variance of the rows of both
        domains, summed over the features.
    degree : int > 0, default=3
        Degree of the poly kernel.
    coef0 : float >= 0, default=1.0
        Constant of the poly kernel.
    mu : float > 0, default=1.0
        Weight of the regulariser. Smaller values bring the means closer together.
    n_landmarks : int > 0, default=None
        Number of random rows that approximate the poly or rbf kernel (Nyström method). None takes
        the exact kernel.
    random_state : int, RandomState or None, default=None
        Seed of the landmarks.
    conditional_weight : float >= 0, default=1.0
        :math:`\beta`. 1 is JDA, and 0 is `TCA`. BDA [2]_ with the balance `b` and the
        regularisation :math:`\lambda` has :math:`\beta = b / (1 - b)` and
        :math:`\mu = \lambda / (1 - b)`.
    estimator : classifier, default=None
        Predicts target labels from the components. None takes the nearest neighbour, as the paper.
    max_iter : int > 0, default=10
        Maximum number of iterations. Stops early once the pseudo-labels repeat. Each iteration
        costs as much as `TCA`. For thousands of rows and a poly or rbf kernel, use `n_landmarks`.

    Attributes
    ----------
    pseudo_labels_ : ndarray, shape (n_target,), or None
        Target labels used in the last iteration; None if it used none.
    n_iter_ : int
        Number of iterations.
    eigenvalues_ : ndarray of float, shape (n_components,)
        Eigenvalues of the last iteration, in descending order.
    components_ : ndarray of float, shape (n_components, n_features) or (n_components, n_landmarks)
        Directions in the space of features or landmarks; only with the linear kernel or landmarks.
    weights_ : ndarray of float, shape (n, n_components)
        :math:`W`, one row per row of `X_fit_` or per column of a precomputed kernel; only with
        these.
    X_fit_ : ndarray of float, shape (n, n_features)
        Source rows, then target rows; only with an exact poly or rbf kernel.
    landmarks_ : Nystroem
        The approximation, for rows minus `centre_`; only with landmarks.
    centre_ : ndarray of float, shape (n_features,)
        Subtracted from the rows before the kernel is computed; only with the poly and rbf kernels.
    gamma_ : float
        The scale used; only with the poly and rbf kernels.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    The notes of `TCA` on the solver, memory, the scale of the features and precomputed kernels
    apply here, too.

    References
    ----------
    .. [1] Long, Wang, Ding, Sun, Yu (2013). Transfer feature learning with joint distribution
       adaptation. ICCV. doi:10.1109/ICCV.2013.274
    .. [2] Wang, Chen, Hao, Feng, Shen (2017). Balanced distribution adaptation for transfer
       learning. ICDM, arXiv:1807.00516.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JDA
    >>> rng = np.random.default_rng(0)
    >>> y = np.repeat(["anger", "neutral"], 25)
    >>> X_src = rng.normal(size=(50, 3)) + 4 * (y == "anger")[:, None]
    >>> X_tgt = rng.normal(size=(40, 3)) + [9, 0, 0]
    >>> jda = JDA(n_components=2)
    >>> jda.fit_transform(X_src, y, X_tgt).shape, jda.transform(X_tgt).shape
    ((50, 2), (40, 2))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: str = "linear",
        gamma: float | None = None,
        degree: int = 3,
        coef0: float = 1.0,
        mu: float = 1.0,
        n_landmarks: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        conditional_weight: float = 1.0,
        estimator: BaseEstimator | None = None,
        max_iter: int = 10,
    ) -> None:
        super().__init__(
            n_components,
            kernel=kernel,
            gamma=gamma,
            degree=degree,
            coef0=coef0,
            mu=mu,
            n_landmarks=n_landmarks,
            random_state=random_state,
        )
        self.conditional_weight = conditional_weight
        self.estimator = estimator
        self.max_iter = max_iter

    def _find_components(self, solve: Solver, domains: Domains) -> None:
        n_source, n_target = domains.n_source, domains.n_target
        marginal = marginal_contrast(n_source, n_target)
        self.pseudo_labels_: NDArray[Any] | None = None
        estimator = KNeighborsClassifier(1) if self.estimator is None else self.estimator
        seen: list[NDArray[Any]] = []
        contrasts = marginal
        for iteration in range(1, self.max_iter + 1):
            solution = solve(contrasts)
            self.n_iter_ = iteration
            if iteration == self.max_iter or not n_target:
                break
            Z_src, Z_tgt = solution.Z[:n_source], solution.Z[n_source:]
            y_tgt = clone(estimator).fit(Z_src, domains.y_src).predict(Z_tgt)
            if any(np.array_equal(y_tgt, earlier) for earlier in seen):
                break
            seen.append(y_tgt)
            self.pseudo_labels_ = y_tgt
            conditional = conditional_contrasts(domains.y_src, y_tgt)
            contrasts = np.hstack([marginal, self.conditional_weight**0.5 * conditional])
        self._keep(solution)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_not_negative("conditional_weight", self.conditional_weight)
        check_count("max_iter", self.max_iter)
        check_classifier(self.estimator)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def check_classifier(estimator: Any) -> None:
    """Raise a ValueError unless `estimator` is a classifier or None."""
    is_one = isinstance(estimator, BaseEstimator) and is_classifier(estimator)
    if estimator is not None and not is_one:
        raise ValueError(
            "estimator must be a classifier, such as KNeighborsClassifier(1), or None; got "
            f"{estimator!r}."
        )


def conditional_contrasts(y_src: NDArray[Any], y_tgt: NDArray[Any]) -> NDArray[Any]:
    """Return the columns ``e_c``, whose products with the rows are differences of class means."""
    classes = np.intersect1d(y_src, y_tgt)
    is_src, is_tgt = (y[:, None] == classes for y in (y_src, y_tgt))
    return np.vstack([is_src / is_src.sum(axis=0), is_tgt / -is_tgt.sum(axis=0)])
