"""Contracts that everything in a table obeys."""

import copy
import inspect
import pickle
import re
import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from references import features, mcc_reference, one_hot, own_checks, shifted_blobs
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import recall_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

import skdidan
from skdidan import (
    JDAR,
    KMM,
    LAME,
    MFCC,
    TCA,
    AdaptationClassifier,
    AnchoredEM,
    AudioLoader,
    AudioTransformer,
    CorpusScaler,
    Embeddings,
    Functionals,
    LogMelSpectrogram,
    NoTargetWarning,
    OptimalTransport,
    SourceFreeClassifier,
    Spectrogram,
    SpectrogramTranslator,
    Target,
    WindowedClassifier,
    make_adaptation_pipeline,
    make_adaptation_union,
)
from skdidan.tables import CLASSIFIERS, PENALTIES, TRANSFORMERS


def expected_failures(estimator):
    if isinstance(estimator, AdaptationClassifier):
        return {
            "check_methods_subset_invariance": "in single precision the outputs of one row alone "
            "and among others, products of matrices of different sizes, agree to 1e-6 but not 1e-7",
            "check_sample_weight_equivalence_on_dense_data": "rows of other numbers come in other "
            "batches; test_sample_weight.py compares batches of all rows",
        }
    if isinstance(estimator, OptimalTransport):
        return {
            "check_transformer_n_iter": "the check gives no target, without which nothing is "
            "iterated"
        }
    return {}


# Neural classifiers share their methods, and so do the regressors. scikit-learn checks one of
# each base in full, and of the others with code of their own what that code decides.
DERIVED = ("aktlr", "didan", "gfk", "hda", "jiasl", "lidan", "shot", "source_only")
DERIVED += ("subspace_alignment", "tjm")
# The others differ in class attributes.
OTHERS = ("cdan", "dan", "deep_coral", "djda", "dsan", "ecan", "emo_dna", "jan", "mcc")


def make_checked(name):
    cls = {**CLASSIFIERS, **TRANSFORMERS}[name]
    if issubclass(cls, AdaptationClassifier):
        if name in DERIVED:
            return cls(max_epochs=2, n_networks=1)
        # The checks of accuracy and class weights have few rows, for which dropout is too much.
        return cls(max_epochs=15, network_params={"dropout": 0.0, "input_dropout": 0.0})
    return cls("sinkhorn_lpl1") if cls is OptimalTransport else cls()  # which needs labels


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@parametrize_with_checks(
    [make_checked(name) for name in [*CLASSIFIERS, *TRANSFORMERS] if name not in OTHERS + DERIVED],
    expected_failed_checks=expected_failures,
    xfail_strict=False,  # some networks happen to pass
)
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@own_checks(*map(make_checked, DERIVED))
def test_own_code_is_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", OTHERS + DERIVED)
def test_what_is_not_checked_in_full_leaves_rows_and_tags_to_a_base(name):
    attributes = vars({**CLASSIFIERS, **TRANSFORMERS}[name])
    own = {key for key, value in attributes.items() if callable(value)} - {"__init_subclass__"}
    if name in OTHERS:
        assert own <= {"objective", "penalty"}
    public = {key for key in own if not key.startswith("_")}
    assert public <= {"objective", "penalty", "reconstruction_codes"}
    assert not own & {"__sklearn_tags__", "_check_domains", "_fit_domains", "_transform"}


ESTIMATORS = [getattr(skdidan, name) for name in skdidan.__all__]
ESTIMATORS = [
    cls
    for cls in ESTIMATORS
    if isinstance(cls, type)
    and issubclass(cls, BaseEstimator)
    and inspect.signature(cls).parameters
]


def test_help_describes_every_parameter():
    """Nobody has to look up another class: no parameter is described by a reference to it."""
    assert len(ESTIMATORS) > 20
    for cls in ESTIMATORS:
        section = cls.__doc__.split("Parameters\n    ----------\n")[1].split("\n    ----")[0]
        names = re.findall(r"^    (\w[\w, ]*) : ", section, flags=re.MULTILINE)
        described = [name for line in names for name in line.split(", ")]
        assert sorted(described) == sorted(inspect.signature(cls).parameters), cls
        assert "As in" not in section and not re.search(r"see `\w+Classifier`", section), cls


def test_fit_is_documented_in_one_place():
    """But for audio, which learns nothing, and what scaler, selector, networks, pipelines add."""
    written = {
        next(base for base in cls.__mro__ if "fit" in vars(base)).__name__ for cls in ESTIMATORS
    }
    bases = {"AudioTransformer", "DomainEstimator", "GroupedEstimator"}
    own = {"AdaptationClassifier", "AdaptationPipeline", "CorpusInvariantSelector", "CorpusScaler"}
    assert written == bases | own


