"""Weights of source rows: in the networks, and for single steps of a pipeline."""

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from skdidan import (
    AdaptationPipeline,
    CorpusScaler,
    CorrelationAlignment,
    DANNClassifier,
    DIDANClassifier,
    SourceOnlyClassifier,
    Target,
    WeightedClassifier,
    make_adaptation_pipeline,
)
from skdidan.neural.losses import LOSSES, classification_loss

# One batch an epoch, and nothing random but the initial weights.
PLAIN = {
    "network_params": {"dropout": 0.0, "input_dropout": 0.0},
    "batch_size": 1000,
    "max_epochs": 8,
    "random_state": 0,
}
COUNTS = np.array([1, 3, 0, 2, 1, 1])  # by the number of the row


@pytest.mark.parametrize("loss", LOSSES)
def test_integer_weights_are_repeated_rows_in_the_loss(loss):
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(12, 3)), dtype=torch.float64)
    y_idx, weights = torch.arange(12) % 3, torch.tensor(np.resize(COUNTS, 12))
    criterion = LOSSES[loss](weight=torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64))
    rows = torch.repeat_interleave(torch.arange(12), weights)
    found = classification_loss(criterion, logits, y_idx, weights)
    torch.testing.assert_close(found, criterion(logits[rows], y_idx[rows]))
    assert criterion(logits, y_idx) != found
    ones = torch.ones(12, dtype=torch.float64)
    torch.testing.assert_close(
        classification_loss(criterion, logits, y_idx, ones), criterion(logits, y_idx)
    )


@pytest.mark.parametrize("loss", LOSSES)
def test_a_batch_without_weight_has_no_loss_and_no_gradient(loss):
    logits = torch.ones(4, 2, requires_grad=True)
    criterion = LOSSES[loss](weight=torch.ones(2))
    value = classification_loss(criterion, logits, torch.tensor([0, 1, 0, 1]), torch.zeros(4))
    value.backward()
    assert value == 0 and not logits.grad.any()


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("class_weight", ["balanced", None, {"anger": 2, "neutral": 1}])
def test_a_training_with_integer_weights_is_that_of_repeated_rows(loss, class_weight, domains):
    """Rows of weight 0 are left out, and the weights of balanced classes count the repetitions."""
    X, y = (part[domains[1] != "sadness"] for part in domains[:2])
    weights = np.resize(COUNTS, len(X))
    rows = np.repeat(np.arange(len(X)), weights)
    make = SourceOnlyClassifier(loss=loss, class_weight=class_weight, **PLAIN)
    expected = make.fit(X[rows], y[rows])
    losses = [epoch["classification_loss"] for epoch in expected.history_]
    scores = expected.decision_function(X)
    found = make.fit(X, y, sample_weight=weights)
    np.testing.assert_allclose([e["classification_loss"] for e in found.history_], losses, 1e-4)
    np.testing.assert_allclose(found.decision_function(X), scores, atol=1e-3)
    plain = make.fit(X, y).decision_function(X)
    assert not np.allclose(plain, scores, atol=1e-2)
    scaled = make.fit(X, y, sample_weight=weights * 1e300).decision_function(X)
    np.testing.assert_allclose(scaled, scores, atol=1e-3)


def test_rows_without_weight_stay_in_the_penalties(domains):
    X, y, X_tgt, _ = domains
    weights = np.ones(len(X))
    weights[:20] = 0
    params = {**PLAIN, "n_networks": 1, "max_epochs": 1}
    weighted = DIDANClassifier(**params).fit(X, y, X_tgt, sample_weight=weights).history_[0]
    plain = DIDANClassifier(**params).fit(X, y, X_tgt).history_[0]
    assert weighted["mean_distance"] == plain["mean_distance"]
    assert weighted["classification_loss"] != plain["classification_loss"]


