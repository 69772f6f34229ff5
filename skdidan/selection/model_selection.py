"""Scorers that need no target labels, for searches over methods and their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.utils import column_or_1d

from skdidan.domains import Domains, Target, n_rows, open_target
from skdidan.selection.trials import Trial, check_criterion

__all__ = ["TargetScorer", "suggest_trade_off"]


class TargetScorer:
    r"""Scorer of a fitted classifier by its use for an unlabelled target: higher is better.

    A callable ``scorer(estimator, X, y)``, as `sklearn.model_selection` takes it for ``scoring``:
    ``X`` and ``y`` are rows of the source that were held out from the fit, and the scorer holds the
    target. The labels of the target are never needed, but for "oracle". Of the target that ``fit``
    gets a search still slices what is as long as the source, unless it is a `Target`.

    What a criterion needs is said in brackets: predictions, probabilities or scores of each class,
    embeddings. All are of the target, those of the first group of the held-out source as well. What
    it is worth to put every row into one class comes last.

    By the labels of the held-out source:

    - "source" [predictions]: the UAR on it. One class has chance.
    - "importance_weighted" [predictions, embeddings]: the share that is recognised, each row
      weighted by its likeness to the target [1]_,
      :math:`1 - \sum_i w_i \ell_i / \sum_i w_i` with errors :math:`\ell_i` of 0 or 1. The weights
      :math:`w_i` are the ratio of the densities of the embeddings, clipped at 10: the odds of the
      target by a logistic regression that tells the held-out source from the target and has not
      seen the row. The paper does not divide by their sum. One class has its weighted share.
    - "dev" [predictions, embeddings]: the same risk with a control variate for the mean of the
      weights, which should be 1 (deep embedded validation) [2]_,
      :math:`1 - \overline{w \ell} + \eta (\bar w - 1)` with
      :math:`\eta = \mathrm{Cov}(w \ell, w) / \mathrm{Var}(w)`, clipped to [0, 1]. Where
      :math:`\bar w` is not between 1/2 and 2, or all weights are alike, the correction would be
      arbitrary, and the ratio :math:`\overline{w \ell} / \bar w` takes its place. One class has
      its weighted share.
    - "atc" [predictions, probabilities]: the share of the target of which the classifier is sure
      enough, by average thresholded confidence [6]_: surer, by its largest probability, than the
      threshold below which the held-out source has as many rows as it has errors; rows at the
      threshold count half. It estimates the accuracy on the target. One class has 0.5.
    - "centroid" [predictions, embeddings]: the share of the target whose predicted class is that of
      the nearest class mean of the held-out source, both domains being centred, and divided by the
      deviation within them. One class has the share of the target nearest to it.
    - "reverse" [predictions, a refit]: the UAR of a classifier of the same kind on the held-out
      source, trained anew on the target with its predictions for labels, the source being the
      unlabelled domain [4]_. It doubles the time of a search. One class has 0, the worst.

    By the predictions on the target:

    - "entropy" [probabilities]: minus `prediction_entropy`. One class is best.
    - "balance" [predictions]: `class_balance`. One class is worst, and guessing best.
    - "information" [probabilities]: `information_maximisation`. One class is worst.
    - "nuclear_norm" [probabilities]: `nuclear_norm`. One class is low among sure predictors, but
      not worst.
    - "density" [probabilities]: `neighbourhood_density`. One class is best.
    - "mano" [scores]: `mano`. One class is best.
    - "clusters" [predictions, embeddings]: `cluster_agreement`. One class is worst.
    - "silhouette" [predictions, embeddings]: `cluster_silhouette`. One class is worst.
    - "mixval" [predictions of mixed inputs]: the share of rows, mixed 55 to 45 from two, that are
      predicted as the larger part is [3]_; the mean over partners of the same predicted class and
      of another, where a kind that does not occur counts as 0. The rows are those that the
      classifier is given. One class has 0.5, but almost one class nearly 1.

    By the embeddings of both domains, whatever is predicted. Embeddings that collapse into a point
    are best:

    - "mmd": minus their `MMD`, once they are standardised together.
    - "coral": minus their `CORAL`, once they are divided by the deviation within the domains.
    - "proxy_a": minus their proxy A-distance, :math:`2 (1 - 2 \epsilon)` for the error
      :math:`\epsilon` of a linear classifier of the domains on rows it has not seen [5]_.

    Chosen by evidence, see :doc:`/research/selection`, and the one to start with:

    - "adaptation" [predictions, embeddings]: "balance*centroid". It asks for predictions on the
      target that use all classes, and that follow the classes of the source in the embeddings. How
      sure the classifier is does not count, which some methods train for. One class is worst, 0.
      Where the target is known to be mostly of one class, take "centroid".

    Criteria that cannot be negative may be multiplied, as "source*balance".

    And "oracle": UAR on the target by its labels, under a warning; an upper bound to report beside
    the others.

    Parameters
    ----------
    criterion : str or list of str
        One of the above or a product, or a list of such: scored together, what the estimator says
        of the domains is computed once.
    X_tgt : array-like or Target, of n_target rows
        The unlabelled target, as the estimator takes it.
    y_tgt : array-like, shape (n_target,), optional
        Labels of the target: for "oracle" alone, and refused where it is not asked for.
    random_state : int, RandomState or None, default=0
        Seed of the folds of the importance weights and of the mixed rows. An instance is copied, so
        that every call draws the same; None draws anew for every criterion.

    Raises
    ------
    ValueError
        If the criterion is none of these, or the labels do not go with it.

    Warns
    -----
    OracleWarning
        In each call, with the criterion "oracle".

    Notes
    -----
    Rows of the source go through the steps of an `AdaptationPipeline` as such, and not as rows of
    the target. A plain `sklearn.pipeline.Pipeline` knows no such path: its scores differ.
    Probabilities are those of ``predict_proba``, else the softmax of ``decision_function``;
    embeddings those of ``embed`` of the last step, else what it is given.

    References
    ----------
    .. [1] Sugiyama, Krauledat, Müller (2007). Covariate shift adaptation by importance weighted
       cross validation. Journal of Machine Learning Research 8.
    .. [2] You, Wang, Long, Jordan (2019). Towards accurate model selection in deep unsupervised
       domain adaptation. ICML.
    .. [3] Hu, Liang, Liew, Xue, Bai, Wang (2023). Mixed samples as probes for unsupervised model
       selection in domain adaptation. NeurIPS.
    .. [4] Zhong, Fan, Yang, Verscheure, Ren (2010). Cross validation framework to choose amongst
       models and datasets for transfer learning. ECML PKDD.
    .. [5] Ben-David, Blitzer, Crammer, Pereira (2006). Analysis of representations for domain
       adaptation. NeurIPS.
    .. [6] Garg, Balakrishnan, Lipton, Neyshabur, Sedghi (2022). Leveraging unlabeled data to
       predict out-of-distribution performance. ICLR, arXiv:2201.04234.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdidan import JDAR, Target, TargetScorer
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> scorer = TargetScorer("information", X + 1)
    >>> search = GridSearchCV(JDAR(), {"trade_off": [0.1, 1.0]}, scoring=scorer)
    >>> search.fit(X, y, X_tgt=Target(X + 1)).best_params_
    {'trade_off': 0.1}
    """

    def __init__(
        self,
        criterion: str | Sequence[str],
        X_tgt: Any,
        *,
        y_tgt: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        names = criterion if isinstance(criterion, list | tuple) else [criterion]
        if not names:
            raise ValueError("criterion must name at least one criterion; got none.")
        asked = {factor for name in names for factor in check_criterion(name)}
        if (y_tgt is None) == ("oracle" in asked):
            raise ValueError(
                "y_tgt, the labels of the target, are for criterion='oracle' and for nothing else; "
                f"got criterion={criterion!r} and y_tgt={'None' if y_tgt is None else 'labels'}."
            )
        n_target = _count("X_tgt", X_tgt)
        if y_tgt is not None and len(column_or_1d(y_tgt)) != n_target:
            raise ValueError(
                f"y_tgt must have a label for each row of X_tgt; got {len(column_or_1d(y_tgt))} "
                f"labels of {n_target} rows."
            )
        self.criterion = criterion
        self.X_tgt = X_tgt
        self.y_tgt = y_tgt
        self.random_state = random_state

    def __call__(self, estimator: Any, X: Any, y: ArrayLike) -> float | dict[str, float]:
        """Score a fitted classifier.

        Parameters
        ----------
        estimator : object
            A fitted classifier, or a pipeline that ends in one.
        X : array-like or list, of n_samples rows
            Rows of the source that it was not fitted on.
        y : array-like, shape (n_samples,)
            Their labels.

        Returns
        -------
        score : float, or dict of str to float
            The higher, the better; of several criteria each by its name.

        Raises
        ------
        ValueError
            If the labels are not one for each row, or of another type than the predictions; the
            embeddings are not finite; or a domain has too few rows.
        TypeError
            If the estimator gives no probabilities or scores of each class where these are needed,
            or the embeddings are sparse.
        """
        trial = Trial(estimator, X, y, self.X_tgt, y_tgt=self.y_tgt, random_state=self.random_state)
        if isinstance(self.criterion, str):
            return trial.score(self.criterion)
        return {name: trial.score(name) for name in self.criterion}

    def __repr__(self) -> str:
        return f"TargetScorer({self.criterion!r}, X_tgt of {n_rows(open_target(self.X_tgt))} rows)"


def _count(name: str, X: Any) -> int:
    """Count rows, or say what is wrong."""
    try:
        return n_rows(open_target(X))
    except TypeError:
        raise TypeError(
            f"{name} must hold one row for each clip of the target; got {X!r}."
        ) from None


def suggest_trade_off(
    estimator: Any,
    X_src: Any,
    y_src: ArrayLike,
    X_tgt: Any,
    *,
    groups: ArrayLike | None = None,
    trade_offs: Sequence[float] = (0.1, 0.3, 1.0, 3.0, 10.0),
    criterion: str = "adaptation",
    cv: Any = None,
    n_jobs: int | None = None,
) -> float:
    """Search for the trade-off between classification and alignment, without target labels.

    A `sklearn.model_selection.GridSearchCV` over ``trade_off`` with a `TargetScorer`, and no more.

    Parameters
    ----------
    estimator : estimator
        A classifier that has ``trade_off``, or an `AdaptationPipeline` of which one step has. It
        stays as it is.
    X_src : array-like or list, of n_source rows
        The labelled source.
    y_src : array-like, shape (n_source,)
        Its labels.
    X_tgt : array-like, list or Target, of n_target rows
        The unlabelled target.
    groups : array-like, shape (n_source,), optional
        The speaker of each row of the source: unless `cv` is a splitter that does otherwise, no
        speaker is both trained on and held out.
    trade_offs : sequence of float >= 0, default=(0.1, 0.3, 1.0, 3.0, 10.0)
        The values to choose from.
    criterion : str, default="adaptation"
        As in `TargetScorer`, a single one; not "oracle".
    cv : int or splitter, optional
        Folds of the source; None stands for 5, or for as many as there are groups if these are
        fewer.
    n_jobs : int, optional
        Fits at once.

    Returns
    -------
    trade_off : float
        The best value.

    Raises
    ------
    ValueError
        If no parameter of the estimator is a trade-off, or several are; the criterion is unknown;
        there is no trade-off to choose from; there are not two groups; or a fit fails.
    TypeError
        If `X_tgt` holds no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JDAR, suggest_trade_off
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> suggest_trade_off(JDAR(), X, y, X + 1, trade_offs=[0.1, 1.0])
    1.0
    """
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "trade_off"]
    if len(names) != 1:
        raise ValueError(
            "estimator must have one parameter trade_off, of its own or of a step; got "
            f"{names or 'none'} in {estimator!r}. Of several, search with GridSearchCV."
        )
    if check_criterion(criterion) == ["oracle"]:
        raise ValueError("criterion='oracle' reads labels of the target: take any other criterion.")
    values = np.atleast_1d(np.asarray(trade_offs, dtype=float)).tolist()
    if not values:
        raise ValueError("trade_offs must hold at least one value; got none.")
    split: dict[str, Any] = {}
    if groups is not None:
        split["groups"] = Domains.of(X_src, groups=groups).groups
        n_groups = len(np.unique(split["groups"]))
        if n_groups < 2:
            raise ValueError(f"groups must be at least two, to hold one out; got {n_groups}.")
        if cv is None or isinstance(cv, Integral):
            cv = GroupKFold(min(5, n_groups) if cv is None else cv)
    search = GridSearchCV(
        estimator,
        {names[0]: values},
        scoring=TargetScorer(criterion, X_tgt),
        cv=cv,
        n_jobs=n_jobs,
        refit=False,
        error_score="raise",
    )
    search.fit(X_src, y_src, X_tgt=Target(open_target(X_tgt)), **split)
    return float(search.best_params_[names[0]])