def stacked(X_src, y_src, X_tgt, filler):
    """Both domains in one array, shuffled, and the order that shuffled them."""
    order = np.random.default_rng(0).permutation(len(X_src) + len(X_tgt))
    X = np.concatenate([X_src, X_tgt])[order]
    y = np.concatenate([y_src, np.full(len(X_tgt), filler, dtype=y_src.dtype)])[order]
    domain = np.repeat([1, -2], [len(X_src), len(X_tgt)])[order]
    return X, y, domain, order


def make_classifier(name):
    """Make a classifier of the table: networks train briefly, weights leave no class out."""
    cls = CLASSIFIERS[name]
    if issubclass(cls, AdaptationClassifier):
        return cls(max_epochs=3, batch_size=32, random_state=0, n_networks=1)
    if name == "jiasl":
        return cls(max_iter=3)
    return cls(weighting=KMM(max_weight=1.2, eps=0.0)) if name == "weighted" else cls()


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
class TestClassifiers:
    """Promises of every classifier of the table, whatever its penalty."""

    def test_learns_and_answers_in_the_callers_labels(self, name, domains):
        X_src, y_src, X_tgt, y_tgt = domains
        classifier = make_classifier(name)
        if "max_epochs" in classifier.get_params():
            classifier.set_params(max_epochs=30, batch_size=32, n_networks=1)
        classifier.fit(X_src, y_src, X_tgt)
        assert classifier.classes_.tolist() == ["anger", "neutral", "sadness"]
        assert recall_score(y_tgt, classifier.predict(X_tgt), average="macro") > 0.9

    @pytest.mark.parametrize("sizes", [(9, 200), (300, 1)])
    def test_unequal_domain_sizes(self, name, sizes):
        X_src, y_src, X_tgt, _ = shifted_blobs(*sizes)
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        assert np.isfinite(scores_of(classifier, X_tgt)).all()
        assert set(classifier.predict(X_tgt)) <= set(y_src)

    def test_without_a_target_the_source_is_learnt(self, name, domains):
        X_src, y_src, _, _ = domains
        classifier = make_classifier(name)
        if "max_epochs" in classifier.get_params():
            classifier.set_params(max_epochs=30, batch_size=32, n_networks=1)
        if name in {"ecan", "shot", "source_only"}:
            classifier.fit(X_src, y_src)
        else:
            with pytest.warns(NoTargetWarning, match="fitted without a target") as caught:
                classifier.fit(X_src, y_src)
            assert caught[0].filename == __file__
        assert classifier.score(X_src, y_src) > 0.9

    def test_constant_features_and_identical_rows(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        X_src, X_tgt = X_src.copy(), X_tgt.copy()
        X_src[:, 0] = X_tgt[:, 0] = 7
        X_src[1], X_tgt[1:4] = X_src[0], X_tgt[0]
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        assert np.isfinite(scores_of(classifier, X_tgt)).all()
        X_tgt[:] = X_tgt[0]
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        assert np.isfinite(scores_of(classifier, X_tgt)).all()


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS) - set(OTHERS)))
class TestMethodsOfClassifiers:
    """Promises of the methods, for every classifier with code of its own."""

    def test_target_labels_of_stacked_data_change_nothing(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        answers = []
        for filler in ("neutral", "zzz", ""):
            X, y, domain, _ = stacked(X_src, y_src, X_tgt, filler)
            classifier = make_classifier(name).fit(X, y, sample_domain=domain)
            assert classifier.classes_.tolist() == ["anger", "neutral", "sadness"]
            answers.append(scores_of(classifier, X_tgt))
        assert np.array_equal(answers[0], answers[1])
        assert np.array_equal(answers[0], answers[2])

    def test_call_shapes_and_target_holders_agree(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        X = np.concatenate([X_src, X_tgt])
        y = np.concatenate([y_src, np.repeat("?", len(X_tgt))])
        domain = np.repeat([1, -1], [len(X_src), len(X_tgt)])
        one = scores_of(make_classifier(name).fit(X_src, y_src, X_tgt), X_tgt)
        other = make_classifier(name).fit(X, y, sample_domain=domain)
        assert np.array_equal(one, scores_of(other, X_tgt))
        held = make_classifier(name).fit(X_src, y_src, Target(X_tgt))
        assert np.array_equal(one, scores_of(held, Target(X_tgt)))

    def test_logarithms_of_probabilities(self, name, domains, recwarn):
        X_src, y_src, X_tgt, _ = domains
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        far = np.vstack([X_tgt, 1e3 * X_tgt])  # where some probabilities are 0
        log_probabilities = classifier.predict_log_proba(far)
        np.testing.assert_array_equal(np.exp(log_probabilities) == 0, log_probabilities < -745)
        np.testing.assert_allclose(np.exp(log_probabilities), classifier.predict_proba(far))
        assert not [w for w in recwarn if issubclass(w.category, RuntimeWarning)]

    def test_rows_are_predicted_one_by_one_and_in_any_order(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        order = np.random.default_rng(0).permutation(len(X_tgt))
        expected = scores_of(classifier, X_tgt)[order]
        np.testing.assert_allclose(scores_of(classifier, X_tgt[order]), expected, atol=1e-5)
        assert classifier.predict(X_tgt[:1]).tolist() == classifier.predict(X_tgt)[:1].tolist()

    def test_a_feature_that_is_no_finite_number_is_named(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        for value, fault in ((np.nan, "NaN"), (np.inf, "infinity")):
            bad = X_tgt.copy()
            bad[7, 4] = value
            match = f"Input X contains {fault}.*, first in row 7 of X, column 4"
            with pytest.raises(ValueError, match=match):
                classifier.predict(bad)
        with pytest.raises(ValueError, match="X has masked entries, the first in row 7, column 4"):
            classifier.predict(np.ma.masked_invalid(bad))

    def test_other_containers_and_types(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        frames = [pd.DataFrame(X, columns=list("abcdef")) for X in (X_src, X_tgt)]
        reference = make_classifier(name).fit(X_src, y_src, X_tgt).predict(X_tgt)
        classifier = make_classifier(name).fit(frames[0], pd.Series(y_src), frames[1])
        assert classifier.feature_names_in_.tolist() == list("abcdef")
        assert (classifier.predict(frames[1]) == reference).all()
        single = [X.astype(np.float32) for X in (X_src, X_tgt)]
        classifier = make_classifier(name).fit(single[0], y_src.tolist(), single[1].tolist())
        assert (classifier.predict(single[1]) == reference).all()

    def test_clone_and_pickle(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        classifier = make_classifier(name).fit(X_src, y_src, X_tgt)
        expected = scores_of(classifier, X_tgt)
        restored = pickle.loads(pickle.dumps(classifier))
        assert np.array_equal(scores_of(restored, X_tgt), expected)
        fresh = clone(classifier)
        assert not hasattr(fresh, "classes_")
        assert np.array_equal(scores_of(fresh.fit(X_src, y_src, X_tgt), X_tgt), expected)

    def test_every_fit_starts_fresh_and_changes_no_input(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        copies = X_src.copy(), y_src.copy(), X_tgt.copy()
        classifier = make_classifier(name)
        first, second = (
            scores_of(classifier.fit(X_src, y_src, X_tgt), X_tgt).copy() for _ in range(2)
        )
        assert np.array_equal(first, second)
        for given, unchanged in zip((X_src, y_src, X_tgt), copies, strict=True):
            assert np.array_equal(given, unchanged)


def scores_of(classifier, X):
    return classifier.decision_function(X)


REFITS = {name: make_classifier(name) for name in CLASSIFIERS}
REFITS |= {name: cls() for name, cls in TRANSFORMERS.items()}
REFITS |= {
    "optimal_transport": OptimalTransport(method="emd"),
    "kmm": KMM(),
    "chain": make_adaptation_pipeline(CorpusScaler(), TCA(2)),
}


@pytest.mark.parametrize("method", ["fit", "fit_transform"])
@pytest.mark.parametrize("name", REFITS)
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(name, method, domains, monkeypatch):
    """Before the checks, between those of the two domains, or by Ctrl-C when all is learnt."""
    X_src, y_src, X_tgt, _ = domains
    estimator, learn = clone(REFITS[name]), "_fit_steps" if name == "chain" else "_fit"
    if not hasattr(estimator, method):
        return  # no transformer
    learnt = getattr(type(estimator), learn)

    def interrupted(*args, **kwargs):
        learnt(*args, **kwargs)
        raise KeyboardInterrupt

    def failed_fits(before):
        fit = getattr(estimator, method)
        with pytest.raises(ValueError, match="whole numbers, one for each row"):
            fit(X_src[:, :5], y_src, [0] * 60)
        with pytest.raises(ValueError, match="contains NaN"):
            fit(X_src[:, :5], y_src, np.full((9, 5), np.nan))
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(type(estimator), learn, interrupted)
            fit(X_src[:, :5], y_src, X_tgt[:, :5])
        assert {name: id(value) for name, value in vars(estimator).items()} == before

    failed_fits({name: id(value) for name, value in vars(estimator).items()})
    estimator.fit(X_src, y_src, X_tgt)
    failed_fits({name: id(value) for name, value in vars(estimator).items()})
    assert estimator.n_features_in_ == 6


def test_a_fit_forgets_what_another_one_learnt_with_other_parameters(domains):
    X_src, y_src, X_tgt, _ = domains
    for estimator, params in (
        (TCA(2), {"kernel": "rbf"}),
        (TCA(2, kernel="rbf", n_landmarks=9), {"n_landmarks": None}),
        (make_classifier("dan").set_params(monitor="information"), {"monitor": None}),
    ):
        estimator.fit(X_src, y_src, X_tgt).set_params(**params)
        fresh = clone(estimator).fit(X_src, y_src, X_tgt)
        assert vars(estimator.fit(X_src, y_src, X_tgt)).keys() == vars(fresh).keys()


# Each transformer of the table by its defaults, and transport by every method.
VARIANTS = {name: (cls, {}) for name, cls in TRANSFORMERS.items() if name != "optimal_transport"}
VARIANTS |= {
    f"optimal_transport-{method}": (OptimalTransport, {"method": method, "reg": 1.0})
    for method in ("emd", "sinkhorn", "sinkhorn_lpl1")
}


def make_transformer(name):
    cls, params = VARIANTS[name]
    transformer = cls(**params)
    if "random_state" in transformer.get_params():
        transformer.set_params(random_state=0)
    return transformer


@pytest.mark.parametrize("name", sorted(VARIANTS))
class TestTransformers:
    """What every transformer of the table promises."""

    @staticmethod
    def paths(name, X_src, y_src, X_tgt):
        """Return both domains as a new instance aligns them."""
        transformer = make_transformer(name)
        Z_src = transformer.fit_transform(X_src, y_src, X_tgt)
        return transformer, Z_src, transformer.transform(X_tgt)

    def test_stacked_rows_come_back_in_their_order(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        _, *expected = self.paths(name, X_src, y_src, X_tgt)
        outputs = []
        for filler in ("neutral", "zzz"):
            X, y, domain, order = stacked(X_src, y_src, X_tgt, filler)
            outputs.append(make_transformer(name).fit_transform(X, y, sample_domain=domain))
        np.testing.assert_allclose(outputs[0], np.concatenate(expected)[order], atol=1e-6)
        assert np.array_equal(*outputs)

    def test_a_target_holder_is_opened(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        _, Z_src, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        other, Z_src_held, _ = self.paths(name, X_src, y_src, Target(X_tgt))
        assert np.array_equal(Z_src, Z_src_held)
        assert np.array_equal(Z_tgt, other.transform(Target(X_tgt)))

    def test_order_of_the_rows_is_kept(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        rng = np.random.default_rng(0)
        orders = rng.permutation(len(X_src)), rng.permutation(len(X_tgt))
        _, Z_src, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        _, turned_src, turned_tgt = self.paths(
            name, X_src[orders[0]], y_src[orders[0]], X_tgt[orders[1]]
        )
        np.testing.assert_allclose(turned_src, Z_src[orders[0]], atol=1e-6)
        np.testing.assert_allclose(turned_tgt, Z_tgt[orders[1]], atol=1e-6)

    def test_rows_of_the_source_go_its_way_when_told(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        transformer, Z_src, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        numbers = np.repeat([0, -1], [len(X_src), len(X_tgt)])
        both = transformer.transform(np.concatenate([X_src, X_tgt]), sample_domain=numbers)
        np.testing.assert_allclose(both, np.concatenate([Z_src, Z_tgt]), atol=1e-9)
        some = transformer.transform(X_src[5:20], sample_domain=np.zeros(15))
        np.testing.assert_allclose(some, Z_src[5:20], atol=1e-9)
        with pytest.raises(ValueError, match="sample_domain and X differ in length"):
            transformer.transform(X_src, sample_domain=[0])

    def test_a_plain_pipeline_hands_the_domains_to_it(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        X, y, domain, _ = stacked(X_src, y_src, X_tgt, "neutral")
        expected = make_transformer(name).fit_transform(X, y, sample_domain=domain)
        with sklearn.config_context(enable_metadata_routing=True):
            transformer = make_transformer(name)
            pipeline = make_pipeline(transformer, StandardScaler(with_std=False))
            with pytest.raises(UnsetMetadataPassedError, match="sample_domain"):
                pipeline.fit(X, y, sample_domain=domain)
            transformer.set_fit_request(sample_domain=True)
            transformer.set_transform_request(sample_domain=True)
            pipeline.fit(X, y, sample_domain=domain)
            Z = pipeline.transform(X, sample_domain=domain)
        np.testing.assert_allclose(Z, expected - expected.mean(axis=0), atol=1e-9)

    @pytest.mark.parametrize("sizes", [(9, 200), (200, 9)])
    def test_unequal_domain_sizes(self, name, sizes):
        X_src, y_src, X_tgt, _ = shifted_blobs(*sizes)
        _, Z_src, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        assert (len(Z_src), len(Z_tgt)) == sizes
        assert np.isfinite(Z_src).all() and np.isfinite(Z_tgt).all()

    def test_a_feature_that_is_no_finite_number_is_named(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        transformer = make_transformer(name).fit(X_src, y_src, X_tgt)
        bad = X_tgt.copy()
        bad[7, 4] = np.nan
        with pytest.raises(ValueError, match="contains NaN, first in row 7 of X, column 4"):
            transformer.transform(bad)
        with pytest.raises(ValueError, match="X has masked entries, the first in row 7, column 4"):
            transformer.transform(np.ma.masked_invalid(bad))

    def test_one_row_is_transformed_as_among_others(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        transformer, _, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        np.testing.assert_allclose(transformer.transform(X_tgt[3:4]), Z_tgt[3:4], atol=1e-9)

    def test_single_precision_stays_single(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        _, *expected = self.paths(name, X_src, y_src, X_tgt)
        _, *single = self.paths(name, X_src.astype(np.float32), y_src, X_tgt.astype(np.float32))
        for Z, reference in zip(single, expected, strict=True):
            assert Z.dtype == np.float32
            np.testing.assert_allclose(Z, reference, atol=1e-3)

    def test_data_frames(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        index = pd.Index([f"clip {i}" for i in range(len(X_src))])
        frames = [
            pd.DataFrame(X_src, index, columns=list("abcdef")),
            pd.DataFrame(X_tgt, columns=list("abcdef")),
        ]
        _, *expected = self.paths(name, X_src, y_src, X_tgt)
        transformer = make_transformer(name).set_output(transform="pandas")
        Z_src = transformer.fit_transform(frames[0], y_src, frames[1])
        Z_tgt = transformer.transform(frames[1])
        assert Z_src.index.equals(index)
        for Z, reference in zip((Z_src, Z_tgt), expected, strict=True):
            assert Z.columns.tolist() == transformer.get_feature_names_out().tolist()
            np.testing.assert_array_equal(Z, reference)

    def test_clone_and_pickle(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        transformer, Z_src, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        assert np.array_equal(pickle.loads(pickle.dumps(transformer)).transform(X_tgt), Z_tgt)
        assert np.array_equal(clone(transformer).fit_transform(X_src, y_src, X_tgt), Z_src)

    def test_every_fit_starts_fresh_and_changes_no_input(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        copies = X_src.copy(), y_src.copy(), X_tgt.copy()
        transformer, _, Z_tgt = self.paths(name, X_src, y_src, X_tgt)
        transformer.fit(X_src[::2] * 3, y_src[::2], X_tgt[1:] - 2)
        assert np.array_equal(transformer.fit(X_src, y_src, X_tgt).transform(X_tgt), Z_tgt)
        for given, unchanged in zip((X_src, y_src, X_tgt), copies, strict=True):
            assert np.array_equal(given, unchanged)

    def test_without_a_target(self, name, domains):
        X_src, y_src, _, _ = domains
        with pytest.warns(NoTargetWarning, match="fitted without a target") as caught:
            Z = make_transformer(name).fit_transform(X_src, y_src)
        assert caught[0].filename == __file__
        assert len(Z) == len(X_src) and np.isfinite(Z).all()

    @pytest.mark.filterwarnings("ignore:Only .* components are non-negligible")
    def test_constant_features_and_identical_rows(self, name, domains):
        X_src, y_src, X_tgt, _ = domains
        X_src, X_tgt = X_src.copy(), X_tgt.copy()
        X_src[:, 0] = X_tgt[:, 0] = 7
        X_src[1], X_tgt[1:4] = X_src[0], X_tgt[0]
        for target in (X_tgt, np.repeat(X_tgt[:1], 5, axis=0)):
            _, Z_src, Z_tgt = self.paths(name, X_src, y_src, target)
            assert np.isfinite(Z_src).all() and np.isfinite(Z_tgt).all()


# Entropy draws the rows of a transport together, TJM weighs the rows of the source by themselves,
# and CDSA knows the labels of the source alone: these change equal domains, too.
UNMOVED = sorted(
    set(VARIANTS)
    - {"optimal_transport-sinkhorn", "optimal_transport-sinkhorn_lpl1"}
    - {"cdsa", "speaker_scaler", "tjm"}
)


@pytest.mark.parametrize("name", UNMOVED)
def test_a_target_equal_to_the_source_changes_nothing(name, domains):
    X_src, y_src, _, _ = domains
    _, Z_src, Z_tgt = TestTransformers.paths(name, X_src, y_src, X_src.copy())
    np.testing.assert_allclose(Z_tgt, Z_src, atol=1e-6)
    with pytest.warns(NoTargetWarning):
        alone = make_transformer(name).fit_transform(X_src, y_src)
    np.testing.assert_allclose(Z_src, alone, atol=1e-6)


def memberships(penalty, n_source, n_target, dtype=torch.float64, d=4):
    """Labels and predictions of three classes, as far as the penalty uses them."""
    known = {
        "labels": one_hot(torch.arange(n_source) % 3),
        "predictions": features(n_target, d=3, seed=2).softmax(dim=1),
        "source_predictions": features(n_source, d=3, seed=3).softmax(dim=1),
    }
    used = {name: known[name].to(dtype) for name in penalty.uses if name in known}
    if "source_domains" in penalty.uses:
        used["source_domains"] = torch.arange(n_source) % 2
    if "corpus_features" in penalty.uses:
        used["corpus_features"] = features(n_source + n_target, d=d, seed=4).to(dtype)
    return used


ADVERSARIES = ("conditional_domain_adversary", "domain_adversary")
# With features alone, and with all that a penalty uses beside them.
CASES = [(name, False) for name in sorted(PENALTIES)]
CASES += [(name, True) for name in sorted(PENALTIES) if PENALTIES[name].uses]


def with_fixed_width(penalty, source, target):
    """Hold the kernel's width at that of these rows, as the gradient does.

    By the number of rows, since the corpora of a source are compared with the target one by one.
    """
    means = {}
    for part in (source, source[::2], source[1::2]):
        rows = torch.cat([part, target])
        means[len(rows)] = torch.cdist(rows, rows).square().sum() / (len(rows) * (len(rows) - 1))
    fixed = copy.deepcopy(penalty)
    fixed._kernel = lambda rows: sum(
        torch.exp(-(rows[:, None] - rows[None]).square().sum(-1) / (width * means[len(rows)]))
        for width in penalty.widths
    )
    return fixed


def with_fixed_weights(penalty, source, target):
    """Hold the weights of the rows at those of these logits, as the gradient does."""
    probable = (target / penalty.temperature).softmax(dim=1).numpy()
    weights = 1 + np.exp(np.sum(probable * np.log(probable), axis=1))
    return lambda source, target: mcc_reference(target.numpy(), penalty.temperature, weights)


# What a gradient holds constant on purpose, the difference quotient must hold constant, too.
HELD = {
    "balanced_mmd": with_fixed_width,
    "decoupling": with_fixed_width,
    "jmmd": with_fixed_width,
    "lmmd": with_fixed_width,
    "mcc": with_fixed_weights,
    "mmd": with_fixed_width,
}


@pytest.fixture(params=CASES, ids=[name + "+labels" * known for name, known in CASES])
def case(request):
    """Name of a penalty, and whether it is given what it uses."""
    return request.param


class TestPenalties:
    """What every penalty of the table promises."""

    @pytest.fixture
    def penalty(self, case):
        torch.manual_seed(0)  # of the weights of those that have some
        return PENALTIES[case[0]]().eval()  # in which running means stay

    @pytest.fixture
    def call(self, penalty, case):
        def call(source, target, penalty=penalty):
            sizes = len(source), len(target)
            known = memberships(penalty, *sizes, d=source.shape[1]) if case[1] else {}
            return penalty(source, target, **known)

        return call

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_scalar_of_any_sizes(self, call, dtype):
        for n_source, n_target in [(12, 5), (3, 12), (1000, 30), (1, 1)]:
            value = call(features(n_source).to(dtype), features(n_target, seed=1).to(dtype))
            assert value.shape == () and value.dtype == dtype
            assert value.item() >= 0, (n_source, n_target)

    def test_gradient_equals_finite_differences(self, case, penalty, call):
        if case[0] == "ida":  # the gradient of the minimum; its labels have tests of their own
            penalty.tol, penalty.label_weight = 1e-12, 0
        source, target = features(5, d=3), features(4, d=3, seed=1, shift=0.5)
        leaves = [rows.clone().requires_grad_() for rows in (source, target)]
        given = torch.autograd.grad(call(*leaves), leaves, allow_unused=True)
        held = HELD.get(case[0], lambda penalty, *rows: penalty)(penalty, source, target)
        sign = -1 if case[0] in ADVERSARIES else 1
        for i, gradient in enumerate(given):
            expected = torch.zeros_like(leaves[i])
            for index in np.ndindex(*expected.shape):
                values = []
                for step in (1e-5, -1e-5):
                    rows = [source.clone(), target.clone()]
                    rows[i][index] += step
                    values.append(call(*rows, penalty=held).item())
                expected[index] = sign * (values[0] - values[1]) / 2e-5
            gradient = torch.zeros_like(expected) if gradient is None else gradient
            torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=0)

    def test_order_of_the_rows_does_not_matter(self, penalty, case):
        source, target = features(8), features(6, seed=1)
        known = memberships(penalty, 8, 6) if case[1] else {}
        value = penalty(source, target, **known).item()
        turned = {name: rows.flip(0) for name, rows in known.items()}
        if "corpus_features" in known:
            turned["corpus_features"] = turned["corpus_features"].roll(-6, 0)
        assert penalty(source.flip(0), target.flip(0), **turned).item() == pytest.approx(value)

    def test_copies_and_pickles_say_the_same(self, penalty, call):
        source, target = features(8).float(), features(6, seed=1).float()
        unused = copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))
        for other in (*unused, penalty):  # the weights of a first call are drawn from one state
            torch.manual_seed(1)
            last = call(source, target, penalty=other).item()
            assert last == call(source, target, penalty=unused[0]).item()
        loaded = type(penalty)().eval()
        loaded.load_state_dict(penalty.state_dict())
        for other in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty)), loaded):
            assert call(source, target, penalty=other).item() == last

    def test_features_that_do_not_fit_are_refused(self, penalty):
        with pytest.raises(TypeError, match="must be tensors; got Tensor and ndarray"):
            penalty(torch.zeros(6, 4), np.zeros((6, 4)))
        with pytest.raises(ValueError, match=r"same number of columns; got shapes \(6, 4\) and"):
            penalty(features(6), features(6)[:, :1])
        match = r"at least one row and one column; got shapes \(6, 4\) and"
        with pytest.raises(ValueError, match=match):
            penalty(features(6), features(6)[:0])
        with pytest.raises(ValueError, match="at least one row and one column"):
            penalty(features(6)[:, :0], features(6)[:, :0])
        with pytest.raises(ValueError, match=r"a floating-point type; got torch\.int64 and"):
            penalty(features(6).long(), features(6))

    def test_half_precision_is_computed_in_single(self, call):
        for dtype in (torch.bfloat16, torch.float16):
            source, target = features(6).to(dtype), features(5, seed=1).to(dtype)
            expected = call(source.float(), target.float())
            assert torch.equal(call(source, target), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(call(source.float(), target.float()), expected)

    def test_degenerate_features_give_finite_values_and_gradients(self, penalty, call):
        """A dead unit, a single row or a wild scale must not end a training with NaN."""
        rows, others = features(6).float(), features(5, seed=1).float()
        degenerate = {
            "dead": (torch.zeros(6, 4), torch.zeros(5, 4)),
            "constant": (rows, torch.ones(5, 4)),
            "one row": (rows[:1], others[:1]),
            "twins": (rows[[0, 0, 1, 1]], rows[[0, 0]]),
            "tiny": (1e-12 * rows, 1e-12 * others),
            "huge": (1e6 * rows, 1e6 * others),
        }
        for kind, (source, target) in degenerate.items():
            penalty.zero_grad()
            leaves = source.clone().requires_grad_(), target.clone().requires_grad_()
            value = call(*leaves)
            value.backward()
            assert value.isfinite(), kind
            gradients = [leaf.grad for leaf in (*leaves, *penalty.parameters())]
            assert all(grad is None or grad.isfinite().all() for grad in gradients), kind


DISTANCES = ["balanced_mmd", "coral", "jmmd", "lmmd", "mean_distance", "mmd"]


@pytest.mark.parametrize("name", DISTANCES)
def test_identical_domains_never_cost_less_than_nothing_in_single_precision(name):
    for n in range(2, 60):
        source, penalty = features(n, d=8, seed=n).float(), PENALTIES[name]()
        assert 0 <= penalty(source, source.flip(0)).item() < 1e-5


@pytest.mark.parametrize("name", DISTANCES)
def test_identical_domains_cost_nothing(name):
    source, penalty = features(10), PENALTIES[name]()
    known = memberships(penalty, 10, 10)
    if known:
        known["predictions"] = known.get("labels", known.get("source_predictions"))
        known.pop("source_domains", None)  # of halves of the source
    assert float(penalty(source, source.clone())) == pytest.approx(0, abs=1e-12)
    assert float(penalty(source, source.clone(), **known)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in sorted(PENALTIES) if PENALTIES[name].uses])
def test_memberships_that_do_not_fit_are_refused(name):
    penalty = PENALTIES[name]()
    source, target, known = features(6), features(5, seed=1), memberships(penalty, 6, 5)
    first, last = penalty.uses[:2]
    with pytest.raises(ValueError, match=f"{first} and {last} go together; got {first} alone"):
        penalty(source, target, **{first: known[first]})
    with pytest.raises(TypeError, match=f"{first} must be a tensor; got ndarray"):
        penalty(source, target, **{**known, first: known[first].numpy()})
    with pytest.raises(
        ValueError, match=rf"{first} must be of shape \(., n_classes\); got \(2, 3\)"
    ):
        penalty(source, target, **{**known, first: known[first][:2]})
    with pytest.raises(
        ValueError, match=f"{first} and {last} must have the same number of columns"
    ):
        penalty(source, target, **{**known, first: known[first][:, :2]})


@pytest.mark.parametrize("name", sorted(PENALTIES))
def test_each_penalty_works_in_a_loop_by_hand(name):
    """With all that any penalty may use, whether this one does or not."""
    rows = features(40, d=6).float(), features(30, d=6, seed=1, shift=1.0).float()
    labels = (rows[0][:, 0] > 0).long()

    def train(trade_off):
        """Without a trade-off an adversary still learns, but not the features from it."""
        torch.manual_seed(0)
        encoder, output = nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, 2)
        penalty = PENALTIES[name]()
        modules = nn.ModuleList([encoder, output, penalty])
        optimizer = torch.optim.Adam(modules.parameters(), lr=0.02)
        for _ in range(60):
            source, target = map(encoder, rows)
            logits = output(source), output(target)
            aligned = logits if name == "mcc" else (source, target)
            weight = trade_off
            if name in ADVERSARIES and not trade_off:
                aligned, weight = (source.detach(), target.detach()), 1
            value = penalty(
                *aligned,
                labels=nn.functional.one_hot(labels),
                predictions=logits[1].softmax(dim=1),
                source_predictions=logits[0].softmax(dim=1),
            )
            loss = nn.functional.cross_entropy(logits[0], labels) + weight * value
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return value.item(), (logits[0].argmax(dim=1) == labels).float().mean().item()

    alone, aligned = train(0), train(10 if name == "coral" else 1)
    assert aligned[1] > 0.9
    # An adversary's loss is the discriminator's: deceived, it is larger.
    assert aligned[0] > 1.2 * alone[0] if name in ADVERSARIES else aligned[0] < 0.8 * alone[0]


# Parameters

NONSENSE = {
    "None": None,
    "-1": -1,
    "1e9": 1e9,
    "NaN": float("nan"),
    "text": "nonsense",
    "object": object(),
    "fraction": Fraction(1, 2),
    "large": 10**30,
    "list": [1, "a"],
    "bytes": b"x",
    "huge": 1e308,
    "1e38": 1e38,  # beyond the limits of numbers in single precision
    "1e-38": 1e-38,
    "1e250": 1e250,  # the limits of numbers in double precision
    "1e-250": 1e-250,
    "array": np.array([1, 2]),
    "NA": pd.NA,
    "module": np,
}
WAVEFORMS = [0.1 * np.sin(np.arange(4000) * pitch) for pitch in (0.1, 0.2, 0.3, 0.4)]
ON_WAVEFORMS = {cls.__name__: cls() for cls in (LogMelSpectrogram, MFCC, Functionals, Spectrogram)}
ON_WAVEFORMS["windowed"] = WindowedClassifier(
    make_adaptation_pipeline(Functionals(), JDAR()), window=0.2, hop=0.1
)
SWEPT = {name: make_classifier(name) for name in CLASSIFIERS}
SWEPT |= {name: cls() for name, cls in TRANSFORMERS.items()}
ON_SPECTROGRAMS = {"translator": SpectrogramTranslator(max_epochs=1, n_frames=8, channels=2)}
SWEPT |= ON_WAVEFORMS | ON_SPECTROGRAMS | {"kmm": KMM(), "refined": AnchoredEM()}
SWEPT["lame"] = LAME()
SWEPT["pipeline"] = make_adaptation_pipeline(CorpusScaler(), JDAR())
SWEPT["union"] = make_adaptation_union(CorpusScaler(), TCA())


def test_every_class_is_swept():
    """But those that need files, which have tests of their own, and the base classes."""
    swept = {type(estimator) for estimator in SWEPT.values()}
    on_files = {AudioLoader, Embeddings}
    bases = {AdaptationClassifier, AudioTransformer, SourceFreeClassifier}
    assert set(ESTIMATORS) - swept == bases | on_files


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, marks=[] if value == "object" else pytest.mark.slow)
        for name in SWEPT
        for value in NONSENSE
    ],
)
def test_a_parameter_without_sense_is_named(name, value, domains, tmp_path, monkeypatch):
    """Every value either works, or is refused by an error that names its parameter."""
    monkeypatch.chdir(tmp_path)  # text may be a path
    X_src, y_src, X_tgt, _ = domains
    data = (X_src, y_src, X_tgt)
    if name in ON_WAVEFORMS:
        data = (WAVEFORMS, ["anger", "fear"] * 2, WAVEFORMS)
    if name in ON_SPECTROGRAMS:
        data = (X_src[:, :, np.newaxis], y_src, X_tgt[:, :, np.newaxis])
    for parameter in SWEPT[name].get_params(deep=False):
        given = {parameter: NONSENSE[value]}
        estimator = clone(SWEPT[name]).set_params(**given)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", RuntimeWarning)  # as of overflows in NumPy
                estimator.fit(*data)
            if name in ON_WAVEFORMS:
                method = "transform" if hasattr(estimator, "transform") else "predict"
                getattr(estimator, method)(WAVEFORMS)
        except (FloatingPointError, TypeError, ValueError) as error:
            assert parameter in str(error), (parameter, error)
        else:
            assert value != "object", parameter


@pytest.mark.parametrize("name", ["aktlr", "cdsa", "jda", "jiasl", "lidan", "LogMelSpectrogram"])
def test_a_parameter_in_single_precision_changes_nothing(name, domains):
    """A Python float of the same value gives the same, and what was given is kept."""
    X_src, y_src, X_tgt, _ = domains
    data = (WAVEFORMS, None, WAVEFORMS) if name in ON_WAVEFORMS else (X_src, y_src, X_tgt)
    parameters = SWEPT[name].get_params(deep=False)
    for parameter in [key for key, value in parameters.items() if type(value) is float]:
        results = []
        for value in (0.5, np.float32(0.5)):
            estimator = clone(SWEPT[name]).set_params(**{parameter: value}).fit(*data)
            assert estimator.get_params()[parameter] is value
            method = "predict" if hasattr(estimator, "predict") else "transform"
            method = "decision_function" if hasattr(estimator, "decision_function") else method
            results.append(getattr(estimator, method)(data[2]))
        np.testing.assert_array_equal(*results, err_msg=parameter)
