"""Scorers without target labels: their values, searches with them, and what they refuse."""

from functools import partial, wraps
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn
from conftest import shifted_blobs
from scipy.sparse import csr_matrix
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - makes the import below
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
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
    split_domains,
    suggest_trade_off,
    uar,
)
from skdidan.audio import spectrograms
from skdidan.selection.trials import CRITERIA, Trial

HONEST = sorted(set(CRITERIA) - {"oracle"})


@pytest.fixture
def halves(domains):
    """Source to train on, held-out source, and target, with their labels."""
    X_src, y_src, X_tgt, y_tgt = domains
    return (X_src[:36], y_src[:36]), (X_src[36:], y_src[36:]), (X_tgt, y_tgt)


def score(criterion, estimator, held_out, X_tgt, **params):
    return TargetScorer(criterion, X_tgt, **params)(estimator, *held_out)


@pytest.mark.parametrize("criterion", HONEST)
@pytest.mark.parametrize(
    "make",
    [
        lambda: JDAR(),
        lambda: DANClassifier(max_epochs=3, random_state=0),
        lambda: make_adaptation_pipeline(CorpusScaler(), SVC()),
        lambda: make_adaptation_pipeline(
            CorpusScaler(), SourceOnlyClassifier(max_epochs=3, random_state=0)
        ),
    ],
    ids=["JDAR", "DAN", "pipeline of an SVC", "pipeline of a network"],
)
def test_every_criterion_scores_every_kind_of_classifier(criterion, make, halves):
    train, held_out, (X_tgt, _) = halves
    estimator = make().fit(*train, X_tgt)
    value = score(criterion, estimator, held_out, X_tgt)
    assert isinstance(value, float) and np.isfinite(value)
    assert score(criterion, estimator, held_out, Target(X_tgt)) == value


def test_several_criteria_are_scored_together(halves, monkeypatch):
    train, held_out, (X_tgt, y_tgt) = halves
    estimator = DANClassifier(max_epochs=3, random_state=0).fit(*train, X_tgt)
    expected = {name: score(name, estimator, held_out, X_tgt) for name in HONEST}
    embed, calls = DANClassifier.embed, []
    monkeypatch.setattr(DANClassifier, "embed", lambda *args: calls.append(1) or embed(*args))
    for names in (HONEST, HONEST[::-1], tuple(HONEST)):
        assert score(names, estimator, held_out, X_tgt) == expected
    assert len(calls) == 2 * 3  # once for each domain
    with pytest.warns(OracleWarning):
        together = score(["source", "oracle"], estimator, held_out, X_tgt, y_tgt=y_tgt)
    assert together["oracle"] == uar(y_tgt, estimator.predict(X_tgt))


@pytest.mark.parametrize("criterion", HONEST)
def test_estimators_of_scikit_learn_are_scored(criterion, halves):
    train, held_out, (X_tgt, _) = halves
    for estimator in (LogisticRegression(), make_pipeline(StandardScaler(), LinearSVC())):
        assert np.isfinite(score(criterion, estimator.fit(*train), held_out, X_tgt))


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


