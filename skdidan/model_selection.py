"""Scorers that need no target labels, for searches over methods and their parameters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn import get_config
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedKFold,
    cross_val_predict,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, column_or_1d

from skdidan.criteria import TARGET_CRITERIA, Answers, information_maximisation
from skdidan.discrepancies import MMD
from skdidan.distances import CORAL
from skdidan.domains import Target, n_rows, open_target, source_groups, takes_target
from skdidan.metrics import uar
from skdidan.parameters import check_option
from skdidan.pipelines import AdaptationPipeline
from skdidan.reporting import warn_caller

__all__ = ["CRITERIA", "OracleWarning", "TargetScorer", "suggest_trade_off"]


class OracleWarning(UserWarning):
    """A score was computed from labels of the target, which no real task has."""


class TargetScorer:
    r"""Scorer of a fitted classifier by its use for an unlabelled target: higher is better.

    A callable ``scorer(estimator, X, y)``, as `sklearn.model_selection` takes it for ``scoring``:
    ``X`` and ``y`` are rows of the source that were held out from the fit, and the scorer holds the
    target. The labels of the target are never needed, but for "oracle". Of the target that ``fit``
    gets a search still slices what is as long as the source, unless it is a `Target`.

    By the labels of the held-out source, which all but "reverse" score by chance if a classifier
    puts all rows into one class:

    - "source": their UAR.
    - "importance_weighted": the share that is recognised, each row weighted by its likeness to the
      target [1]_, that is by the ratio of the densities of the embeddings, clipped at 10.
    - "dev": the same with a control variate for the mean of the weights (deep embedded validation)
      [2]_, clipped to what a risk can be.
    - "reverse": UAR of a classifier of the same kind that is trained anew, on the target with its
      predictions for labels, the source being the unlabelled domain [4]_; 0 if these are of one
      class.

    By the predictions on the target:

    - "entropy": minus `prediction_entropy`. One class is best.
    - "information": `information_maximisation`. One class is worst.
    - "nuclear_norm": `nuclear_norm`. One class is low.
    - "density": `neighbourhood_density`. One class is best.
    - "mano": `mano`. One class is best.
    - "clusters": `cluster_agreement` with the embeddings. One class is worst.
    - "silhouette": `cluster_silhouette` in the embeddings. One class is worst.
    - "mixval": share of rows, mixed 55 to 45 from two, that are predicted as the larger part is
      [3]_; the mean over partners of the same predicted class and of another. One class has 0.5.

    By the embeddings of both domains, whatever is predicted:

    - "mmd": minus their `MMD`.
    - "coral": minus their `CORAL`, once they are standardised.
    - "proxy_a": minus their proxy A-distance, :math:`2 (1 - 2 \epsilon)` for the error
      :math:`\epsilon` of a linear classifier of the domains on rows it has not seen [5]_.

    Chosen by evidence, see :doc:`/research/selection`:

    - "adaptation": the product of "dev" and "information". It asks for a classifier that still
      recognises source rows like those of the target, and that finds all classes in the target. One
      class is worst.

    And "oracle": UAR on the target by its labels, under a warning; an upper bound to report beside
    the others.

    Parameters
    ----------
    criterion : str or list of str
        One of the above, or several: scored together, what the estimator says of the domains is
        computed once.
    X_tgt : array-like or Target, of n_target rows
        The unlabelled target, as the estimator takes it.
    y_tgt : array-like, shape (n_target,), optional
        Labels of the target: for "oracle" alone, and refused by the others.
    random_state : int, RandomState or None, default=0
        Seed of the folds of the importance weights and of the mixed rows.

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
    the target. Probabilities are those of ``predict_proba``, else the softmax of
    ``decision_function``; embeddings those of ``embed`` of the last step, else what it is given.

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
        for name in names:
            check_option("criterion", name, CRITERIA)
        if (y_tgt is None) == ("oracle" in names):
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
        trial = _Trial(estimator, X, y, self)
        if isinstance(self.criterion, str):
            return float(CRITERIA[self.criterion](trial))
        return {name: float(CRITERIA[name](trial)) for name in self.criterion}

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
        A classifier that has ``trade_off``, or a pipeline of which one step has. It stays as it is.
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
        One of those of `TargetScorer`; not "oracle".
    cv : int or splitter, optional
        Folds of the source; None stands for 5, or for each group where there are fewer.
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
    0.1
    """
    names = [name for name in estimator.get_params() if name.split("__")[-1] == "trade_off"]
    if len(names) != 1:
        raise ValueError(
            "estimator must have one parameter trade_off, of its own or of a step; got "
            f"{names or 'none'} in {estimator!r}. Of several, search with GridSearchCV."
        )
    if not isinstance(criterion, str):
        raise ValueError(f"criterion must be one of {sorted(CRITERIA)}; got {criterion!r}.")
    values = np.atleast_1d(np.asarray(trade_offs, dtype=float)).tolist()
    if not values:
        raise ValueError("trade_offs must hold at least one value; got none.")
    split: dict[str, Any] = {}
    if groups is not None:
        split["groups"] = source_groups(X_src, groups)
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


class _Answers:
    """What a fitted classifier says of rows of one domain; computed when first asked for."""

    def __init__(self, estimator: Any, X: Any, *, is_source: bool) -> None:
        self.estimator = estimator
        self.X = open_target(X)
        self.is_source = is_source

    @cached_property
    def _end(self) -> tuple[Any, Any]:
        """The classifier itself, without the steps before it, and what it is given."""
        last, X = _unwrap(self.estimator), self.X
        while isinstance(last, AdaptationPipeline | Pipeline):
            if len(last) > 1:
                front, is_ours = last[:-1], isinstance(last, AdaptationPipeline)
                path = {"sample_domain": np.zeros(n_rows(X))} if self.is_source and is_ours else {}
                X = front.transform(X, **path)
            last = _unwrap(last[-1])
        return last, X

    @property
    def last(self) -> Any:
        """The classifier itself, without the steps before it."""
        return self._end[0]

    @property
    def inputs(self) -> Any:
        """What the classifier is given."""
        return self._end[1]

    @cached_property
    def predicted(self) -> NDArray[Any]:
        return np.asarray(self.last.predict(self.inputs))

    @cached_property
    def scores(self) -> NDArray[Any]:
        """Scores before the softmax, a column for each class."""
        if not hasattr(self.last, "decision_function"):
            return np.log(np.clip(self.probabilities, 1e-12, None))
        scores = np.asarray(self.last.decision_function(self.inputs), dtype=float)
        if scores.ndim == 1:
            return np.stack([-scores / 2, scores / 2], axis=1)
        if getattr(self.last, "decision_function_shape", "ovr") == "ovo":
            raise TypeError(
                f"The scores of {self.last!r} are of pairs of classes; set "
                "decision_function_shape='ovr'."
            )
        return scores

    @cached_property
    def probabilities(self) -> NDArray[Any]:
        if hasattr(self.last, "predict_proba"):
            return np.asarray(self.last.predict_proba(self.inputs), dtype=float)
        if not hasattr(self.last, "decision_function"):
            raise TypeError(
                "This criterion asks for a classifier with predict_proba or decision_function; "
                f"got {self.last!r}."
            )
        return softmax(self.scores, axis=1)

    @cached_property
    def embeddings(self) -> NDArray[Any]:
        rows = self.last.embed(self.inputs) if hasattr(self.last, "embed") else self.inputs
        if issparse(rows):
            raise TypeError(
                "This criterion compares embeddings of the domains, which must be dense; got a "
                f"{type(rows).__name__}."
            )
        rows = np.asarray(rows, dtype=float)
        if not np.isfinite(rows).all():
            raise ValueError("The embeddings, on which this criterion looks, must be finite.")
        return rows.reshape(len(rows), -1)


def _unwrap(estimator: Any) -> Any:
    """Return the fitted estimator inside of a search or a `FrozenEstimator`."""
    while isinstance(estimator, FrozenEstimator) or hasattr(estimator, "best_estimator_"):
        is_search = hasattr(estimator, "best_estimator_")
        estimator = estimator.best_estimator_ if is_search else estimator.estimator
    return estimator


class _Trial:
    """A fitted classifier between the held-out source and the target."""

    def __init__(self, estimator: Any, X: Any, y: ArrayLike, scorer: TargetScorer) -> None:
        self.estimator = _unwrap(estimator)
        self.labels = y
        self.source = _Answers(estimator, X, is_source=True)
        self.target = _Answers(estimator, scorer.X_tgt, is_source=False)
        self.y_tgt: Any = scorer.y_tgt
        self.random_state = scorer.random_state

    @property
    def random(self) -> np.random.RandomState:
        """The same for every criterion and every candidate."""
        return check_random_state(deepcopy(self.random_state))

    @cached_property
    def y(self) -> NDArray[Any]:
        """Labels of the held-out source, one for each row and of the type of the predictions."""
        y, n_source = np.asarray(column_or_1d(self.labels)), n_rows(self.source.X)
        if len(y) != n_source:
            raise ValueError(
                "y must have a label for each row of the held-out source; got "
                f"{len(y)} labels of {n_source} rows."
            )
        if isinstance(y[0], str) != isinstance(self.source.predicted[0], str):
            raise ValueError(
                "y, the labels of the held-out source, must be of the type that the estimator "
                f"predicts; got {y[0]!r} and {self.source.predicted[0]!r}."
            )
        return y

    @cached_property
    def hits(self) -> NDArray[np.float64]:
        """1 for each row of the source that is recognised, else 0."""
        return (self.source.predicted == self.y).astype(float)

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """Domains of the embeddings of both, stacked."""
        return np.repeat([False, True], [len(self.source.embeddings), len(self.target.embeddings)])

    @cached_property
    def probability_of_target(self) -> NDArray[np.float64]:
        """By a linear classifier of the embeddings that has not seen the row; domains alike."""
        n_fewest = min(len(self.source.embeddings), len(self.target.embeddings))
        if n_fewest < 2:
            raise ValueError(
                "This criterion tells the domains apart, which takes at least two rows of each; "
                f"got {n_fewest}. Hold out larger folds."
            )
        folds = StratifiedKFold(min(5, n_fewest), shuffle=True, random_state=self.random)
        domains = make_pipeline(
            StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced")
        )
        rows = np.concatenate([self.source.embeddings, self.target.embeddings])
        method = "predict_proba"
        return cross_val_predict(domains, rows, self.is_target, cv=folds, method=method)[:, 1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Density of the target over that of the source at each row of the source, clipped."""
        p = self.probability_of_target[~self.is_target]
        return np.minimum(p / np.maximum(1 - p, 1e-12), _MAX_WEIGHT)


