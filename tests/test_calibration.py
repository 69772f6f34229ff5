"""Calibrated probabilities of the networks."""

import numpy as np
import pytest
from references import shifted_blobs
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skdidan import DANClassifier, DIDANClassifier
from skdidan.neural import adaptation
from skdidan.neural.calibration import fit_temperature

RNG = np.random.default_rng(0)
X_SRC, Y_SRC, X_TGT, _ = shifted_blobs(120, 90)
X_SRC = X_SRC + RNG.normal(scale=2, size=X_SRC.shape)
PARAMS = {"max_epochs": 20, "n_networks": 2, "random_state": 0}
PARAMS |= {"calibration": "temperature", "validation_fraction": 0.3}


def test_the_temperature_is_that_of_scikit_learn():
    y = RNG.integers(3, size=200)
    X = RNG.normal(size=(200, 4))
    X[np.arange(200), y] += 1.5
    model = LogisticRegression(C=1e3).fit(X[:50], y[:50])
    scores = model.decision_function(X[50:])
    reference = CalibratedClassifierCV(FrozenEstimator(model), method="temperature", cv=2)
    expected = reference.fit(X[50:], y[50:]).calibrated_classifiers_
    temperature = fit_temperature(scores, y[50:])
    found = softmax(scores / temperature, axis=1)
    np.testing.assert_allclose(found, expected[0].predict_proba(X[50:]), rtol=1e-3)
    # Any scale of the scores gives the same probabilities.
    assert fit_temperature(1e6 * scores, y[50:]) == pytest.approx(1e6 * temperature, rel=1e-4)


@pytest.mark.parametrize("scores", [np.zeros((4, 2)), np.eye(2)[[0, 1, 0, 1]]])
def test_scores_that_say_nothing_or_all_have_a_finite_temperature(scores):
    assert 0 < fit_temperature(scores, np.array([0, 1, 0, 1])) < np.inf


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_held_out_groups_calibrate_and_decide_nothing_else(loss, monkeypatch):
    """The predicted classes and the training are those of a fit that only holds rows out."""
    groups, held_out = np.arange(120) // 4, adaptation.hold_out
    splits = []

    def note(*args):
        splits.append(held_out(*args))
        return splits[-1]

    monkeypatch.setattr(adaptation, "hold_out", note)
    model = DIDANClassifier(loss=loss, **PARAMS).fit(X_SRC, Y_SRC, X_TGT, groups=groups)
    [(train, out)] = splits
    assert len(out) and not set(groups[train]) & set(groups[out])
    y_idx = np.searchsorted(model.classes_, Y_SRC[out])
    assert model.temperature_ == fit_temperature(model.decision_function(X_SRC[out]), y_idx)
    probabilities, scores = model.predict_proba(X_TGT), model.decision_function(X_TGT)
    np.testing.assert_allclose(probabilities, softmax(scores / model.temperature_, axis=1))
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(1)], model.predict(X_TGT))
    params = PARAMS | {"monitor": "source", "calibration": None, "patience": 20}
    plain = DIDANClassifier(loss=loss, **params).fit(X_SRC, Y_SRC, X_TGT, groups=groups)
    losses = ([epoch["train_loss"] for epoch in fit.history_] for fit in (model, plain))
    assert next(losses) == next(losses) and not hasattr(plain, "temperature_")


def test_calibration_needs_rows_of_its_own():
    for params, match in {
        ("temperature", None): "calibration, and validation_fraction go together",
        ("vector", 0.3): r"calibration must be one of .*temperature.*; got 'vector'",
    }.items():
        calibration, share = params
        model = DANClassifier(calibration=calibration, validation_fraction=share)
        with pytest.raises(ValueError, match=match):
            model.fit(X_SRC, Y_SRC, X_TGT)
