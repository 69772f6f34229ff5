"""Transfer joint matching (TJM): transfer components that depend on few source rows."""

from __future__ import annotations

import math

import numpy as np

from skdidan.domains import Domains
from skdidan.parameters import check_count, check_not_negative
from skdidan.shallow.subspaces import TCA, Solution, Solver, marginal_contrast

__all__ = ["TJM"]

# The epsilon of the Notes, relative to the largest source weight after the first iteration.
_SMOOTHING = 1e-6
# Components below this share of the largest eigenvalue drown in rounding errors.
_NEGLIGIBLE = 1e-12


class TJM(TCA):
    r"""Transfer joint matching (TJM): transfer components with a weight for each source row.

    Transfer components as in `TCA` that depend on few source rows. The kernel expansion :math:`A`
    of the components has a row for each row of the data. The :math:`n_t` rows :math:`A_t` of the
    target are penalised by their squared norm, as in `TCA`; the :math:`n_s` rows :math:`a_i` of the
    source are penalised by their norm, which brings some of them to zero [1]_:

    .. math:: \min_A \operatorname{tr}(A^\top K L K A) + \mu \Bigl( \sum_{i=1}^{n_s} \|a_i\|
              + \|A_t\|_F^2 \Bigr) \quad \text{subject to} \quad A^\top K H K A = I ,

    with :math:`K`, :math:`L` and :math:`H` as in `TCA`. Rows are mapped to :math:`\sqrt n\, K A`,
    so that each component has unit variance over the :math:`n` rows of both domains.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None takes 32, or as many as the data allow if that is fewer: the
        number of rows of both domains and, for the linear and poly kernels, the dimension of their
        feature space. Negligible components are set to zero, see the Notes.
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
        Weight of the regulariser, the :math:`\lambda` of the paper.
    n_landmarks : int > 0, default=None
        Number of random rows that approximate the poly or rbf kernel (Nyström method). None takes
        the exact kernel.
    random_state : int, RandomState or None, default=None
        Seed of the landmarks.
    max_iter : int > 0, default=10
        Maximum number of iterations; the paper uses 10. 1 gives `TCA`, except for the components
        that are set to zero. Each iteration costs as much as `TCA`; for thousands of rows and a
        poly or rbf kernel, use `n_landmarks`.
    tol : float >= 0, default=1e-4
        Stops early once the relative decrease of the objective is at most this.

    Attributes
    ----------
    objectives_ : ndarray of float, shape (n_iterations,)
        Objective after each iteration; it never rises.
    source_weights_ : ndarray of float, shape (n_source,)
        The norms :math:`\|a_i\|`.
    n_iter_ : int
        Number of iterations.
    eigenvalues_ : ndarray of float, shape (n_components,)
        Eigenvalues of the last iteration, in descending order.
    components_ : ndarray of float, shape (n_components, n_features) or (n_components, n_landmarks)
        Directions in the space of features or landmarks; only with the linear kernel or landmarks.
    weights_ : ndarray of float, shape (n, n_components)
        :math:`\sqrt n\, A`, one row per row of `X_fit_` or per column of a precomputed kernel; only
        with these.
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
    Each iteration solves

    .. math:: K H K a = \lambda (K L K + \mu G) a

    with a diagonal :math:`G`. In the first iteration :math:`G` is the identity. Later it is 1 for
    target rows and :math:`1 / (2 \sqrt{\|a_i\|^2 + \varepsilon^2})` for source rows, with
    :math:`a_i` from the previous iteration. A square root lies below its tangents, so an exact
    iteration never raises the objective with :math:`\sqrt{\|a_i\|^2 + \varepsilon^2}` in place of
    :math:`\|a_i\|`. `objectives_` holds this smoothed objective. :math:`\varepsilon` is a millionth
    of the largest :math:`\|a_i\|` after the first iteration.

    The first iteration fixes the number of components. Those with an eigenvalue below
    :math:`10^{-12}` of the largest are set to zero, since rounding errors would change them in each
    iteration. If rounding errors still raise the objective, that iteration is discarded and the
    algorithm stops.

    The substitution :math:`v = G^{1/2} a` turns the problem into that of `TCA` with
    :math:`K G^{-1/2}` in place of :math:`K`. It is solved in the same way: in the space of the
    features, or landmarks, if these are fewer than the rows. :math:`K G^{-1/2}` takes as much
    memory as an exact kernel.

    The constraint makes the rows of :math:`A` much shorter than 1, so their norms outweigh their
    squared norms. After enough iterations the components usually depend on the target alone, and
    `source_weights_` are zero up to rounding. Use few iterations if you need these weights.

    Under the constraint, columns of :math:`A` with smaller eigenvalues are longer. The last
    components therefore dominate the objective and `source_weights_`, which may change completely
    with `n_components`. Use few components if you need these weights.

    The notes of `TCA` on memory, the scale of the features and precomputed kernels apply here, too.

    References
    ----------
    .. [1] Long, Wang, Ding, Sun, Yu (2014). Transfer joint matching for unsupervised domain
       adaptation. CVPR. doi:10.1109/CVPR.2014.183

    Examples
    --------
    The second half of the source is far from the target:

    >>> import numpy as np
    >>> from skdidan import TJM
    >>> rng = np.random.default_rng(0)
    >>> X_src = rng.normal(size=(60, 4)) + np.repeat([0, 4], 30)[:, None]
    >>> X_tgt = rng.normal(size=(40, 4))
    >>> tjm = TJM(n_components=3, kernel="rbf", max_iter=3).fit(X_src, X_tgt=X_tgt)
    >>> bool(tjm.source_weights_[:30].mean() > 3 * tjm.source_weights_[30:].mean())
    True
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
        max_iter: int = 10,
        tol: float = 1e-4,
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
        self.max_iter = max_iter
        self.tol = tol

    def _find_components(self, solve: Solver, domains: Domains) -> None:
        n_source, n_target = domains.n_source, domains.n_target
        n = n_source + n_target
        contrast, penalties = marginal_contrast(n_source, n_target), np.ones(n)
        objectives = [math.inf]
        for _ in range(self.max_iter):
            solution = solve(contrast, penalties)
            if len(objectives) == 1:
                n_real = np.sum(solution.eigenvalues > _NEGLIGIBLE * solution.eigenvalues[0])
            is_real = np.arange(len(solution.eigenvalues)) < n_real
            solution = Solution(*(part * is_real for part in solution))
            squares = np.square(solution.W).sum(axis=1) / n  # squared norms of the rows of A
            if len(objectives) == 1:
                smoothing = _SMOOTHING**2 * squares[:n_source].max() or 1.0
            norms = np.sqrt(squares[:n_source] + smoothing)
            regulariser = norms.sum() + squares[n_source:].sum()
            distance = np.square(contrast.T @ solution.Z).sum() / n
            objective = float(distance + self.mu * regulariser)
            # Exact iterations never raise the objective; rounding errors may.
            if objective > objectives[-1] or np.count_nonzero(solution.eigenvalues) < n_real:
                break
            objectives.append(objective)
            self._keep(solution)
            self.source_weights_ = np.sqrt(squares[:n_source])
            if objectives[-2] - objective <= self.tol * objective:
                break
            penalties[:n_source] = 0.5 / norms
        self.objectives_ = np.array(objectives[1:])
        self.n_iter_ = len(self.objectives_)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("max_iter", self.max_iter)
        check_not_negative("tol", self.tol)
