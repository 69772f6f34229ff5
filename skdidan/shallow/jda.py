"""Joint distribution adaptation: transfer components that bring the classes together as well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import Tags

from skdidan.domains import Domains
from skdidan.estimators import validate_domains
from skdidan.parameters import check_count, check_not_negative
from skdidan.shallow.subspaces import TCA, Solver, marginal_contrast

__all__ = ["JDA"]


class JDA(TCA):
    r"""Joint distribution adaptation, and balanced distribution adaptation.

    `TCA` that brings the means of every class together, too. Since the classes of the target are
    not known, those that a classifier predicts stand for them, turn by turn [1]_: components,
    classifier on the components of the source, predictions for the target, components with these.
    In

    .. math:: \min_W \operatorname{tr}\Bigl( W^\top K \bigl( L_0 + \beta \sum_c L_c \bigr) K W
              \Bigr) + \mu \operatorname{tr}(W^\top W)
              \quad \text{subject to} \quad W^\top K H K W = n I

    :math:`L_0 = e e^\top` is the `L` of `TCA`, and :math:`L_c = e_c e_c^\top` the same for the rows
    of class `c` alone: :math:`1 / n_s^c` for each of the source, :math:`-1 / n_t^c` for each of
    the target. A class that is predicted nowhere has no term. The first turn has :math:`L_0` only.

    Parameters
    ----------
    n_components, kernel, gamma, degree, coef0, mu, n_landmarks, random_state
        As in `TCA`.
    conditional_weight : float >= 0, default=1.0
        :math:`\beta`. 1 is joint distribution adaptation, 0 is `TCA`; balanced distribution
        adaptation [2]_ with the balance `b` and the regularisation :math:`\lambda` has
        :math:`\beta = b / (1 - b)` and :math:`\mu = \lambda / (1 - b)`.
    estimator : classifier, default=None
        Predicts the classes of the target from the components. None takes the nearest neighbour,
        as the paper does.
    max_iter : int > 0, default=10
        Most turns. It ends sooner where the predictions are those of an earlier turn, the last or
        one before that, for the turns would go in a circle. Each costs as much as `TCA`; with
        thousands of rows and a poly or rbf kernel, take `n_landmarks`.

    Attributes
    ----------
    pseudo_labels_ : ndarray, shape (n_target,)
        The classes of the target by which the last turn was made; None where `max_iter` is 1 or
        no target was given.
    n_iter_ : int
        Number of turns.
    eigenvalues_, components_, weights_, X_fit_, landmarks_, centre_, gamma_
        As in `TCA`.
    n_features_in_, feature_names_in_
        As in `TCA`.

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

    def _check_domains(self, domains: Domains) -> Domains:
        return validate_domains(self, domains, supervised=True, dtype=(np.float64, np.float32))

    def _find_components(self, solve: Solver, domains: Domains) -> None:
        n_source, n_target = domains.n_source, domains.n_target
        marginal = marginal_contrast(n_source, n_target)
        self.pseudo_labels_: NDArray[Any] | None = None
        labellings: list[NDArray[Any]] = []
        contrasts = marginal
        for turn in range(1, self.max_iter + 1):
            solution = solve(contrasts)
            self.n_iter_ = turn
            if turn == self.max_iter or not n_target:
                break
            Z_src, Z_tgt = solution.Z[:n_source], solution.Z[n_source:]
            y_tgt = self._classifier().fit(Z_src, domains.y_src).predict(Z_tgt)
            if any(np.array_equal(y_tgt, earlier) for earlier in labellings):
                break
            labellings.append(y_tgt)
            self.pseudo_labels_ = y_tgt
            conditional = conditional_contrasts(domains.y_src, y_tgt)
            contrasts = np.hstack([marginal, self.conditional_weight**0.5 * conditional])
        self._keep(solution)

    def _classifier(self) -> Any:
        return KNeighborsClassifier(1) if self.estimator is None else clone(self.estimator)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_not_negative("conditional_weight", self.conditional_weight)
        check_count("max_iter", self.max_iter)
        is_estimator = isinstance(self.estimator, BaseEstimator)
        if self.estimator is not None and not (is_estimator and is_classifier(self.estimator)):
            raise ValueError(
                "estimator must be a classifier, such as KNeighborsClassifier(1), or None; got "
                f"{self.estimator!r}."
            )

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def conditional_contrasts(y_src: NDArray[Any], y_tgt: NDArray[Any]) -> NDArray[Any]:
    """Columns ``e_c``: what weighs the rows of both domains for the difference of class means."""
    classes = np.intersect1d(y_src, y_tgt)
    of_source, of_target = (y[:, None] == classes for y in (y_src, y_tgt))
    return np.vstack([of_source / of_source.sum(axis=0), of_target / -of_target.sum(axis=0)])