@pytest.mark.parametrize("wrap", [list, pd.Series, np.float32, lambda w: w.astype(object)])
def test_both_call_shapes_and_all_containers_agree(wrap, domains):
    X, y, X_tgt, _ = domains
    weights = np.resize(COUNTS, len(X))
    classifier = DANNClassifier(max_epochs=2, random_state=0)
    expected = classifier.fit(X, y, X_tgt, sample_weight=weights).decision_function(X_tgt)
    order = np.random.default_rng(0).permutation(len(X) + len(X_tgt))
    stacked = np.concatenate([X, X_tgt])[order], np.concatenate([y, np.repeat("?", len(X_tgt))])
    given = np.concatenate([weights, np.full(len(X_tgt), np.nan)])[order]
    domain = np.repeat([1, -1], [len(X), len(X_tgt)])[order]
    # The source rows keep their order only if the stacked rows are in it.
    inverse = np.argsort(order)
    rows = stacked[0][inverse], stacked[1], given[inverse], domain[inverse]
    found = classifier.fit(
        rows[0], rows[1], sample_domain=rows[3], sample_weight=wrap(rows[2])
    ).decision_function(X_tgt)
    np.testing.assert_array_equal(found, expected)
    shuffled = classifier.fit(
        stacked[0], stacked[1][order], sample_domain=domain, sample_weight=wrap(given)
    )
    source = order[order < len(X)]
    again = DANNClassifier(max_epochs=2, random_state=0).fit(
        X[source], y[source], X_tgt[order[order >= len(X)] - len(X)], sample_weight=weights[source]
    )
    np.testing.assert_array_equal(shuffled.decision_function(X_tgt), again.decision_function(X_tgt))


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.ones(59), "sample_weight must have one entry per row: 59 != 60"),
        (np.ones((60, 2)), r"sample_weight must be one-dimensional; got shape \(60, 2\)"),
        (["a"] * 60, "sample_weight must hold numbers; got"),
        (np.ones(60) + 1j, "sample_weight must hold numbers; got"),
        (np.ones(60).astype("M8[s]"), "sample_weight must hold numbers; got"),
        ([1e300, *np.ones(59)], "class_weight and sample_weight must give each class a finite"),
        (-np.arange(60.0), "finite numbers of at least 0; got -1.0 in row 1"),
        ([*np.ones(59), np.nan], "finite numbers of at least 0; got nan in row 59"),
        (np.zeros(60), "sample_weight is zero in all rows of the source: give one a weight"),
        (np.arange(60) % 3 > 0, r"is 0 in all rows to train on of the class\(es\) \['anger'\]"),
    ],
)
def test_weights_that_are_refused(weights, match, domains):
    with pytest.raises(ValueError, match=match):
        DIDANClassifier(max_epochs=1, n_networks=1).fit(*domains[:3], sample_weight=weights)


def test_other_weights_are_other_data_for_a_checkpoint(domains, tmp_path):
    weights = np.resize(COUNTS, 60)
    classifier = DANNClassifier(max_epochs=2, random_state=0, checkpoint=tmp_path / "training")
    expected = classifier.fit(*domains[:3], sample_weight=weights).decision_function(domains[2])
    for other in (None, np.arange(1, 61)):
        with pytest.raises(ValueError, match="holds a training with another source"):
            classifier.fit(*domains[:3], sample_weight=other)
    found = classifier.fit(*domains[:3], sample_weight=weights).decision_function(domains[2])
    np.testing.assert_array_equal(found, expected)


def test_a_warm_start_takes_new_weights(domains):
    classifier = DANNClassifier(max_epochs=2, random_state=0, warm_start=True)
    classifier.fit(*domains[:3], sample_weight=np.ones(60))
    first = classifier.decision_function(domains[2])
    classifier.fit(*domains[:3], sample_weight=np.resize(COUNTS, 60))
    assert not np.allclose(classifier.decision_function(domains[2]), first)


def test_held_out_rows_are_taken_with_their_weights(domains):
    """Rows of weight 0 change nothing, wherever they are, if nothing else in them counts."""
    X, y, _, _ = domains
    params = {**PLAIN, "validation_fraction": 0.3, "monitor": "source"}
    weights = np.where(np.arange(60) % 4 == 0, 0.0, 1.0)
    found = SourceOnlyClassifier(**params).fit(X, y, sample_weight=weights)
    other = np.where(weights[:, np.newaxis] > 0, X, X[::-1])
    again = SourceOnlyClassifier(**params).fit(other, y, sample_weight=weights)
    losses = [[e["classification_loss"] for e in each.history_] for each in (found, again)]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_requests_of_metadata_pass_weights_on(domains):
    X, y, X_tgt, _ = domains
    weights = np.resize(COUNTS, 60)
    classifier = DANNClassifier(max_epochs=2, random_state=0)
    expected = classifier.fit(X, y, X_tgt, sample_weight=weights).decision_function(X_tgt)
    with sklearn.config_context(enable_metadata_routing=True):
        classifier.set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = GridSearchCV(classifier, {"lr": [1e-3]}, cv=2)
        search.fit(X, y, X_tgt=Target(X_tgt), sample_weight=weights)
    np.testing.assert_array_equal(search.decision_function(X_tgt), expected)


def test_networks_take_the_weights_of_kernel_mean_matching(domains):
    X, y, X_tgt, _ = domains
    network = SourceOnlyClassifier(max_epochs=2, random_state=0)
    weighted = WeightedClassifier(network).fit(X, y, X_tgt)
    expected = network.fit(X, y, sample_weight=weighted.weights_).decision_function(X_tgt)
    np.testing.assert_array_equal(weighted.decision_function(X_tgt), expected)


# Weights of the steps of a pipeline


