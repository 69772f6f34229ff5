"""AdaptationPipeline: both domains through the chain, in searches, caches and plain pipelines."""

import pickle
import re
import warnings
from pathlib import Path
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from references import own_checks
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone, is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdidan import (
    JDAR,
    TCA,
    AdaptationPipeline,
    AnchoredEM,
    AudioWarning,
    CorpusScaler,
    CorrelationAlignment,
    DIDANClassifier,
    Functionals,
    LogMelSpectrogram,
    NoTargetWarning,
    SourceOnlyClassifier,
    SubspaceAlignment,
    Target,
    TargetScorer,
    make_adaptation_pipeline,
    make_adaptation_union,
)
from skdidan.audio import spectrograms
from skdidan.domains import Domains

RNG = np.random.default_rng(0)
Y_SRC = np.repeat(["anger", "fear", "joy"], 10)
Y_TGT = np.repeat(["anger", "fear", "joy"], 8)
CENTRES = {"anger": [0, 0, 0], "fear": [4, 0, 0], "joy": [0, 4, 0]}
X_SRC = RNG.normal(size=(30, 3)) + [CENTRES[label] for label in Y_SRC]
X_TGT = RNG.normal(size=(24, 3)) + [CENTRES[label] for label in Y_TGT] + np.array([50, 50, 50])

# Rows of both domains in one random order.
ORDER = RNG.permutation(54)
X_STACKED = np.vstack([X_SRC, X_TGT])[ORDER]
DOMAIN = np.repeat([0, -1], [30, 24])[ORDER]
Y_STACKED = np.concatenate([Y_SRC, np.full(24, "secret")])[ORDER]

CALLS = []


class Extractor(TransformerMixin, BaseEstimator):
    """A stateless transformer that notes how many rows it was asked to transform."""

    def __init__(self, gain=1.0):
        self.gain = gain

    def fit(self, X, y=None):
        """Learn nothing."""
        return self

    def transform(self, X):
        """Multiply by the gain."""
        CALLS.append(len(X))
        return self.gain * np.asarray(X, dtype=float)

    def __sklearn_is_fitted__(self):
        return True


class FileExtractor(Extractor):
    """One feature per file: the number in it."""

    def transform(self, X):
        """Read the numbers."""
        CALLS.append(len(X))
        return np.array([[float(Path(file).read_text())] for file in X])


class Adapted(ClassifierMixin, BaseEstimator):
    """A classifier that looks at the target: a support vector machine that remembers it."""

    __metadata_request__fit: ClassVar = {"X_tgt": True, "sample_domain": True}

    def __init__(self, trade_off=1.0):
        self.trade_off = trade_off

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        """Remember what came."""
        self.X_, self.y_, self.X_tgt_ = X, y, X_tgt
        self.svc_ = SVC().fit(X, y)
        self.classes_ = self.svc_.classes_
        return self

    def predict(self, X):
        """Predict by the machine."""
        return self.svc_.predict(X)


class TargetCount(Adapted):
    """Refuses any target but the whole one."""

    def fit(self, X, y, X_tgt=None, *, sample_domain=None):
        """Count the target."""
        assert len(X_tgt) == 30
        return super().fit(X, y, X_tgt)


def flatten(X):
    return X.reshape(len(X), -1)


def scaled_by_hand(X, statistics_of):
    return StandardScaler().fit(statistics_of).transform(X)


@pytest.mark.filterwarnings("ignore::skdidan.NoTargetWarning")
@parametrize_with_checks([AdaptationPipeline([("tca", TCA()), ("svc", SVC())])])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::skdidan.NoTargetWarning")
@own_checks(AdaptationPipeline([("scaler", CorpusScaler()), ("tca", TCA())]))
def test_chains_of_transformers_are_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("is_stacked", [False, True])
def test_the_domains_are_separated_once(is_stacked, monkeypatch):
    """Labels of the target are dropped at the entrance; no step may separate the rows again."""
    made = []
    make = Domains.of.__func__
    monkeypatch.setattr(Domains, "of", classmethod(lambda *a, **k: made.append(a) or make(*a, **k)))
    pipeline = make_adaptation_pipeline(StandardScaler(), PCA(2), SVC())
    if is_stacked:
        X, y = np.vstack([X_SRC, X_TGT]), [*Y_SRC, *["?"] * len(X_TGT)]
        pipeline.fit(X, y, sample_domain=np.repeat([0, -1], [len(X_SRC), len(X_TGT)]))
    else:
        pipeline.fit(X_SRC, Y_SRC, X_TGT)
    assert len(made) == 1


def test_source_and_target_take_their_own_paths():
    pipeline = make_adaptation_pipeline(CorpusScaler(), StandardScaler(), PCA(2), Adapted())
    pipeline.fit(X_SRC, Y_SRC, X_TGT)
    source, target = scaled_by_hand(X_SRC, X_SRC), scaled_by_hand(X_TGT, X_TGT)
    plain = make_pipeline(StandardScaler(), PCA(2)).fit(source)
    last = pipeline[-1]
    np.testing.assert_allclose(last.X_, plain.transform(source))
    np.testing.assert_allclose(last.X_tgt_, plain.transform(target))
    assert last.y_ is Y_SRC
    np.testing.assert_array_equal(pipeline.predict(X_TGT), last.predict(plain.transform(target)))


def test_adaptation_pays():
    pipeline = make_adaptation_pipeline(CorpusScaler(), TCA(2), SVC())
    assert pipeline.fit(X_SRC, Y_SRC, X_TGT).score(X_TGT, Y_TGT) > 0.9
    assert make_pipeline(StandardScaler(), SVC()).fit(X_SRC, Y_SRC).score(X_TGT, Y_TGT) < 0.5


