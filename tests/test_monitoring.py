"""Held-out source rows, scores of epochs, restored weights and early stopping."""

import pickle
from functools import partial

import numpy as np
import pytest
import sklearn
import torch
from references import shifted_blobs
from sklearn.model_selection import GridSearchCV, GroupKFold
from skorch.callbacks import Callback, EarlyStopping

from skdidan import (
    JDAR,
    CorpusScaler,
    DANClassifier,
    DIDANClassifier,
    SourceOnlyClassifier,
    Target,
    TargetScorer,
    criteria,
    make_adaptation_pipeline,
    uar,
)
from skdidan.criteria import TARGET_CRITERIA
from skdidan.neural import PairedBatches, adaptation

QUICK = {"n_networks": 1, "max_epochs": 6, "batch_size": 16, "random_state": 0}


class Recorder(Callback):
    """Records the outputs for some rows after each epoch."""

    def __init__(self, X):
        self.X = X

    def on_epoch_end(self, net, **kwargs):
        logits = net.outputs(torch.tensor(self.X, dtype=torch.float32)).logits
        self.outputs_.append(logits.double().numpy())

    def on_train_begin(self, net, **kwargs):
        self.outputs_ = []


@pytest.mark.parametrize("monitor", [*TARGET_CRITERIA, "source*information"])
def test_target_labels_choose_no_epoch(monitor, domains):
    """Whatever stands for the labels of the target, the weights of the same epoch are kept."""
    X_src, y_src, X_tgt, y_tgt = domains
    X, marks = np.concatenate([X_src, X_tgt]), np.repeat([0, -1], [len(X_src), len(X_tgt)])
    share = 0.25 if "source" in monitor else None
    params = {"monitor": monitor, "validation_fraction": share, "patience": 2, **QUICK}
    fits = [
        DIDANClassifier(**params).fit(X, np.concatenate([y_src, labels]), sample_domain=marks)
        for labels in (y_tgt, y_tgt[::-1], np.full(len(X_tgt), "unknown"))
    ]
    for fit in fits[1:]:
        assert (fit.best_epoch_, len(fit.history_)) == (fits[0].best_epoch_, len(fits[0].history_))
        assert np.array_equal(fit.decision_function(X_tgt), fits[0].decision_function(X_tgt))


@pytest.mark.parametrize(
    "make", [DIDANClassifier, partial(SourceOnlyClassifier, use_target=True)], ids=["DIDAN", "SO"]
)
def test_the_best_epoch_is_restored(make, domains):
    """The classifier predicts by the weights of the epoch with the highest monitor."""
    X_src, y_src, X_tgt, _ = domains
    recorder = Recorder(X_tgt)
    params = {"validation_fraction": 0.25, "monitor": "source*information", **QUICK}
    classifier = make(**params, callbacks=[recorder]).fit(X_src, y_src, X_tgt)
    history = classifier.history_
    for epoch in history:
        product = epoch["monitor_source"] * epoch["monitor_information"]
        assert epoch["monitor"] == pytest.approx(product)
    values = [epoch["monitor"] for epoch in history]
    assert classifier.best_epoch_ == 1 + int(np.argmax(values))
    kept = recorder.outputs_[classifier.best_epoch_ - 1]
    np.testing.assert_allclose(classifier.decision_function(X_tgt), kept, atol=1e-6)
    information = criteria.information_maximisation(classifier.predict_proba(X_tgt))
    best = history[classifier.best_epoch_ - 1]
    assert best["monitor_information"] == pytest.approx(information)


def test_each_of_several_networks_keeps_its_best_epoch(domains):
    X_src, y_src, X_tgt, _ = domains
    params = {"validation_fraction": 0.25, "monitor": "source*information", **QUICK}
    model = DANClassifier(**{**params, "n_networks": 3}).fit(X_src, y_src, X_tgt)
    best = [dict(net.callbacks_)["best_epoch"].best_epoch_ for net in model.nets_]
    assert best == [1 + int(np.argmax(net.history[:, "monitor"])) for net in model.nets_]
    assert model.best_epoch_ == best[0]
    assert len({tuple(net.history[:, "monitor"]) for net in model.nets_}) == 3


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_epoch_is_scored_like_the_fitted_classifier(loss, n_classes, domains):
    """The network's own predictions and those through scikit-learn's API agree."""
    X_src, y_src, X_tgt, _ = domains
    rows = np.isin(y_src, np.unique(y_src)[:n_classes])
    params = {**QUICK, "max_epochs": 1, "loss": loss}
    for monitor in ("*".join(sorted(criteria.NOT_NEGATIVE)), "entropy", "silhouette"):
        classifier = DANClassifier(monitor=monitor, **params).fit(X_src[rows], y_src[rows], X_tgt)
        names = monitor.split("*")
        scores = TargetScorer(names, X_tgt)(classifier, X_src[rows], y_src[rows])
        recorded = {name: classifier.history_[0][f"monitor_{name}"] for name in names}
        assert recorded == pytest.approx(scores)


