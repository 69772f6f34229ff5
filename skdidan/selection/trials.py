"""Scores of a fitted classifier on held-out source rows and an unlabelled target."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import softmax
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state, column_or_1d

from skdidan.criteria import NOT_NEGATIVE, TARGET_CRITERIA
from skdidan.domains import UNKNOWN_CORPUS, Target, n_rows, open_target, source_path, takes_target
from skdidan.labels import check_missing, plain_labels
from skdidan.metrics import uar
from skdidan.parameters import split_product
from skdidan.penalties.discrepancies import MMD
from skdidan.penalties.distances import CORAL
from skdidan.pipeline.steps import last_step, scores_pairs, send_through, unwrap
from skdidan.reporting import warn_caller

__all__ = ["CRITERIA", "OracleWarning", "Trial", "check_criterion"]


class OracleWarning(UserWarning):
    """A score was computed from target labels, which a real task does not have."""


class DomainPredictions:
    """Predictions of a fitted classifier for rows of one domain, each computed when first read."""

    def __init__(self, estimator: Any, X: Any, *, is_source: bool) -> None:
        self.estimator = estimator
        self.classifier = last_step(estimator)
        self.X = open_target(X)
        self.is_source = is_source

    @property
    def _sample_domain(self) -> NDArray[Any] | None:
        return np.full(n_rows(self.X), UNKNOWN_CORPUS) if self.is_source else None

    @cached_property
    def inputs(self) -> Any:
        """Rows as the classifier receives them."""
        return send_through(self.estimator, self.X, self._sample_domain)[1]

    def _call(self, name: str) -> Any:
        method = getattr(self.classifier, name)
        return method(self.inputs, **source_path(method, self._sample_domain))

    @property
    def n_classes(self) -> int:
        return len(self.classifier.classes_)

    @cached_property
    def predicted(self) -> NDArray[Any]:
        return np.asarray(self._call("predict"))

    @cached_property
    def scores(self) -> NDArray[Any]:
        """Scores before the softmax, one column for each class."""
        if not hasattr(self.classifier, "decision_function"):
            return np.log(np.clip(self.probabilities, 1e-12, None))
        scores = np.asarray(self._call("decision_function"), dtype=float)
        if scores.ndim == 1:
            return np.stack([-scores / 2, scores / 2], axis=1)
        if scores_pairs(self.classifier):
            raise TypeError(
                f"{self.classifier!r} scores pairs of classes; set decision_function_shape='ovr'."
            )
        return scores

    @cached_property
    def probabilities(self) -> NDArray[Any]:
        if hasattr(self.classifier, "predict_proba"):
            return np.asarray(self._call("predict_proba"), dtype=float)
        if not hasattr(self.classifier, "decision_function"):
            raise TypeError(
                "This criterion needs a classifier with predict_proba or decision_function; got "
                f"{self.classifier!r}."
            )
        return softmax(self.scores, axis=1)

    @cached_property
    def embeddings(self) -> NDArray[Any]:
        rows = self._call("embed") if hasattr(self.classifier, "embed") else self.inputs
        if issparse(rows):
            raise TypeError(f"This criterion needs dense embeddings; got a {type(rows).__name__}.")
        name = "X" if self.is_source else "X_tgt"
        try:
            rows = np.asarray(rows, dtype=float)
        except (TypeError, ValueError) as error:
            raise TypeError(f"The embeddings of {name} must hold numbers: {error}") from error
        if not np.isfinite(rows).all():
            raise ValueError(
                f"This criterion needs finite embeddings; got NaN or infinity in those of {name}."
            )
        return rows.reshape(len(rows), -1)


class Trial:
    """Fitted classifier with held-out source rows and the target, to be scored by criteria."""

    def __init__(
        self, estimator: Any, X: Any, y: Any, X_tgt: Any, y_tgt: Any = None, random_state: Any = 0
    ) -> None:
        self.estimator = unwrap(estimator)
        self.labels = y
        self.source = DomainPredictions(estimator, X, is_source=True)
        self.target = DomainPredictions(estimator, X_tgt, is_source=False)
        self.y_tgt = y_tgt
        self.random_state = random_state
        self._scores: dict[str, float] = {}

    def score(self, criterion: str) -> float:
        """Return the score by a criterion or a product of criteria; higher is better."""
        names = criterion.split("*")
        for name in names:
            if name not in self._scores:
                self._scores[name] = float(CRITERIA[name](self))
        return math.prod(self._scores[name] for name in names)

    @property
    def random(self) -> np.random.RandomState:
        """Generator in the same state for each criterion and each candidate."""
        return check_random_state(deepcopy(self.random_state))

    @cached_property
    def y(self) -> NDArray[Any]:
        """Labels of the held-out source rows, checked against its rows and predictions."""
        check_missing(self.labels, "y")
        y, n_source = np.asarray(column_or_1d(plain_labels(self.labels))), n_rows(self.source.X)
        if len(y) != n_source:
            raise ValueError(
                "y must have one label for each held-out source row; got "
                f"{len(y)} labels for {n_source} rows."
            )
        if isinstance(y[0], str) != isinstance(self.source.predicted[0], str):
            raise ValueError(
                "y, the labels of the held-out source rows, must have the type of the predictions; "
                f"got {y[0]!r} and {self.source.predicted[0]!r}."
            )
        return y

    @cached_property
    def is_correct(self) -> NDArray[np.float64]:
        """1 for each held-out source row that is predicted correctly, else 0."""
        return (self.source.predicted == self.y).astype(float)

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """Domain of each row of the stacked embeddings."""
        return np.repeat([False, True], [len(rows) for rows in self.embeddings])

    @cached_property
    def embeddings(self) -> list[NDArray[np.float64]]:
        """Embeddings of the source and of the target, each column divided by a power of two."""
        parts = [self.source.embeddings, self.target.embeddings]
        if len(widths := {rows.shape[1] for rows in parts}) > 1:
            raise ValueError(
                "The embeddings of X and of X_tgt must have the same number of columns; got "
                f"{sorted(widths)}."
            )
        # It changes no digit, and squares of large or small numbers would have no place.
        exponents = np.frexp(np.abs(np.concatenate(parts)).max(axis=0))[1]
        return [np.ldexp(rows, -exponents) for rows in parts]

    @cached_property
    def centred_embeddings(self) -> list[NDArray[np.float64]]:
        """Embeddings of source and target, centred by domain, with unit deviation together."""
        centred = [rows - rows.mean(axis=0) for rows in self.embeddings]
        scale = np.concatenate(centred).std(axis=0)
        return [rows / np.where(scale > 0, scale, 1) for rows in centred]

    @cached_property
    def target_probability(self) -> NDArray[np.float64]:
        """Cross-validated probability of the target by a linear classifier of the embeddings."""
        n_fewest = min(map(len, self.embeddings))
        if n_fewest < 2:
            raise ValueError(
                "This criterion trains a classifier of the domains and needs at least two rows of "
                f"each; got {n_fewest}. Hold out larger folds."
            )
        folds = StratifiedKFold(min(5, n_fewest), shuffle=True, random_state=self.random)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced"))
        rows, is_target = np.concatenate(self.embeddings), self.is_target
        return cross_val_predict(model, rows, is_target, cv=folds, method="predict_proba")[:, 1]

    @cached_property
    def weights(self) -> NDArray[np.float64]:
        """Clipped ratio of target density to source density at each held-out source row."""
        p = self.target_probability[~self.is_target]
        return np.minimum(p / np.maximum(1 - p, 1e-12), _MAX_WEIGHT)


def _dev(trial: Trial) -> float:
    """Correct the weighted risk for the deviation of the mean weight from 1."""
    weights, risks = trial.weights, trial.weights * (1 - trial.is_correct)
    mean, variance = weights.mean(), weights.var()
    slope = risks.mean() / mean  # this slope turns the result into the ratio of the two means
    # A regression cannot be extrapolated to a mean far from 1, or from nearly equal weights.
    if _LEAST_MEAN <= mean <= 1 / _LEAST_MEAN and variance > 1e-6 * mean**2:
        slope = np.mean((risks - risks.mean()) * weights) / variance
    return float(1 - np.clip(risks.mean() - slope * (mean - 1), 0, 1))


def _centroid(trial: Trial) -> float:
    """Share of predictions that agree with the nearest class mean of the source."""
    source, target = trial.centred_embeddings
    classes = np.unique(trial.y)
    means = np.stack([source[trial.y == label].mean(axis=0) for label in classes])
    nearest = classes[pairwise_distances_argmin(target, means)]
    return float(np.mean(nearest == trial.target.predicted))


def _atc(trial: Trial) -> float:
    """Average thresholded confidence: share of target rows above the source threshold."""
    source, target = (domain.probabilities.max(axis=1) for domain in (trial.source, trial.target))
    threshold = np.quantile(source, 1 - trial.is_correct.mean())
    return float(np.mean((target > threshold) + 0.5 * (target == threshold)))


def _mixval(trial: Trial) -> float:
    """Share of mixed rows predicted like their larger part, averaged over two kinds of partners."""
    try:
        rows = np.asarray(trial.target.inputs, dtype=float)
    except (TypeError, ValueError) as error:
        raise TypeError(
            "criterion='mixval' mixes numeric rows of one shape, which the inputs of "
            f"{type(trial.target.classifier).__name__} are not. Use another criterion."
        ) from error
    predicted, random = trial.target.predicted, trial.random
    consistency = 0.0  # a kind of partner that does not occur adds nothing
    for is_same in (True, False):
        is_partner = (predicted[:, np.newaxis] == predicted) == is_same
        np.fill_diagonal(is_partner, False)
        paired = np.flatnonzero(is_partner.any(axis=1))
        if not len(paired):
            continue
        partners = [random.choice(np.flatnonzero(is_partner[i])) for i in paired]
        mixed: Any = _MIX * rows[paired] + (1 - _MIX) * rows[partners]
        if hasattr(trial.target.inputs, "columns"):
            frame = trial.target.inputs
            mixed = type(frame)(dict(zip(frame.columns, mixed.T, strict=True)))
        consistency += np.mean(trial.target.classifier.predict(mixed) == predicted[paired])
    return consistency / 2


def _reverse(trial: Trial) -> float:
    """Train on the target with its predictions as labels, and predict the source."""
    predicted = trial.target.predicted
    if len(np.unique(predicted)) < 2:
        return 0.0
    model = clone(trial.estimator)
    target = {"X_tgt": Target(trial.source.X)} if takes_target(model) else {}
    try:
        model.fit(trial.target.X, predicted, **target)
    except ValueError as error:
        error.add_note("criterion='reverse' was fitting the predictions on the target.")
        raise
    return uar(trial.y, model.predict(trial.source.X))


def _mmd(trial: Trial) -> float:
    scaler = StandardScaler().set_output(transform="default").fit(np.concatenate(trial.embeddings))
    return -_distance([scaler.transform(rows) for rows in trial.embeddings], MMD())


def _distance(embeddings: list[NDArray[Any]], penalty: torch.nn.Module) -> float:
    return penalty(*map(torch.from_numpy, embeddings)).item()


def _proxy_a(trial: Trial) -> float:
    error = 1 - uar(trial.is_target, trial.target_probability > 0.5)
    return -2 * (1 - 2 * error)


def _oracle(trial: Trial) -> float:
    warn_caller("criterion='oracle' reads target labels: only an upper bound.", OracleWarning)
    return uar(trial.y_tgt, trial.target.predicted)


_MAX_WEIGHT = 10.0  # or a few outlying rows would decide the score
_LEAST_MEAN = 0.5  # least mean weight that a control variate may correct; its inverse is the most
_MIX = 0.55  # share of the larger part of a mixed row; the value of the paper


def _of_target(criterion: Callable[[Any], float]) -> Callable[[Trial], float]:
    return lambda trial: criterion(trial.target)


#: Criteria by their names: functions of a trial that return a score; higher is better.
CRITERIA: dict[str, Callable[[Trial], float]] = {
    "adaptation": lambda trial: trial.score("balance*centroid"),
    "atc": _atc,
    **{name: _of_target(criterion) for name, criterion in TARGET_CRITERIA.items()},
    "centroid": _centroid,
    "coral": lambda trial: -_distance(trial.centred_embeddings, CORAL()),
    "dev": _dev,
    "importance_weighted": lambda trial: np.average(trial.is_correct, weights=trial.weights),
    "mixval": _mixval,
    "mmd": _mmd,
    "oracle": _oracle,
    "proxy_a": _proxy_a,
    "reverse": _reverse,
    "source": lambda trial: uar(trial.y, trial.source.predicted),
}

_SOURCE_FACTORS = {"atc", "centroid", "dev", "importance_weighted", "mixval", "reverse", "source"}


def check_criterion(criterion: Any) -> list[str]:
    """Return the factors of a criterion or product, or raise a ValueError."""
    return split_product("criterion", criterion, set(CRITERIA), NOT_NEGATIVE | _SOURCE_FACTORS)
