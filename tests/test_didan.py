"""DIDAN and LIDAN: their terms, their layers, and the codes that explain them."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from skdidan import IDA, DIDANClassifier, LIDANClassifier, Target
from skdidan.corpora.known import EMOTIONS
from skdidan.emotions import EMOTION_GROUPS

QUICK = {"n_networks": 1, "max_epochs": 3, "batch_size": 16, "random_state": 0}


@pytest.mark.parametrize("name", ["feature_weight", "mean_weight", "label_weight"])
def test_terms_of_weight_zero_are_left_out(name, domains):
    classifier = DIDANClassifier(**{name: 0}, **QUICK).fit(*domains[:3])
    columns = {"feature": "ida_features", "mean": "mean_distance", "label": "ida_labels"}
    assert set(columns.values()) - set(classifier.history_[0]) == {columns[name.split("_")[0]]}
    with pytest.raises(ValueError, match=f"{name} must be a finite number of at least 0; got -1"):
        DIDANClassifier(**{name: -1}, **QUICK).fit(*domains[:3])


@pytest.mark.parametrize("classifier", [DIDANClassifier, LIDANClassifier])
def test_without_features_and_labels_the_means_are_left(classifier, domains):
    weights = {"feature_weight": 0, "label_weight": 0}
    history = classifier(**weights, **QUICK).fit(*domains[:3]).history_[0]
    assert not [name for name in history if name.startswith("ida")]
    assert any(name.startswith("mean_distance") for name in history)


@pytest.mark.parametrize("sparsity", [0, -1.0, None])
def test_sparsity_out_of_range(sparsity, domains):
    with pytest.raises(ValueError, match="sparsity must be a finite number above 0; got"):
        DIDANClassifier(sparsity=sparsity).fit(*domains[:3])


class TestGroups:
    """Rough groups of the classes, whose labels are rebuilt as well."""

    def levels(self, domains, **params):
        classifier = DIDANClassifier(**params, **QUICK).fit(*domains[:3])
        return classifier._penalty_terms(classifier.classes_)["ida"].penalty.levels

    @pytest.mark.parametrize(
        ("groups", "level"),
        [
            ("arousal", [0, 1, 1]),
            ("valence", [0, 1, 0]),
            ({"anger": "a", "neutral": "a"}, [0, 0, 1]),
            ({"anger": None, "sadness": None, "joy": 1}, [0, 1, 0]),
        ],
    )
    def test_level_of_the_groups(self, domains, groups, level):
        assert self.levels(domains, emotion_groups=groups) == [level, [0, 1, 2]]

    @pytest.mark.parametrize(
        "groups", [None, {"anger": 1}, dict.fromkeys(["anger", "neutral", "sadness"], 1)]
    )
    def test_groups_that_add_nothing_are_left_out(self, domains, groups):
        assert self.levels(domains, emotion_groups=groups) == [[0, 1, 2]]

    @pytest.mark.parametrize("labels", ["angry happy sad", "Anger JOY Sadness"])
    def test_a_named_table_knows_common_names(self, labels):
        assert DIDANClassifier()._rough_levels(np.array(labels.split())) == [[0, 0, 1]]

    def test_a_named_table_is_for_emotions(self, domains):
        X_src, y_src, X_tgt, _ = domains
        numbers = np.unique(y_src, return_inverse=True)[1]
        classifier = DIDANClassifier(**QUICK).fit(X_src, numbers, X_tgt)
        assert classifier._rough_levels(classifier.classes_) == []

    @pytest.mark.parametrize(
        ("groups", "message"),
        [
            ("mood", r"emotion_groups must be one of \['arousal', 'valence'\]; got 'mood'"),
            (
                {"angry": 1},
                r"emotion_groups names none of the classes \['anger', .*; got \{'angry': 1\}",
            ),
        ],
    )
    def test_unknown_groups(self, domains, groups, message):
        with pytest.raises(ValueError, match=message):
            DIDANClassifier(emotion_groups=groups, **QUICK).fit(*domains[:3])


class TestReconstructionCodes:
    """Which source rows a target row is made of."""

    def test_a_copy_of_a_source_row_is_made_of_it(self, domains):
        X_src, y_src, _, _ = domains
        classifier = DIDANClassifier(**QUICK, sparsity=0.01).fit(X_src, y_src, X_src)
        codes = classifier.reconstruction_codes(X_src, X_src)
        assert codes.shape == (len(X_src), len(X_src))
        assert (codes.toarray().argmax(axis=1) == np.arange(len(X_src))).mean() > 0.9

    def test_sparser_with_sparsity(self, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
        counts = [
            classifier.set_params(sparsity=tau).reconstruction_codes(X_src, Target(X_tgt)).nnz
            for tau in (0.05, 0.5)
        ]
        assert counts[1] < counts[0] < len(X_src) * len(X_tgt)

    def test_one_row_has_no_centre(self, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
        with pytest.raises(ValueError, match="X_tgt needs at least 2 rows"):
            classifier.reconstruction_codes(X_src, X_tgt[:1])
        with pytest.raises(ValueError, match="X_src needs at least 2 rows"):
            classifier.reconstruction_codes(X_src[:1], X_tgt)


class TestLIDAN:
    """Three terms with labels of growing detail."""

    def terms(self, domains, **params):
        classifier = LIDANClassifier(**params, **QUICK).fit(*domains[:3])
        return classifier._penalty_terms(classifier.classes_)

    def test_granularity_grows_with_the_layers(self, domains):
        none, rough, fine = (self.terms(domains)[f"ida_fc{i}"].penalty for i in (1, 2, 3))
        assert domains[1][:3].tolist() == ["anger", "neutral", "sadness"]
        assert none.parts == ["features"]
        assert rough.levels == [[0, 1, 1]]  # low arousal: neutral and sadness
        assert fine.levels == [[0, 1, 1], [0, 1, 2]]

    def test_without_groups_the_second_layer_knows_the_classes(self, domains):
        _, rough, fine = (
            self.terms(domains, emotion_groups=None)[f"ida_fc{i}"].penalty for i in (1, 2, 3)
        )
        assert rough.levels == fine.levels == [[0, 1, 2]]

    def test_objective_is_the_documented_one(self, domains):
        """One step on one batch of all rows: the bracket, written out."""
        X_src, y_src, X_tgt, _ = domains
        params = {"batch_size": 100, "random_state": 0, "loss": "log_loss"}
        params |= {"network_params": {"hidden": (9, 8, 7), "dropout": 0.0}, "trade_off": 2.0}
        fresh = LIDANClassifier(max_epochs=1, lr=1e-30, weight_decay=0, **params)
        fresh.fit(X_src, y_src, X_tgt)  # steps too small to move a weight
        source, target = (
            fresh.net_.infer(torch.from_numpy(X.astype("float32"))) for X in (X_src, X_tgt)
        )
        labels = torch.nn.functional.one_hot(
            torch.from_numpy(np.unique(y_src, return_inverse=True)[1])
        )
        guess = target.logits.softmax(dim=1)
        expected, levels = 0.0, {"fc1": None, "fc2": [[0, 1, 1]], "fc3": [[0, 1, 1], [0, 1, 2]]}
        for name, level in levels.items():
            pair = source.layer(name), target.layer(name)
            terms = IDA(0.1, mean_weight=3.0, label_weight=1.0, levels=level).terms(
                *pair, labels, guess
            )
            terms = {part: term.item() for part, term in terms.items()}
            expected += (terms["features"] + terms["means"]) / 3
            expected += 0.5 * terms["labels"] if level else 0
        terms = fresh._penalty_terms(fresh.classes_)
        got = 0.0
        for name, term in terms.items():
            columns = [fresh.history_[0][column] for column in term.names(name)]
            got += term.weight * sum(columns)
        assert got == pytest.approx(expected, rel=0.02)  # the codes are solved to a tolerance

    def test_every_emotion_of_the_corpora_has_a_group(self):
        for groups in EMOTION_GROUPS.values():
            assert set(groups) == set(EMOTIONS.values())

    def test_network_has_three_fully_connected_layers(self, domains):
        classifier = LIDANClassifier(**QUICK).fit(*domains[:3])
        assert list(classifier.net_.module_.embedding) == ["fc1", "fc2", "fc3"]
        assert classifier.embed(domains[2]).shape[1] == 128

    def test_without_labels_it_is_didan_on_three_layers(self, domains):
        reference = DIDANClassifier(
            network_params={"hidden": (128, 128, 128)},
            align_on=("fc1", "fc2", "fc3"),
            label_weight=0.0,
            **QUICK,
        ).fit(*domains[:3])
        ours = LIDANClassifier(label_weight=0.0, **QUICK).fit(*domains[:3])
        X_tgt = domains[2]
        np.testing.assert_allclose(
            ours.decision_function(X_tgt), reference.decision_function(X_tgt), atol=1e-5
        )

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"align_on": ("fc1", "fc2")}, "align_on must name three different layers; got"),
            ({"align_on": "fc1"}, "align_on must name three different layers; got 'fc1'"),
        ],
    )
    def test_parameters_out_of_range(self, params, message, domains):
        with pytest.raises(ValueError, match=message):
            LIDANClassifier(**params, **QUICK).fit(*domains[:3])


@pytest.mark.parametrize("make", [DIDANClassifier, LIDANClassifier])
def test_three_networks_are_trained_or_one_that_callbacks_follow(make, domains):
    quick = {"max_epochs": 1, "random_state": 0}
    assert len(make(**quick).fit(*domains[:3]).nets_) == 3
    assert len(make(callbacks=[Callback()], **quick).fit(*domains[:3]).nets_) == 1
