"""The classifiers: adaptation, both call shapes, reproducibility and clear errors."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize
from sklearn.model_selection import GridSearchCV
from torch import nn

from skdidan import (
    MMD,
    DANClassifier,
    DeepCORALClassifier,
    DIDANClassifier,
    Outputs,
    SourceOnlyClassifier,
    Target,
)
from skdidan.neural.adaptation import AdaptationClassifier
from skdidan.neural.networks import frame_mask
from skdidan.simplex import project_on_simplex
from skdidan.tables import CLASSIFIERS

NEURAL = {n: cls for n, cls in CLASSIFIERS.items() if issubclass(cls, AdaptationClassifier)}
# test_source_free.py has those that adapt without the source.
NEURAL = {n: cls for n, cls in NEURAL.items() if not hasattr(cls, "adapt")}
ADAPTING = {name: cls for name, cls in NEURAL.items() if name != "source_only"}
QUICK = {"n_networks": 1, "max_epochs": 3, "batch_size": 16, "random_state": 0}


# The base class trains and predicts. These cover all that a subclass may change: own parameters,
# several layers, a penalty with weights, other defaults, no penalty at all.
DIFFERENT = ["cdan", "didan", "lidan", "mcc", "source_only"]


@pytest.mark.parametrize("name", DIFFERENT)
class TestNeural:
    """Promises of every neural classifier beside the contract of all."""

    @pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
    def test_probabilities_are_distributions_that_agree_with_predict(self, name, loss, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = NEURAL[name](loss=loss, **QUICK).fit(X_src, y_src, X_tgt)
        probabilities = classifier.predict_proba(X_tgt)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (probabilities >= 0).all()
        predicted = classifier.predict(X_tgt)
        assert (classifier.classes_[probabilities.argmax(axis=1)] == predicted).all()
        scores = classifier.decision_function(X_tgt)
        assert (classifier.classes_[scores.argmax(axis=1)] == predicted).all()

    def test_several_networks_are_averaged(self, name, domains):
        """The first one is the network that is trained alone."""
        X_src, y_src, X_tgt, _ = domains
        one, three = (
            NEURAL[name](**{**QUICK, "n_networks": n, "loss": "log_loss"}).fit(X_src, y_src, X_tgt)
            for n in (1, 3)
        )
        rows = torch.tensor(X_tgt, dtype=torch.float32)
        logits, features = zip(*(net.outputs(rows)[:2] for net in three.nets_), strict=True)
        assert len({float(part.sum()) for part in logits}) == len(three.nets_) == 3
        mean = torch.stack(logits).double().mean(dim=0).numpy()
        np.testing.assert_allclose(three.decision_function(X_tgt), mean)
        assert np.array_equal(three.embed(X_tgt), torch.hstack(features).numpy())
        assert np.array_equal(one.decision_function(X_tgt), logits[0].double().numpy())
        assert one.net_ is one.nets_[0]
        losses = [[epoch["train_loss"] for epoch in model.history_] for model in (one, three)]
        assert losses[0] == losses[1] == list(three.nets_[0].history[:, "train_loss"])

    def test_the_seed_decides(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        first, again, other = (
            NEURAL[name](**{**QUICK, "random_state": seed})
            .fit(X_src, y_src, X_tgt)
            .decision_function(X_tgt)
            for seed in (0, 0, 1)
        )
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_global_generators_are_left_alone(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002 - it is the legacy global state that must not move
        before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - as above
        NEURAL[name](**QUICK).fit(X_src, y_src, X_tgt)
        assert torch.equal(torch.get_rng_state(), before[0])
        assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002 - as above

    def test_spectrograms_train_a_cnn(self, name, spectrogram_domains):
        X_src, y_src, X_tgt, y_tgt = spectrogram_domains
        classifier = NEURAL[name](**{**QUICK, "max_epochs": 15}).fit(X_src, y_src, X_tgt)
        assert type(classifier.net_.module_).__name__ == "CNN"
        assert (classifier.predict(X_src) == y_src).mean() > 0.9
        assert classifier.decision_function(X_tgt).shape == y_tgt.shape


PENALTY_NAMES = {
    "cdan": ["conditional_domain_adversary"],
    "dan": ["mmd"],
    "dann": ["domain_adversary"],
    "dsan": ["lmmd"],
    "deep_coral": ["coral"],
    "didan": ["ida_features", "ida_labels", "mean_distance"],
    "djda": ["balance", "balanced_mmd_conditional", "balanced_mmd_marginal"],
    "emo_dna": [f"decoupling_{part}" for part in ("corpora", "contrast", "classes", "marginal")],
    "hda": ["mmd"],
    "jan": ["jmmd"],
    "mcc": ["mcc"],
    "lidan": [
        *("ida_fc1_features", "ida_fc2_features", "ida_fc3_features"),
        *("ida_fc2_labels", "ida_fc3_labels"),
        *("mean_distance_fc1", "mean_distance_fc2", "mean_distance_fc3"),
    ],
    "source_only": [],
}


@pytest.mark.parametrize("name", sorted(NEURAL))
def test_history_names_every_term(name, domains):
    X_src, y_src, X_tgt, _ = domains
    table = pd.DataFrame(NEURAL[name](**QUICK).fit(X_src, y_src, X_tgt).history_)
    assert table["epoch"].tolist() == [1, 2, 3]
    assert set(table) == {
        *("epoch", "dur", "train_loss", "classification_loss", "trade_off", "lr"),
        *PENALTY_NAMES[name],
    }


@pytest.mark.parametrize("name", sorted(ADAPTING))
def test_without_trade_off_nothing_but_the_source_is_learnt(name, spectrogram_domains):
    """The penalties, their weights and their random numbers must not disturb the network."""
    X_src, y_src, X_tgt, _ = spectrogram_domains
    params = {"network_params": {"hidden": (9, 8, 7)}, "loss": "squared_error", **QUICK}
    adapted = ADAPTING[name](trade_off=0, **params).fit(X_src, y_src, X_tgt)
    params["network"] = adapted._recipe["network"]
    alone = SourceOnlyClassifier(use_target=True, **params).fit(X_src, y_src, X_tgt)
    assert np.array_equal(adapted.decision_function(X_tgt), alone.decision_function(X_tgt))
    state, reference = adapted.net_.module_.state_dict(), alone.net_.module_.state_dict()
    for key, value in reference.items():
        assert torch.equal(state[key], value), key


@pytest.mark.parametrize("name", sorted(ADAPTING))
def test_the_trade_off_moves_the_penalty(name, domains):
    X_src, y_src, X_tgt, _ = domains
    term = PENALTY_NAMES[name][-1]
    is_adversary = "adversary" in term
    weak, strong = (
        ADAPTING[name](
            trade_off=t,
            n_networks=1,
            network_params={"dropout": 0.0},
            random_state=0,
            max_epochs=20,
        )
        .fit(X_src, y_src, X_tgt + 1)
        .history_[-1][term]
        for t in (0.01 if is_adversary else 0, 10)  # at 0 the discriminator does not learn
    )
    # An adversary's loss is the discriminator's: deceived, it is larger.
    assert strong > 1.1 * weak if is_adversary else strong < 0.7 * weak


def test_source_only_does_not_look_at_the_target(domains):
    X_src, y_src, X_tgt, _ = domains
    scores = [
        SourceOnlyClassifier(**QUICK).fit(X_src, y_src, target).decision_function(X_tgt)
        for target in (X_tgt, 100 * X_tgt[:50])
    ]
    assert np.array_equal(*scores)


def test_two_classes_have_one_score(domains):
    X_src, y_src, X_tgt, _ = domains
    two = y_src != "neutral"
    classifier = DIDANClassifier(**QUICK).fit(X_src[two], y_src[two], X_tgt)
    scores = classifier.decision_function(X_tgt)
    assert scores.shape == (len(X_tgt),)
    assert ((scores > 0) == (classifier.predict(X_tgt) == "sadness")).all()


def test_softmax_of_the_log_loss(domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DANClassifier(loss="log_loss", **QUICK).fit(X_src, y_src, X_tgt)
    scores = torch.tensor(classifier.decision_function(X_tgt))
    expected = torch.softmax(scores, dim=1).numpy()
    np.testing.assert_allclose(classifier.predict_proba(X_tgt), expected)


def test_projection_on_the_simplex_is_the_nearest_distribution():
    points = np.random.default_rng(0).normal(size=(6, 4))
    constraint = {"type": "eq", "fun": lambda p: p.sum() - 1}
    for point, projected in zip(points, project_on_simplex(points), strict=True):
        nearest = minimize(
            lambda p, point=point: np.sum((p - point) ** 2),
            np.full(4, 0.25),
            bounds=[(0, 1)] * 4,
            constraints=[constraint],
            tol=1e-10,
        ).x
        np.testing.assert_allclose(projected, nearest, atol=1e-6)


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("data", ["domains", "spectrogram_domains"])
def test_probabilities_far_from_the_data_are_distributions(data, loss, request):
    X_src, y_src, X_tgt, _ = request.getfixturevalue(data)
    classifier = DIDANClassifier(loss=loss, **QUICK).fit(X_src, y_src, X_tgt)
    for value in (1e3, 1e12, 1e17, 1e30, 1e38, 3.4e38, -3.4e38):
        far = np.full((2, *X_tgt.shape[1:]), value)
        far[1, 1:] = 0
        rows = np.concatenate([X_tgt[:1], far])
        probabilities = classifier.predict_proba(rows)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert (probabilities >= 0).all()
        assert (classifier.classes_[probabilities.argmax(axis=1)] == classifier.predict(rows)).all()
        assert np.isfinite(classifier.decision_function(rows)).all()
        # Rows beside them are computed as ever.
        np.testing.assert_allclose(
            probabilities[:1], classifier.predict_proba(X_tgt[:1]), atol=1e-6
        )


@pytest.mark.parametrize(
    ("name", "params"),
    [(name, {}) for name in sorted(NEURAL)]
    + [("didan", {"loss": "log_loss"}), ("dan", {"loss": "squared_error"})],
)
def test_a_fit_to_huge_features_is_finite_or_says_to_scale_them(name, params, domains):
    for value in (1e8, 1e19, 1e38):
        X_src, y_src, X_tgt, _ = domains
        X_src, X_tgt = (X / abs(X).max() * value for X in (X_src, X_tgt))
        try:
            classifier = NEURAL[name](**params, **QUICK).fit(X_src, y_src, X_tgt)
        except (FloatingPointError, ValueError) as error:
            assert value > 1e8
            assert re.search("Scale the features|diverged in its last step", str(error))
        else:
            assert np.isfinite(classifier.predict_proba(X_tgt)).all()


@pytest.mark.parametrize("domain", ["source", "target"])
@pytest.mark.parametrize("far", [lambda X: X * 1e-50, lambda X: X + 1e12], ids=["small", "offset"])
def test_features_that_are_constant_in_single_precision_are_warned_of(far, domain, domains):
    X_src, y_src, X_tgt, _ = domains
    changed = X_src if domain == "source" else X_tgt
    changed[:, 2] = far(changed[:, 2])
    changed[:, 3] = 0.1 + 1e-17 * changed[:, 3]  # rounding
    match = f"1 of 6 features of the {domain}, the first in column 2, are constant in the single"
    with pytest.warns(UserWarning, match=match) as caught:
        DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    assert [warning.filename for warning in caught] == [__file__]


def test_features_that_overflow_are_not_returned(domains):
    X_src, y_src, X_tgt, _ = domains

    class Steep(TinyNetwork):
        def forward(self, X):
            features = self.hidden(X) * 100
            return self.last(features), features

    classifier = SourceOnlyClassifier(Steep, **QUICK).fit(X_src, y_src)
    far = np.full_like(X_tgt[:1], 3e38)
    assert np.isfinite(classifier.predict_proba(far)).all()
    with pytest.raises(ValueError, match=r"embed\(X\) contains infinity or a value too large"):
        classifier.embed(far)


def test_balanced_weights_lift_a_rare_class():
    rng = np.random.default_rng(0)
    y = np.array(["rare"] * 10 + ["common"] * 190)
    X = rng.normal(size=(200, 2)) + (y == "rare")[:, None]
    recalls = [
        (SourceOnlyClassifier(class_weight=weight, random_state=0).fit(X, y, X).predict(X) == y)[
            :10
        ].mean()
        for weight in ("balanced", None)
    ]
    assert recalls[0] > recalls[1]


class TestNetworks:
    """The parameter `network`."""

    def test_names_and_parameters(self, spectrogram_domains):
        X_src, y_src, X_tgt, _ = spectrogram_domains
        params = {**QUICK, "n_networks": 2, "network_params": {"hidden": (9,)}}
        classifier = DIDANClassifier("mlp", **params)
        assert classifier.fit(X_src, y_src, X_tgt).embed(X_tgt).shape == (len(X_tgt), 18)

    def test_a_class_or_function_of_the_callers(self, domains):
        X_src, y_src, X_tgt, _ = domains
        for network in (TinyNetwork, lambda shape, n: TinyNetwork(shape, n)):
            classifier = DIDANClassifier(network, **QUICK).fit(X_src, y_src, X_tgt)
            assert isinstance(classifier.net_.module_, TinyNetwork)

    def test_an_instance_is_refused(self, domains):
        with pytest.raises(TypeError, match="not TinyNetwork: every fit starts from new weights"):
            DIDANClassifier(TinyNetwork((6,), 3), **QUICK).fit(*domains[:3])

    def test_an_unknown_name_lists_the_options(self, domains):
        names = "'auto', 'cnn', 'mlp', 'nested_transformer', 'vgg11'"
        with pytest.raises(ValueError, match=rf"one of \[{names}\].*'resnet'"):
            DIDANClassifier("resnet", **QUICK).fit(*domains[:3])

    def test_a_function_that_makes_no_module(self, domains):
        with pytest.raises(TypeError, match=r"network must make a torch\.nn\.Module; got int"):
            DIDANClassifier(lambda shape, n: 3, **QUICK).fit(*domains[:3])

    def test_parameters_that_do_not_fit(self, domains):
        with pytest.raises(TypeError, match=r"does not fit MLP: .*'depth'"):
            DIDANClassifier(network_params={"depth": 3}, **QUICK).fit(*domains[:3])
        with pytest.raises(ValueError, match=r"network_params must be a dict .*; got 'deep'"):
            DIDANClassifier(network_params="deep", **QUICK).fit(*domains[:3])


class TinyNetwork(nn.Module):
    """A caller's own network; returns a plain tuple."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.hidden = nn.Linear(input_shape[0], 5)
        self.last = nn.Linear(5, n_classes)

    def forward(self, X):
        features = self.hidden(X).relu()
        return self.last(features), features


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"loss": "hinge"},
            r"loss must be one of \['auto', 'log_loss', 'squared_error'\]; got 'hinge'",
        ),
        ({"lr": 0}, "lr must be a finite number above 0; got 0"),
        ({"lr": 1e38}, r"lr must be at most 1e\+37; got 1e\+38"),
        ({"lr": "fast"}, "lr must be a finite number above 0; got 'fast'"),
        ({"max_epochs": 2.5}, "max_epochs must be a whole number of at least 1; got 2.5"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1; got -1"),
        ({"trade_off": -1}, "trade_off must be a finite number of at least 0; got -1"),
        ({"weight_decay": np.nan}, "weight_decay must be a finite number of at least 0; got nan"),
        ({"device": "gpu7"}, "device must be one that torch can use here, .*; got 'gpu7'"),
    ],
)
def test_parameters_out_of_range(params, message, domains):
    with pytest.raises(ValueError, match=message):
        DeepCORALClassifier(**params).fit(*domains[:3])


