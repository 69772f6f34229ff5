"""Anchored expectation maximisation: formula, limits and composition."""

import numpy as np
import pytest
from references import shifted_blobs
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdidan import (
    LAME,
    AdaptationPipeline,
    AnchoredEM,
    CorpusScaler,
    Functionals,
    SHOTClassifier,
    SourceOnlyClassifier,
    WindowedClassifier,
    make_adaptation_pipeline,
)


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@parametrize_with_checks(
    [AnchoredEM(), LAME()],
    expected_failed_checks=lambda _: {
        "check_non_transformer_estimators_n_iter": "the check gives no target, without which "
        "nothing is iterated"
    },
)
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("refiner", [AnchoredEM, LAME])
def test_weights_reach_the_classifier_inside(refiner):
    X, y = blobs()
    weights = np.where(np.arange(120) % 2, 3.0, 0.5)
    plain = LogisticRegression().fit(X, y, weights).predict_proba(X)
    refined = refiner(LogisticRegression()).fit(X, y, X + 1, sample_weight=weights)
    np.testing.assert_array_equal(refined.estimator_.predict_proba(X), plain)
    stacked, domain = np.concatenate([X + 1, X]), np.repeat([-1, 0], 120)
    inner = make_adaptation_pipeline("passthrough", LogisticRegression())
    search = GridSearchCV(inner, {"logisticregression__C": [1.0]}, cv=2)
    both = np.concatenate([np.full(120, np.nan), weights])
    for estimator in (inner, search, refiner(inner)):
        refined = refiner(estimator)
        refined.fit(stacked, np.tile(y, 2), sample_domain=domain, sample_weight=both)
        found = refined.estimator_
        found = found.estimator_ if isinstance(estimator, refiner) else found
        np.testing.assert_allclose(found.predict_proba(X), plain, atol=1e-12)
    with pytest.raises(TypeError, match="sample_weight goes to fit of KNeighborsClassifier, which"):
        refiner(KNeighborsClassifier()).fit(X, y, X, sample_weight=weights)
    with pytest.raises(ValueError, match="sample_weight must have one entry per row: 119 != 120"):
        refiner().fit(X, y, X, sample_weight=weights[1:])


class Thresholds(ClassifierMixin, BaseEstimator):
    """Two classes by the sign of the first column, with a given confidence."""

    def __init__(self, confidence=1.0):
        self.confidence = confidence

    def fit(self, X, y, X_tgt=None):
        self.classes_, self.n_target_ = np.unique(y), 0 if X_tgt is None else len(X_tgt)
        return self

    def predict_proba(self, X):
        first = np.where(np.asarray(X)[:, 0] > 0, self.confidence, 1 - self.confidence)
        return np.column_stack([1 - first, first])


def blobs(n=(60, 60), seed=0, shift=0.0):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n)
    X = rng.normal(size=(len(y), 3)) * [1.0, 2.0, 0.5] + y[:, np.newaxis] * [3.0, 2.0, 0.0]
    return X - [1.5, 1.0, 0.0] - shift, y


def test_one_iteration_is_linear_discriminant_analysis_of_the_predicted_labels():
    X, y = blobs()
    refined = AnchoredEM(Thresholds(), sharpness=np.sqrt(3), anchor=0.0, ridge=1e-12, max_iter=1)
    refined.fit(X, y, X)
    Z = PCA().fit_transform(StandardScaler().fit_transform(X))
    reference = LinearDiscriminantAnalysis("lsqr").fit(Z, X[:, 0] > 0)
    expected = reference.predict_proba(Z) / reference.priors_  # which the refinement lacks
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(refined.predict_proba(X), expected, atol=1e-6)


def test_prior_and_evidence_are_added_up_as_documented():
    X, y = blobs()
    model = AnchoredEM(Thresholds(0.8), n_components=2, sharpness=2.0, anchor=0.5)
    model.fit(X, y, X)
    Z = PCA(2, svd_solver="full").fit_transform(StandardScaler().fit_transform(X))
    precision = np.linalg.inv(model.covariance_)
    scores = np.array(
        [[z @ precision @ mu - mu @ precision @ mu / 2 for mu in model.means_] for z in Z]
    )
    prior = Thresholds(0.8).fit(X, y).predict_proba(X)
    expected = softmax(0.5 * np.log(prior) + 2 / np.sqrt(2) * scores, axis=1)
    np.testing.assert_allclose(model.predict_proba(X), expected, atol=1e-10)
    assert 1 < model.n_iter_ < 30
    # It has converged: the predictions give the means that they were computed from.
    means = expected.T @ Z / expected.sum(axis=0)[:, np.newaxis]
    np.testing.assert_allclose(model.means_, means, atol=1e-3)


