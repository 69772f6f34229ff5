"""Held-out source, monitored epochs, restored weights and early ends."""

import pickle

import numpy as np
import pytest
import sklearn
from conftest import shifted_blobs
from sklearn.model_selection import GridSearchCV, GroupKFold
from skorch.callbacks import Callback, EarlyStopping

from skdidan import (
    JDAR,
    CorpusScaler,
    DANClassifier,
    SourceOnlyClassifier,
    Target,
    TargetScorer,
    criteria,
    make_adaptation_pipeline,
    uar,
)
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.monitoring import check_monitor
from skdidan.tables import CLASSIFIERS

NEURAL = sorted(n for n, cls in CLASSIFIERS.items() if issubclass(cls, AdaptationClassifier))
QUICK = {"max_epochs": 6, "batch_size": 16, "random_state": 0}


class Recorder(Callback):
    """Keeps what the network says of some rows after each epoch."""

    def __init__(self, X):
        self.X = X

    def on_epoch_end(self, net, **kwargs):
        import torch

        answers = net.outputs(torch.tensor(self.X, dtype=torch.float32)).logits.double().numpy()
        self.answers_ = [*getattr(self, "answers_", []), answers]

    def on_train_begin(self, net, **kwargs):
        self.answers_ = []


@pytest.mark.parametrize("name", NEURAL)
def test_the_best_epoch_is_restored(name, domains):
    X_src, y_src, X_tgt, _ = domains
    recorder = Recorder(X_tgt)
    target = {"use_target": True} if name == "source_only" else {}
    params = {"validation_fraction": 0.25, "monitor": "source*information", **target, **QUICK}
    classifier = CLASSIFIERS[name](**params, callbacks=[recorder]).fit(X_src, y_src, X_tgt)
    history = classifier.history_
    for epoch in history:
        product = epoch["monitor_source"] * epoch["monitor_information"]
        assert epoch["monitor"] == pytest.approx(product)
    values = [epoch["monitor"] for epoch in history]
    assert classifier.best_epoch_ == 1 + int(np.argmax(values))
    kept = recorder.answers_[classifier.best_epoch_ - 1]
    np.testing.assert_allclose(classifier.decision_function(X_tgt), kept, atol=1e-6)
    information = criteria.information_maximisation(classifier.predict_proba(X_tgt))
    best = history[classifier.best_epoch_ - 1]
    assert best["monitor_information"] == pytest.approx(information)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("criterion", sorted(criteria.TARGET_CRITERIA))
def test_an_epoch_is_scored_as_the_finished_classifier_is(loss, criterion, domains):
    X_src, y_src, X_tgt, _ = domains
    params = {**QUICK, "max_epochs": 1, "monitor": criterion, "loss": loss}
    classifier = DANClassifier(**params).fit(X_src, y_src, X_tgt)
    scored = TargetScorer(criterion, X_tgt)(classifier, X_src, y_src)
    assert classifier.history_[0]["monitor"] == pytest.approx(scored)


def test_two_classes_are_scored_alike(domains):
    X_src, y_src, X_tgt, _ = domains
    rows = np.isin(y_src, np.unique(y_src)[:2])
    params = {**QUICK, "max_epochs": 1}
    for criterion in sorted(criteria.TARGET_CRITERIA):
        classifier = DANClassifier(monitor=criterion, **params).fit(X_src[rows], y_src[rows], X_tgt)
        scored = TargetScorer(criterion, X_tgt)(classifier, X_src, y_src)
        assert classifier.history_[0]["monitor"] == pytest.approx(scored)


def test_watching_leaves_the_training_as_it_is(domains):
    X_src, y_src, X_tgt, _ = domains
    plain, watched = (
        DANClassifier(monitor=monitor, **QUICK).fit(X_src, y_src, X_tgt)
        for monitor in (None, "information")
    )
    assert [e["train_loss"] for e in plain.history_] == [e["train_loss"] for e in watched.history_]


def test_the_source_score_is_that_of_rows_that_were_not_trained_on(monkeypatch, domains):
    X_src, y_src, X_tgt, _ = domains
    seen = []
    from skdidan.neural import adaptation

    class Batches(adaptation.PairedBatches):
        def __init__(self, source, *args):
            seen.append(source.numpy())
            super().__init__(source, *args)

    monkeypatch.setattr(adaptation, "PairedBatches", Batches)
    params = {"validation_fraction": 0.2, "monitor": "source", **QUICK}
    classifier = DANClassifier(**params).fit(X_src, y_src, X_tgt)
    trained = {tuple(row) for row in seen[0]}
    is_held_out = np.array([tuple(row) not in trained for row in X_src.astype(np.float32)])
    assert is_held_out.sum() == 12
    assert (np.unique(y_src[is_held_out], return_counts=True)[1] == 4).all()  # of each class
    score = uar(y_src[is_held_out], classifier.predict(X_src[is_held_out]))
    assert classifier.history_[classifier.best_epoch_ - 1]["monitor_source"] == score