def test_rows_of_another_shape_are_refused(spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    with pytest.raises(
        ValueError, match=r"fitted on rows of shape \(16, 20\); got X with rows of shape \(16, 10\)"
    ):
        classifier.predict(X_tgt[:, :, :10])


def test_verbose_prints_the_terms(domains, capsys):
    DIDANClassifier(**QUICK, verbose=1).fit(*domains[:3])
    assert "mean_distance" in capsys.readouterr().out


# Emo-DNA needs layers of the width of its corpus head, and MCC is about the logits.
@pytest.mark.parametrize("name", sorted(set(ADAPTING) - {"emo_dna", "mcc"}))
def test_penalties_of_several_layers_are_averaged(name, domains):
    layers = ["fc1", "fc2", "fc3"]
    classifier = ADAPTING[name](
        network_params={"hidden": (9, 8, 7)}, align_on=layers, **{**QUICK, "batch_size": 100}
    ).fit(*domains[:3])
    terms = classifier._penalty_terms(classifier.classes_)
    assert sorted({term.on for term in terms.values()}) == layers
    if name != "lidan":  # which has no form on a single layer
        alone = ADAPTING[name]()._penalty_terms(classifier.classes_)
        for key, term in alone.items():
            weights = [terms[f"{key}_{layer}"].weight for layer in layers]
            assert weights == pytest.approx([term.weight / 3] * 3)
    for epoch in classifier.history_:
        penalty = sum(
            term.weight * epoch[part] for name, term in terms.items() for part in term.names(name)
        )
        total = epoch["classification_loss"] + epoch["trade_off"] * penalty
        assert epoch["train_loss"] == pytest.approx(total, rel=1e-5)


def test_a_layer_of_a_name_is_aligned_alone(domains):
    X_src, y_src, X_tgt, _ = domains
    params = {**QUICK, "network_params": {"hidden": (9, 8)}}
    last, features, first = (
        DANClassifier(align_on=layer, **params).fit(X_src, y_src, X_tgt).decision_function(X_tgt)
        for layer in ("fc2", "features", "fc1")
    )
    assert np.array_equal(last, features)
    assert not np.array_equal(last, first)


@pytest.mark.parametrize(
    ("align_on", "message"),
    [
        ("fc9", r"layers of the network, \['fc1', 'fc2', 'features', 'logits'\]; got 'fc9'"),
        ([], r"align_on must be the name of a layer, or a sequence of different ones; got \[\]"),
        ([1], r"a sequence of different ones; got \[1\]"),
        (["fc1", "fc1"], r"a sequence of different ones; got \['fc1', 'fc1'\]"),
        (5, "a sequence of different ones; got 5"),
    ],
)
def test_layers_that_are_not_there(align_on, message, domains):
    with pytest.raises(ValueError, match=message):
        DANClassifier(align_on=align_on, **QUICK).fit(*domains[:3])


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_divergence_is_an_error(loss, domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DANClassifier(loss=loss, lr=1e30, max_epochs=3, random_state=0)
    with pytest.raises(FloatingPointError, match=r"in epoch \d: classification_loss is .*lower lr"):
        classifier.fit(X_src, y_src, X_tgt)


def test_the_base_class_has_no_penalty(domains):
    with pytest.raises(TypeError, match="AdaptationClassifier has no penalty: set the class attr"):
        AdaptationClassifier(**QUICK).fit(*domains[:3])


def test_a_fit_that_fails_leaves_the_classifier_as_it_was(domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    expected = classifier.predict(X_tgt)
    classifier.set_params(class_weight={"joy": -1.0})
    with pytest.raises(ValueError, match="class_weight must give each class a finite number"):
        classifier.fit(X_src, np.where(y_src == "anger", "joy", "calm"), X_tgt)
    assert (classifier.predict(X_tgt) == expected).all()


def test_parameters_set_after_the_fit_change_no_probability(domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    expected = classifier.predict_proba(X_tgt)
    assert np.array_equal(classifier.set_params(loss="log_loss").predict_proba(X_tgt), expected)


def test_strided_arrays(domains):
    X_src, y_src, X_tgt, _ = domains
    X_src, X_tgt = X_src.astype(np.float32), X_tgt.astype(np.float32)
    one = DIDANClassifier(**QUICK).fit(X_src[::-1], y_src[::-1], X_tgt[::-1])
    other = DIDANClassifier(**QUICK).fit(X_src[::-1].copy(), y_src[::-1], X_tgt[::-1].copy())
    assert np.array_equal(one.decision_function(X_tgt), other.decision_function(X_tgt))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
def test_missing_labels_are_named(domains, missing):
    X_src, y_src, X_tgt, _ = domains
    labels = np.array(y_src, dtype=object)
    labels[[4, 7]] = missing
    with pytest.raises(ValueError, match=r"2 missing label\(s\), the first in row 4"):
        DIDANClassifier(**QUICK).fit(X_src, labels, X_tgt)


def test_source_only_has_no_trade_off():
    assert "trade_off" not in SourceOnlyClassifier().get_params()
    assert "use_target" in SourceOnlyClassifier().get_params()


@pytest.mark.parametrize(
    ("name", "params", "attributes"),
    [
        ("dann", {"hidden": [7]}, {}),
        ("cdan", {"hidden": [7]}, {"entropy_conditioning": True}),
        ("cdan", {"entropy_conditioning": False}, {"entropy_conditioning": False}),
        ("mcc", {"temperature": 0.5}, {"temperature": 0.5}),
        ("dan", {"widths": [0.5]}, {"widths": (0.5,)}),
    ],
)
def test_parameters_reach_the_penalty(name, params, attributes, domains):
    classifier = ADAPTING[name](penalty_params=params, **QUICK).fit(*domains[:3])
    (penalty,) = classifier.net_.penalties_
    for attribute, value in attributes.items():
        assert getattr(penalty, attribute) == value
    if "hidden" in params:
        assert penalty.discriminator[0].weight.shape[0] == 7


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("dann", {"hidden": 8}, "hidden must be a list or tuple"),
        ("cdan", {"hidden": [0]}, "hidden must be a whole number"),
        ("cdan", {"entropy_conditioning": 1}, "entropy_conditioning must be True or False; got 1"),
        ("mcc", {"temperature": -1}, "temperature must be a finite number above 0; got -1"),
        ("dan", {"width": 1}, r"arguments of MMD, out of \['widths'\]; got \{'width': 1\}"),
        ("deep_coral", {"args": 1}, r"arguments of CORAL, out of \[\]; got \{'args': 1\}"),
        ("dan", ["widths"], r"must be a dict of arguments of MMD, .*; got \['widths'\]"),
    ],
)
def test_parameters_of_penalties_are_checked_without_a_target_too(name, params, message, domains):
    with pytest.raises(ValueError, match=message):
        ADAPTING[name](penalty_params=params, **QUICK).fit(*domains[:2])


def test_checking_the_penalty_leaves_the_global_generator_alone(domains):
    state = torch.get_rng_state()

    class Learned(MMD):
        def __init__(self, n_units=3):
            super().__init__()
            self.layer = torch.nn.Linear(n_units, n_units)

    class LearnedClassifier(AdaptationClassifier):
        penalty = Learned

    LearnedClassifier(penalty_params={"n_units": 2}, **QUICK).fit(*domains[:3])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("dann", [{"hidden": (4,)}, {"hidden": (8, 8)}]),
        ("mcc", [{"temperature": 1.0}, {"temperature": 2.5}]),
    ],
)
def test_parameters_of_penalties_are_searched(name, grid, domains):
    X_src, y_src, X_tgt, _ = domains
    grid = {"penalty_params": grid}
    search = GridSearchCV(ADAPTING[name](**QUICK), grid, cv=2, error_score="raise")
    search.fit(X_src, y_src, X_tgt=Target(X_tgt))
    assert search.best_params_.keys() == grid.keys()
    assert search.predict(X_tgt).shape == (len(X_tgt),)


