"""Scorers without target labels: their values, searches with them, and what they refuse."""

import warnings
from functools import partial, wraps
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from references import shifted_blobs
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from skdidan import (
    CORAL,
    JDAR,
    MMD,
    CorpusScaler,
    DANClassifier,
    LogMelSpectrogram,
    OracleWarning,
    SourceOnlyClassifier,
    Target,
    TargetScorer,
    criteria,
    make_adaptation_pipeline,
    suggest_trade_off,
    uar,
)
from skdidan.audio import spectrograms
from skdidan.domains import n_rows, open_target, takes_target
from skdidan.selection.trials import CRITERIA, Trial

HONEST = sorted(set(CRITERIA) - {"oracle"})


@pytest.fixture
def halves(domains):
    """Source to train on, held-out source, and target, with their labels."""
    X_src, y_src, X_tgt, y_tgt = domains
    return (X_src[:36], y_src[:36]), (X_src[36:], y_src[36:]), (X_tgt, y_tgt)


def score(criterion, estimator, held_out, X_tgt, **params):
    return TargetScorer(criterion, X_tgt, **params)(estimator, *held_out)


def brief(classifier, **params):
    """Make a network that trains for three epochs."""
    return classifier(max_epochs=3, random_state=0, **params)


@pytest.mark.parametrize(
    "estimator",
    [
        JDAR(),
        brief(DANClassifier),
        make_adaptation_pipeline(CorpusScaler(), SVC()),
        make_adaptation_pipeline(CorpusScaler(), brief(SourceOnlyClassifier)),
        LogisticRegression(),
        make_pipeline(StandardScaler(), LinearSVC()),
    ],
    ids=["JDAR", "DAN", "pipeline-SVC", "pipeline-network", "LogisticRegression", "LinearSVC"],
)
def test_every_criterion_scores_every_kind_of_classifier(estimator, halves):
    """No criterion fails, and each has the same value alone, in a list and for a `Target`."""
    train, held_out, (X_tgt, _) = halves
    estimator = clone(estimator)
    fit = partial(estimator.fit, *train)
    fit(X_tgt) if takes_target(estimator) else fit()
    scores = score(HONEST, estimator, held_out, X_tgt)
    assert list(scores) == HONEST and np.isfinite(list(scores.values())).all()
    assert score(HONEST[::-1], estimator, held_out, Target(X_tgt)) == scores
    assert {name: score(name, estimator, held_out, X_tgt) for name in HONEST} == scores


def test_criteria_of_a_list_share_predictions_and_embeddings(halves, monkeypatch):
    train, held_out, (X_tgt, y_tgt) = halves
    estimator = brief(DANClassifier).fit(*train, X_tgt)
    embed, calls = DANClassifier.embed, []
    monkeypatch.setattr(DANClassifier, "embed", lambda *args: calls.append(1) or embed(*args))
    score(HONEST, estimator, held_out, X_tgt)
    assert len(calls) == 2  # once for each domain
    with pytest.warns(OracleWarning):
        together = score(["source", "oracle"], estimator, held_out, X_tgt, y_tgt=y_tgt)
    assert together["oracle"] == uar(y_tgt, estimator.predict(X_tgt))


@pytest.mark.parametrize("in_pipeline", [False, True])
def test_spectrograms_are_scored(in_pipeline):
    rng = np.random.default_rng(0)
    y = np.resize(["anger", "fear", "joy"], 24)
    X_src, X_tgt = (rng.normal(size=(24, 16, 20)).astype(np.float32) for _ in range(2))
    X_src += 3 * (y == "fear")[:, None, None]
    estimator = SourceOnlyClassifier(max_epochs=1, random_state=0)
    if in_pipeline:
        estimator = make_adaptation_pipeline(CorpusScaler(), estimator)
    estimator.fit(X_src[:12], y[:12], X_tgt)
    scores = score(HONEST, estimator, (X_src[12:], y[12:]), X_tgt)
    assert np.isfinite(list(scores.values())).all()


def test_scorers_share_the_recordings_that_a_pipeline_caches(tmp_path, monkeypatch):
    power, n_calls = spectrograms.stft_power, []
    monkeypatch.setattr(spectrograms, "stft_power", lambda *args: n_calls.append(1) or power(*args))
    rng = np.random.default_rng(0)
    waveforms = list(rng.normal(size=(30, 1600)).astype(np.float32))
    y = np.resize(["anger", "fear"], 20)
    pipeline = make_adaptation_pipeline(
        LogMelSpectrogram(duration=0.1, n_mels=8),
        CorpusScaler(),
        DANClassifier("mlp", max_epochs=1, random_state=0),
        memory=tmp_path,
    )
    search = GridSearchCV(
        pipeline,
        {"danclassifier__trade_off": [0.1, 1.0]},
        scoring=TargetScorer(HONEST, waveforms[20:]),
        refit="adaptation",
        cv=2,
        error_score="raise",
    )
    search.fit(waveforms[:20], y, X_tgt=Target(waveforms[20:]))
    assert len(n_calls) == 30