def test_a_shifted_border_moves_into_the_gap_whatever_the_shares_of_the_classes():
    X_src, y_src = blobs((200, 200))
    for counts in [(200, 200), (360, 40), (40, 360)]:
        X_tgt, y_tgt = blobs(counts, seed=1, shift=1.5)
        plain = LogisticRegression().fit(X_src, y_src)
        refined = AnchoredEM(LogisticRegression()).fit(X_src, y_src, X_tgt)
        recalls = [
            [np.mean(model.predict(X_tgt)[y_tgt == k] == k) for k in (0, 1)]
            for model in (plain, refined)
        ]
        assert np.mean(recalls[1]) > np.mean(recalls[0])
        new, y_new = blobs((300, 300), seed=2, shift=1.5)
        assert refined.score(new, y_new) > plain.score(new, y_new)


def test_without_clusters_the_predictions_stay():
    X, y = blobs()
    plain = LogisticRegression(C=1e-3).fit(X, y).predict_proba(X)
    for params in ({"sharpness": 0.0}, {"max_iter": 1, "ridge": 1e12}):
        refined = AnchoredEM(LogisticRegression(C=1e-3), **params).fit(X, y, X)
        np.testing.assert_allclose(refined.predict_proba(X), plain, atol=1e-6)
    constant = np.ones((5, 3))
    refined = AnchoredEM(LogisticRegression(C=1e-3)).fit(X, y, constant)
    expected = LogisticRegression(C=1e-3).fit(X, y).predict_proba(constant)
    np.testing.assert_allclose(refined.predict_proba(constant), expected, atol=1e-6)
    np.testing.assert_allclose(refined.predict_proba(constant[:1]), expected[:1], atol=1e-6)


def test_rows_of_the_source_are_not_refined():
    X, y = blobs()
    refined = AnchoredEM(LogisticRegression()).fit(X, y, X + 1)
    plain = refined.estimator_.predict_proba(X)
    domain = np.where(np.arange(len(X)) % 2, 1, -1)
    mixed = refined.predict_proba(X, sample_domain=domain)
    np.testing.assert_array_equal(mixed[domain > 0], plain[domain > 0])
    np.testing.assert_allclose(mixed[domain < 0], refined.predict_proba(X)[domain < 0], atol=1e-12)
    np.testing.assert_array_equal(
        refined.predict(X, sample_domain=domain), np.array([0, 1])[mixed.argmax(axis=1)]
    )
    np.testing.assert_array_equal(refined.predict_log_proba(X, sample_domain=domain), np.log(mixed))
    expected, weights = mixed.argmax(axis=1) == y, np.arange(len(X))
    score = refined.score(X, y, weights, sample_domain=domain)
    assert score == pytest.approx(np.average(expected, weights=weights))
    pipeline = make_adaptation_pipeline("passthrough", refined).fit(X, y, X + 1)
    assert pipeline.score(X, y, sample_domain=domain) == expected.mean()
    assert pipeline.score(X, y) != expected.mean()


def test_the_estimator_gets_the_target_if_it_takes_one():
    X, y = blobs()
    assert AnchoredEM(Thresholds()).fit(X, y, X[:20]).estimator_.n_target_ == 20
    whole = make_adaptation_pipeline(CorpusScaler(), AnchoredEM(Thresholds()))
    assert whole.fit(X, y, X[:20])[-1].estimator_.n_target_ == 20
    nested = AnchoredEM(AdaptationPipeline([("s", CorpusScaler()), ("c", Thresholds())]))
    assert nested.fit(X, y, X[:20]).estimator_[-1].n_target_ == 20


def test_spectrograms_are_clustered_by_the_features_of_the_network(spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    network = SourceOnlyClassifier(max_epochs=2, use_target=True, random_state=0)
    refined = AnchoredEM(network, n_components=3).fit(X_src, y_src, X_tgt)
    assert refined.means_.shape == (2, 3)
    assert refined.predict_proba(X_tgt).shape == (16, 2)
    with pytest.raises(TypeError, match=r"DummyClassifier has no embed. Pass rows of features"):
        AnchoredEM(DummyClassifier()).fit(X_src, y_src, X_tgt)


def test_predictions_of_the_estimator_are_not_overwritten():
    class Stored(Thresholds):
        def predict_proba(self, X):
            if not hasattr(self, "stored_"):
                self.stored_ = super().predict_proba(X)
                self.stored_.setflags(write=False)
            return self.stored_

    X, y = blobs()
    refined = AnchoredEM(Stored(0.8)).fit(X, y, X)
    np.testing.assert_array_equal(refined.predict_proba(X), refined.predict_proba(X))


def test_a_pipeline_inside_gets_the_corpora_of_the_target_and_shows_the_features_of_its_network():
    X, y = blobs()
    stacked, domain = np.concatenate([X, X + 5]), np.repeat([0, -1, -2], [120, 60, 60])
    inner = AdaptationPipeline([("s", CorpusScaler()), ("c", LogisticRegression())])
    refined = AnchoredEM(inner).fit(stacked, np.tile(y, 2), sample_domain=domain)
    assert refined.predict(stacked, sample_domain=domain).shape == (240,)
    assert not hasattr(refined, "embed")
    network = SourceOnlyClassifier(max_epochs=1, use_target=True, random_state=0)
    inner = make_adaptation_pipeline(CorpusScaler(), network)
    refined = AnchoredEM(inner).fit(X, y, X)
    expected = network.fit(*_scaled(X, y)).embed(_scaled(X, y)[0])
    np.testing.assert_allclose(refined.embed(X), expected, atol=1e-5)
    with pytest.raises(TypeError, match="does not hand the target on to"):
        AnchoredEM(make_pipeline(CorpusScaler(), LogisticRegression())).fit(X, y, X)


def _scaled(X, y):
    Z = StandardScaler().fit_transform(X)
    return Z, y, Z


def test_windows_of_recordings_can_be_refined():
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1, size=8000) for _ in range(8)]
    pipeline = make_adaptation_pipeline(Functionals(), CorpusScaler(), AnchoredEM())
    windowed = WindowedClassifier(pipeline, window=0.3, hop=0.1)
    windowed.fit(waveforms[:6], ["anger", "joy"] * 3, waveforms)
    assert windowed.predict(waveforms).shape == (8,)