def test_a_pipeline_hands_weights_to_a_step(domains):
    X, y, X_tgt, _ = domains
    weights = np.resize(COUNTS, 60)
    pipeline = make_adaptation_pipeline(
        StandardScaler(), CorrelationAlignment(), LogisticRegression()
    )
    pipeline.fit(
        X,
        y,
        X_tgt,
        standardscaler__sample_weight=1 + weights,
        logisticregression__sample_weight=weights,
    )
    scaler = StandardScaler().fit(X, sample_weight=1 + weights)
    alignment = CorrelationAlignment()
    Z = alignment.fit_transform(scaler.transform(X), y, scaler.transform(X_tgt))
    last = LogisticRegression().fit(Z, y, sample_weight=weights)
    np.testing.assert_allclose(pipeline[-1].coef_, last.coef_)
    stacked = np.concatenate([X_tgt, X])
    n = len(X_tgt)
    both = {
        "sample_domain": np.repeat([-1, 0], [n, 60]),
        "standardscaler__sample_weight": np.concatenate([np.full(n, np.nan), 1 + weights]),
        "logisticregression__sample_weight": np.concatenate([np.full(n, np.nan), weights]),
    }
    labels = np.concatenate([np.repeat("?", n), y])
    again = make_adaptation_pipeline(*(step for _, step in pipeline.steps))
    np.testing.assert_allclose(again.fit(stacked, labels, **both)[-1].coef_, last.coef_)
    front = make_adaptation_pipeline(StandardScaler(), CorrelationAlignment())
    found = front.fit_transform(X, y, X_tgt, standardscaler__sample_weight=1 + weights)
    np.testing.assert_allclose(found, Z)


@pytest.mark.parametrize("order", ["apart", "stacked", "several corpora"])
def test_weights_reach_a_network_in_every_shape(order, domains):
    """A network inside of another pipeline, behind a scaler that gets stacked rows."""
    X, y, X_tgt, _ = domains
    weights = np.resize(COUNTS, 60)
    network = DANNClassifier(max_epochs=2, random_state=0)
    pipeline = make_adaptation_pipeline(
        CorpusScaler(), make_adaptation_pipeline("passthrough", network)
    )
    name = "adaptationpipeline__dannclassifier__sample_weight"
    scaler = CorpusScaler()
    if order == "apart":
        pipeline.fit(X, y, X_tgt, **{name: weights})
        Z, Z_tgt = scaler.fit_transform(X, X_tgt=X_tgt), scaler.transform(X_tgt)
    else:
        domain = np.repeat([0, -1], [60, len(X_tgt)])
        if order == "several corpora":
            domain[:60:2] = 3
        stacked, labels = np.concatenate([X, X_tgt]), np.concatenate([y, np.repeat("?", 90)])
        given = np.concatenate([weights, np.full(90, np.nan)])
        pipeline.fit(stacked, labels, sample_domain=domain, **{name: given})
        Z, Z_tgt = np.split(scaler.fit_transform(stacked, sample_domain=domain), [60])
    expected = network.fit(Z, y, Z_tgt, sample_weight=weights).decision_function(X_tgt)
    np.testing.assert_allclose(pipeline[-1].decision_function(X_tgt), expected, atol=1e-5)


def test_a_search_slices_the_weights_of_a_step(domains):
    X, y, X_tgt, _ = domains
    weights = np.resize(COUNTS, 60)
    pipeline = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"logisticregression__C": [1.0]}, cv=KFold(2))
    search.fit(X, y, X_tgt=Target(X_tgt), logisticregression__sample_weight=weights)
    scaler = CorpusScaler()
    Z = scaler.fit_transform(X, X_tgt=X_tgt)
    expected = LogisticRegression().fit(Z, y, sample_weight=weights).coef_
    np.testing.assert_allclose(search.best_estimator_[-1].coef_, expected)


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("sample_weight", r"fit got 'sample_weight', .* such as knn__sample_weight"),
        ("svc__sample_weight", r"nor step__argument with a step of \['scaler', 'left', 'knn'\]"),
        ("knn__sample_weight", r"but KNeighborsClassifier\(\), step 'knn', takes no sample_weight"),
        ("scaler__sample_domain", "step 'scaler', takes no sample_domain in fit"),
        ("left__sample_weight", "'passthrough', step 'left', takes no sample_weight in fit"),
    ],
)
def test_arguments_that_no_step_takes(name, match, domains):

    steps = [("scaler", CorpusScaler()), ("left", "passthrough"), ("knn", KNeighborsClassifier())]
    with pytest.raises(TypeError, match=match):
        AdaptationPipeline(steps).fit(*domains[:3], **{name: np.ones(60)})


def test_wrong_weights_of_a_step_are_named(domains):
    pipeline = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
    with pytest.raises(ValueError, match="logisticregression__sample_weight must have one entry"):
        pipeline.fit(*domains[:3], logisticregression__sample_weight=[1, 2])