@pytest.mark.parametrize("is_stacked", [False, True])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_whole_groups_are_held_out(is_stacked, in_pipeline, monkeypatch, domains):
    from skdidan.neural import adaptation

    X_src, y_src, X_tgt, _ = domains
    speakers = np.repeat(list("abcde"), 12)
    kept = []
    original = adaptation.PairedBatches

    def batches(source, *args):
        kept.append(source.numpy())
        return original(source, *args)

    monkeypatch.setattr(adaptation, "PairedBatches", batches)
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
    trained = {tuple(row) for row in kept[0]}
    shares = [
        np.mean([tuple(row) in trained for row in X_src[speakers == name].astype(np.float32)])
        for name in "abcde"
    ]
    assert sorted(shares) == [0, 0, 1, 1, 1]


def test_training_ends_when_patience_does(domains):
    X_src, y_src, X_tgt, _ = domains
    params = {"validation_fraction": 0.3, "monitor": "source", **QUICK, "max_epochs": 100}
    stopped = DANClassifier(patience=3, **params).fit(X_src, y_src, X_tgt)
    assert len(stopped.history_) == stopped.best_epoch_ + 3 < 100
    values = [epoch["monitor"] for epoch in stopped.history_]
    assert max(values[stopped.best_epoch_ :]) <= values[stopped.best_epoch_ - 1]


def test_callbacks_of_skorch_may_end_the_training(domains):
    X_src, y_src, X_tgt, _ = domains
    stop = EarlyStopping("train_loss", patience=1, threshold=0.9)  # tenfold progress, or none
    classifier = DANClassifier(**QUICK, callbacks=[stop]).fit(X_src, y_src, X_tgt)
    assert len(classifier.history_) == 2
    assert len(classifier.predict(X_tgt)) == len(X_tgt)


def test_a_saved_classifier_does_not_carry_the_data(domains):
    X_src, y_src, X_tgt, _ = domains
    params = {**QUICK, "max_epochs": 2, "batch_size": 10_000}
    watched = {"validation_fraction": 0.2, "monitor": "source*information"}
    X_tgt_many = np.repeat(X_tgt, 100, axis=0)  # of 200 kB
    classifier = DANClassifier(**watched, **params).fit(X_src, y_src, X_tgt_many)
    saved = pickle.dumps(classifier)
    assert len(saved) < 100_000 + len(
        pickle.dumps(DANClassifier(**params).fit(X_src, y_src, X_tgt))
    )
    assert np.array_equal(pickle.loads(saved).predict(X_tgt), classifier.predict(X_tgt))


def test_without_a_monitor_nothing_is_held_out_and_the_last_epoch_counts(domains):
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
        ({"monitor": "information*information"}, "monitor must be one of"),
        ({"monitor": 3}, "monitor must be one of .*; got 3"),
        ({"monitor": "silhouette*source"}, "takes factors that are not negative, .* got 'silh"),
        ({"monitor": "entropy*information"}, "takes factors that are not negative, .* got 'entr"),
        ({"monitor": "source"}, "validation_fraction go together; .* validation_fraction=None"),
        ({"validation_fraction": 0.2}, "go together; got monitor=None"),
        ({"monitor": "information", "validation_fraction": 0.2}, "go together"),
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


def test_a_monitor_of_the_target_needs_one(domains):
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
def test_what_cannot_be_held_out(fraction, groups, match, domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DANClassifier(validation_fraction=fraction, monitor="source", **QUICK)
    with pytest.raises(ValueError, match=match):
        classifier.fit(X_src, y_src, X_tgt, groups=groups)


def test_a_routed_search_hands_groups_to_the_fit_if_asked(domains, monkeypatch):
    X_src, y_src, X_tgt, _ = domains
    speakers, seen = np.repeat(list("abcde"), 12), []
    hold_out = AdaptationClassifier._hold_out

    def note(self, y, groups, seed):
        seen.append(groups)
        return hold_out(self, y, groups, seed)

    monkeypatch.setattr(AdaptationClassifier, "_hold_out", note)
    params = {**QUICK, "max_epochs": 1, "validation_fraction": 0.3, "monitor": "source"}
    for asks in (False, True):
        seen.clear()
        with sklearn.config_context(enable_metadata_routing=True):
            classifier = DANClassifier(**params).set_fit_request(groups=asks)
            search = GridSearchCV(classifier, {}, cv=GroupKFold(2), refit=False)
            search.fit(X_src, y_src, groups=speakers, X_tgt=Target(X_tgt))
        n_speakers = [0 if groups is None else len(set(groups)) for groups in seen]
        assert sorted(n_speakers) == ([2, 3] if asks else [0, 0])


def test_groups_that_leave_no_row_of_a_class():
    X_src, y_src, X_tgt, _ = shifted_blobs(30, 30)
    classifier = DANClassifier(validation_fraction=0.3, monitor="source", **QUICK)
    with pytest.raises(ValueError, match=r"holds out all rows of .*: their groups are too few"):
        classifier.fit(X_src, y_src, X_tgt, groups=y_src)
    with pytest.raises(ValueError, match="groups and X differ in length: 5 != 30"):
        classifier.fit(X_src, y_src, X_tgt, groups=y_src[:5])


def test_a_pipeline_hands_groups_to_who_takes_them(domains):
    X_src, y_src, X_tgt, _ = domains
    with pytest.raises(TypeError, match="groups go to the last step, but 'jdar', JDAR"):
        make_adaptation_pipeline(CorpusScaler(), JDAR()).fit(X_src, y_src, X_tgt, groups=y_src)


def test_factors_of_a_product():
    assert check_monitor("source*information*clusters") == ["source", "information", "clusters"]
    assert check_monitor("silhouette") == ["silhouette"]
