"""Criteria of unlabelled predictions against loops over their formulas and values by hand."""

import math
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score

from skdidan import criteria


def softmax(scores):
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


SCORES = np.random.default_rng(0).normal(size=(12, 3))
PROBABILITIES = softmax(SCORES)
# One class for all rows with confidence; uniform rows; confident rows of three equal classes.
DEGENERATE = np.tile([1.0, 0.0, 0.0], (12, 1))
UNDECIDED = np.full((12, 3), 1 / 3)
PERFECT = np.eye(3)[np.arange(12) % 3]


def entropy(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def test_prediction_entropy():
    expected = np.mean([entropy(p) for p in PROBABILITIES]) / math.log(3)
    assert criteria.prediction_entropy(PROBABILITIES) == pytest.approx(expected)
    assert criteria.prediction_entropy(UNDECIDED) == pytest.approx(1)
    # One class for all rows has the best value.
    assert criteria.prediction_entropy(DEGENERATE) == 0


def test_information_maximisation():
    mean = entropy(PROBABILITIES.mean(axis=0))
    expected = (mean - np.mean([entropy(p) for p in PROBABILITIES])) / math.log(3)
    assert criteria.information_maximisation(PROBABILITIES) == pytest.approx(expected)
    assert criteria.information_maximisation(PERFECT) == pytest.approx(1)
    assert criteria.information_maximisation(DEGENERATE) == 0
    assert criteria.information_maximisation(UNDECIDED) == pytest.approx(0)


def test_nuclear_norm():
    values = np.linalg.eigvalsh(PROBABILITIES.T @ PROBABILITIES)
    expected = np.sqrt(values).sum() / math.sqrt(12 * 3)
    assert criteria.nuclear_norm(PROBABILITIES) == pytest.approx(expected)
    assert criteria.nuclear_norm(PERFECT) == pytest.approx(1)
    assert criteria.nuclear_norm(DEGENERATE) == pytest.approx(1 / math.sqrt(3))
    # Twelve equal rows of length sqrt(1/3) have a single singular value.
    assert criteria.nuclear_norm(UNDECIDED) == pytest.approx(1 / 3)
    # Correct but unsure predictions may have less than one class for all rows.
    assert criteria.nuclear_norm(0.1 * PERFECT + 0.9 / 3) < criteria.nuclear_norm(DEGENERATE)


def test_neighbourhood_density():
    rows = [p / np.linalg.norm(p) for p in PROBABILITIES]
    total = 0.0
    for i, row in enumerate(rows):
        powers = [math.exp(row @ other / 0.2) for j, other in enumerate(rows) if j != i]
        total += entropy([power / sum(powers) for power in powers])
    value = criteria.neighbourhood_density(PROBABILITIES, temperature=0.2)
    assert value == pytest.approx(total / 12 / math.log(11))
    assert criteria.neighbourhood_density(DEGENERATE) == pytest.approx(1)
    # Each row has three equal ones for neighbours.
    assert criteria.neighbourhood_density(PERFECT) == pytest.approx(math.log(3) / math.log(11))


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_mano(scale):
    q = scale * SCORES
    centred = q - q.mean(axis=1, keepdims=True)
    shares = softmax(q) if scale > 1 else (1 + centred + centred**2 / 2)
    shares = shares / shares.sum(axis=1, keepdims=True)
    assert (-np.log(softmax(q)).mean() > 5) == (scale > 1)  # the softmax is in use
    assert criteria.mano(q) == pytest.approx(np.mean(shares**4) ** 0.25)
    assert criteria.mano(q + 7) == pytest.approx(criteria.mano(q))


def test_mano_at_its_bounds():
    assert criteria.mano(1000 * DEGENERATE) == pytest.approx(3**-0.25)
    assert criteria.mano(np.zeros((4, 3))) == pytest.approx(1 / 3)
    assert criteria.mano(np.full((4, 3), 1e200)) == pytest.approx(1 / 3)
    # The square dominates, without overflow: shares q_k^2 / |q|^2 for q = (2, -1, -1).
    shares = np.array([4, 1, 1]) / 6
    extreme = criteria.mano([[2e200, -1e200, -1e200]], threshold=np.inf)
    assert extreme == pytest.approx(np.mean(shares**4) ** 0.25)


def test_mano_changes_its_form_at_the_threshold():
    at = -np.log(softmax(SCORES)).mean()
    values = [criteria.mano(SCORES, threshold=at + by) for by in (-1e-6, 1e-6)]
    assert values[0] == pytest.approx(np.mean(softmax(SCORES) ** 4) ** 0.25) != values[1]


def test_information_of_equal_rows_is_exactly_zero():
    for p in (UNDECIDED, np.tile(PROBABILITIES[:1], (7, 1)), np.full((6, 7), 1 / 7)):
        assert criteria.information_maximisation(p) == 0


def test_probabilities_may_have_rounding_errors():
    half = PROBABILITIES.astype(np.float16)
    assert criteria.prediction_entropy(half) == pytest.approx(
        criteria.prediction_entropy(PROBABILITIES), rel=1e-3
    )
    assert criteria.prediction_entropy([[1 + 1e-9, -1e-9], [0, 1]]) == pytest.approx(0, abs=1e-12)


def test_temperature_is_above_zero():
    with pytest.raises(ValueError, match="temperature must be a finite number above 0; got 0"):
        criteria.neighbourhood_density(PROBABILITIES, temperature=0)


def test_class_balance():
    assert criteria.class_balance(["a", "a", "b", "c"], 3) == pytest.approx(
        entropy([0.5, 0.25, 0.25]) / math.log(3)
    )
    assert criteria.class_balance([1, 2, 3], 3) == pytest.approx(1)
    assert criteria.class_balance([1, 2], 4) == pytest.approx(0.5)  # two of four classes
    assert criteria.class_balance([7, 7, 7], 3) == 0


@pytest.mark.parametrize(("predicted", "n_classes"), [([], 2), ([1, 2, 3], 2), ([1, 1], 1)])
def test_numbers_of_classes_that_do_not_fit_are_refused(predicted, n_classes):
    with pytest.raises(ValueError, match=f"at most n_classes classes.* n_classes={n_classes}"):
        criteria.class_balance(predicted, n_classes)


def test_arguments_without_sense_are_named():
    for odd in ("joy", 3.0, {"joy"}, [["joy", "fear"]]):  # a column is fine
        with pytest.raises(ValueError, match="predicted must hold one label per row"):
            criteria.class_balance(odd, 2)
    for odd in (2.0, "2", None, [2], np.nan, True, 1j):
        with pytest.raises(ValueError, match="n_classes must be a whole number; got"):
            criteria.class_balance(["joy", "fear"], odd)
    for odd in ("5", None, np.nan, [5.0], True, -np.inf, np.array([1, 2])):
        with pytest.raises(ValueError, match="threshold must be a number; got"):
            criteria.mano(SCORES, threshold=odd)


def test_agreement_below_chance_is_zero():
    embeddings = np.array([[0.0], [0.1], [5.0], [5.1]])
    predicted = [0, 1, 0, 1]
    assert adjusted_mutual_info_score(predicted, [0, 0, 1, 1]) < 0
    assert criteria.cluster_agreement(embeddings, predicted) == 0


def test_cluster_agreement():
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3
    rows = 10 * np.eye(3)[truth] + rng.normal(size=(60, 3))
    predicted = np.where(rng.random(60) < 0.7, truth, 0)
    expected = adjusted_mutual_info_score(truth, predicted)  # k-means finds these clusters
    assert criteria.cluster_agreement(rows, predicted) == pytest.approx(expected)
    assert criteria.cluster_agreement(rows, truth) == pytest.approx(1)
    assert criteria.cluster_agreement(rows, np.zeros(60)) == 0


def test_cluster_silhouette():
    rows, predicted = SCORES, np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    values = []
    for i in range(12):
        means = [distances[i, predicted == c].mean() for c in range(3)]
        own = distances[i, predicted == predicted[i]].sum() / 3
        other = min(mean for c, mean in enumerate(means) if c != predicted[i])
        values.append((other - own) / max(other, own))
    assert criteria.cluster_silhouette(rows, predicted) == pytest.approx(np.mean(values))
    far = criteria.cluster_silhouette(rows + 2.0**27, predicted)
    assert far == pytest.approx(np.mean(values), abs=1e-6)
    assert criteria.cluster_silhouette(rows, np.zeros(12)) == -1
    assert criteria.cluster_silhouette(rows, np.arange(12)) == -1


OF_PROBABILITIES = [
    criteria.prediction_entropy,
    criteria.information_maximisation,
    criteria.nuclear_norm,
    criteria.neighbourhood_density,
]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.ones((3, 1)), r"probabilities must be a matrix .* 2 columns; got shape \(3, 1\)"),
        (np.ones(3), r"probabilities must be a matrix .* got shape \(3,\)"),
        (np.ones((0, 2)), r"probabilities must be a matrix .* got shape \(0, 2\)"),
        (SCORES, "probabilities must be at least 0 and sum to 1 in each row; got a minimum of"),
        (
            [[0.5, 0.5], [0.1, np.nan], [0, 1]],
            "probabilities must be finite; got nan in row 1, column 1",
        ),
        (np.ma.array(np.eye(3), mask=np.eye(3)), "must be finite; got nan in row 0, column 0"),
        (pd.DataFrame([[0.5, pd.NA]] * 3), "probabilities must be a matrix of numbers: .*NAType"),
        ([["half", "half"]], "probabilities must be a matrix of numbers: .*'half'"),
        ([[0.5, 0.5], [1.0]], "probabilities must be a matrix of numbers: .*inhomogeneous"),
        (torch.ones(3, 2, requires_grad=True), "probabilities must be a matrix of numbers: .*grad"),
    ],
)
def test_values_that_are_no_probabilities_are_refused(values, match):
    for criterion in OF_PROBABILITIES:
        with pytest.raises(ValueError, match=match):
            criterion(values)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="scores must be finite; got inf in row 0, column 0"):
        criteria.mano([[np.inf, 0.0]])