def test_a_monitor_does_not_change_the_training(domains):
    X_src, y_src, X_tgt, _ = domains
    plain, watched = (
        DANClassifier(monitor=monitor, **QUICK).fit(X_src, y_src, X_tgt)
        for monitor in (None, "information")
    )
    assert [e["train_loss"] for e in plain.history_] == [e["train_loss"] for e in watched.history_]


@pytest.fixture
def is_trained_on(monkeypatch):
    """Return a function that tells which rows the last fit was trained on."""
    trained = []

    class Batches(PairedBatches):
        def __init__(self, source, *args, **params):
            trained[:] = map(tuple, source.numpy())
            super().__init__(source, *args, **params)

    monkeypatch.setattr(adaptation, "PairedBatches", Batches)
    return lambda X: np.array([tuple(row) in trained for row in X.astype(np.float32)])


def test_the_source_score_is_that_of_held_out_rows(is_trained_on, domains):
    X_src, y_src, X_tgt, _ = domains
    params = {"validation_fraction": 0.2, "monitor": "source", **QUICK}
    classifier = DANClassifier(**params).fit(X_src, y_src, X_tgt)
    is_held_out = ~is_trained_on(X_src)
    assert is_held_out.sum() == 12
    assert (np.unique(y_src[is_held_out], return_counts=True)[1] == 4).all()  # of each class
    score = uar(y_src[is_held_out], classifier.predict(X_src[is_held_out]))
    assert classifier.history_[classifier.best_epoch_ - 1]["monitor_source"] == score


@pytest.mark.parametrize("is_stacked", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_whole_groups_are_held_out(is_stacked, in_pipeline, is_trained_on, domains):
    """Two of five speakers, in both call shapes, with and without a pipeline."""
    X_src, y_src, X_tgt, _ = domains
    speakers = np.repeat(list("abcde"), 12)
    classifier = DANClassifier(validation_fraction=0.3, monitor="source", **QUICK)
    if in_pipeline:
        classifier = make_adaptation_pipeline("passthrough", classifier)
    if is_stacked:
        order = np.random.default_rng(0).permutation(150)
        X = np.concatenate([X_src, X_tgt])[order]
        y = np.concatenate([y_src, np.repeat("?", 90)])[order]
        groups = np.concatenate([speakers, np.repeat("target", 90)])[order]
        domain = np.repeat([1, -1], [60, 90])[order]
        classifier.fit(X, y, sample_domain=domain, groups=groups)
    else:
        classifier.fit(X_src, y_src, X_tgt, groups=speakers)
    shares = [is_trained_on(X_src[speakers == name]).mean() for name in "abcde"]
    assert sorted(shares) == [0, 0, 1, 1, 1]


def test_training_ends_after_patience_epochs_without_progress(domains):
    X_src, y_src, X_tgt, _ = domains
    params = {"validation_fraction": 0.3, "monitor": "source", **QUICK, "max_epochs": 100}
    stopped = DANClassifier(patience=3, **params).fit(X_src, y_src, X_tgt)
    assert len(stopped.history_) == stopped.best_epoch_ + 3 < 100
    values = [epoch["monitor"] for epoch in stopped.history_]
    assert max(values[stopped.best_epoch_ :]) <= values[stopped.best_epoch_ - 1]


def test_callbacks_of_skorch_can_end_the_training(domains):
    X_src, y_src, X_tgt, _ = domains
    stop = EarlyStopping("train_loss", patience=1, threshold=0.9)  # unless the loss falls tenfold
    classifier = DANClassifier(**QUICK, callbacks=[stop]).fit(X_src, y_src, X_tgt)
    assert len(classifier.history_) == 2
    assert len(classifier.predict(X_tgt)) == len(X_tgt)


def test_a_saved_classifier_does_not_contain_the_data(domains):
    """No row of either domain, held out or not, is found in the pickle."""
    X_src, y_src, X_tgt, _ = domains
    params = {**QUICK, "max_epochs": 2}
    watched = {"validation_fraction": 0.2, "monitor": "source*information"}
    classifier = DANClassifier(**watched, **params).fit(X_src, y_src, X_tgt)
    saved = pickle.dumps(classifier)
    rows = (row.astype(dtype) for row in (*X_src, *X_tgt) for dtype in (np.float32, np.float64))
    assert not any(row.tobytes() in saved for row in rows)
    assert np.array_equal(pickle.loads(saved).predict(X_tgt), classifier.predict(X_tgt))


def test_without_a_monitor_nothing_is_held_out_and_the_last_epoch_is_kept(domains):
    X_src, y_src, X_tgt, _ = domains
    plain = DANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    grouped = DANClassifier(**QUICK).fit(X_src, y_src, X_tgt, groups=np.arange(60))
    assert np.array_equal(plain.decision_function(X_tgt), grouped.decision_function(X_tgt))
    assert not hasattr(plain, "best_epoch_") and "monitor" not in plain.history_[0]
    watched = DANClassifier(monitor="information", **QUICK).fit(X_src, y_src, X_tgt)
    assert hasattr(watched, "best_epoch_")
    assert not hasattr(watched.set_params(monitor=None).fit(X_src, y_src, X_tgt), "best_epoch_")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"monitor": "accuracy"}, r"monitor must be one of \['balance', .*; got 'accuracy'"),
        ({"monitor": "silhouette*source"}, "takes factors that are not negative, .* got 'silh"),
        ({"monitor": "source"}, "validation_fraction go together; .* validation_fraction=None"),
        ({"validation_fraction": 0.2}, "go together; got monitor=None"),
        (
            {"monitor": "source", "validation_fraction": 1.0},
            r"validation_fraction must be a number between 0 and 1; got 1\.0",
        ),
        ({"patience": 3}, "patience=3 needs a monitor"),
        ({"patience": 0, "monitor": "information"}, "patience must be a whole number"),
    ],
)
def test_parameters_that_do_not_go_together(params, message, domains):
    X_src, y_src, X_tgt, _ = domains
    with pytest.raises(ValueError, match=message):
        DANClassifier(**params, **QUICK).fit(X_src, y_src, X_tgt)


