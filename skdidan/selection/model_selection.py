"""Model selection without target labels: scorers for the searches of scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.utils import column_or_1d

from skdidan.domains import Target, check_groups, n_rows, open_target, sortable_groups
from skdidan.parameters import check_jobs, check_not_negative
from skdidan.pipeline.steps import find_parameters
from skdidan.selection.trials import Trial, check_criterion
from skdidan.validation import check_seed

__all__ = ["TargetScorer", "suggest_trade_off"]


class TargetScorer:
    r"""Scorer for model selection without target labels: higher is better.

    Pass it as ``scoring`` to the searches of scikit-learn, which call it with held-out source rows;
    it holds the target itself. Wrap the target that you pass to ``fit`` in a `Target`: a search
    slices any other array that is as long as the source.

    The list of the criteria names their inputs in brackets, and their value for a classifier that
    predicts one class for all rows. The first group also reads the labels of the held-out source,
    and predictions on both domains:

    - "source" [predictions]: UAR on the held-out source. One class has chance level.
    - "importance_weighted" [predictions, embeddings]: weighted accuracy on the held-out source
      [1]_, :math:`1 - \sum_i w_i \ell_i / \sum_i w_i` with errors :math:`\ell_i` of 0 or 1. The
      weights :math:`w_i` estimate the density of the target over that of the source: the odds of
      the target by a cross-validated logistic regression of the domains, clipped at 10. The paper
      does not divide by their sum. One class has the weighted share of its rows.
    - "dev" [predictions, embeddings]: deep embedded validation [2]_, the same risk with a control
      variate for the mean of the weights, which should be 1:
      :math:`1 - \overline{w \ell} + \eta (\bar w - 1)` with
      :math:`\eta = \mathrm{Cov}(w \ell, w) / \mathrm{Var}(w)`, clipped to [0, 1]. If
      :math:`\bar w` is outside [1/2, 2], or all weights are equal, the correction is arbitrary: the
      risk is :math:`\overline{w \ell} / \bar w`. One class has the weighted share of its rows.
    - "atc" [predictions, probabilities]: average thresholded confidence [6]_, an estimate of the
      accuracy on the target: the share of target rows whose largest probability is above the
      threshold below which the share of held-out source rows equals their error rate. Rows at the
      threshold count half. One class has 0.5.
    - "centroid" [predictions, embeddings]: the share of target rows whose predicted class is that
      of the nearest class mean of the held-out source. Both domains are centred, and divided by the
      deviation within them. One class has the share of target rows nearest to it.
    - "reverse" [predictions, a refit]: reverse validation [4]_, the UAR on the held-out source of a
      clone trained on the target with its predictions as labels, and with the held-out source as
      unlabelled target. It doubles the time of a search. One class is worst, 0.

    The second group reads predictions on the target alone:

    - "entropy" [probabilities]: minus `prediction_entropy`. One class is best.
    - "balance" [predictions]: `class_balance`. One class is worst, and guessing is best.
    - "information" [probabilities]: `information_maximisation`. One class is worst.
    - "nuclear_norm" [probabilities]: `nuclear_norm`. One class is low, but not worst.
    - "density" [probabilities]: `neighbourhood_density`. One class is best.
    - "mano" [scores]: `mano`. One class is best.
    - "clusters" [predictions, embeddings]: `cluster_agreement`. One class is worst.
    - "silhouette" [predictions, embeddings]: `cluster_silhouette`. One class is worst.
    - "mixval" [predictions of mixed inputs]: two target rows are mixed 55 to 45; the score is the
      share of mixed rows predicted like the larger part [3]_, averaged over partners of the same
      and of another predicted class (0 without any). One class has 0.5, almost one nearly 1.

    The third group compares the embeddings of the domains and ignores the predictions. Embeddings
    that collapse into one point are best:

    - "mmd": minus their `MMD`, after standardising them together.
    - "coral": minus their `CORAL`, after dividing them by the deviation within the domains.
    - "proxy_a": minus their proxy A-distance, :math:`2 (1 - 2 \epsilon)`, with the error
      :math:`\epsilon` of a cross-validated linear classifier of the domains [5]_.

    Start with "adaptation" [predictions, embeddings], which is "balance*centroid" and was chosen by
    experiments, see :doc:`/research/selection`. It is high if the predictions on the target use all
    classes and follow the classes of the source in the embeddings. It ignores confidence, which
    some methods train for. One class is worst, 0. For a target mostly of one class, use "centroid".

    Criteria that cannot be negative may be multiplied, as in "source*balance". "oracle" is the UAR
    on the target by its labels, with a warning: an upper bound to report beside the others.

    Parameters
    ----------
    criterion : str or list of str
        One of the above, a product, or a list of these, which share predictions and embeddings.
    X_tgt : array-like or Target, of n_target rows
        The unlabelled target, in the form that the estimator takes.
    y_tgt : array-like, shape (n_target,), optional
        Target labels, for "oracle" only.
    random_state : int, RandomState or None, default=0
        Seed of the domain classifier's folds and of the mixed rows. An instance is copied for each
        criterion and call. None draws new numbers for each.

    Raises
    ------
    ValueError
        If the criterion is unknown, or if `y_tgt` is given without "oracle" or the reverse.

    Warns
    -----
    OracleWarning
        In each call, with the criterion "oracle".

    Notes
    -----
    Source rows pass through an `AdaptationPipeline` as source rows. A plain
    `sklearn.pipeline.Pipeline` treats them as target rows, so its scores differ. Probabilities come
    from ``predict_proba``, else from the softmax of ``decision_function``; embeddings from
    ``embed`` of the last step, else they are its inputs.

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
                "y_tgt, the target labels, must be given for criterion='oracle' and only for it; "
                f"got criterion={criterion!r} and y_tgt={'None' if y_tgt is None else 'labels'}."
            )
        n_target = n_rows(open_target(X_tgt), "X_tgt")
        if not n_target:
            raise ValueError("X_tgt must hold at least one row; got none.")
        if y_tgt is not None and (n_labels := len(column_or_1d(y_tgt))) != n_target:
            raise ValueError(
                "y_tgt must have one label for each row of X_tgt; got "
                f"{n_labels} labels for {n_target} rows."
            )
        check_seed(random_state)
        self.criterion = criterion
        self.X_tgt = X_tgt
        self.y_tgt = y_tgt
        self.random_state = random_state

    def __call__(self, estimator: Any, X: Any, y: ArrayLike) -> float | dict[str, float]:
        """Score a fitted classifier; higher is better.

        Parameters
        ----------
        estimator : object
            Fitted classifier, or a pipeline that ends in one.
        X : array-like or list, of n_samples rows
            Source rows held out from the fit.
        y : array-like, shape (n_samples,)
            Labels of these rows.

        Returns
        -------
        score : float, or dict of str to float for a list of criteria

        Raises
        ------
        ValueError
            If the labels differ from the rows in number or from the predictions in type, the
            embeddings are not finite, or a domain has too few rows.
        TypeError
            If embeddings are sparse, or probabilities or scores for a criterion are missing.
        """
        trial = Trial(estimator, X, y, self.X_tgt, y_tgt=self.y_tgt, random_state=self.random_state)
        if isinstance(self.criterion, str):
            return trial.score(self.criterion)
        return {name: trial.score(name) for name in self.criterion}

    def __repr__(self) -> str:
        return f"TargetScorer({self.criterion!r}, X_tgt of {n_rows(open_target(self.X_tgt))} rows)"


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
    """Choose the trade-off between classification and alignment without target labels.

    It is a `sklearn.model_selection.GridSearchCV` over ``trade_off`` with a `TargetScorer`.

    Parameters
    ----------
    estimator : estimator
        Classifier with a parameter ``trade_off``, or an `AdaptationPipeline` with one such step.
    X_src : array-like or list, of n_source rows
        The labelled source.
    y_src : array-like, shape (n_source,)
        Source labels.
    X_tgt : array-like, list or Target, of n_target rows
        The unlabelled target.
    groups : array-like, shape (n_source,), optional
        Speaker of each source row. Unless `cv` is a splitter, folds do not split a speaker.
    trade_offs : sequence of float >= 0, default=(0.1, 0.3, 1.0, 3.0, 10.0)
        Candidate values.
    criterion : str, default="adaptation"
        Criterion of `TargetScorer`, except "oracle".
    cv : int or splitter, optional
        Folds of the source. None stands for 5, or for the number of groups if that is smaller.
    n_jobs : int, optional
        Number of parallel fits.

    Returns
    -------
    trade_off : float
        Value with the best mean score.

    Raises
    ------
    ValueError
        If the estimator does not have exactly one parameter ``trade_off``, the criterion is
        unknown, `trade_offs` is empty, there are fewer than two groups, or a fit fails.
    TypeError
        If `X_tgt` does not hold rows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdidan import JDAR, suggest_trade_off
    >>> X = np.random.default_rng(0).normal(size=(60, 4))
    >>> y = np.where(X[:, 0] > 0, "anger", "neutral")
    >>> suggest_trade_off(JDAR(), X, y, X + 1, trade_offs=[0.1, 1.0])
    1.0
    """
    names = list(find_parameters(estimator, "trade_off"))
    if len(names) != 1:
        raise ValueError(
            "estimator must have one parameter trade_off, its own or that of a step; got "
            f"{names or 'none'} in {estimator!r}. Use GridSearchCV to search over several."
        )
    if check_criterion(criterion) == ["oracle"]:
        raise ValueError("criterion='oracle' reads target labels: use any other criterion.")
    check_jobs("n_jobs", n_jobs)
    given = trade_offs if np.ndim(trade_offs) else [trade_offs]
    values = [check_not_negative("trade_offs", value) for value in given]
    if not values:
        raise ValueError("trade_offs must hold at least one value; got none.")
    split: dict[str, Any] = {}
    if groups is not None:
        split["groups"] = sortable_groups(check_groups(groups, n_rows(open_target(X_src))))
        n_groups = len(np.unique(split["groups"]))
        if n_groups < 2:
            raise ValueError(f"groups must hold at least two different values; got {n_groups}.")
        if cv is None or isinstance(cv, Integral):
            cv = GroupKFold(min(5, n_groups) if cv is None else cv)
    grid, scorer = {names[0]: values}, TargetScorer(criterion, X_tgt)
    search = GridSearchCV(
        estimator, grid, scoring=scorer, cv=cv, n_jobs=n_jobs, refit=False, error_score="raise"
    )
    search.fit(X_src, y_src, X_tgt=Target(open_target(X_tgt)), **split)
    return float(search.best_params_[names[0]])
