"""A fitted classifier between held-out source and unlabelled target, and what speaks for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn import get_config
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, column_or_1d

from skdidan.criteria import NOT_NEGATIVE, TARGET_CRITERIA, Answers
from skdidan.domains import Target, n_rows, open_target, source_path, takes_target
from skdidan.metrics import uar
from skdidan.parameters import split_product
from skdidan.penalties.discrepancies import MMD
from skdidan.penalties.distances import CORAL
from skdidan.pipeline.steps import scores_pairs, send_through, unwrap
from skdidan.reporting import warn_caller

__all__ = ["CRITERIA", "OracleWarning", "Trial", "check_criterion"]


class OracleWarning(UserWarning):
    """A score was computed from labels of the target, which no real task has."""


class DomainAnswers:
    """What a fitted classifier says of rows of one domain; computed when first asked for."""

    def __init__(self, estimator: Any, X: Any, *, is_source: bool) -> None:
        self.estimator = estimator
        self.X = open_target(X)
        self.is_source = is_source

    @cached_property
    def _end(self) -> tuple[Any, Any]:
        """The classifier itself, without the steps before it, and what it is given."""
        return send_through(self.estimator, self.X, self._domain)

    @property
    def _domain(self) -> NDArray[Any] | None:
        return np.full(n_rows(self.X), _UNKNOWN_CORPUS) if self.is_source else None

    def _ask(self, method: str) -> Any:
        answer = getattr(self.last, method)
        return answer(self.inputs, **source_path(answer, self._domain))

    @property
    def last(self) -> Any:
        """The classifier itself, without the steps before it."""
        return self._end[0]

    @property
    def inputs(self) -> Any:
        """What the classifier is given."""
        return self._end[1]

    @property
    def n_classes(self) -> int:
        return len(self.last.classes_)

    @cached_property
    def predicted(self) -> NDArray[Any]:
        return np.asarray(self._ask("predict"))

    @cached_property
    def scores(self) -> NDArray[Any]:
        """Scores before the softmax, a column for each class."""
        if not hasattr(self.last, "decision_function"):
            return np.log(np.clip(self.probabilities, 1e-12, None))
        scores = np.asarray(self._ask("decision_function"), dtype=float)
        if scores.ndim == 1:
            return np.stack([-scores / 2, scores / 2], axis=1)
        if scores_pairs(self.last):
            raise TypeError(
                f"The scores of {self.last!r} are of pairs of classes; set "
                "decision_function_shape='ovr'."
            )
        return scores

    @cached_property
    def probabilities(self) -> NDArray[Any]:
        if hasattr(self.last, "predict_proba"):
            return np.asarray(self._ask("predict_proba"), dtype=float)
        if not hasattr(self.last, "decision_function"):
            raise TypeError(
                "This criterion asks for a classifier with predict_proba or decision_function; "
                f"got {self.last!r}."
            )
        return softmax(self.scores, axis=1)

    @cached_property
    def embeddings(self) -> NDArray[Any]:
        rows = self._ask("embed") if hasattr(self.last, "embed") else self.inputs
        if issparse(rows):
            raise TypeError(
                "This criterion compares embeddings of the domains, which must be dense; got a "
                f"{type(rows).__name__}."
            )
        rows = np.asarray(rows, dtype=float)
        if not np.isfinite(rows).all():
            raise ValueError("The embeddings, on which this criterion looks, must be finite.")
        return rows.reshape(len(rows), -1)


class Trial:
    """A fitted classifier between the held-out source and the target.

    Parameters
    ----------
    estimator : object
        A fitted classifier, or a pipeline or search with one inside.
    X : array-like or list, of n_held_out rows
        Held-out rows of the source.
    y : array-like, shape (n_held_out,)
        Their labels.
    X_tgt : array-like, list or Target, of n_target rows
        The target.
    y_tgt : array-like, shape (n_target,), optional
        Its labels, which "oracle" alone reads.
    random_state : int, RandomState or None, default=0
        Seed of the folds of the domains and of the mixed rows.
    """

    def __init__(
        self,
        estimator: Any,
        X: Any,
        y: ArrayLike,
        X_tgt: Any,
        *,
        y_tgt: ArrayLike | None = None,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.estimator = unwrap(estimator)
        self.labels = y
        self.source = DomainAnswers(estimator, X, is_source=True)
        self.target = DomainAnswers(estimator, X_tgt, is_source=False)
        self.y_tgt: Any = y_tgt
        self.random_state = random_state
        self._scores: dict[str, float] = {}

    def score(self, criterion: str) -> float:
        """Return the score by a criterion, or by a product of several; each is computed once.

        Parameters
        ----------
        criterion : str
            As `check_criterion` accepts it.

        Returns
        -------
        score : float
            The higher, the better.
        """
        for name in criterion.split("*"):
            if name not in self._scores:
                self._scores[name] = float(CRITERIA[name](self))
        return math.prod(self._scores[name] for name in criterion.split("*"))

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
    def centred_embeddings(self) -> list[NDArray[np.float64]]:
        """Those of source and target less their means, by the deviation within the domains."""
        rows = [answers.embeddings for answers in (self.source, self.target)]
        centred = [part - part.mean(axis=0) for part in rows]
        scale = np.concatenate(centred).std(axis=0)
        return [part / np.where(scale > 0, scale, 1) for part in centred]

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


def _source(trial: Trial) -> float:
    return uar(trial.y, trial.source.predicted)


def _importance_weighted(trial: Trial) -> float:
    return float(np.average(trial.hits, weights=trial.weights))


def _dev(trial: Trial) -> float:
    """Correct the weighted risk by what the mean of the weights, which should be 1, is off."""
    weights, risks = trial.weights, trial.weights * (1 - trial.hits)
    mean, variance = weights.mean(), weights.var()
    slope = risks.mean() / mean  # of the ratio of the two means
    # Further off, or where all weights are alike, a regression would be followed too far.
    if _NEAREST_MEAN <= mean <= 1 / _NEAREST_MEAN and variance > 1e-6 * mean**2:
        slope = np.mean((risks - risks.mean()) * weights) / variance
    return float(1 - np.clip(risks.mean() - slope * (mean - 1), 0, 1))


def _of_target(criterion: Callable[[Answers], float]) -> Callable[[Trial], float]:
    return lambda trial: criterion(trial.target)


def _adaptation(trial: Trial) -> float:
    return trial.score("balance*centroid")


def _centroid(trial: Trial) -> float:
    """Ask the nearest class mean of the source, with both domains centred, for a second opinion."""
    source, target = trial.centred_embeddings
    classes = np.unique(trial.y)
    means = np.stack([source[trial.y == label].mean(axis=0) for label in classes])
    nearest = classes[pairwise_distances_argmin(target, means)]
    return float(np.mean(nearest == trial.target.predicted))


def _atc(trial: Trial) -> float:
    """Take as sure enough what is surer than those rows of the source that are missed."""
    sureness = [answers.probabilities.max(axis=1) for answers in (trial.source, trial.target)]
    threshold = np.quantile(sureness[0], 1 - trial.hits.mean())
    above, equal = sureness[1] > threshold, sureness[1] == threshold
    return float(np.mean(above + 0.5 * equal))


def _mixval(trial: Trial) -> float:
    """Share of mixed rows predicted as their larger part; the mean over partners of two kinds."""
    try:
        rows = np.asarray(trial.target.inputs, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "criterion='mixval' mixes rows of features; those that "
            f"{type(trial.target.last).__name__} takes are none. Choose by another criterion."
        ) from error
    predicted = trial.target.predicted
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


def _reverse(trial: Trial) -> float:
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


def _mmd(trial: Trial) -> float:
    rows = [trial.source.embeddings, trial.target.embeddings]
    scaler = StandardScaler().set_output(transform="default").fit(np.concatenate(rows))
    return -_distance([scaler.transform(part) for part in rows], MMD())


def _coral(trial: Trial) -> float:
    return -_distance(trial.centred_embeddings, CORAL())


def _distance(rows: list[NDArray[Any]], penalty: torch.nn.Module) -> float:
    return penalty(*map(torch.from_numpy, rows)).item()


def _proxy_a(trial: Trial) -> float:
    """Return minus 2 (1 - 2 error) of a classifier of the domains, which count alike."""
    error = 1 - uar(trial.is_target, trial.probability_of_target > 0.5)
    return -2 * (1 - 2 * error)


def _oracle(trial: Trial) -> float:
    message = (
        "criterion='oracle' reads labels of the target: a bound to compare with, no selection."
    )
    warn_caller(message, OracleWarning)
    return uar(trial.y_tgt, trial.target.predicted)


_MAX_WEIGHT = 10.0  # of importance; a few rows unlike all others would decide alone
_NEAREST_MEAN = 0.5  # of the weights, from which a control variate corrects them
# No corpus of a fit has this number: rows of one source of several are refused, not guessed at.
_UNKNOWN_CORPUS = np.iinfo(np.int64).max
_MIX = 0.55  # share of the larger part of a mixed row, that of the paper

#: All criteria by their names: functions of a trial to a score, the higher, the better.
CRITERIA: dict[str, Callable[[Trial], float]] = {
    "adaptation": _adaptation,
    "atc": _atc,
    **{name: _of_target(criterion) for name, criterion in TARGET_CRITERIA.items()},
    "centroid": _centroid,
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

_FACTORS = NOT_NEGATIVE | {
    "atc",
    "centroid",
    "dev",
    "importance_weighted",
    "mixval",
    "reverse",
    "source",
}


def check_criterion(criterion: Any) -> list[str]:
    """Return the factors of a criterion, or raise a ValueError.

    Parameters
    ----------
    criterion : str
        A key of `CRITERIA`, or several that are not negative, joined by ``*``.

    Returns
    -------
    factors : list of str
        Their names.

    Raises
    ------
    ValueError
        If the criterion is anything else.
    """
    return split_product("criterion", criterion, set(CRITERIA), _FACTORS)