def test_both_call_shapes_agree_and_target_labels_reach_no_step():
    pipeline = make_adaptation_pipeline(CorpusScaler(), Adapted())
    plain = clone(pipeline).fit(X_SRC, Y_SRC, X_TGT)
    stacked = clone(pipeline).fit(X_STACKED, Y_STACKED, sample_domain=DOMAIN)
    assert sorted(stacked[-1].y_) == sorted(Y_SRC)
    assert stacked.classes_.tolist() == ["anger", "fear", "joy"]
    np.testing.assert_array_equal(stacked.predict(X_TGT), plain.predict(X_TGT))


def test_fit_transform_returns_the_path_of_the_source():
    pipeline = make_adaptation_pipeline(CorpusScaler(), "passthrough", PCA(2))
    source = pipeline.fit_transform(X_SRC, X_tgt=X_TGT)
    plain = PCA(2).fit(scaled_by_hand(X_SRC, X_SRC))
    np.testing.assert_allclose(source, plain.transform(scaled_by_hand(X_SRC, X_SRC)))
    target = pipeline.transform(X_TGT)
    np.testing.assert_allclose(target, plain.transform(scaled_by_hand(X_TGT, X_TGT)))


@pytest.mark.parametrize("last", [PCA(2), CorpusScaler(), "passthrough"])
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_fit_transform_of_stacked_data_keeps_their_order(last, container):
    pipeline = make_adaptation_pipeline(CorpusScaler(), last)
    plain = clone(pipeline)
    Z_src, Z_tgt = plain.fit_transform(X_SRC, X_tgt=X_TGT), plain.transform(X_TGT)
    Z = pipeline.fit_transform(container(X_STACKED), sample_domain=DOMAIN)
    np.testing.assert_allclose(Z, np.vstack([Z_src, Z_tgt])[ORDER], atol=1e-10)


def test_fit_transform_keeps_data_frames():
    pipeline = AdaptationPipeline([("scaler", CorpusScaler().set_output(transform="pandas"))])
    X = pd.DataFrame(X_STACKED, columns=["a", "b", "c"], index=[f"clip{n}" for n in range(54)])
    Z = pipeline.fit_transform(X, sample_domain=DOMAIN)
    assert list(Z.index) == list(X.index) and list(Z.columns) == ["a", "b", "c"]
    assert pipeline.feature_names_in_.tolist() == ["a", "b", "c"]


