"""Transfer joint matching: transfer components that rest on few rows of the source."""

from __future__ import annotations

import math

import numpy as np

from skdidan.domains import Domains
from skdidan.parameters import check_count, check_not_negative
from skdidan.shallow.subspaces import TCA, Solver, marginal_contrast

__all__ = ["TJM"]

# The epsilon of the Notes, over the longest row of the source after the first turn.
_SMOOTHING = 1e-6
# Share of the largest eigenvalue below which a component is lost in the rounding of the turns.
_NEGLIGIBLE = 1e-12


class TJM(TCA):
    r"""Transfer joint matching.

    `TCA` in which a row of the source weighs the less, the less it helps. The kernel expansion
    :math:`A` of the components has a row for each row of the data. Its :math:`n_t` rows
    :math:`A_t` of the target are kept small in the square, as in `TCA`, but the :math:`n_s` rows
    :math:`a_i` of the source in length, which takes some of them to zero [1]_:

    .. math:: \min_A \operatorname{tr}(A^\top K L K A) + \mu \Bigl( \sum_{i=1}^{n_s} \|a_i\|
              + \|A_t\|_F^2 \Bigr) \quad \text{subject to} \quad A^\top K H K A = I ,

    with :math:`K`, :math:`L` and :math:`H` as in `TCA`. Rows are mapped to :math:`\sqrt n\, K A`,
    so that every component has unit variance over the :math:`n` rows of both domains.

    Parameters
    ----------
    n_components, kernel, gamma, degree, coef0, n_landmarks, random_state
        As in `TCA`; for the number of components see the Notes, too.
    mu : float > 0, default=1.0
        Weight of the regulariser, the :math:`\lambda` of the paper.
    max_iter : int > 0, default=10
        Most turns, as many as the authors take; 1 is `TCA`, less the components that the Notes
        exclude. Each costs as much as `TCA`; with thousands of rows and a poly or rbf kernel, take
        `n_landmarks`.
    tol : float >= 0, default=1e-4
        It ends sooner where a turn lowers the objective by no more than this share.

    Attributes
    ----------
    objectives_ : ndarray of float, shape (n_turns,)
        The objective after each turn. None is above the one before.
    source_weights_ : ndarray of float, shape (n_source,)
        The lengths :math:`\|a_i\|`.
    n_iter_ : int
        Number of turns.
    eigenvalues_ : ndarray of float, shape (n_components,)
        Those of the last turn, in descending order.
    weights_ : ndarray of float, shape (n, n_components)
        :math:`\sqrt n\, A`, for the rows of `X_fit_` or the columns of a precomputed kernel; only
        with these.
    components_, X_fit_, landmarks_, centre_, gamma_
        As in `TCA`.
    n_features_in_, feature_names_in_
        As in `TCA`.

    Notes
    -----
    A turn solves

    .. math:: K H K a = \lambda (K L K + \mu G) a

    for the diagonal :math:`G` that is 1 for the target and
    :math:`1 / (2 \sqrt{\|a_i\|^2 + \varepsilon^2})`, by the turn before, for the source; in the
    first turn it is 1 throughout. As a square root lies below its tangent, no exact turn raises the
    objective with :math:`\sqrt{\|a_i\|^2 + \varepsilon^2}` in place of :math:`\|a_i\|`, which is
    that of `objectives_`. :math:`\varepsilon` is a millionth of the longest row of the source after
    the first turn.

    The first turn settles the number of components: those of an eigenvalue below :math:`10^{-12}`
    of the largest, which rounding errors would move from turn to turn, are zero. A turn that raises
    the objective all the same is dropped, and ends it.

    With :math:`v = G^{1/2} a` this is the problem of `TCA`, :math:`K G^{-1/2}` standing for
    :math:`K`, and is solved as there: in the space of the features, or landmarks, where these are
    fewer than the rows. :math:`K G^{-1/2}` takes as much memory again as an exact kernel does.

    The constraint makes rows of :math:`A` much shorter than 1, so that their lengths outweigh their
    squares. After enough turns the components commonly rest on the target alone, and
    `source_weights_` are zero but for rounding; where these matter, take few turns.

    It also makes the columns of :math:`A` the longer, the smaller their eigenvalues are. The last
    components so make up most of the objective and of `source_weights_`, which may be others
    altogether with another `n_components`; where they matter, take few components as well.

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
            solution = solution.leading(n_real)
            squares = np.square(solution.W).sum(axis=1) / n  # of the rows of A
            if len(objectives) == 1:
                smoothing = _SMOOTHING**2 * squares[:n_source].max() or 1.0
            lengths = np.sqrt(squares[:n_source] + smoothing)
            regulariser = lengths.sum() + squares[n_source:].sum()
            distance = np.square(contrast.T @ solution.Z).sum() / n
            objective = float(distance + self.mu * regulariser)
            if objective > objectives[-1] or np.count_nonzero(solution.eigenvalues) < n_real:
                break  # for rounding errors, as exact turns only lower it
            objectives.append(objective)
            self._keep(solution)
            self.source_weights_ = np.sqrt(squares[:n_source])
            if objectives[-2] - objective <= self.tol * objective:
                break
            penalties[:n_source] = 0.5 / lengths
        self.objectives_ = np.array(objectives[1:])
        self.n_iter_ = len(self.objectives_)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_count("max_iter", self.max_iter)
        check_not_negative("tol", self.tol)