def test_adversaries_of_several_layers_learn_each_by_itself(domains):
    params = {"network_params": {"hidden": (9, 8)}, "align_on": ("fc1", "fc2"), **QUICK}
    classifier = ADAPTING["dann"](**params).fit(*domains[:3])
    widths = [penalty.discriminator[0].weight.shape[1] for penalty in classifier.net_.penalties_]
    assert widths == [9, 8]


# Recordings of different lengths


@pytest.fixture
def lengths_domains(spectrogram_domains):
    """Cut the clips, in source and target, to different lengths."""
    X_src, y_src, X_tgt, y_tgt = spectrogram_domains
    rng = np.random.default_rng(0)
    X_src, X_tgt = X_src.copy(), X_tgt[:, :, :17].copy()
    for X in (X_src, X_tgt):
        for row, length in zip(X[1:], rng.integers(4, X.shape[2], len(X) - 1), strict=True):
            row[:, length:] = np.nan
    return X_src, y_src, X_tgt, y_tgt


@pytest.mark.parametrize("name", ["cdan", "didan"])
def test_different_lengths_are_learnt_from(name, lengths_domains):
    X_src, y_src, X_tgt, y_tgt = lengths_domains
    params = QUICK | {"max_epochs": 30}
    classifier = ADAPTING[name](**params).fit(X_src, y_src, X_tgt)
    assert classifier.feature_shape_ == (16, None)
    assert np.mean(classifier.predict(X_tgt) == y_tgt) > 0.8
    assert np.isfinite(classifier.embed(X_src)).all()