def test_a_monitor_of_the_target_needs_a_target(domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = SourceOnlyClassifier(monitor="information", **QUICK)
    with pytest.raises(ValueError, match="monitor='information' needs a target in training"):
        classifier.fit(X_src, y_src, X_tgt)


@pytest.mark.parametrize(
    ("fraction", "groups", "match"),
    [
        (0.2, ["ann"] * 60, r"validation_fraction=0\.2 cannot be held out of 60 rows by 1 groups"),
        (0.01, None, r"validation_fraction=0\.01 cannot be held out of 60 rows by rows: "),
    ],
)
def test_fractions_that_cannot_be_held_out_are_refused(fraction, groups, match, domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DANClassifier(validation_fraction=fraction, monitor="source", **QUICK)
    with pytest.raises(ValueError, match=match):
        classifier.fit(X_src, y_src, X_tgt, groups=groups)


def test_a_routed_search_passes_groups_to_fit_on_request(domains, monkeypatch):
    """GroupKFold leaves the fits 2 and 3 of 5 speakers, and none unless ``fit`` requests groups."""
    X_src, y_src, X_tgt, _ = domains
    speakers, seen = np.repeat(list("abcde"), 12), []
    hold_out = adaptation.hold_out

    def note(share, y, groups, seed):
        seen.append(groups)
        return hold_out(share, y, groups, seed)

    monkeypatch.setattr(adaptation, "hold_out", note)
    params = {**QUICK, "max_epochs": 1, "validation_fraction": 0.3, "monitor": "source"}
    for asks in (False, True):
        seen.clear()
        with sklearn.config_context(enable_metadata_routing=True):
            classifier = DANClassifier(**params).set_fit_request(groups=asks)
            search = GridSearchCV(classifier, {}, cv=GroupKFold(2), refit=False)
            search.fit(X_src, y_src, groups=speakers, X_tgt=Target(X_tgt))
        n_speakers = [0 if groups is None else len(set(groups)) for groups in seen]
        assert sorted(n_speakers) == ([2, 3] if asks else [0, 0])


def test_groups_that_leave_no_row_of_a_class_are_refused():
    X_src, y_src, X_tgt, _ = shifted_blobs(30, 30)
    classifier = DANClassifier(validation_fraction=0.3, monitor="source", **QUICK)
    with pytest.raises(ValueError, match=r"holds out all rows of .*: their groups are too few"):
        classifier.fit(X_src, y_src, X_tgt, groups=y_src)
    with pytest.raises(ValueError, match="groups must have one entry per row: 5 != 30"):
        classifier.fit(X_src, y_src, X_tgt, groups=y_src[:5])


def test_a_pipeline_refuses_groups_that_its_last_step_does_not_take(domains):
    X_src, y_src, X_tgt, _ = domains
    with pytest.raises(TypeError, match="groups go to the last step, but 'jdar', JDAR"):
        make_adaptation_pipeline(CorpusScaler(), JDAR()).fit(X_src, y_src, X_tgt, groups=y_src)
