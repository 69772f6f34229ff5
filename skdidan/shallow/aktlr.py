"""Acoustic knowledge-guided transfer linear regression (AKTLR)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from skdidan.domains import Domains
from skdidan.parameters import check_not_negative
from skdidan.shallow.feature_groups import find_groups
from skdidan.shallow.linear import MeanAligner
from skdidan.shallow.sparsity import GroupSparsity, RowSparsity, Sparsity

__all__ = ["AKTLR"]


class AKTLR(MeanAligner):
    r"""Acoustic knowledge-guided transfer linear regression: JDAR that selects groups of features.

    The map :math:`P` predicts the one-hot labels :math:`Y_s` of the source and brings the means of
    both domains and of each class together, as in `JDAR`. Its penalty removes whole groups of
    features, such as all statistics of loudness, and single features of the groups that are left:

    .. math:: \min_P \tfrac{1}{n_s} \|Y_s - X_s P\|_F^2
        + \lambda \sum_{c=0}^{C} \|(\bar x_s^c - \bar x_t^c) P\|^2
        + \tau_g \sum_g \sqrt{|g|} \, \|P_g\|_F + \tau \sum_i \|P_i\| ,

    where :math:`c = 0` stands for whole domains, :math:`P_g` holds the rows of the :math:`|g|`
    features of group `g`, and :math:`P_i` is the row of feature `i`. The target has no labels, so
    each iteration uses those predicted by the previous map. The first iteration aligns the means of
    the whole domains only. A class without any predicted target row has no term.

    Several sources are pooled.

    This is a reading of [1]_; the full text was not at hand. Public summaries state a transfer
    linear regression with a dual sparsity, which selects groups of acoustic parameters and elements
    of each group. The distance of the means, which is that of `JDAR`, and the sparse group lasso
    [2]_ are this package's choice.

    Parameters
    ----------
    trade_off : float >= 0, default=1.0
        Weight :math:`\lambda` of the alignment; 0 gives a regression on the source.
    group_sparsity : float >= 0, default=0.003
        Weight :math:`\tau_g` of the groups. Larger values keep fewer groups.
    sparsity : float >= 0, default=0.01
        Weight :math:`\tau` of the features. Larger values keep fewer features of a group. One of
        the two weights must be above 0.
    feature_groups : {"auto", "egemaps"}, array-like of shape (n_features,) or None, default="auto"
        "egemaps" groups the columns of ``Functionals("eGeMAPSv02")`` by what they describe, the
        part of their name before "_sma3". Columns without names, as they reach the classifier in a
        pipeline, must be these 88 in their order. "auto" does the same where the names hold
        "_sma3", or where there are 88 columns without names; else it takes None. An array holds
        the label of the group of each feature. With None each feature is a group, which makes this
        `JDAR` with ``alpha = group_sparsity + sparsity``.
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
    selected_features_ : ndarray of bool, shape (n_features,)
        Which features are kept.
    feature_groups_ : ndarray, shape (n_features,), or None
        Label of the group of each feature; None if each is a group.
    selected_groups_ : ndarray, shape (n_selected_groups,), or None
        Sorted labels of the groups that are kept; None if each feature is a group.
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

    See Also
    --------
    JDAR : The same without groups.

    Notes
    -----
    With groups, each map is found by accelerated proximal gradient steps that restart where the
    objective would rise, and starts from the map of the previous iteration. A warning of
    scikit-learn, ``ConvergenceWarning``, tells if the tolerance is not met. Features should have
    similar scales, as after `CorpusScaler`.

    References
    ----------
    .. [1] Zhao, Zong, Lian, Lu, Shi, Zheng (2023). Towards domain-specific cross-corpus speech
       emotion recognition approach. arXiv:2312.06466.
    .. [2] Simon, Friedman, Hastie, Tibshirani (2013). A sparse-group lasso. Journal of
       Computational and Graphical Statistics 22(2). doi:10.1080/10618600.2012.681250

    Examples
    --------
    Only the first group differs between the classes.

    >>> import numpy as np
    >>> from skdidan import AKTLR
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(60, 4)), rng.normal(size=(40, 4)) + [0, 0, 3, 0]
    >>> y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    >>> groups = ["loudness", "loudness", "pitch", "pitch"]
    >>> aktlr = AKTLR(group_sparsity=0.4, feature_groups=groups).fit(X_src, y_src, X_tgt)
    >>> aktlr.selected_groups_.tolist()
    ['loudness']
    >>> aktlr.predict([[2.0, 0, 0, 0], [-2.0, 0, 0, 0]]).tolist()
    ['anger', 'neutral']
    """

    _weights: ClassVar[tuple[str, ...]] = ("group_sparsity", "sparsity")

    def __init__(
        self,
        trade_off: float = 1.0,
        *,
        group_sparsity: float = 0.003,
        sparsity: float = 0.01,
        feature_groups: str | ArrayLike | None = "auto",
        max_iter: int = 10,
        tol: float = 1e-5,
    ) -> None:
        self.trade_off = trade_off
        self.group_sparsity = group_sparsity
        self.sparsity = sparsity
        self.feature_groups = feature_groups
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, domains: Domains) -> None:
        names = getattr(self, "feature_names_in_", None)
        self.feature_groups_ = find_groups(self.feature_groups, self.n_features_in_, names)
        super()._fit(domains)
        self.selected_features_ = self.feature_importances_ > 0
        self.selected_groups_ = None
        if self.feature_groups_ is not None:
            self.selected_groups_ = np.unique(self.feature_groups_[self.selected_features_])

    def _penalty(self, *weights: float) -> Sparsity:
        group_sparsity, sparsity = weights
        if self.feature_groups_ is None:
            return RowSparsity(group_sparsity + sparsity)  # the same, and faster
        _, members = np.unique(self.feature_groups_, return_inverse=True)
        return GroupSparsity(members, group_sparsity * np.sqrt(np.bincount(members)), sparsity)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        for name in self._weights:
            check_not_negative(name, getattr(self, name))
        if not self.group_sparsity and not self.sparsity:
            raise ValueError("group_sparsity and sparsity must not both be 0.")