def test_scorers_share_the_recordings_that_a_pipeline_keeps(tmp_path, monkeypatch):
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
    """Puts everything into the first class, for sure."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.repeat(self.classes_[:1], len(X))

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[np.zeros(len(X), dtype=int)]


# As the table in the docstring has it. The distances of the embeddings do not look at predictions.
REWARDS_ONE_CLASS = {"density", "entropy", "mano"}
BLIND = {"coral", "mmd", "proxy_a"}


# What it is worth to put everything into one of three classes, which are of equal size.
WORTH = {
    "adaptation": 0.0,
    "atc": 0.5,
    "balance": 0.0,
    "centroid": 1 / 3,
    "clusters": 0.0,
    "density": 1.0,
    "dev": 1 / 3,
    "entropy": 0.0,
    "importance_weighted": 1 / 3,
    "information": 0.0,
    "mano": 3**-0.25,
    "mixval": 0.5,
    "nuclear_norm": 3**-0.5,
    "reverse": 0.0,
    "silhouette": -1.0,
    "source": 1 / 3,
}


@pytest.mark.parametrize("criterion", HONEST)
def test_who_puts_everything_into_one_class(criterion, halves):
    train, held_out, (X_tgt, _) = halves
    degenerate = score(criterion, OneClass().fit(*train), held_out, X_tgt)
    good = score(criterion, LogisticRegression(C=0.1).fit(*train), held_out, X_tgt)
    if criterion in BLIND:
        assert degenerate == good
    else:
        is_estimate = criterion in ("dev", "importance_weighted", "centroid")
        assert degenerate == pytest.approx(WORTH[criterion], abs=0.15 if is_estimate else 1e-9)
        assert (degenerate > good) == (criterion in REWARDS_ONE_CLASS)


@pytest.mark.parametrize("criterion", sorted(BLIND))
def test_features_that_collapse_are_close(criterion, halves):
    train, held_out, (X_tgt, _) = halves
    estimator = LogisticRegression().fit(*train)
    collapsed = score(criterion, estimator, (0 * held_out[0], held_out[1]), 0 * X_tgt)
    assert collapsed > score(criterion, estimator, held_out, X_tgt)


class TestValues:
    """What the scores are made of."""

    def test_criteria_of_the_predictions(self, halves):
        train, held_out, (X_tgt, _) = halves
        svc = SVC().fit(*train)
        p = np.exp(svc.decision_function(X_tgt))
        p /= p.sum(axis=1, keepdims=True)
        expected = criteria.information_maximisation(p)
        assert score("information", svc, held_out, X_tgt) == pytest.approx(expected)
        assert score("entropy", svc, held_out, X_tgt) == -criteria.prediction_entropy(p)
        assert score("mano", svc, held_out, X_tgt) == criteria.mano(svc.decision_function(X_tgt))

    def test_products(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        factors = {name: score(name, estimator, held_out, X_tgt) for name in HONEST}
        for product in ("reverse*balance*atc", "source*clusters", "dev*information*density*mano"):
            expected = np.prod([factors[name] for name in product.split("*")])
            assert score(product, estimator, held_out, X_tgt) == pytest.approx(expected)
        adaptation = factors["balance"] * factors["centroid"]
        assert factors["adaptation"] == pytest.approx(adaptation)

    def test_a_factor_of_several_criteria_is_computed_once(self, halves, monkeypatch):
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
        ("source", "hits", "target", "expected"),
        [
            # One error in four: a quarter of the way from the least to the most sure lies 0.55.
            ([0.4, 0.6, 0.8, 1.0], [0, 1, 1, 1], [0.5, 0.56, 0.9, 1.0], 0.75),
            # No error: all are, but for ties with the least sure; nothing right: none is.
            ([0.4, 0.6, 0.8, 1.0], [1, 1, 1, 1], [0.4, 0.5, 0.3, 0.9], (0.5 + 1 + 0 + 1) / 4),
            ([0.4, 0.6, 0.8, 1.0], [0, 0, 0, 0], [0.4, 0.5, 0.9, 1.0], 0.5 / 4),
        ],
    )
    def test_average_thresholded_confidence_by_hand(self, source, hits, target, expected):
        both = (
            SimpleNamespace(probabilities=np.array([[p, 0.0] for p in sure]))
            for sure in (source, target)
        )
        trial = SimpleNamespace(source=next(both), target=next(both), hits=np.array(hits))
        assert CRITERIA["atc"](trial) == pytest.approx(expected)

    def test_nearest_class_means_by_hand(self):
        # Means of the classes at -1 and 1 about 5; the target lies about 100, its scale is its own.
        source = SimpleNamespace(embeddings=np.array([[3.0], [5], [5], [7]]), X=np.zeros(4))
        source.predicted = np.array(["anger", "anger", "fear", "fear"])
        target = SimpleNamespace(embeddings=np.array([[99.0], [99.5], [100.5], [101]]))
        target.predicted = np.array(["anger", "fear", "fear", "fear"])
        trial = Trial.__new__(Trial)
        trial.source, trial.target, trial.labels = source, target, source.predicted
        assert CRITERIA["centroid"](trial) == 0.75

    def test_class_means_do_not_see_a_shift_nor_a_scale(self, halves):
        train, held_out, (X_tgt, _) = halves
        plain = make_pipeline(StandardScaler(), LogisticRegression()).fit(*train)
        scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(100 * train[0], train[1])
        value = score("centroid", plain, held_out, X_tgt)
        held_out = 100 * held_out[0], held_out[1]
        assert score("centroid", scaled, held_out, 100 * X_tgt) == pytest.approx(value)

    def test_it_estimates_the_accuracy_where_nothing_has_shifted(self):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(60_000, 2))
        y = rng.random(60_000) < 1 / (1 + np.exp(-2 * X[:, 0]))
        train, held_out, target = np.split(np.arange(60_000), 3)
        estimator = LogisticRegression().fit(X[train], y[train])
        value = score("atc", estimator, (X[held_out], y[held_out]), X[target])
        assert value == pytest.approx(estimator.score(X[target], y[target]), abs=0.01)

    def test_two_classes_have_one_score(self, halves):
        train, held_out, (X_tgt, _) = halves
        two = train[1] != "neutral"
        svc = SVC().fit(train[0][two], train[1][two])
        p = 1 / (1 + np.exp(-svc.decision_function(X_tgt)))
        expected = -criteria.prediction_entropy(np.stack([1 - p, p], axis=1))
        assert score("entropy", svc, held_out, X_tgt) == pytest.approx(expected)

    def test_probabilities_alone_have_scores(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = OneClass().fit(*train)
        scores = np.log(np.clip(estimator.predict_proba(X_tgt), 1e-12, None))
        assert score("mano", estimator, held_out, X_tgt) == pytest.approx(criteria.mano(scores))

    def test_the_source_goes_its_own_way(self, halves):
        train, held_out, (X_tgt, _) = halves
        pipeline = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
        pipeline.fit(*train, 7 * X_tgt + 30)
        own = pipeline.predict(held_out[0], sample_domain=np.zeros(24))
        value = score("source", pipeline, held_out, 7 * X_tgt + 30)
        assert value == uar(held_out[1], own) > 0.9
        assert uar(held_out[1], pipeline.predict(held_out[0])) < value

    def test_embeddings_are_those_of_the_network(self, halves):
        train, held_out, (X_tgt, _) = halves
        network = DANClassifier(max_epochs=3, random_state=0).fit(*train, X_tgt)
        rows = network.embed(X_tgt).astype(float)
        expected = criteria.cluster_silhouette(rows, network.predict(X_tgt))
        assert score("silhouette", network, held_out, X_tgt) == pytest.approx(expected)

    def test_distances_of_the_embeddings(self, halves):
        import torch

        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        rows = np.concatenate([held_out[0], X_tgt])
        within = np.concatenate([part - part.mean(axis=0) for part in (held_out[0], X_tgt)])
        for criterion, penalty, spread in (("mmd", MMD(), rows), ("coral", CORAL(), within)):
            scaled = torch.tensor(rows / spread.std(axis=0))
            expected = -float(penalty(scaled[:24], scaled[24:]))
            assert score(criterion, estimator, held_out, X_tgt) == pytest.approx(expected)

    def test_a_shift_of_the_means_does_not_bring_covariances_together(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        near, far = (score("coral", estimator, held_out, 3 * X_tgt + by) for by in (0, 100))
        assert far == pytest.approx(near)

    @pytest.mark.parametrize(("shift", "expected"), [(0.0, 0.0), (100.0, -2.0)])
    def test_proxy_a_distance(self, shift, expected):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(600, 3)), np.arange(600) % 2
        estimator = LogisticRegression().fit(X, y)
        value = score("proxy_a", estimator, (X[:300], y[:300]), X[300:] + shift)
        assert value == pytest.approx(expected, abs=0.25)

    def test_importance_weights_follow_the_densities(self):
        # Right where x < 0, which is rare in the target: N(1, 1) against N(0, 1).
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
        ("weights", "hits", "expected"),
        [
            # Mean risk 3/8; slope 1.5 by hand; the mean of the weights is 1: no correction.
            ([0.5, 0.5, 1.5, 1.5], [1, 1, 0, 1], 1 - 3 / 8),
            # Mean 1.25, variance 0.5625; risks 2 and 0: slope 0.75 / 0.5625, correction by 1 / 3.
            ([0.5, 0.5, 2.0, 2.0], [1, 1, 0, 0], 1 - (1 - 4 / 3 * 0.25)),
            # All alike, or far from 1 on average: the ratio of mean risk and mean weight.
            ([1.6, 1.6, 1.6, 1.6], [1, 0, 1, 1], 1 - 1 / 4),
            ([0.1, 0.3, 0.1, 0.3], [1, 0, 1, 1], 1 - 0.3 / 0.8),
            ([2.0, 4.0, 8.0, 2.0], [1, 0, 1, 1], 1 - 4 / 16),
            # What is left of a share below 0 is none.
            ([0.1, 3.0, 3.0, 0.1], [0, 0, 0, 0], 0.0),
        ],
    )
    def test_dev_by_hand(self, weights, hits, expected):
        trial = SimpleNamespace(weights=np.array(weights), hits=np.array(hits))
        assert CRITERIA["dev"](trial) == pytest.approx(expected)

    def test_weights_are_clipped_ratios_of_balanced_domains(self):
        # Three times as many rows in the target, and both alike: weights near 1 all the same.
        rng = np.random.default_rng(0)
        X = rng.normal(size=(200, 2)) * [1, 1e4]
        estimator = LogisticRegression().fit(X, np.arange(200) % 2)
        trial = Trial(estimator, X, None, rng.normal(size=(600, 2)) * [1, 1e4])
        assert np.median(trial.weights) == pytest.approx(1, abs=0.1)
        X_tgt = np.concatenate([rng.normal(size=(200, 2)) + 50, X[:3] * [1, 1e-4]])
        X = np.concatenate([rng.normal(size=(200, 2)), X_tgt[:3]])
        trial = Trial(estimator, X, None, X_tgt)
        assert trial.weights[:200].max() < 0.2 and trial.weights.max() == 10

    def test_what_one_class_is_worth_where_classes_differ_in_size(self, halves):
        X = halves[0][0]
        y = np.where(np.arange(36) < 27, "anger", "fear")
        estimator = OneClass().fit(X, y)
        names = ["source", "importance_weighted", "dev"]
        scores = score(names, estimator, (X, y), X[::-1])
        assert scores["source"] == 0.5
        assert scores["dev"] == pytest.approx(0.75, abs=0.1)
        assert scores["importance_weighted"] == pytest.approx(0.75, abs=0.1)

    def test_mixed_rows_of_a_linear_rule_stay_with_their_larger_part(self):
        X = np.linspace(-1, 1, 40)[:, None]
        y = np.where(X[:, 0] > 0, "b", "a")
        estimator = LogisticRegression(C=1e6).fit(X, y)
        # Mixed with its like a row never changes sides, and a row far out only seldom.
        assert score("mixval", estimator, (X, y), 5 * np.sign(X)) == 1
        near = np.concatenate([0.1 * np.ones((20, 1)), -np.ones((20, 1))])
        assert score("mixval", estimator, (X, y), near) == pytest.approx((1 + 0.5) / 2)

    def test_mixval_of_one_class_has_no_partners_of_another(self, halves):
        train, held_out, (X_tgt, _) = halves
        assert score("mixval", OneClass().fit(*train), held_out, X_tgt) == 0.5

    def test_reverse_validation_retrains_on_the_target(self, halves):
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
        assert np.array_equal(jdar.predict(X_tgt), y)  # the scored one is as it was


class TestSearch:
    """In the searches of scikit-learn."""

    @pytest.mark.parametrize("n_target", [60, 90])
    def test_grid_search_sees_the_whole_target(self, n_target):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, n_target)
        scorer = TargetScorer("information", X_tgt)
        search = GridSearchCV(JDAR(), {"trade_off": [0.0, 1.0]}, scoring=scorer, cv=3)
        search.fit(X_src, y_src, X_tgt=Target(X_tgt))
        folds = [search.cv_results_[f"split{i}_test_score"] for i in range(3)]
        assert np.isfinite(folds).all() and np.ptp(folds) > 0
        assert search.predict(X_tgt).shape == (n_target,)

    def test_several_at_once(self, domains):
        X_src, y_src, X_tgt, _ = domains
        names = ["source", "clusters", "proxy_a"]
        params = {"X_tgt": Target(X_tgt)}
        scoring = TargetScorer(names, X_tgt)
        results = cross_validate(JDAR(), X_src, y_src, scoring=scoring, cv=3, params=params)
        assert {f"test_{name}" for name in names} <= set(results)
        search = GridSearchCV(JDAR(), GRID, scoring=scoring, refit="source", cv=3)
        search.fit(X_src, y_src, X_tgt=Target(X_tgt))
        assert search.best_index_ == search.cv_results_["mean_test_source"].argmax()


class TestWrapped:
    """The classifier inside of pipelines and searches, which held-out source rows reach as such."""

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
        names = sorted(set(HONEST))
        expected = score(names, flat, held_out, X_tgt + 9)
        assert score(names, wrap(flat, train, X_tgt + 9), held_out, X_tgt + 9) == expected

    def test_reverse_of_a_routed_pipeline_has_a_target(self, halves):
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
        assert "the fit of criterion='reverse'" in caught.value.__notes__[0]


class TestMisuse:
    """What is wrong is named."""

    @pytest.fixture
    def estimator(self, halves):
        return LogisticRegression().fit(*halves[0])

    def test_labels_as_a_column(self, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        names = ["source", "dev", "importance_weighted", "adaptation"]
        expected = score(names, estimator, (X, y), X_tgt)
        assert score(names, estimator, (X, pd.DataFrame(y)), X_tgt) == expected

    @pytest.mark.parametrize("criterion", ["source", "dev", "importance_weighted", "reverse"])
    def test_labels_that_do_not_fit(self, criterion, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        with pytest.raises(ValueError, match="got 5 labels of 24 rows"):
            score(criterion, estimator, (X, y[:5]), X_tgt)
        with pytest.raises(ValueError, match="of the type that the estimator predicts"):
            score(criterion, estimator, (X, np.arange(24) % 3), X_tgt)
        with pytest.raises(ValueError, match="y should be a 1d array"):
            score(criterion, estimator, (X, None), X_tgt)
        assert score("entropy", estimator, (X, None), X_tgt) < 0

    @pytest.mark.parametrize("X_tgt", [None, "a.wav", (row for row in [1])])
    def test_a_target_without_rows(self, X_tgt):
        with pytest.raises(
            TypeError, match="X_tgt must hold one row for each clip of the target; got"
        ):
            TargetScorer("source", X_tgt)

    def test_labels_of_the_target_for_each_row(self, halves):
        *_, (X_tgt, y_tgt) = halves
        with pytest.raises(ValueError, match=rf"got 5 labels of {len(X_tgt)} rows"):
            TargetScorer("oracle", X_tgt, y_tgt=y_tgt[:5])

    @pytest.mark.parametrize("criterion", ["information", "entropy", "mano", "atc"])
    def test_an_estimator_without_scores(self, criterion, halves):
        train, held_out, (X_tgt, _) = halves
        votes = VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC())]).fit(*train)
        with pytest.raises(TypeError, match="predict_proba or decision_function; got VotingCl"):
            score(criterion, votes, held_out, X_tgt)

    def test_scores_of_pairs(self, halves):
        train, held_out, (X_tgt, _) = halves
        pairs = SVC(decision_function_shape="ovo").fit(*train)
        with pytest.raises(TypeError, match="pairs of classes; set decision_function_shape='ovr'"):
            score("information", pairs, held_out, X_tgt)

    @pytest.mark.parametrize("criterion", ["dev", "proxy_a", "importance_weighted"])
    def test_too_few_rows_to_tell_domains_apart(self, criterion, estimator, halves):
        _, (X, y), (X_tgt, _) = halves
        with pytest.raises(ValueError, match="takes at least two rows of each; got 1"):
            score(criterion, estimator, (X[:1], y[:1]), X_tgt)
        assert np.isfinite(score(criterion, estimator, (X[:2], y[:2]), X_tgt))

    def test_sparse_rows(self, halves):
        train, held_out, (X_tgt, _) = halves
        estimator = LogisticRegression().fit(*train)
        with pytest.raises(TypeError, match="must be dense; got a csr_matrix"):
            score("mmd", estimator, (csr_matrix(held_out[0]), held_out[1]), csr_matrix(X_tgt))

    @pytest.mark.parametrize("criterion", ["mmd", "coral", "dev"])
    def test_rows_that_are_not_finite(self, criterion, halves):
        train, (X, y), (X_tgt, _) = halves
        estimator = HistGradientBoostingClassifier(max_iter=2).fit(*train)
        X = X.copy()
        X[0, 0] = np.nan
        with pytest.raises(ValueError, match="The embeddings, on which this criterion looks, must"):
            score(criterion, estimator, (X, y), X_tgt)

    def test_data_frames_stay_data_frames(self, halves):
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
    """Refuses a target that a search has cut."""

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        rows = split_domains(X, y, X_tgt)[2]
        if len(rows) != 60:
            raise ValueError(f"the target was cut to {len(rows)} rows")
        return super().fit(X, y, X_tgt, sample_domain=sample_domain)


GRID = {"trade_off": [0.1, 1.0]}
SEARCHES = {
    "grid": lambda estimator, grid, **params: GridSearchCV(estimator, grid, **params),
    "randomised": lambda estimator, grid, **params: RandomizedSearchCV(
        estimator, grid, n_iter=2, random_state=0, **params
    ),
    "halving": lambda estimator, grid, **params: HalvingGridSearchCV(
        estimator, grid, min_resources=30, random_state=0, **params
    ),
}


def chain(kind, routing):
    """Return what refuses a cut target, and the prefixes of its parameters and of X_tgt."""
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
    """Source and target of equal length: only a holder keeps a search from cutting the target."""

    @pytest.fixture
    def equal(self):
        return shifted_blobs(60, 60)

    @pytest.mark.parametrize(
        "search, n_jobs", [("grid", 1), ("grid", 2), ("randomised", 1), ("halving", 1)]
    )
    def test_searches(self, search, n_jobs, routing, kind, equal):
        X_src, y_src, X_tgt, _ = equal
        estimator, prefix, place = chain(kind, routing)
        grid = {f"{prefix}{name}": values for name, values in GRID.items()}
        params = {"cv": GroupKFold(3), "n_jobs": n_jobs, "error_score": "raise"}
        params["scoring"] = TargetScorer("source*balance*atc", X_tgt)
        groups = np.random.default_rng(0).integers(6, size=60)
        with sklearn.config_context(enable_metadata_routing=routing):
            found = SEARCHES[search](estimator, grid, **params)
            found.fit(X_src, y_src, groups=groups, **{f"{place}X_tgt": Target(X_tgt)})
            assert found.predict(X_tgt).shape == (60,)
            with pytest.raises(ValueError, match="the target was cut to"):
                SEARCHES[search](estimator, grid, **params).fit(
                    X_src, y_src, groups=groups, **{f"{place}X_tgt": X_tgt}
                )

    def test_curves_and_cross_validation(self, routing, kind, equal):
        X_src, y_src, X_tgt, _ = equal
        estimator, _, place = chain(kind, routing)
        common = {"scoring": TargetScorer("information", X_tgt), "error_score": "raise"}
        params = {f"{place}X_tgt": Target(X_tgt)}
        sizes = {"train_sizes": [0.5, 1.0], "shuffle": True, "random_state": 0}
        with sklearn.config_context(enable_metadata_routing=routing):
            scores = cross_validate(estimator, X_src, y_src, params=params, **common)
            assert np.isfinite(scores["test_score"]).all()
            n_train, _, scores = learning_curve(
                estimator, X_src, y_src, params=params, **sizes, **common
            )
            assert n_train.tolist() == [24, 48] and np.isfinite(scores).all()
            cut = {f"{place}X_tgt": X_tgt}
            with pytest.raises(ValueError, match="the target was cut to"):
                cross_validate(estimator, X_src, y_src, params=cut, **common)


class Noted(Whole):
    """Notes which rows of the source it was fitted to, by their first feature."""

    fits = []  # noqa: RUF012 - shared by all clones on purpose

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        self.fits.append(X[:, 0])
        return super().fit(X, y, X_tgt, sample_domain=sample_domain)


class TestSuggestTradeOff:
    """A grid search over one parameter."""

    @pytest.mark.parametrize("holder", [Target, np.asarray])
    @pytest.mark.parametrize("in_pipeline", [False, True])
    def test_it_is_a_grid_search(self, in_pipeline, holder):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        estimator, name = Whole(), "trade_off"
        if in_pipeline:
            estimator, name = make_adaptation_pipeline(CorpusScaler(), Whole()), "whole__trade_off"
        before = repr(estimator)
        for criterion in ("source*balance", "mmd", "source"):
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
        Noted.fits.clear()
        params = {"groups": speakers, "trade_offs": [1.0], "cv": cv, "criterion": "information"}
        suggest_trade_off(Noted(), X_src, y_src, X_tgt, **params)
        assert len(Noted.fits) == n_folds
        for rows in Noted.fits:
            inside = set(speakers[np.isin(X_src[:, 0], rows)])
            assert len(rows) == np.isin(speakers, list(inside)).sum() < 60

    def test_the_estimator_has_one_trade_off(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        with pytest.raises(ValueError, match=r"must have one parameter trade_off.*got none in SVC"):
            suggest_trade_off(SVC(), X_src, y_src, X_tgt)
        two = make_adaptation_pipeline(JDAR(), JDAR())
        with pytest.raises(ValueError, match=r"got \['jdar-1__trade_off', 'jdar-2__trade_off'\]"):
            suggest_trade_off(two, X_src, y_src, X_tgt)

    @pytest.mark.parametrize("with_groups", [False, True])
    @pytest.mark.parametrize("in_pipeline", [False, True])
    def test_with_metadata_routing(self, with_groups, in_pipeline):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        groups = np.arange(60) // 3 % 4 if with_groups else None
        estimator = DANClassifier(max_epochs=1, random_state=0)
        if in_pipeline:
            estimator = make_adaptation_pipeline(CorpusScaler(), estimator)
        suggest = partial(
            suggest_trade_off, estimator, X_src, y_src, X_tgt, groups=groups, trade_offs=[0.1, 30]
        )
        with sklearn.config_context(enable_metadata_routing=True):
            routed = suggest()
        assert routed == suggest()

    def test_misuse_is_named(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        suggest = partial(suggest_trade_off, JDAR(), X_src, y_src)
        with pytest.raises(ValueError, match=r"one of .*; got \['dev'\]"):
            suggest(X_tgt, criterion=["dev"])
        with pytest.raises(ValueError, match=r"criterion='oracle' reads labels .*: take any"):
            suggest(X_tgt, criterion="oracle")
        with pytest.raises(
            TypeError, match="X_tgt must hold one row for each clip of the target; got None"
        ):
            suggest(None)
        with pytest.raises(ValueError, match="trade_offs must hold at least one value; got none"):
            suggest(X_tgt, trade_offs=[])
        with pytest.raises(ValueError, match="groups must be at least two, to hold one out; got 1"):
            suggest(X_tgt, groups=["ann"] * 60)
        with pytest.raises(ValueError, match="groups and X differ in length: 3 != 60"):
            suggest(X_tgt, groups=["ann"] * 3)

    def test_a_failing_fit_is_reported(self):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 60)
        with pytest.raises(ValueError, match="trade_off must be"):
            suggest_trade_off(JDAR(), X_src, y_src, X_tgt, trade_offs=[-1.0])


class TestOracle:
    """The labels of the target have one door, and it is marked."""

    def test_it_warns_and_reads_the_labels(self, halves):
        train, held_out, (X_tgt, y_tgt) = halves
        estimator = LogisticRegression().fit(*train)
        with pytest.warns(OracleWarning, match="reads labels of the target") as caught:
            value = score("oracle", estimator, held_out, X_tgt, y_tgt=y_tgt)
        assert caught[0].filename == __file__
        assert value == uar(y_tgt, estimator.predict(X_tgt))

    def test_labels_go_with_it_alone(self, domains):
        *_, X_tgt, y_tgt = domains
        with pytest.raises(ValueError, match="for criterion='oracle' and for nothing else"):
            TargetScorer("entropy", X_tgt, y_tgt=y_tgt)
        with pytest.raises(ValueError, match="got criterion='oracle' and y_tgt=None"):
            TargetScorer("oracle", X_tgt)


def test_the_name_is_checked_and_shown():
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