@pytest.mark.parametrize("scale", [1e-200, 1e160])
def test_the_scale_of_features_changes_nothing(scale):
    X, y = blobs()
    base = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
    expected = AnchoredEM(base).fit(X, y, X - 1).predict_proba(X - 1)
    scaled = AnchoredEM(base).fit(scale * X, y, scale * (X - 1))
    np.testing.assert_allclose(scaled.predict_proba(scale * (X - 1)), expected, atol=1e-6)


def test_parameters_set_after_the_fit_are_checked_and_hold():
    X, y = blobs()
    refined = AnchoredEM().fit(X, y, X)
    expected = AnchoredEM(sharpness=0.0).fit(X, y, X).predict_proba(X)
    np.testing.assert_array_equal(refined.set_params(sharpness=0.0).predict_proba(X), expected)
    with pytest.raises(ValueError, match="sharpness must be a finite number"):
        refined.set_params(sharpness=np.nan).predict_proba(X)


def test_rows_without_any_variance_are_not_clustered():
    X, y = blobs()
    refined = AnchoredEM().fit(X, y, 0 * X)
    assert refined.means_ is None and refined.n_iter_ == 0
    np.testing.assert_array_equal(refined.predict_proba(X), refined.estimator_.predict_proba(X))


def test_probabilities_that_are_none_are_refused():
    X, y = blobs()

    class Unsure(DummyClassifier):
        def predict_proba(self, X):
            return np.full((len(X), 2), np.nan)

    with pytest.raises(ValueError, match=r"predicts \[nan, nan\] for row 0, which are no prob"):
        AnchoredEM(Unsure()).fit(X, y, X)


@pytest.mark.parametrize("estimator", [SVC(), CorpusScaler()])
def test_an_estimator_without_probabilities_is_refused(estimator):
    X, y = blobs()
    with pytest.raises(TypeError, match="estimator must be a classifier with predict_proba; got"):
        AnchoredEM(estimator).fit(X, y, X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 0}, "n_components must be"),
        ({"sharpness": -1}, "sharpness must be"),
        ({"anchor": -1}, "anchor must be"),
        ({"ridge": 0}, "ridge must be"),
        ({"max_iter": 0}, "max_iter must be"),
    ],
)
def test_parameters_out_of_range(params, message):
    X, y = blobs()
    with pytest.raises(ValueError, match=message):
        AnchoredEM(**params).fit(X, y, X)


# What is set, given or predicted after the fit


@pytest.mark.parametrize("make", [AnchoredEM, LAME])
def test_parameters_inside_set_after_the_fit_hold(make):
    X_src, y_src, X_tgt, _ = shifted_blobs(40, 30)
    params = {"max_epochs": 2, "adaptation_epochs": 2, "random_state": 0}
    refined = make(SHOTClassifier(**params)).fit(X_src, y_src)
    refined.set_params(estimator__adaptation_epochs=5).adapt(X_tgt)
    assert len(refined.estimator_.adaptation_history_) == 5


@pytest.mark.parametrize("make", [AnchoredEM, LAME])
def test_adapt_is_offered_by_what_is_fitted(make):
    X_src, y_src, X_tgt, _ = shifted_blobs(40, 30)
    refined = make().fit(X_src, y_src, X_tgt).set_params(estimator=SHOTClassifier())
    assert not hasattr(refined, "adapt")


def test_rows_far_beyond_the_target_are_named():
    X_src, y_src, X_tgt, _ = shifted_blobs(40, 30)
    with pytest.raises(ValueError, match="AnchoredEM maps row 1 "):
        AnchoredEM().fit(X_src, y_src, X_tgt).predict_proba(np.stack([X_tgt[0], X_tgt[0] + 1e308]))
    with pytest.raises(ValueError, match="weight must be a number from 0 to 1e6"):
        LAME(weight=1e308).fit(X_src, y_src, X_tgt)


@pytest.mark.filterwarnings("error")
def test_one_target_row_is_not_refined_and_gives_no_warning():
    X_src, y_src, X_tgt, _ = shifted_blobs(40, 30)
    refined = AnchoredEM().fit(X_src, y_src, X_tgt[:1])
    expected = refined.estimator_.predict_proba(X_tgt[:1])
    np.testing.assert_array_equal(refined.predict_proba(X_tgt[:1]), expected)