def test_answers_do_not_depend_on_the_padding(lengths_domains):
    X_src, y_src, X_tgt, _ = lengths_domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    expected = classifier.decision_function(X_tgt)
    for n_more in (10, 200):
        longer = np.pad(X_tgt, [(0, 0), (0, 0), (0, n_more)], constant_values=np.nan)
        np.testing.assert_allclose(classifier.decision_function(longer), expected, atol=1e-5)
    for row, score in zip(X_tgt, expected, strict=True):
        alone = row[:, np.isfinite(row[0])]
        np.testing.assert_allclose(classifier.decision_function([alone]), score, atol=1e-5)
    assert classifier.predict(np.ones((1, 16, 70))).shape == (1,)


@pytest.mark.parametrize("monitor", ["information", "source*information"])
def test_different_lengths_are_monitored(monitor, lengths_domains):
    fraction = 0.25 if "source" in monitor else None
    classifier = DIDANClassifier(**QUICK, monitor=monitor, validation_fraction=fraction)
    classifier.fit(*lengths_domains[:3])
    assert np.isfinite([epoch["monitor"] for epoch in classifier.history_]).all()


def test_domains_of_one_length_each_are_of_different_lengths(spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt[:, :, :9])
    assert classifier.feature_shape_ == (16, None)
    assert classifier.predict(X_tgt).shape == (len(X_tgt),)


