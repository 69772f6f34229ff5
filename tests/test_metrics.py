"""UAR and WAR against values by hand and scikit-learn's measures."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from skdidan import uar, war

TRUTH = ["anger", "anger", "anger", "anger", "fear", "fear", "joy"]
PREDICTION = ["anger", "anger", "anger", "fear", "fear", "joy", "anger"]


def test_values_computed_by_hand():
    assert uar(TRUTH, PREDICTION) == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert war(TRUTH, PREDICTION) == pytest.approx(4 / 7)
    assert type(uar(TRUTH, PREDICTION)) is type(war(TRUTH, PREDICTION)) is float


def test_agreement_with_the_confusion_matrix():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(5, size=(2, 200))
    counts = confusion_matrix(truth, prediction)
    assert uar(truth, prediction) == pytest.approx(np.mean(counts.diagonal() / counts.sum(axis=1)))
    assert uar(truth, prediction) == pytest.approx(balanced_accuracy_score(truth, prediction))
    assert war(truth, prediction) == pytest.approx(counts.trace() / 200)


def test_uar_ignores_how_often_a_class_occurs():
    truth, prediction = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    repeated = np.repeat(np.arange(5), [7, 7, 1, 1, 1])
    assert uar(truth[repeated], prediction[repeated]) == pytest.approx(uar(truth, prediction))


@pytest.mark.parametrize(
    "container", [np.array, pd.Series, pd.Categorical, partial(pd.Series, dtype="string")]
)
def test_labels_in_any_container(container):
    assert uar(container(TRUTH), container(PREDICTION)) == uar(TRUTH, PREDICTION)
    assert war(container(TRUTH), container(PREDICTION)) == war(TRUTH, PREDICTION)


def test_two_classes_are_not_positive_and_negative():
    assert uar([0, 0, 0, 1], [0, 0, 1, 1]) == pytest.approx((2 / 3 + 1) / 2)
    assert uar([1, 1, 1, 0], [1, 1, 0, 0]) == pytest.approx((2 / 3 + 1) / 2)


def test_a_class_that_is_only_predicted_is_left_out():
    assert uar(["anger", "fear"], ["anger", "joy"]) == 0.5


def test_labels_choose_the_classes():
    assert uar(TRUTH, PREDICTION, labels=["anger", "fear"]) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert uar(TRUTH, PREDICTION, labels=["fear", "anger", "fear"]) == pytest.approx(0.625)


def test_a_class_without_a_true_sample_is_left_out():
    with pytest.warns(
        UndefinedMetricWarning, match=r"without a true sample .*\['calm', 'sadness'\]"
    ):
        score = uar(TRUTH, TRUTH, labels=["anger", "sadness", "fear", "joy", "calm"])
    assert score == 1.0


def test_labels_without_any_true_sample_are_refused():
    with pytest.raises(ValueError, match=r"labels=\['calm'\], but y_true holds \['anger', "):
        uar(TRUTH, PREDICTION, labels=["calm"])


@pytest.mark.parametrize("metric", [uar, war])
def test_labels_that_do_not_fit_are_refused(metric):
    with pytest.raises(ValueError, match=r"y_true and y_pred differ in length: 3 != 4\."):
        metric([0, 1, 1], [0, 1, 1, 0])
    with pytest.raises(ValueError, match="at least one sample; got none"):
        metric([], [])
    for odd in ([[0, 1], [1, 0]], 3.0, "joy", {"joy"}, {}, object(), [1j]):
        with pytest.raises(ValueError, match="y_true must hold one label per row: "):
            metric(odd, [0, 1])
        with pytest.raises(ValueError, match="y_pred must hold one label per row: "):
            metric([0, 1], odd)


def test_numbers_among_objects_are_numbers():
    truth = pd.Series([0, 1, 0], dtype=object)
    assert uar(truth, [0, 1, 1]) == uar([0, 1, 0], [0, 1, 1]) == 0.75


def test_classes_that_do_not_fit_are_refused():
    for odd in (3, {"fear"}, [["fear", "joy"]]):
        with pytest.raises(ValueError, match="labels must hold one label per row: "):
            uar(TRUTH, PREDICTION, labels=odd)
    with pytest.raises(ValueError, match=r"labels must occur in the true labels; got .*\[1, 2\]"):
        uar(TRUTH, PREDICTION, labels=[2, 1])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("metric", [uar, war])
def test_missing_labels_are_no_class(metric, missing):
    with pytest.raises(ValueError, match=r"y_true holds 1 missing label.*, the first in row 1"):
        metric(["fear", missing], ["fear", "joy"])
    with pytest.raises(ValueError, match=r"y_pred holds 2 missing label.*, the first in row 0"):
        metric([1, 2, 3], [missing, 2, missing])