def _source(trial: _Trial) -> float:
    return uar(trial.y, trial.source.predicted)


def _importance_weighted(trial: _Trial) -> float:
    return float(np.average(trial.hits, weights=trial.weights))


def _dev(trial: _Trial) -> float:
    """Correct the weighted risk by what the mean of the weights, which should be 1, is off."""
    weights, risks = trial.weights, trial.weights * (1 - trial.hits)
    variance = weights.var()
    slope = np.mean((risks - risks.mean()) * weights) / variance if variance > 1e-12 else 0.0
    # The risk of a row lies between 0 and its weight, so that a slope beyond is an accident.
    risk = risks.mean() - np.clip(slope, 0, 1) * (weights.mean() - 1)
    return float(1 - np.clip(risk, 0, 1))


def _of_target(criterion: Callable[[Answers], float]) -> Callable[[_Trial], float]:
    return lambda trial: criterion(trial.target)


def _adaptation(trial: _Trial) -> float:
    return _dev(trial) * information_maximisation(trial.target.probabilities)


def _mixval(trial: _Trial) -> float:
    """Share of mixed rows predicted as their larger part; the mean over partners of two kinds."""
    rows, predicted = np.asarray(trial.target.inputs, dtype=float), trial.target.predicted
    random = trial.random
    consistency = []
    for is_same in (True, False):
        fits = (predicted[:, np.newaxis] == predicted) == is_same
        np.fill_diagonal(fits, False)
        paired = np.flatnonzero(fits.any(axis=1))
        if not len(paired):
            consistency.append(0.0)
            continue
        partners = [random.choice(np.flatnonzero(fits[i])) for i in paired]
        mixed: Any = _MIX * rows[paired] + (1 - _MIX) * rows[partners]
        if hasattr(trial.target.inputs, "columns"):
            mixed = type(trial.target.inputs)(mixed, columns=trial.target.inputs.columns)
        consistency.append(np.mean(trial.target.last.predict(mixed) == predicted[paired]))
    return float(np.mean(consistency))