def test_nested_pipelines():
    inner = make_adaptation_pipeline(CorpusScaler(), PCA(2))
    nested = make_adaptation_pipeline(inner, SVC()).fit(X_SRC, Y_SRC, X_TGT)
    flat = make_adaptation_pipeline(CorpusScaler(), PCA(2), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    np.testing.assert_array_equal(nested.predict(X_TGT), flat.predict(X_TGT))


def test_lists_of_files(tmp_path):
    files = []
    for number in range(6):
        files.append(tmp_path / f"{number}.txt")
        files[-1].write_text(str(number))
    pipeline = make_adaptation_pipeline(FileExtractor(), CorpusScaler(), SVC())
    pipeline.fit(files[:4], ["low", "low", "high", "high"], Target(files[4:]))
    assert pipeline.predict([str(file) for file in files[4:]]).tolist() == ["low", "high"]
    domain = [0, 0, 0, 0, -1, -1]
    pipeline.fit(files, ["low", "low", "high", "high", None, None], sample_domain=domain)
    assert pipeline.predict(files[4:]).tolist() == ["low", "high"]


def test_the_target_goes_no_farther_than_it_is_needed():
    CALLS.clear()
    make_adaptation_pipeline(CorpusScaler(), Extractor(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    assert CALLS == [30]
    make_adaptation_pipeline(Extractor(), CorpusScaler(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    assert CALLS == [30, 30, 24]


def test_without_target_each_step_that_wants_one_warns():
    pipeline = make_adaptation_pipeline(StandardScaler(), CorpusScaler(), TCA(2), SVC())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pipeline.fit(X_SRC, Y_SRC)
    assert [warning.category for warning in caught] == [NoTargetWarning] * 2
    assert {warning.filename for warning in caught} == {__file__}
    assert pipeline.score(X_SRC, Y_SRC) > 0.9


def test_steps_that_take_no_target_are_fine():
    pipeline = make_adaptation_pipeline(StandardScaler(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    expected = make_pipeline(StandardScaler(), SVC()).fit(X_SRC, Y_SRC)
    np.testing.assert_array_equal(pipeline.predict(X_TGT), expected.predict(X_TGT))


def test_the_estimators_of_the_caller_stay_unfitted():
    scaler, classifier = CorpusScaler(), Adapted()
    steps = [("scaler", scaler), ("classifier", classifier)]
    pipeline = AdaptationPipeline(steps).fit(X_SRC, Y_SRC, X_TGT)
    assert not hasattr(scaler, "scalers_") and not hasattr(classifier, "svc_")
    assert pipeline.steps is steps and steps[0][1] is scaler
    assert hasattr(pipeline.named_steps.scaler, "scalers_")


def test_methods_are_those_of_the_last_step():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC())
    for method in ("predict", "decision_function", "score"):
        assert hasattr(pipeline, method)
    for method in ("predict_proba", "transform", "fit_transform"):
        assert not hasattr(pipeline, method)
    assert hasattr(pipeline[:1], "transform")
    assert hasattr(make_adaptation_pipeline(CorpusScaler(), "passthrough"), "fit_transform")


def test_every_method_sees_the_path_of_the_target():
    pipeline = make_adaptation_pipeline(CorpusScaler(), LogisticRegression())
    pipeline.fit(X_SRC, Y_SRC, X_TGT)
    last, Z = pipeline[-1], scaled_by_hand(X_TGT, X_TGT)
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        np.testing.assert_array_equal(getattr(pipeline, method)(X_TGT), getattr(last, method)(Z))
    weights = np.arange(24)
    assert pipeline.score(X_TGT, Y_TGT) == last.score(Z, Y_TGT)
    assert pipeline.score(X_TGT, Y_TGT, weights) == last.score(Z, Y_TGT, weights)


def test_logarithms_of_probabilities_without_a_method_of_the_last_step():
    class Sure(Adapted):
        def predict_proba(self, X):
            return np.tile([1.0, 0.0], (len(X), 1))

    pipeline = make_adaptation_pipeline(CorpusScaler(), Sure()).fit(X_SRC, Y_SRC, X_TGT)
    assert pipeline.predict_log_proba(X_TGT[:1]).tolist() == [[0.0, -np.inf]]
    assert not hasattr(make_adaptation_pipeline(CorpusScaler(), SVC()), "predict_log_proba")


@pytest.mark.parametrize("is_fitted", [False, True])
def test_containers_of_the_output_are_those_of_every_step(is_fitted):
    pipeline = make_adaptation_pipeline(CorpusScaler(), "passthrough", PCA(2))
    if is_fitted:
        pipeline.fit(X_SRC, X_tgt=X_TGT)
    assert pipeline.set_output(transform="pandas") is pipeline
    if is_fitted:
        frame = pipeline.transform(X_TGT)
    else:
        frame = clone(pipeline).fit_transform(X_SRC, X_tgt=X_TGT)
    assert frame.columns.tolist() == ["pca0", "pca1"]
    assert isinstance(pipeline.fit(X_SRC, X_tgt=X_TGT)[0].transform(X_TGT), pd.DataFrame)


def test_attributes_of_the_steps():
    pipeline = make_adaptation_pipeline(CorpusScaler(), PCA(2), SVC())
    assert not hasattr(pipeline, "classes_") and not hasattr(pipeline, "n_features_in_")
    pipeline.fit(X_SRC, Y_SRC, X_TGT)
    assert pipeline.classes_.tolist() == ["anger", "fear", "joy"]
    assert pipeline.n_features_in_ == 3
    assert pipeline[:-1].get_feature_names_out().tolist() == ["pca0", "pca1"]
    assert is_classifier(pipeline)
    assert not is_classifier(pipeline[:-1])


def test_steps_by_position_name_and_slice():
    pipeline = make_adaptation_pipeline(CorpusScaler(), PCA(2), SVC(), memory="cache")
    assert len(pipeline) == 3
    assert pipeline[0] is pipeline["corpusscaler"] is pipeline.named_steps["corpusscaler"]
    pipeline.set_params(memory=None).fit(X_SRC, Y_SRC, X_TGT)
    front = pipeline[:-1]
    assert isinstance(front, AdaptationPipeline) and len(front) == 2
    np.testing.assert_array_equal(
        pipeline[-1].predict(front.transform(Target(X_TGT))), pipeline.predict(X_TGT)
    )
    with pytest.raises(NotFittedError):
        clone(front).transform(X_TGT)


def test_names_are_those_of_make_pipeline():
    steps = [PCA(), PCA(), CorpusScaler(), "passthrough", SVC()]
    names = [name for name, _ in make_adaptation_pipeline(*steps).steps]
    assert names == [name for name, _ in make_pipeline(*steps).steps]


def test_parameters_of_steps_and_whole_steps():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC(C=2.0))
    params = pipeline.get_params()
    assert params["svc__C"] == 2.0 and params["svc"] is pipeline["svc"]
    assert set(pipeline.get_params(deep=False)) == {"steps", "memory", "verbose"}
    pipeline.set_params(svc__C=3.0, corpusscaler="passthrough", verbose=True)
    assert pipeline["svc"].C == 3.0 and pipeline[0] == "passthrough" and pipeline.verbose
    pipeline.set_params(svc=Adapted(), svc__trade_off=9.0)
    assert pipeline["svc"].trade_off == 9.0
    pipeline.set_params(steps=[("pca", PCA())], pca__n_components=2)
    assert pipeline[0].n_components == 2
    with pytest.raises(ValueError, match="Invalid parameter 'transform_input'"):
        pipeline.set_params(transform_input=["X_tgt"])


def test_parameters_set_after_fit_count_at_the_next_fit():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC(C=1e-6)).fit(X_SRC, Y_SRC, X_TGT)
    before = pipeline.predict(X_TGT)
    pipeline.set_params(svc__C=10.0)
    np.testing.assert_array_equal(pipeline.predict(X_TGT), before)
    assert pipeline.fit(X_SRC, Y_SRC, X_TGT)[-1].C == 10.0


NESTS = {
    "step": (Extractor(), "a"),
    "union": (FeatureUnion([("b", Extractor())]), "a__b"),
    "pipeline of scikit-learn": (Pipeline([("b", Extractor())]), "a__b"),
    "nested": (AdaptationPipeline([("b", Extractor())]), "a__b"),
}


@pytest.mark.parametrize("name", NESTS)
def test_parameters_set_after_fit_count_for_what_comes(name):
    """As in scikit-learn, where the steps are the fitted ones."""
    step, path = NESTS[name]
    pipeline = AdaptationPipeline([("a", step), ("b", FunctionTransformer())]).fit(X_SRC)
    assert pipeline.set_params(**{f"{path}__gain": 2.0}) is pipeline
    np.testing.assert_array_equal(pipeline.transform(X_TGT), 2.0 * X_TGT)
    pipeline = pickle.loads(pickle.dumps(pipeline)).set_params(**{f"{path}__gain": 3.0})
    np.testing.assert_array_equal(pipeline.transform(X_TGT), 3.0 * X_TGT)
    assert pipeline.get_params()[f"{path}__gain"] == 3.0
    np.testing.assert_array_equal(pipeline.set_params(a=None).transform(X_TGT), X_TGT)


def test_a_step_that_replaces_a_fitted_one_is_used():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    other = SVC(C=0.1).fit(scaled_by_hand(X_SRC, X_SRC), Y_SRC == "joy")
    np.testing.assert_array_equal(pipeline.set_params(svc=other).classes_, [False, True])
    with pytest.raises(NotFittedError):
        pipeline.set_params(svc=SVC()).predict(X_TGT)
    with pytest.raises(NotFittedError):
        pipeline.set_params(steps=[("scaler", StandardScaler())])[0].transform(X_TGT)


def test_clone_and_pickle():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    assert not hasattr(clone(pipeline), "steps_")
    restored = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(restored.predict(X_TGT), pipeline.predict(X_TGT))


def test_display():
    pipeline = make_adaptation_pipeline(CorpusScaler(), "passthrough", SVC())
    assert "CorpusScaler" in pipeline._repr_html_()
    bundle = pipeline._repr_mimebundle_()
    assert bundle["text/plain"].startswith("AdaptationPipeline(") and "SVC" in bundle["text/html"]


def boxes(estimator):
    """List the names of estimators in the picture that a notebook shows, from the outside in."""
    return re.findall(r"<label for=[^>]*><div><div>([^<]*)</div>", estimator._repr_html_())


def test_the_picture_is_headed_by_its_own_name_and_open_in_a_search():
    union = make_adaptation_union(CorpusScaler(), PCA(1))
    pipeline = make_adaptation_pipeline(union, SVC())
    inner = ["adaptationunion: AdaptationUnion", "CorpusScaler", "PCA", "SVC"]
    assert boxes(pipeline) == ["AdaptationPipeline", *inner]
    search = GridSearchCV(pipeline, {})
    assert boxes(search) == ["GridSearchCV", "estimator: AdaptationPipeline", *inner]
    assert boxes(AnchoredEM(pipeline))[1:] == ["estimator: AdaptationPipeline", *inner]
    fitted = make_adaptation_pipeline(CorpusScaler(), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    assert ">Fitted<" in fitted._repr_html_() and ">Not fitted<" in pipeline._repr_html_()


def test_verbose_prints_the_time_of_each_step(capsys):
    make_adaptation_pipeline(CorpusScaler(), SVC(), verbose=True).fit(X_SRC, Y_SRC, X_TGT)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[AdaptationPipeline] step 1 of 2, corpusscaler: ")
    assert lines[1].startswith("[AdaptationPipeline] step 2 of 2, svc: ")


@pytest.mark.parametrize(("n_jobs", "routing"), [(1, False), (1, True), (2, True)])
def test_every_fold_of_a_search_gets_the_whole_target(n_jobs, routing):
    X_tgt = np.vstack([X_TGT, X_TGT[:6]])
    assert len(X_tgt) == len(X_SRC)  # else scikit-learn would not even try to slice it
    pipeline = make_adaptation_pipeline(Extractor(), CorpusScaler(), TCA(2), TargetCount())
    grid = {"targetcount__trade_off": [0.0, 1.0], "extractor__gain": [1.0, 5.0]}
    with (
        sklearn.config_context(enable_metadata_routing=routing),
        joblib.parallel_config(backend="multiprocessing"),
    ):
        search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs, error_score="raise")
        search.fit(X_SRC, Y_SRC, X_tgt=Target(X_tgt))
    assert search.best_estimator_[-1].X_tgt_.shape == (30, 2)
    assert np.mean(search.predict(X_TGT) == Y_TGT) > 0.8


def test_a_search_inside_a_pipeline_gets_the_whole_target():
    X_tgt = np.vstack([X_TGT, X_TGT[:6]])
    search = GridSearchCV(DIDANClassifier(n_networks=1, max_epochs=1), {"lr": [1e-3]}, cv=2)
    pipeline = make_adaptation_pipeline(CorpusScaler(), search)
    seen = []

    class Recorder(GridSearchCV):
        def fit(self, X, y=None, **params):
            seen.append(params["X_tgt"])
            return super().fit(X, y, **params)

    pipeline.set_params(gridsearchcv=Recorder(search.estimator, {"lr": [1e-3]}, cv=2))
    assert pipeline.fit(X_SRC, Y_SRC, X_tgt).predict(X_TGT).shape == (24,)
    assert isinstance(seen[0], Target) and len(seen[0].X) == 30


def test_search_over_didan():
    classifier = DIDANClassifier(n_networks=1, max_epochs=2, random_state=0)
    pipeline = make_adaptation_pipeline(CorpusScaler(), classifier)
    grid = {"didanclassifier__trade_off": [0.0, 1.0], "corpusscaler__with_std": [True, False]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    search.fit(X_SRC, Y_SRC, X_tgt=Target(X_TGT))
    assert set(search.predict(X_TGT)) <= {"anger", "fear", "joy"}
    assert search.predict_proba(X_TGT).shape == (24, 3)


def test_search_over_whole_steps():
    pipeline = make_adaptation_pipeline(CorpusScaler(), TCA(2), SVC())
    grid = {"tca": [TCA(2), PCA(2), "passthrough"], "svc__C": [1.0, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise")
    assert search.fit(X_SRC, Y_SRC, X_tgt=Target(X_TGT)).score(X_TGT, Y_TGT) > 0.9


def test_plain_pipeline_with_metadata_routing():
    ours = make_adaptation_pipeline(CorpusScaler(), TCA(2), Adapted()).fit(X_SRC, Y_SRC, X_TGT)
    steps = [("scaler", CorpusScaler()), ("tca", TCA(2)), ("classifier", Adapted())]
    with sklearn.config_context(enable_metadata_routing=True):
        plain = Pipeline(steps, transform_input=["X_tgt"])
        plain.fit(X_SRC, Y_SRC, X_tgt=Target(X_TGT))
        search = GridSearchCV(plain, {"tca__mu": [1.0]}, cv=2, error_score="raise")
        search.fit(X_SRC, Y_SRC, X_tgt=Target(X_TGT))
        np.testing.assert_array_equal(plain.predict(X_TGT), ours.predict(X_TGT))
        np.testing.assert_array_equal(search.predict(X_TGT), ours.predict(X_TGT))
    np.testing.assert_allclose(plain[-1].X_tgt_, ours[-1].X_tgt_)
    np.testing.assert_allclose(plain[-1].X_, ours[-1].X_)


def test_plain_pipeline_of_stacked_data_with_metadata_routing():
    ours = make_adaptation_pipeline(CorpusScaler(), TCA(2)).fit(X_SRC, None, X_TGT)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = CorpusScaler().set_fit_request(sample_domain=True)
        tca = TCA(2).set_fit_request(sample_domain=True)
        for step in (scaler, tca):
            step.set_transform_request(sample_domain=True)
        plain = make_pipeline(scaler, tca)
        Z = plain.fit_transform(X_STACKED, sample_domain=DOMAIN)
        np.testing.assert_allclose(plain.transform(X_TGT), ours.transform(X_TGT), atol=1e-8)
    np.testing.assert_allclose(Z[DOMAIN < 0], ours.transform(X_STACKED[DOMAIN < 0]), atol=1e-8)


@pytest.mark.parametrize(
    "step", [LogMelSpectrogram(), Functionals(), CorpusScaler(), TCA(), SubspaceAlignment()]
)
def test_a_plain_pipeline_does_not_train_on_labels_of_the_target_unasked(step):
    """A step cannot drop rows: a last step without sample_domain would be fitted to all of them."""
    with sklearn.config_context(enable_metadata_routing=True):
        for final in (SVC(), JDAR()):
            plain = make_pipeline(clone(step), final)
            with pytest.raises(UnsetMetadataPassedError, match="sample_domain"):
                plain.fit(X_STACKED, np.ones(len(X_STACKED)), sample_domain=DOMAIN)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_a_search_extracts_each_recording_once_per_setting(tmp_path, monkeypatch, n_jobs):
    power, n_calls = spectrograms.stft_power, []
    monkeypatch.setattr(spectrograms, "stft_power", lambda *args: n_calls.append(1) or power(*args))
    waveforms = list(RNG.normal(size=(10, 1600)).astype(np.float32))
    pipeline = make_adaptation_pipeline(
        LogMelSpectrogram(duration=0.1, n_jobs=n_jobs),
        CorpusScaler(),
        FunctionTransformer(flatten),
        Adapted(),
        memory=tmp_path,
    )
    grid = {"adapted__trade_off": [0.0, 1.0, 2.0], "logmelspectrogram__n_mels": [4, 8]}
    search = GridSearchCV(pipeline, grid, cv=KFold(3), error_score="raise")
    search.fit(waveforms[:6], list("ababab"), X_tgt=Target(waveforms[6:])).predict(waveforms[6:])
    assert len(n_calls) == 2 * 10
    expected = clone(search.best_estimator_).set_params(memory=None)
    expected.fit(waveforms[:6], list("ababab"), waveforms[6:])
    np.testing.assert_array_equal(search.predict(waveforms), expected.predict(waveforms))


@pytest.mark.parametrize("steps", [[], 1, None, "tca", [SVC()], [(1, SVC())], [("svc",)], [3]])
def test_steps_that_are_no_list_of_names_and_estimators(steps):
    match = rf"list of \(name, estimator\), at least one; got {re.escape(repr(steps))}"
    pipeline = AdaptationPipeline(steps)
    with pytest.raises(ValueError, match=match):
        pipeline.fit(X_SRC, Y_SRC, X_TGT)
    assert not hasattr(pipeline, "predict")
    assert pipeline.get_params() == {"steps": steps, "memory": None, "verbose": False}
    changed = AdaptationPipeline([("svc", SVC())]).set_params(steps=steps)
    with pytest.raises(ValueError, match=match):
        changed.fit(X_SRC, Y_SRC, X_TGT)
    assert changed.set_params(steps=[("svc", SVC())], svc=SVC(C=2.0))["svc"].C == 2.0


@pytest.mark.parametrize(
    "step, kind",
    [
        (make_pipeline(CorpusScaler(), TCA(2)), r"Pipeline, .* \['CorpusScaler', 'TCA'\]"),
        (
            ColumnTransformer([("a", CorpusScaler(), [0])]),
            r"ColumnTransformer, .* \['CorpusScaler'\]",
        ),
        (FeatureUnion([("a", CorpusScaler())]), r"FeatureUnion, .* \['CorpusScaler'\]"),
        (VotingClassifier([("a", Adapted())]), r"VotingClassifier, .* \['Adapted'\]"),
        (StackingClassifier([("a", Adapted())]), r"StackingClassifier, .* \['Adapted'\]"),
        (GridSearchCV(make_pipeline(Adapted()), {}), r"GridSearchCV, .* \['Adapted'\]"),
    ],
)
def test_a_step_that_would_keep_the_target_from_what_it_holds(step, kind):
    pipeline = AdaptationPipeline([("scaler", StandardScaler()), ("outer", step)])
    match = f"Step 'outer', a {kind} inside it. Nest an AdaptationPipeline in place of a Pipeline"
    with pytest.raises(TypeError, match=match):
        pipeline.fit(X_SRC, Y_SRC, X_TGT)


def test_with_routing_a_plain_pipeline_hands_the_target_on():
    inner = Pipeline([("scaler", CorpusScaler()), ("pca", PCA(2))])
    flat = make_adaptation_pipeline(CorpusScaler(), PCA(2), SVC()).fit(X_SRC, Y_SRC, X_TGT)
    columns = ColumnTransformer([("a", CorpusScaler(), [0])])
    with sklearn.config_context(enable_metadata_routing=True):
        nested = make_adaptation_pipeline(inner, SVC()).fit(X_SRC, Y_SRC, X_TGT)
        np.testing.assert_array_equal(nested.predict(X_TGT), flat.predict(X_TGT))
        with pytest.raises(TypeError, match="ColumnTransformer, does not hand the target on"):
            make_adaptation_pipeline(columns, SVC()).fit(X_SRC, Y_SRC, X_TGT)
        make_adaptation_pipeline(StandardScaler(), AdaBoostClassifier()).fit(X_SRC, Y_SRC, X_TGT)


def test_without_a_target_a_plain_pipeline_keeps_nothing_from_its_steps():
    pipeline = make_adaptation_pipeline(make_pipeline(CorpusScaler()), SVC())
    with pytest.warns(NoTargetWarning, match="CorpusScaler was fitted without a target"):
        pipeline.fit(X_SRC, Y_SRC)


@pytest.mark.parametrize(
    "names", [("svc", "svc"), ("a__b", "svc"), ("memory", "svc"), ("svc", "steps")]
)
def test_unusable_names(names):
    pipeline = AdaptationPipeline(list(zip(names, (CorpusScaler(), SVC()), strict=True)))
    with pytest.raises(ValueError, match="names of steps must be unique, must not contain '__'"):
        pipeline.fit(X_SRC, Y_SRC, X_TGT)


def test_a_class_in_place_of_an_instance():
    with pytest.raises(TypeError, match=r"Step 'svc' is a class; pass an instance of it: SVC\(\)"):
        AdaptationPipeline([("svc", SVC)]).fit(X_SRC, Y_SRC, X_TGT)


@pytest.mark.parametrize(
    "steps, match",
    [
        ((SVC(), SVC()), r"Step 'svc-1' must have fit and transform, .* SVC\(\) has no transform"),
        ((CorpusScaler(), 3), "Step 'int' must have fit, or be 'passthrough'; 3 has no fit"),
    ],
)
def test_steps_without_the_methods_they_need(steps, match):
    with pytest.raises(TypeError, match=match):
        make_adaptation_pipeline(*steps).fit(X_SRC, Y_SRC, X_TGT)


def test_both_call_shapes_at_once():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC())
    with pytest.raises(ValueError, match="The target was given twice"):
        pipeline.fit(X_STACKED, Y_STACKED, X_TGT, sample_domain=DOMAIN)


def test_an_error_in_a_step_leaves_the_pipeline_unfitted():
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC(C=-1.0))
    with pytest.raises(ValueError, match="'C' parameter"):
        pipeline.fit(X_SRC, Y_SRC, X_TGT)
    with pytest.raises(NotFittedError):
        pipeline.predict(X_TGT)


def test_rows_of_the_source_go_its_way_when_told():
    rng = np.random.default_rng(0)
    X_src, X_tgt = rng.normal(size=(30, 4)), 3 * rng.normal(size=(20, 4)) + 5
    y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    steps = CorpusScaler(), CorrelationAlignment(), LogisticRegression()
    pipeline = make_adaptation_pipeline(*steps).fit(X_src, y_src, X_tgt)
    front = make_adaptation_pipeline(*steps[:-1])
    Z_src = front.fit_transform(X_src, y_src, X_tgt)
    numbers = np.zeros(30)
    np.testing.assert_allclose(front.transform(X_src, sample_domain=numbers), Z_src)
    last = pipeline[-1]
    for method in ("predict", "predict_proba", "decision_function"):
        expected = getattr(last, method)(Z_src)
        answer = getattr(pipeline, method)(X_src, sample_domain=numbers)
        np.testing.assert_array_equal(answer, expected)
    assert pipeline.score(X_src, y_src, sample_domain=numbers) == last.score(Z_src, y_src)
    assert pipeline.score(X_src, y_src, sample_domain=numbers) > pipeline.score(X_src, y_src)
    mixed = pipeline.decision_function(
        np.vstack([X_tgt, X_src]), sample_domain=[-1] * 20 + [0] * 30
    )
    np.testing.assert_allclose(mixed[:20], pipeline.decision_function(X_tgt))
    np.testing.assert_allclose(mixed[20:], last.decision_function(Z_src))
    with pytest.raises(ValueError, match="sample_domain and X differ in length: 3 != 30"):
        pipeline.predict(X_src, sample_domain=[0, 0, 0])


# Recordings of different lengths


@pytest.fixture
def recordings():
    """Two emotions as tones, in recordings of different lengths; the target is quieter."""
    rng = np.random.default_rng(0)
    y = np.array(["anger", "sadness"])[np.arange(28) % 2]
    X = []
    for label, n_samples in zip(y, rng.integers(3000, 9000, size=28), strict=True):
        tone = np.sin(2 * np.pi * (900 if label == "anger" else 200) * np.arange(n_samples) / 8000)
        X.append(0.2 * tone + rng.normal(scale=0.02, size=n_samples))
    return X[:16], y[:16], [0.5 * row for row in X[16:]], y[16:]


def whole_recordings(**params):
    mel = LogMelSpectrogram(sample_rate=8000, n_mels=16, hop_length=400, duration=None)
    classifier = DIDANClassifier(n_networks=1, max_epochs=20, batch_size=16, random_state=0)
    return make_adaptation_pipeline(mel, CorpusScaler(), classifier, **params)


def test_whole_recordings_from_end_to_end(recordings, tmp_path):
    X_src, y_src, X_tgt, y_tgt = recordings
    pipeline = whole_recordings().fit(X_src, y_src, X_tgt)
    assert pipeline.score(X_tgt, y_tgt) > 0.8
    expected = pipeline.decision_function(X_tgt)
    for row, score in zip(X_tgt, expected, strict=True):
        np.testing.assert_allclose(pipeline.decision_function([row]), score, atol=1e-4)
    kept = whole_recordings(memory=tmp_path)
    for _ in range(2):
        kept.fit(X_src, y_src, X_tgt)
        np.testing.assert_array_equal(kept.decision_function(X_tgt), expected)


def test_whole_recordings_of_stacked_domains(recordings):
    X_src, y_src, X_tgt, _ = recordings
    longest = [max(range(len(X)), key=lambda n: len(X[n])) for X in (X_src, X_tgt)]
    assert len(X_src[longest[0]]) // 400 != len(X_tgt[longest[1]]) // 400
    X, domain = [*X_tgt, *X_src], np.repeat([-1, 1], [len(X_tgt), len(X_src)])
    y = np.concatenate([np.repeat("?", len(X_tgt)), y_src])
    pipeline = whole_recordings().fit(X_src, y_src, X_tgt)
    stacked = whole_recordings().fit(X, y, sample_domain=domain)
    np.testing.assert_array_equal(
        stacked.decision_function(X_tgt), pipeline.decision_function(X_tgt)
    )
    Z = whole_recordings()[:-1].fit_transform(X, sample_domain=domain)
    Z_src = whole_recordings()[:-1].fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_array_equal(Z[len(X_tgt) :, :, : Z_src.shape[2]], Z_src)
    assert np.isnan(Z[len(X_tgt) :, :, Z_src.shape[2] :]).all()


def test_whole_recordings_in_a_search(recordings, tmp_path):
    X_src, y_src, X_tgt, y_tgt = recordings
    grid = {"didanclassifier__trade_off": [0.3, 1.0]}
    scoring = TargetScorer(["adaptation", "mixval"], X_tgt)
    search = GridSearchCV(
        whole_recordings(memory=tmp_path), grid, cv=2, scoring=scoring, refit="adaptation"
    )
    search.fit(X_src, y_src, X_tgt=Target(X_tgt))
    assert np.isfinite(search.cv_results_["mean_test_mixval"]).all()
    assert np.mean(search.predict(X_tgt) == y_tgt) > 0.8


# Several sources


def three_sources(seed=0):
    """Stack rows of the sources 0, 2 and 5 and of the target, each with its own place and scale."""
    rng = np.random.default_rng(seed)
    numbers = rng.permutation(np.repeat([0, 2, 5, -1], [20, 14, 16, 18]))
    place = {0: 3.0, 2: -5.0, 5: 40.0, -1: 7.0}
    scale = {0: 1.0, 2: 0.1, 5: 10.0, -1: 4.0}
    y = rng.integers(2, size=len(numbers))
    X = rng.normal(size=(len(numbers), 3)) + 2.0 * y[:, np.newaxis]
    X = X * np.vectorize(scale.get)(numbers)[:, None] + np.vectorize(place.get)(numbers)[:, None]
    return X, np.where(numbers < 0, "?", np.array(["anger", "fear"])[y]), numbers


def standardised_by_hand(X, numbers):
    Z = np.empty_like(X)
    for number in np.unique(numbers):
        rows = X[numbers == number]
        Z[numbers == number] = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    return Z


def whole_and_nested():
    steps = [CorpusScaler(), PCA(2, random_state=0), Adapted()]
    inner = make_adaptation_pipeline(*steps[:2])
    return {
        "flat": make_adaptation_pipeline(*steps),
        "a chain as a step": make_adaptation_pipeline(inner, steps[2]),
        "a chain at the end": make_adaptation_pipeline(
            Extractor(), make_adaptation_pipeline(*steps)
        ),
    }


@pytest.mark.parametrize("name", list(whole_and_nested()))
def test_each_of_several_sources_is_scaled_by_itself(name, tmp_path):
    X, y, numbers = three_sources()
    Z = standardised_by_hand(X, numbers)
    is_source = numbers >= 0
    projection = PCA(2, random_state=0).fit(Z[is_source])
    expected = SVC().fit(projection.transform(Z[is_source]), y[is_source])
    for memory in (None, str(tmp_path), str(tmp_path)):
        pipeline = whole_and_nested()[name].set_params(memory=memory)
        pipeline.fit(X, y, sample_domain=numbers)
        for rows in (is_source, ~is_source):
            answer = pipeline.predict(X[rows], sample_domain=numbers[rows])
            np.testing.assert_array_equal(answer, expected.predict(projection.transform(Z[rows])))
        np.testing.assert_array_equal(
            pipeline.predict(X[~is_source]), expected.predict(projection.transform(Z[~is_source]))
        )
    last = pipeline[-1][-1] if isinstance(pipeline[-1], AdaptationPipeline) else pipeline[-1]
    np.testing.assert_allclose(last.X_, projection.transform(Z[is_source]), atol=1e-12)
    np.testing.assert_allclose(last.X_tgt_, projection.transform(Z[~is_source]), atol=1e-12)
    assert list(last.y_) == list(y[is_source])


def test_transformed_rows_of_several_sources_keep_their_places():
    X, y, numbers = three_sources()
    pipeline = make_adaptation_pipeline(StandardScaler(), CorpusScaler())
    Z = pipeline.fit_transform(X, y, sample_domain=numbers)
    np.testing.assert_allclose(Z, standardised_by_hand(X, numbers), atol=1e-12)
    np.testing.assert_allclose(pipeline.transform(X, sample_domain=numbers), Z, atol=1e-12)
    with pytest.raises(ValueError, match=r"ambiguous: fit saw \[0, 2, 5\], and sample_domain is 3"):
        pipeline.transform(X[:1], sample_domain=[3])


def test_several_sources_of_spectrograms_of_different_lengths():
    rng = np.random.default_rng(0)
    numbers = np.array([0, 0, 1, 1, -1, -1])
    frames = [5, 7, 4, 6, 9, 3]
    X = np.full((6, 2, 9), np.nan)
    for row, n in enumerate(frames):
        X[row, :, :n] = rng.normal(size=(2, n)) * (2 + numbers[row]) + 10 * numbers[row]
    X[4:, :, :] = X[4:, :, :] + 3.0
    y = ["a", "b", "a", "b", "?", "?"]
    pipeline = make_adaptation_pipeline(CorpusScaler(), FunctionTransformer())
    Z = pipeline.fit_transform(X, y, sample_domain=numbers)
    for number in (-1, 0, 1):
        values = np.moveaxis(Z[numbers == number], 1, -1).reshape(-1, 2)
        values = values[~np.isnan(values[:, 0])]
        assert len(values) == sum(
            n for n, other in zip(frames, numbers, strict=True) if other == number
        )
        np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(values.std(axis=0), 1)


def test_groups_and_several_sources_reach_a_chain_at_the_end():
    X, y, numbers = three_sources()
    groups = np.arange(len(X)) % 4
    network = SourceOnlyClassifier(
        max_epochs=2, validation_fraction=0.3, monitor="source", random_state=0
    )
    inner = make_adaptation_pipeline(CorpusScaler(), network)
    outer = make_adaptation_pipeline(Extractor(), clone(inner))
    expected = inner.fit(X, y, sample_domain=numbers, groups=groups).predict_proba(X)
    outer.fit(X, y, sample_domain=numbers, groups=groups)
    np.testing.assert_array_equal(outer.predict_proba(X), expected)


def test_held_out_rows_of_several_sources_are_not_guessed_at():
    X, y, numbers = three_sources()
    is_source = numbers >= 0
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC()).fit(X, y, sample_domain=numbers)
    score = TargetScorer("source", X[~is_source])
    with pytest.raises(ValueError, match=r"fit saw the corpora \[0, 2, 5\]. Search by a criterion"):
        score(pipeline, X[is_source], y[is_source])


def test_several_targets_are_told_apart():
    X, y, numbers = three_sources()
    numbers = np.where((numbers < 0) & (np.arange(len(X)) % 2 == 0), -2, numbers)
    pipeline = make_adaptation_pipeline(StandardScaler(), CorpusScaler())
    Z = pipeline.fit_transform(X, y, sample_domain=numbers)
    np.testing.assert_allclose(Z, standardised_by_hand(X, numbers), atol=1e-12)
    with pytest.raises(ValueError, match=r"ambiguous: fit saw \[-2, -1\]"):
        pipeline.transform(X)


def test_numbers_as_labels_beside_none_for_the_target():
    X, _, numbers = three_sources()
    y = np.array([n % 2 if n >= 0 else None for n in numbers * 3 // 2], dtype=object)
    pipeline = make_adaptation_pipeline(CorpusScaler(), SVC()).fit(X, y, sample_domain=numbers)
    assert pipeline.classes_.tolist() == [0, 1] and pipeline.classes_.dtype.kind == "i"


def test_memory_is_not_lent_to_a_frozen_transformer(recordings, tmp_path):
    X_src, y_src, X_tgt, _ = recordings
    mel = LogMelSpectrogram(sample_rate=8000, n_mels=8, duration=0.3)
    steps = FrozenEstimator(mel), CorpusScaler(), SourceOnlyClassifier(max_epochs=1)
    pipeline = make_adaptation_pipeline(*steps, memory=tmp_path).fit(X_src, y_src, X_tgt)
    assert pipeline.predict(X_tgt).shape == (len(X_tgt),)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("steps", [(JDAR(),), (CorpusScaler(), JDAR()), (TCA(2), SVC())])
@pytest.mark.parametrize("row", [7, 8])  # of the source, of the target
def test_errors_of_steps_name_rows_as_the_caller_stacked_them(steps, row):
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[row, 1] = np.nan
    y, numbers = np.tile(list("aabb"), 5), np.tile([-1, 0], 10)
    with pytest.raises(ValueError, match=rf"NaN, first in row {row} of X, column 1"):
        make_adaptation_pipeline(*steps).fit(X, y, sample_domain=numbers)


@pytest.mark.parametrize("row", [4, 5])
def test_warnings_and_errors_of_audio_name_rows_as_the_caller_stacked_them(row):
    X = list(np.random.default_rng(0).normal(scale=0.1, size=(6, 8000)))
    X[row] = np.full(8000, np.nan)
    y, numbers = list("aabbab"), [0, -1, 0, -1, 0, -1]
    mel = LogMelSpectrogram(duration=0.5)
    pipeline = make_adaptation_pipeline(mel, SourceOnlyClassifier(max_epochs=1, use_target=True))
    with pytest.raises(ValueError, match=f"waveform in row {row} "):
        pipeline.fit(X, y, sample_domain=numbers)
    mel.on_error = "warn"
    with pytest.warns(AudioWarning) as caught:
        pipeline.fit(X, y, sample_domain=numbers)
    assert [list(warning.message.rows) for warning in caught] == [[row]]


@pytest.mark.parametrize("wrap", [lambda pipeline: pipeline, AnchoredEM])
def test_a_warm_start_reaches_the_network_inside(domains, wrap):
    """By parameters of the step, in the copy that the fit before has trained."""
    X_src, y_src, X_tgt, _ = domains
    network = DIDANClassifier(n_networks=1, max_epochs=2, random_state=0)
    steps = make_adaptation_pipeline(CorpusScaler(), AnchoredEM(network))
    model = wrap(steps).fit(X_src, y_src, X_tgt)
    expected = model.predict_proba(X_tgt)
    names = {name.rpartition("__")[0]: name for name in model.get_params() if name.endswith("lr")}
    (place,) = names
    still = {f"{place}__lr": 1e-30, f"{place}__weight_decay": 0}
    cold = clone(model).set_params(**still).fit(X_src, y_src, X_tgt).predict_proba(X_tgt)
    assert np.abs(cold - expected).max() > 0.01
    model.set_params(**still, **{f"{place}__warm_start": True}).fit(X_src, y_src, X_tgt)
    np.testing.assert_array_equal(model.predict_proba(X_tgt), expected)


def test_a_warm_start_of_scikit_learn_stays_without_effect(domains):
    """Its forests would keep their trees, and the classes of these."""
    X_src, y_src, X_tgt, _ = domains
    forest = RandomForestClassifier(5, warm_start=True, random_state=0)
    model = make_adaptation_pipeline(CorpusScaler(), forest)
    other = np.where(y_src == "anger", "zeal", y_src)
    expected = clone(model).fit(X_src, other, X_tgt).predict(X_tgt)
    found = model.fit(X_src, y_src, X_tgt).fit(X_src, other, X_tgt).predict(X_tgt)
    np.testing.assert_array_equal(found, expected)