@pytest.mark.parametrize("criterion", [criteria.cluster_agreement, criteria.cluster_silhouette])
def test_embeddings_that_do_not_fit_are_refused(criterion):
    match = r"one row for each entry of predicted; got shapes \(12, 3\) and \(11,\)"
    with pytest.raises(ValueError, match=match):
        criterion(SCORES, np.zeros(11))
    with pytest.raises(ValueError, match="embeddings must be finite"):
        criterion(np.full((12, 3), np.nan), np.arange(12) % 2)
    with pytest.raises(ValueError, match=r"predicted holds 1 missing label.*, the first in row 2"):
        criterion(SCORES[:4], pd.Series(["joy", "fear", pd.NA, "joy"], dtype="string"))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_predictions_are_no_class(missing):
    with pytest.raises(ValueError, match=r"predicted holds 1 missing label.*, the first in row 1"):
        criteria.class_balance(["joy", missing, "fear"], 3)


def test_density_of_many_rows_needs_little_memory():
    n = 3000
    tracemalloc.start()
    value = criteria.neighbourhood_density(np.eye(3)[np.arange(n) % 3], temperature=0.01)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # Each row has all others of its class for neighbours.
    assert value == pytest.approx(math.log(n / 3 - 1) / math.log(n - 1))
    assert peak < 8 * n**2 / 2