class OneClass(ClassifierMixin, BaseEstimator):
    """Predicts the first class for all rows, with confidence."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[np.zeros(len(X), dtype=int)]


# Values for one class in place of three of equal size, as the docstring of TargetScorer gives them.
ONE_CLASS = {
    "adaptation": 0.0,
    "atc": 0.5,
    "balance": 0.0,
    "centroid": pytest.approx(1 / 3, abs=0.15),
    "clusters": 0.0,
    "density": 1.0,
    "dev": pytest.approx(1 / 3, abs=0.15),
    "entropy": 0.0,
    "importance_weighted": pytest.approx(1 / 3, abs=0.15),
    "information": 0.0,
    "mano": pytest.approx(3**-0.25),
    "mixval": 0.5,
    "nuclear_norm": pytest.approx(3**-0.5),
    "reverse": 0.0,
    "silhouette": -1.0,
    "source": pytest.approx(1 / 3),
}
IGNORE_PREDICTIONS = {"coral", "mmd", "proxy_a"}


def test_predicting_one_class_has_the_documented_values(halves):
    """Some criteria prefer a classifier that predicts one class for all rows to a good one."""
    train, held_out, (X_tgt, _) = halves
    good = score(HONEST, LogisticRegression(C=0.1).fit(*train), held_out, X_tgt)
    one_class = score(HONEST, OneClass().fit(*train), held_out, X_tgt)
    better = {name for name in HONEST if one_class[name] > good[name]}
    assert better == {"density", "entropy", "mano"}
    assert {name for name in HONEST if one_class[name] == good[name]} == IGNORE_PREDICTIONS
    assert {name: one_class[name] for name in ONE_CLASS} == ONE_CLASS
    assert ONE_CLASS.keys() | IGNORE_PREDICTIONS == set(HONEST)


def test_embeddings_that_collapse_have_the_best_distances(halves):
    train, (X, y), (X_tgt, _) = halves
    estimator, names = LogisticRegression().fit(*train), sorted(IGNORE_PREDICTIONS)
    collapsed, apart = (score(names, estimator, (f * X, y), f * X_tgt) for f in (0, 1))
    assert all(collapsed[name] > apart[name] for name in names)


class TestValues:
    """Values against closed forms, values by hand and other criteria."""

    def test_criteria_of_the_predictions(self, halves):
        train, held_out, (X_tgt, _) = halves
        svc = SVC().fit(*train)
        p = np.exp(svc.decision_function(X_tgt))
        p /= p.sum(axis=1, keepdims=True)
        expected = criteria.information_maximisation(p)
        assert score("information", svc, held_out, X_tgt) == pytest.approx(expected)
        assert score("entropy", svc, held_out, X_tgt) == -criteria.prediction_entropy(p)
        assert score("mano", svc, held_out, X_tgt) == criteria.mano(svc.decision_function(X_tgt))

    def test_products_multiply_their_factors(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        factors = score(HONEST, estimator, held_out, X_tgt)
        for product in ("reverse*balance*atc", "source*clusters", "dev*information*density*mano"):
            expected = np.prod([factors[name] for name in product.split("*")])
            assert score(product, estimator, held_out, X_tgt) == pytest.approx(expected)
        adaptation = factors["balance"] * factors["centroid"]
        assert factors["adaptation"] == pytest.approx(adaptation)

    def test_a_factor_of_several_products_is_computed_once(self, halves, monkeypatch):
        train, held_out, (X_tgt, _) = halves
        estimator, fits = JDAR().fit(*train, X_tgt), []
        fit = JDAR.fit

        @wraps(fit)
        def count(*args, **params):
            fits.append(1)
            return fit(*args, **params)

        monkeypatch.setattr(JDAR, "fit", count)
        score(["reverse", "reverse*balance", "reverse*source"], estimator, held_out, X_tgt)
        assert len(fits) == 1

    @pytest.mark.parametrize(
        ("source", "is_correct", "target", "expected"),
        [
            # One error in four: the lower quartile of the confidences, 0.55, is the threshold.
            ([0.4, 0.6, 0.8, 1.0], [0, 1, 1, 1], [0.5, 0.56, 0.9, 1.0], 0.75),
            # No error: the threshold is the least confidence. Only errors: it is the largest.
            ([0.4, 0.6, 0.8, 1.0], [1, 1, 1, 1], [0.4, 0.5, 0.3, 0.9], (0.5 + 1 + 0 + 1) / 4),
            ([0.4, 0.6, 0.8, 1.0], [0, 0, 0, 0], [0.4, 0.5, 0.9, 1.0], 0.5 / 4),
        ],
    )
    def test_average_thresholded_confidence_by_hand(self, source, is_correct, target, expected):
        source, target = (
            SimpleNamespace(probabilities=np.array([[p, 0.0] for p in confidence]))
            for confidence in (source, target)
        )
        trial = SimpleNamespace(source=source, target=target, is_correct=np.array(is_correct))
        assert CRITERIA["atc"](trial) == pytest.approx(expected)

    def test_nearest_class_means_by_hand(self):
        # Once centred, the class means of the source are -1 and 1, and the target is -1 to 1.
        source = SimpleNamespace(embeddings=np.array([[3.0], [5], [5], [7]]), X=np.zeros(4))
        source.predicted = np.array(["anger", "anger", "fear", "fear"])
        target = SimpleNamespace(embeddings=np.array([[99.0], [99.5], [100.5], [101]]))
        target.predicted = np.array(["anger", "fear", "fear", "fear"])
        trial = Trial.__new__(Trial)
        trial.source, trial.target, trial.labels = source, target, source.predicted
        assert CRITERIA["centroid"](trial) == 0.75

    @pytest.mark.parametrize("exponent", [-700, 7, 530])
    def test_the_scale_of_the_embeddings_changes_no_score(self, halves, exponent):
        """Squares of the largest and the smallest have no place in double precision."""

        class OfScaledRows(LogisticRegression):
            def fit(self, X, y):
                return super().fit(np.ldexp(X, -exponent), y)

            def decision_function(self, X):
                return super().decision_function(np.ldexp(X, -exponent))

        train, held_out, (X_tgt, _) = halves
        expected = score(HONEST, LogisticRegression().fit(*train), held_out, X_tgt)
        scaled = OfScaledRows().fit(np.ldexp(train[0], exponent), train[1])
        held_out = np.ldexp(held_out[0], exponent), held_out[1]
        found = score(HONEST, scaled, held_out, np.ldexp(X_tgt, exponent))
        assert found == pytest.approx(expected, rel=1e-9)

    def test_atc_estimates_the_accuracy_without_a_shift(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(60_000, 2))
        y = rng.random(60_000) < 1 / (1 + np.exp(-2 * X[:, 0]))
        train, held_out, target = np.split(np.arange(60_000), 3)
        estimator = LogisticRegression().fit(X[train], y[train])
        value = score("atc", estimator, (X[held_out], y[held_out]), X[target])
        assert value == pytest.approx(estimator.score(X[target], y[target]), abs=0.01)

    def test_a_single_score_of_two_classes_is_their_log_odds(self, halves):
        train, held_out, (X_tgt, _) = halves
        two = train[1] != "neutral"
        svc = SVC().fit(train[0][two], train[1][two])
        p = 1 / (1 + np.exp(-svc.decision_function(X_tgt)))
        expected = -criteria.prediction_entropy(np.stack([1 - p, p], axis=1))
        assert score("entropy", svc, held_out, X_tgt) == pytest.approx(expected)

    def test_scores_of_a_classifier_with_probabilities_alone_are_their_logarithms(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = OneClass().fit(*train)
        scores = np.log(np.clip(estimator.predict_proba(X_tgt), 1e-12, None))
        assert score("mano", estimator, held_out, X_tgt) == pytest.approx(criteria.mano(scores))

    def test_source_rows_pass_a_pipeline_as_source_rows(self, halves):
        train, held_out, (X_tgt, _) = halves
        pipeline = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
        pipeline.fit(*train, 7 * X_tgt + 30)
        own = pipeline.predict(held_out[0], sample_domain=np.zeros(24))
        value = score("source", pipeline, held_out, 7 * X_tgt + 30)
        assert value == uar(held_out[1], own) > 0.9
        assert uar(held_out[1], pipeline.predict(held_out[0])) < value

    def test_embeddings_are_those_of_the_network(self, halves):
        train, held_out, (X_tgt, _) = halves
        network = brief(DANClassifier).fit(*train, X_tgt)
        rows = network.embed(X_tgt).astype(float)
        expected = criteria.cluster_silhouette(rows, network.predict(X_tgt))
        assert score("silhouette", network, held_out, X_tgt) == pytest.approx(expected)

    def test_distances_of_the_embeddings_are_those_of_the_penalties(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        rows = np.concatenate([held_out[0], X_tgt])
        within = np.concatenate([part - part.mean(axis=0) for part in (held_out[0], X_tgt)])
        for criterion, penalty, spread in (("mmd", MMD(), rows), ("coral", CORAL(), within)):
            scaled = torch.tensor(rows / spread.std(axis=0))
            expected = -float(penalty(scaled[:24], scaled[24:]))
            assert score(criterion, estimator, held_out, X_tgt) == pytest.approx(expected)

    def test_a_shift_of_the_means_does_not_change_coral(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        near, far = (score("coral", estimator, held_out, 3 * X_tgt + by) for by in (0, 100))
        assert far == pytest.approx(near)

    @pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.0), (100.0, -2.0)])
    def test_proxy_a_distance_of_equal_and_of_separate_domains(self, shift, expected):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 3)), np.arange(600) % 2
        estimator = LogisticRegression().fit(X, y)
        value = score("proxy_a", estimator, (X[:300], y[:300]), X[300:] + shift)
        assert value == pytest.approx(expected, abs=0.25)

    def test_importance_weights_correct_for_a_shift(self):
        """The target is N(1, 1), the source N(0, 1), and the classifier is best for x < 0."""
        rng = np.random.default_rng(0)
        X = rng.normal(size=(4000, 1))
        y = np.where((X[:, 0] < 0) | (rng.random(4000) < 0.5), "anger", "fear")

        class Anger(OneClass):
            def predict(self, X):
                return np.repeat("anger", len(X))

        X_tgt = rng.normal(size=(4000, 1)) + 1
        right = np.where(X_tgt[:, 0] < 0, 1.0, 0.5).mean()
        estimator = Anger().fit(X, y)
        unweighted = (y == "anger").mean()
        for criterion in ("importance_weighted", "dev"):
            value = score(criterion, estimator, (X, y), X_tgt)
            assert abs(value - right) < 0.05 < unweighted - right

    @pytest.mark.parametrize(
        ("weights", "is_correct", "expected"),
        [
            # Mean risk 3/8; the mean of the weights is 1: no correction.
            ([0.5, 0.5, 1.5, 1.5], [1, 1, 0, 1], 1 - 3 / 8),
            # Mean 1.25, variance 0.5625; risks 2 and 0: slope 0.75 / 0.5625, correction by 1 / 3.
            ([0.5, 0.5, 2.0, 2.0], [1, 1, 0, 0], 1 - (1 - 4 / 3 * 0.25)),
            # Equal weights, or a mean far from 1: the ratio of mean risk and mean weight.
            ([1.6, 1.6, 1.6, 1.6], [1, 0, 1, 1], 1 - 1 / 4),
            ([0.1, 0.3, 0.1, 0.3], [1, 0, 1, 1], 1 - 0.3 / 0.8),
            ([2.0, 4.0, 8.0, 2.0], [1, 0, 1, 1], 1 - 4 / 16),
            # Clipped at 0.
            ([0.1, 3.0, 3.0, 0.1], [0, 0, 0, 0], 0.0),
        ],
    )
    def test_dev_by_hand(self, weights, is_correct, expected):
        trial = SimpleNamespace(weights=np.array(weights), is_correct=np.array(is_correct))
        assert CRITERIA["dev"](trial) == pytest.approx(expected)

    def test_weights_are_clipped_and_do_not_depend_on_the_sizes_of_the_domains(self):
        # Three times as many target rows of the same distribution: weights near 1.
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 2)) * [1, 1e4]
        estimator = LogisticRegression().fit(X, np.arange(200) % 2)
        trial = Trial(estimator, X, None, rng.normal(size=(600, 2)) * [1, 1e4])
        assert np.median(trial.weights) == pytest.approx(1, abs=0.1)
        X_tgt = np.concatenate([rng.normal(size=(200, 2)) + 50, X[:3] * [1, 1e-4]])
        X = np.concatenate([rng.normal(size=(200, 2)), X_tgt[:3]])
        trial = Trial(estimator, X, None, X_tgt)
        assert trial.weights[:200].max() < 0.2 and trial.weights.max() == 10

    def test_one_class_has_its_weighted_share_if_classes_differ_in_size(self, halves):
        X = halves[0][0]
        y = np.where(np.arange(36) < 27, "anger", "fear")
        estimator = OneClass().fit(X, y)
        names = ["source", "importance_weighted", "dev"]
        scores = score(names, estimator, (X, y), X[::-1])
        assert scores["source"] == 0.5
        assert scores["dev"] == pytest.approx(0.75, abs=0.1)
        assert scores["importance_weighted"] == pytest.approx(0.75, abs=0.1)

    def test_mixval_of_a_linear_rule_by_hand(self):
        """Mixed rows keep the side of their larger part, unless it is close to the boundary."""
        X = np.linspace(-1, 1, 40)[:, None]
        y = np.where(X[:, 0] > 0, "b", "a")
        estimator = LogisticRegression(C=1e6).fit(X, y)
        assert score("mixval", estimator, (X, y), 5 * np.sign(X)) == 1
        near = np.concatenate([0.1 * np.ones((20, 1)), -np.ones((20, 1))])
        assert score("mixval", estimator, (X, y), near) == pytest.approx((1 + 0.5) / 2)

    def test_reverse_validation_trains_a_clone_on_the_target(self, halves):
        train, held_out, (X_tgt, _) = halves
        fits = []

        class Recorder(JDAR):
            def fit(self, X, y, X_tgt=None, *, sample_domain=None):
                fits.append((X, y, X_tgt))
                return super().fit(X, y, X_tgt, sample_domain=sample_domain)

        jdar = Recorder().fit(*train, X_tgt)
        value = score("reverse", jdar, held_out, X_tgt)
        assert len(fits) == 2
        X, y, back = fits[1]
        assert np.array_equal(X, X_tgt) and np.array_equal(y, jdar.predict(X_tgt))
        assert np.array_equal(back.X, held_out[0])
        expected = JDAR().fit(X_tgt, y, held_out[0]).predict(held_out[0])
        assert value == uar(held_out[1], expected)
        assert np.array_equal(jdar.predict(X_tgt), y)  # the scored estimator is unchanged


def test_a_search_scores_several_criteria(domains):
    X_src, y_src, X_tgt, _ = domains
    scoring = TargetScorer(["source", "clusters", "proxy_a"], X_tgt)
    search = GridSearchCV(JDAR(), GRID, scoring=scoring, refit="clusters", cv=3)
    search.fit(X_src, y_src, X_tgt=Target(X_tgt))
    assert search.best_index_ == search.cv_results_["mean_test_clusters"].argmax()


class TestWrapped:
    """Classifiers inside pipelines and searches, which pass source rows on as source rows."""

    @pytest.fixture
    def flat(self, halves):
        train, _, (X_tgt, _) = halves
        return make_adaptation_pipeline(CorpusScaler(), LogisticRegression()).fit(*train, X_tgt + 9)

    @pytest.mark.parametrize(
        "wrap",
        [
            lambda flat, train, X_tgt: make_adaptation_pipeline(clone(flat)).fit(*train, X_tgt),
            lambda flat, train, X_tgt: make_adaptation_pipeline(
                CorpusScaler(), make_adaptation_pipeline("passthrough", flat[-1])
            ).fit(*train, X_tgt),
            lambda flat, train, X_tgt: GridSearchCV(clone(flat), {}, cv=2).fit(
                *train, X_tgt=Target(X_tgt)
            ),
            lambda flat, train, X_tgt: FrozenEstimator(flat),
            lambda flat, train, X_tgt: FrozenEstimator(
                GridSearchCV(clone(flat), {}, cv=2).fit(*train, X_tgt=Target(X_tgt))
            ),
        ],
        ids=["pipeline", "last step", "search", "frozen", "frozen search"],
    )
    def test_scores_are_those_of_the_same_steps(self, wrap, flat, halves):
        train, held_out, (X_tgt, _) = halves
        expected = score(HONEST, flat, held_out, X_tgt + 9)
        assert score(HONEST, wrap(flat, train, X_tgt + 9), held_out, X_tgt + 9) == expected

    def test_reverse_passes_a_target_to_a_routed_pipeline(self, halves):
        train, held_out, (X_tgt, _) = halves
        ours = make_adaptation_pipeline(CorpusScaler(), JDAR()).fit(*train, X_tgt + 9)
        with sklearn.config_context(enable_metadata_routing=True):
            steps = [("corpusscaler", CorpusScaler()), ("jdar", JDAR())]
            plain = Pipeline(steps, transform_input=["X_tgt"]).fit(*train, X_tgt=X_tgt + 9)
            value = score("reverse", plain, held_out, X_tgt + 9)
        assert value == score("reverse", ours, held_out, X_tgt + 9)

    def test_a_failing_reverse_fit_is_explained(self, halves):
        train, held_out, (X_tgt, _) = halves

        class Picky(JDAR):
            def fit(self, X, y, X_tgt=None, *, sample_domain=None):
                if len(X) == len(self.expected):
                    raise ValueError("not these rows")
                return super().fit(X, y, X_tgt, sample_domain=sample_domain)

            expected = X_tgt

        estimator = Picky().fit(*train, X_tgt)
        with pytest.raises(ValueError, match="not these rows") as caught:
            score("reverse", estimator, held_out, X_tgt)
        assert "criterion='reverse' was fitting" in caught.value.__notes__[0]


class TestInput:
    """Rows, labels and estimators: forms that are accepted, and errors for others."""

    @pytest.fixture
    def estimator(self, halves):
        return LogisticRegression().fit(*halves[0])

    def test_labels_may_be_a_column(self, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        names = ["source", "dev", "importance_weighted", "adaptation"]
        expected = score(names, estimator, (X, y), X_tgt)
        assert score(names, estimator, (X, pd.DataFrame(y)), X_tgt) == expected

    def test_labels_that_do_not_fit_are_refused(self, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        for criterion in ("source", "dev", "centroid", "reverse"):
            with pytest.raises(ValueError, match="got 5 labels for 24 rows"):
                score(criterion, estimator, (X, y[:5]), X_tgt)
        with pytest.raises(ValueError, match=r"must have the type of the predictions; got .*anger"):
            score("source", estimator, (X, np.arange(24) % 3), X_tgt)
        with pytest.raises(ValueError, match="y should be a 1d array"):
            score("source", estimator, (X, None), X_tgt)
        assert score("entropy", estimator, (X, None), X_tgt) < 0  # needs no labels

    def test_a_target_without_rows_is_refused(self):
        with pytest.raises(TypeError, match=r"X_tgt must be a sequence .* the single entry 'a"):
            TargetScorer("source", "a.wav")
        with pytest.raises(ValueError, match="X_tgt must hold at least one row; got none"):
            TargetScorer("source", [])

    def test_a_target_that_does_not_fit_is_named(self, estimator, halves):
        held_out, (X_tgt, _) = halves[1:]
        for odd, match in (
            (X_tgt[:, :1], "X and of X_tgt must have the same number of columns; got .1, "),
            (X_tgt[:, 0], "X and of X_tgt must have the same number of columns; got .1, "),
            ([["loud"]], "embeddings of X_tgt must hold numbers: could not convert"),
            (np.full_like(X_tgt, np.nan), "NaN or infinity in those of X_tgt"),
        ):
            with pytest.raises((TypeError, ValueError), match=match):
                score("proxy_a", estimator, held_out, odd)

    def test_a_seed_without_sense_is_named(self):
        for seed in (-1, 0.5, True, "nonsense", [1]):
            with pytest.raises(ValueError, match="random_state must be None, a whole number"):
                TargetScorer("source", [[0.0], [1.0]], random_state=seed)

    @pytest.mark.parametrize("criterion", ["information", "mano"])
    def test_an_estimator_without_scores_is_refused(self, criterion, halves):
        train, held_out, (X_tgt, _) = halves
        votes = VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC())]).fit(*train)
        with pytest.raises(TypeError, match="predict_proba or decision_function; got VotingCl"):
            score(criterion, votes, held_out, X_tgt)

    def test_scores_of_pairs_are_refused(self, halves):
        train, held_out, (X_tgt, _) = halves
        pairs = SVC(decision_function_shape="ovo").fit(*train)
        with pytest.raises(TypeError, match="pairs of classes; set decision_function_shape='ovr'"):
            score("information", pairs, held_out, X_tgt)

    def test_a_classifier_of_the_domains_needs_two_rows_of_each(self, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        with pytest.raises(ValueError, match="needs at least two rows of each; got 1"):
            score("dev", estimator, (X[:1], y[:1]), X_tgt)
        assert np.isfinite(score("dev", estimator, (X[:2], y[:2]), X_tgt))

    def test_sparse_embeddings_are_refused(self, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        with pytest.raises(TypeError, match="needs dense embeddings; got a csr_matrix"):
            score("mmd", estimator, (csr_matrix(X), y), csr_matrix(X_tgt))

    def test_embeddings_that_are_not_finite_are_refused(self, halves):
        train, (X, y), (X_tgt, _) = halves
        estimator = HistGradientBoostingClassifier(max_iter=2).fit(*train)
        X = X.copy()
        X[0, 0] = np.nan
        with pytest.raises(ValueError, match="needs finite embeddings; got NaN or infinity"):
            score("mmd", estimator, (X, y), X_tgt)

    def test_mixed_rows_of_a_data_frame_are_a_data_frame(self, halves):
        train, held_out, (X_tgt, _) = halves
        frames = [pd.DataFrame(X, columns=list("abcdef")) for X in (train[0], held_out[0], X_tgt)]
        estimator = LogisticRegression().fit(frames[0], train[1])
        value = score("mixval", estimator, (frames[1], held_out[1]), frames[2])
        plain = LogisticRegression().fit(*train)
        assert value == score("mixval", plain, held_out, X_tgt)

    def test_a_generator_is_copied(self, estimator, halves):
        _, held_out, (X_tgt, _) = halves
        scorer = TargetScorer(["dev", "mixval"], X_tgt, random_state=np.random.RandomState(3))
        first = scorer(estimator, *held_out)
        assert scorer(estimator, *held_out) == first
        alone = TargetScorer("mixval", X_tgt, random_state=np.random.RandomState(3))
        assert alone(estimator, *held_out) == first["mixval"]


class Whole(JDAR):
    """Refuses a target that a search has sliced."""

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        n_target = n_rows(open_target(X_tgt))
        if n_target != 60:
            raise ValueError(f"the target was sliced to {n_target} rows")
        return super().fit(X, y, X_tgt, sample_domain=sample_domain)


GRID = {"trade_off": [0.1, 1.0]}


def chain(kind, routing):
    """Return an estimator with a `Whole`, and the prefixes of its parameters and of X_tgt."""
    if kind == "estimator":
        return Whole(), "", ""
    if kind == "AdaptationPipeline":
        return make_adaptation_pipeline(CorpusScaler(), Whole()), "whole__", ""
    if routing:
        steps = [("corpusscaler", CorpusScaler()), ("whole", Whole())]
        return Pipeline(steps, transform_input=["X_tgt"]), "whole__", ""
    return make_pipeline(StandardScaler(), Whole()), "whole__", "whole__"


@pytest.mark.parametrize("kind", ["estimator", "AdaptationPipeline", "Pipeline"])
@pytest.mark.parametrize("routing", [False, True])
class TestWholeTarget:
    """Source and target of equal length: only a `Target` keeps a search from slicing the target."""

    @pytest.fixture
    def equal(self):
        return shifted_blobs(60, 60)

    def test_searches(self, routing, kind, equal):
        X_src, y_src, X_tgt, _ = equal
        estimator, prefix, place = chain(kind, routing)
        grid = {f"{prefix}{name}": values for name, values in GRID.items()}
        params = {"cv": GroupKFold(3), "error_score": "raise"}
        params["scoring"] = TargetScorer("source*balance*atc", X_tgt)
        groups = np.random.default_rng(0).integers(6, size=60)
        with sklearn.config_context(enable_metadata_routing=routing):
            for search in (
                GridSearchCV(estimator, grid, **params),
                HalvingGridSearchCV(estimator, grid, min_resources=30, random_state=0, **params),
            ):
                search.fit(X_src, y_src, groups=groups, **{f"{place}X_tgt": Target(X_tgt)})
                assert search.predict(X_tgt).shape == (60,)
                with pytest.raises(ValueError, match="the target was sliced to"):
                    search.fit(X_src, y_src, groups=groups, **{f"{place}X_tgt": X_tgt})


@pytest.mark.parametrize("routing", [False, True])
def test_cross_validation_and_learning_curves_leave_the_target_whole(routing):
    X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
    estimator, _, _ = chain("AdaptationPipeline", routing)
    common = {"scoring": TargetScorer("information", X_tgt), "error_score": "raise"}
    params = {"X_tgt": Target(X_tgt)}
    sizes = {"train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 0}
    with sklearn.config_context(enable_metadata_routing=routing):
        scores = cross_validate(estimator, X_src, y_src, params=params, **common)
        assert np.isfinite(scores["test_score"]).all()
        n_train, _, scores = learning_curve(
            estimator, X_src, y_src, params=params, **sizes, **common
        )
        assert n_train.tolist() == [24, 48] and np.isfinite(scores).all()
        with pytest.raises(ValueError, match="the target was sliced to"):
            cross_validate(estimator, X_src, y_src, params={"X_tgt": X_tgt}, **common)


SLICED = "X_tgt has 40 rows, as many as the part of the source in a fold"


@pytest.mark.parametrize("make", [JDAR, lambda: make_adaptation_pipeline(CorpusScaler(), JDAR())])
def test_a_target_that_is_sliced_is_a_warning(make):
    """One for each fold, at the line of the user, and none of the steps in a pipeline."""
    X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
    for fit in (
        lambda target: GridSearchCV(make(), {}, cv=KFold(3)).fit(X_src, y_src, X_tgt=target),
        lambda target: cross_validate(make(), X_src, y_src, cv=KFold(3), params={"X_tgt": target}),
        lambda target: CalibratedClassifierCV(make(), cv=3).fit(X_src, y_src, X_tgt=target),
    ):
        with pytest.warns(UserWarning, match=SLICED) as caught:
            fit(X_tgt)
        assert len(caught) == 3 and {each.filename for each in caught} == {__file__}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(Target(X_tgt))


def test_domains_of_equal_size_are_no_warning_without_folds():
    X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_adaptation_pipeline(CorpusScaler(), JDAR()).fit(X_src, y_src, X_tgt)
        other = X_tgt[:50]  # which no search slices
        GridSearchCV(JDAR(), {}, cv=KFold(3)).fit(X_src, y_src, X_tgt=other)


class Recorder(Whole):
    """Records the source rows of each fit by their first feature."""

    fits = []  # noqa: RUF012 - shared by all clones on purpose

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        self.fits.append(X[:, 0])
        return super().fit(X, y, X_tgt, sample_domain=sample_domain)


class TestSuggestTradeOff:
    """A grid search over one parameter."""

    @pytest.mark.parametrize(("in_pipeline", "holder"), [(False, Target), (True, np.asarray)])
    def test_it_is_a_grid_search(self, in_pipeline, holder):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        estimator, name = Whole(), "trade_off"
        if in_pipeline:
            estimator, name = make_adaptation_pipeline(CorpusScaler(), Whole()), "whole__trade_off"
        before = repr(estimator)
        for criterion in ("source*balance", "mmd"):
            scorer = TargetScorer(criterion, X_tgt)
            grid = {name: [0.01, 1.0, 100.0]}
            search = GridSearchCV(estimator, grid, scoring=scorer, cv=4)
            search.fit(X_src, y_src, X_tgt=Target(X_tgt))
            suggested = suggest_trade_off(
                estimator,
                X_src,
                y_src,
                holder(X_tgt),
                trade_offs=grid[name],
                criterion=criterion,
                cv=4,
            )
            assert suggested == search.best_params_[name]
        assert repr(estimator) == before

    @pytest.mark.parametrize("cv, n_folds", [(None, 3), (np.int64(2), 2), (GroupKFold(3), 3)])
    def test_groups_are_held_out_whole(self, cv, n_folds):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        speakers = np.random.default_rng(0).choice(["ann", "bob", "cyd"], 60)
        Recorder.fits.clear()
        params = {"groups": speakers, "trade_offs": [1.0], "cv": cv, "criterion": "information"}
        suggest_trade_off(Recorder(), X_src, y_src, X_tgt, **params)
        assert len(Recorder.fits) == n_folds
        for rows in Recorder.fits:
            inside = set(speakers[np.isin(X_src[:, 0], rows)])
            assert len(rows) == np.isin(speakers, list(inside)).sum() < 60

    def test_the_estimator_has_one_trade_off(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        with pytest.raises(ValueError, match=r"must have one parameter trade_off.*got none in SVC"):
            suggest_trade_off(SVC(), X_src, y_src, X_tgt)
        two = make_adaptation_pipeline(JDAR(), JDAR())
        with pytest.raises(ValueError, match=r"got \['jdar-1__trade_off', 'jdar-2__trade_off'\]"):
            suggest_trade_off(two, X_src, y_src, X_tgt)

    @pytest.mark.parametrize("in_pipeline", [False, True])
    def test_metadata_routing_gives_the_same_value(self, in_pipeline):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        groups = np.arange(60) // 3 % 4 if in_pipeline else None
        estimator = DANClassifier(max_epochs=1, random_state=0)
        if in_pipeline:
            estimator = make_adaptation_pipeline(CorpusScaler(), estimator)
        suggest = partial(
            suggest_trade_off, estimator, X_src, y_src, X_tgt, groups=groups, trade_offs=[0.1, 30]
        )
        with sklearn.config_context(enable_metadata_routing=True):
            routed = suggest()
        assert routed == suggest()

    def test_arguments_that_do_not_fit_are_refused(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        suggest = partial(suggest_trade_off, JDAR(), X_src, y_src)
        with pytest.raises(ValueError, match=r"one of .*; got \['dev'\]"):
            suggest(X_tgt, criterion=["dev"])
        with pytest.raises(ValueError, match=r"criterion='oracle' reads target labels: use any"):
            suggest(X_tgt, criterion="oracle")
        with pytest.raises(ValueError, match="n_jobs must be a whole number but 0, or None; got 0"):
            suggest(X_tgt, n_jobs=0)
        with pytest.raises(TypeError, match=r"X_tgt must be a sequence .* the single entry None"):
            suggest(None)
        with pytest.raises(ValueError, match="trade_offs must hold at least one value; got none"):
            suggest(X_tgt, trade_offs=[])
        with pytest.raises(ValueError, match="trade_offs must be a finite number of at least 0"):
            suggest(X_tgt, trade_offs="weak")
        with pytest.raises(ValueError, match="got 'weak'"):
            suggest(X_tgt, trade_offs=[0.1, "weak"])
        with pytest.raises(ValueError, match="at least two different values; got 1"):
            suggest(X_tgt, groups=["ann"] * 60)
        with pytest.raises(ValueError, match="groups must have one entry per row: 3 != 60"):
            suggest(X_tgt, groups=["ann"] * 3)

    def test_a_failing_fit_is_reported(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        with pytest.raises(ValueError, match="alpha must be"):
            suggest_trade_off(JDAR(alpha=-1), X_src, y_src, X_tgt)


class TestOracle:
    """Only the criterion "oracle" reads target labels."""

    def test_it_warns_and_reads_the_labels(self, halves):
        train, held_out, (X_tgt, y_tgt) = halves
        estimator = LogisticRegression().fit(*train)
        with pytest.warns(OracleWarning, match="reads target labels") as caught:
            value = score("oracle", estimator, held_out, X_tgt, y_tgt=y_tgt)
        assert caught[0].filename == __file__
        assert value == uar(y_tgt, estimator.predict(X_tgt))

    def test_it_is_the_only_criterion_with_labels(self, domains):
        *_, X_tgt, y_tgt = domains
        with pytest.raises(ValueError, match="must be given for criterion='oracle' and only for"):
            TargetScorer("entropy", X_tgt, y_tgt=y_tgt)
        with pytest.raises(ValueError, match="got criterion='oracle' and y_tgt=None"):
            TargetScorer("oracle", X_tgt)
        with pytest.raises(ValueError, match=rf"got 5 labels for {len(X_tgt)} rows"):
            TargetScorer("oracle", X_tgt, y_tgt=y_tgt[:5])


def test_criteria_are_checked_and_shown():
    with pytest.raises(ValueError, match=r"criterion must be one of \['adaptation', 'atc'"):
        TargetScorer("accuracy", np.zeros((4, 2)))
    for product in ("entropy*source", "oracle*source", "mmd*source"):
        with pytest.raises(ValueError, match=r"takes factors that are not negative.*; got"):
            TargetScorer(product, np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"criterion must be one of"):
        TargetScorer("source*source", np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"criterion must be one of .*; got 'accuracy'"):
        TargetScorer(["dev", "accuracy"], np.zeros((4, 2)))
    with pytest.raises(ValueError, match="must name at least one criterion"):
        TargetScorer([], np.zeros((4, 2)))
    shown = repr(TargetScorer("dev", Target(np.zeros((4, 2)))))
    assert shown == "TargetScorer('dev', X_tgt of 4 rows)"


@pytest.mark.parametrize("criterion", ["source", "dev", "centroid"])
def test_hidden_and_missing_labels_of_held_out_rows_are_named(criterion, halves):
    (X, y), (X_tgt, _) = halves[0], halves[2]
    classifier = JDAR().fit(X, y, X_tgt)
    for labels in (np.ma.masked_array(y, mask=np.arange(len(y)) == 3), [*y[:3], None, *y[4:]]):
        with pytest.raises(ValueError, match=r"y holds 1 missing label\(s\), the first in row 3"):
            TargetScorer(criterion, X_tgt)(classifier, X, labels)