class Flat(nn.Module):
    """A network of the user's own that knows of no padding."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.output = nn.Linear(input_shape[0], n_classes)

    def forward(self, X):
        """Average over time."""
        return Outputs(self.output(X.mean(dim=2)), X.mean(dim=2))


class Masked(Flat):
    """One that does."""

    takes_padding = True

    def forward(self, X):
        """Average over the frames of each recording."""
        mask = frame_mask(X)[:, None]
        features = X.masked_fill(~mask, 0.0).sum(dim=2) / mask.sum(dim=2)
        return Outputs(self.output(features), features)


@pytest.mark.parametrize("network", ["mlp", Flat])
def test_networks_that_take_no_padding_say_so(network, lengths_domains):
    name = network.upper() if isinstance(network, str) else network.__name__
    with pytest.raises(ValueError, match=f"{name} takes no spectrograms of different lengths"):
        DIDANClassifier(network, **QUICK).fit(*lengths_domains[:3])


def test_a_network_of_ones_own_may_take_padding(lengths_domains):
    X_src, y_src, X_tgt, _ = lengths_domains
    classifier = DIDANClassifier(Masked, **QUICK).fit(X_src, y_src, X_tgt)
    np.testing.assert_allclose(classifier.embed(X_tgt), np.nanmean(X_tgt, axis=2), atol=1e-5)


@pytest.mark.parametrize("network", ["cnn", "mlp"])
def test_padding_after_a_fit_to_one_length_is_refused(network, spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    classifier = DIDANClassifier(network, **QUICK).fit(X_src, y_src, X_tgt)
    X_tgt = X_tgt.copy()
    X_tgt[1, :, 15:] = np.nan
    match = (
        r"shape \(16, 20\); got X with rows of shape \(16, 20\), some of them padded. "
        "All rows of the fit were of on"
    )
    with pytest.raises(ValueError, match=match):
        classifier.predict(X_tgt)


def test_other_shapes_are_refused_after_different_lengths(lengths_domains):
    X_src, y_src, X_tgt, _ = lengths_domains
    classifier = DIDANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    for n_features in (16, 17):
        with pytest.raises(ValueError, match=r"3 axes, as in fit; .*Classifier was fitted on spec"):
            classifier.predict(np.ones((2, n_features)))
    with pytest.raises(ValueError, match="X has 15 features"):
        classifier.predict(np.ones((2, 15, 8)))


@pytest.mark.parametrize("place", ["source", "target", "predicted"])
def test_nan_that_is_no_padding_is_refused(place, lengths_domains):
    X_src, y_src, X_tgt, _ = lengths_domains
    bad = X_src.copy()
    bad[2, 3, 1] = np.nan
    match = "NaN within a recording, first in row 2 of X.*, bin 3, frame 1"
    source, target = bad if place == "source" else X_src, bad if place == "target" else X_tgt
    with pytest.raises(ValueError, match=match):
        DIDANClassifier(**QUICK).fit(source, y_src, target).predict(bad)
