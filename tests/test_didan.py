"""DIDAN and LIDAN: their terms, their layers, and the codes that explain them."""

import numpy as np
import pytest

from skdidan import DIDANClassifier, LIDANClassifier, Target
from skdidan.corpora import EMOTIONS
from skdidan.didan import EMOTION_GROUPS

QUICK = {"max_epochs": 3, "batch_size": 16, "random_state": 0}


@pytest.mark.parametrize("name", ["mean_weight", "label_weight"])
def test_terms_of_weight_zero_are_left_out(name, domains):
    classifier = DIDANClassifier(**{name: 0}, **QUICK).fit(*domains[:3])
    left_out = {"mean_weight": "mean_distance", "label_weight": "ida_labels"}[name]
    assert left_out not in classifier.history_[0]
    with pytest.raises(ValueError, match=f"{name} must be a finite number of at least 0; got -1"):
        DIDANClassifier(**{name: -1}, **QUICK).fit(*domains[:3])


@pytest.mark.parametrize("sparsity", [0, -1.0, None])
def test_sparsity_out_of_range(sparsity, domains):
    with pytest.raises(ValueError, match="sparsity must be a finite number above 0; got"):
        DIDANClassifier(sparsity=sparsity).fit(*domains[:3])


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
        assert (rough.label_weight, fine.label_weight) == (1.5, 1.5)

    def test_groups_of_the_caller(self, domains):
        terms = self.terms(domains, groups={"anger": "a", "neutral": "a"})
        assert terms["ida_fc2"].penalty.levels == [[0, 0, 2]]
        terms = self.terms(domains, groups="valence")
        assert terms["ida_fc2"].penalty.levels == [[0, 1, 0]]

    def test_labels_of_any_kind_form_a_group_each(self, domains):
        X_src, y_src, X_tgt, _ = domains
        numbers = np.unique(y_src, return_inverse=True)[1]
        classifier = LIDANClassifier(**QUICK).fit(X_src, numbers, X_tgt)
        assert classifier._class_groups(classifier.classes_) == [0, 1, 2]

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
            ({"groups": "mood"}, r"groups must be one of \['arousal', 'valence'\]; got 'mood'"),
            ({"align_on": ("fc1", "fc2")}, "align_on must name three different layers; got"),
            ({"align_on": "fc1"}, "align_on must name three different layers; got 'fc1'"),
        ],
    )
    def test_parameters_out_of_range(self, params, message, domains):
        with pytest.raises(ValueError, match=message):
            LIDANClassifier(**params, **QUICK).fit(*domains[:3])