def _reverse(trial: _Trial) -> float:
    """Train on the target with its predictions, and recognise the source."""
    predicted = trial.target.predicted
    if len(np.unique(predicted)) < 2:
        return 0.0
    back = clone(trial.estimator)
    steps = [step for _, step in back.steps] if isinstance(back, Pipeline) else []
    is_routed = get_config()["enable_metadata_routing"] and any(map(takes_target, steps))
    target = {"X_tgt": Target(trial.source.X)} if is_routed or takes_target(back) else {}
    try:
        back.fit(trial.target.X, predicted, **target)
    except ValueError as error:
        error.add_note("This was the fit of criterion='reverse' to the predictions on the target.")
        raise
    return uar(trial.y, back.predict(trial.source.X))


def _mmd(trial: _Trial) -> float:
    return -_distance(trial, MMD(), within=False)


def _coral(trial: _Trial) -> float:
    # Scaled by the deviation within the domains: the distance of their means is no spread.
    return -_distance(trial, CORAL(), within=True)


def _distance(trial: _Trial, penalty: torch.nn.Module, *, within: bool) -> float:
    """Return a distance of the embeddings, each column scaled by its deviation."""
    rows = [trial.source.embeddings, trial.target.embeddings]
    mean = np.concatenate(rows).mean(axis=0)
    centred = [part - (part.mean(axis=0) if within else mean) for part in rows]
    scale = StandardScaler().fit(np.concatenate(centred)).scale_
    return penalty(*(torch.from_numpy((part - mean) / scale) for part in rows)).item()


def _proxy_a(trial: _Trial) -> float:
    """Return minus 2 (1 - 2 error) of a classifier of the domains, which count alike."""
    error = 1 - uar(trial.is_target, trial.probability_of_target > 0.5)
    return -2 * (1 - 2 * error)


def _oracle(trial: _Trial) -> float:
    message = (
        "criterion='oracle' reads labels of the target: a bound to compare with, no selection."
    )
    warn_caller(message, OracleWarning)
    return uar(trial.y_tgt, trial.target.predicted)


_MAX_WEIGHT = 10.0  # of importance; a few rows unlike all others would decide alone
_MIX = 0.55  # share of the larger part of a mixed row, that of the paper

#: All criteria by their names: functions of a trial to a score, the higher, the better.
CRITERIA: dict[str, Callable[[_Trial], float]] = {
    "adaptation": _adaptation,
    **{name: _of_target(criterion) for name, criterion in TARGET_CRITERIA.items()},
    "coral": _coral,
    "dev": _dev,
    "importance_weighted": _importance_weighted,
    "mixval": _mixval,
    "mmd": _mmd,
    "oracle": _oracle,
    "proxy_a": _proxy_a,
    "reverse": _reverse,
    "source": _source,
}
