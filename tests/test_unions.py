"""Unions of transformers that are each fitted to both domains."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdidan import (
    TCA,
    AdaptationUnion,
    AudioWarning,
    CorpusScaler,
    CorrelationAlignment,
    Functionals,
    LogMelSpectrogram,
    NoTargetWarning,
    Target,
    load,
    make_adaptation_pipeline,
    make_adaptation_union,
    save,
)


def make_union():
    front = make_adaptation_pipeline(CorpusScaler(), TCA(2))
    return make_adaptation_union(front, CorrelationAlignment(), PCA(1))


def by_hand(X_src, X_tgt):
    """Features of source and target, part by part."""
    scaler, tca, alignment, pca = CorpusScaler(), TCA(2), CorrelationAlignment(), PCA(1)
    Z_src, Z_tgt = scaler.fit_transform(X_src, X_tgt=X_tgt), scaler.transform(X_tgt)
    source = tca.fit_transform(Z_src, X_tgt=Z_tgt), alignment.fit_transform(X_src, X_tgt=X_tgt)
    target = tca.transform(Z_tgt), alignment.transform(X_tgt)
    source, target = (*source, pca.fit_transform(X_src)), (*target, pca.transform(X_tgt))
    return np.hstack(source), np.hstack(target)


def test_each_part_is_fitted_to_both_domains(domains):
    X, y, X_tgt, _ = domains
    expected, expected_tgt = by_hand(X, X_tgt)
    union = make_union()
    np.testing.assert_allclose(union.fit_transform(X, y, X_tgt), expected)
    np.testing.assert_allclose(union.transform(Target(X_tgt)), expected_tgt)
    again = clone(union).fit(X, y, Target(X_tgt))
    np.testing.assert_allclose(again.transform(X_tgt), expected_tgt)
    source = again.transform(X, sample_domain=np.zeros(len(X)))
    np.testing.assert_allclose(source, expected)
    assert not np.allclose(source, again.transform(X))


def test_stacked_rows_stay_in_their_order(domains):
    X, _, X_tgt, _ = domains
    order = np.random.default_rng(0).permutation(150)
    stacked, domain = np.concatenate([X, X_tgt])[order], np.repeat([0, -1], [60, 90])[order]
    found = make_union().fit_transform(stacked, sample_domain=domain)
    expected = by_hand(stacked[domain >= 0], stacked[domain < 0])
    np.testing.assert_allclose(found[domain >= 0], expected[0])
    np.testing.assert_allclose(found[domain < 0], expected[1])


def test_a_pipeline_and_a_search_take_a_union(domains, tmp_path):
    X, y, X_tgt, _ = domains
    pipeline = make_adaptation_pipeline(make_union(), SVC()).fit(X, y, X_tgt)
    expected, expected_tgt = by_hand(X, X_tgt)
    predicted = SVC().fit(expected, y).predict(expected_tgt)
    np.testing.assert_array_equal(pipeline.predict(X_tgt), predicted)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(pipeline)).predict(X_tgt), predicted)
    save(pipeline, tmp_path / "model.skdidan")
    np.testing.assert_array_equal(load(tmp_path / "model.skdidan").predict(X_tgt), predicted)
    name = "adaptationunion__adaptationpipeline__tca__n_components"
    search = GridSearchCV(pipeline, {name: [1, 2]}, cv=2).fit(X, y, X_tgt=Target(X_tgt))
    assert search.cv_results_["params"] == [{name: 1}, {name: 2}]


def test_parameters_of_parts(domains):
    union = make_union()
    assert union.get_params(deep=False) == {"transformers": union.transformers}
    assert union.get_params()["pca__n_components"] == 1
    assert union.set_params(pca=PCA(3), pca__n_components=2) is union
    assert union.get_params()["pca"].n_components == 2
    copy = clone(union)
    assert copy.get_params()["pca__n_components"] == 2
    assert copy.transformers[0][1] is not union.transformers[0][1]
    union.fit(*domains[:3])
    assert union.set_params(pca__n_components=1).transformers_[2][1].n_components == 1
    assert union.transformers[2][1] is not union.transformers_[2][1]
    with pytest.raises(ValueError, match="Invalid parameter 'tca'"):
        union.set_params(tca=None)


def test_names_of_features_and_containers(domains):
    X, _, X_tgt, _ = domains
    X, X_tgt = (pd.DataFrame(rows, columns=list("abcdef")) for rows in (X, X_tgt))
    union = AdaptationUnion([("plain", "passthrough"), ("none", None), ("tca", TCA(2))])
    union.set_output(transform="pandas")
    Z = union.fit_transform(X, X_tgt=X_tgt)
    names = [f"{part}__{name}" for part in ("plain", "none") for name in "abcdef"]
    assert list(Z.columns) == [*names, "tca__tca0", "tca__tca1"]
    assert union.get_feature_names_out().tolist() == list(Z.columns)
    np.testing.assert_array_equal(Z.iloc[:, 6:12], X)
    plain = clone(union).set_output(transform="default").fit(X.to_numpy(), X_tgt=X_tgt.to_numpy())
    assert plain.get_feature_names_out()[:2].tolist() == ["plain__x0", "plain__x1"]
    assert (union.n_features_in_, union.feature_names_in_.tolist()) == (6, list("abcdef"))
    pipeline = make_adaptation_pipeline(union, StandardScaler()).set_output(transform="pandas")
    assert list(pipeline.fit_transform(X, X_tgt=X_tgt).columns) == list(Z.columns)


def test_features_of_several_extractors(tmp_path):
    """Audio in; the cache of the pipeline reaches the parts, and silence is reported by its row."""
    rng = np.random.default_rng(0)
    waveforms = [rng.normal(scale=0.1, size=4000) for _ in range(10)]
    y = np.arange(10) % 2
    union = make_adaptation_union(
        make_adaptation_pipeline(Functionals(), CorpusScaler()), Functionals()
    )
    pipeline = make_adaptation_pipeline(union, SVC(), memory=tmp_path)
    pipeline.fit(waveforms, y, waveforms[:6])
    extractor = pipeline[0].transformers_[1][1]
    assert extractor.memory == str(tmp_path)
    n_features = len(extractor.get_feature_names_out())
    assert pipeline[0].transform(waveforms).shape == (10, 2 * n_features)
    pipeline.set_params(
        adaptationunion__functionals__on_error="warn",
        adaptationunion__adaptationpipeline__functionals__on_error="warn",
    )
    with pytest.warns(AudioWarning):
        predicted = pipeline.predict([waveforms[0], np.zeros(4000)])
    assert predicted[0] is not None and predicted[1] is None


def test_without_a_target_the_parts_use_the_source(domains):
    with pytest.warns(NoTargetWarning):
        make_adaptation_union(CorpusScaler(), PCA(1)).fit(domains[0])


@pytest.mark.parametrize(
    ("transformers", "error", "match"),
    [
        ([], ValueError, "transformers must be a list of .* make_adaptation_union takes"),
        ([("svc", SVC())], TypeError, "Step 'svc' must have fit and transform"),
        ([("a", PCA()), ("a", PCA())], ValueError, "must be unique"),
        ([("transformers", PCA())], ValueError, r"must not be one of \['transformers'\]"),
        ([("inner", make_pipeline(TCA(2)))], TypeError, r"does not hand the target on to \['TCA'"),
    ],
)
def test_transformers_that_are_refused(transformers, error, match, domains):
    with pytest.raises(error, match=match):
        AdaptationUnion(transformers).fit(*domains[:3])


def test_features_that_cannot_stand_side_by_side_are_refused():
    waveforms = [np.random.default_rng(0).normal(size=4000) for _ in range(4)]
    union = make_adaptation_union(Functionals(), LogMelSpectrogram(duration=0.2))
    with pytest.raises(ValueError, match="give a matrix of numbers; 'logmelspectrogram' gives"):
        union.fit_transform(waveforms, X_tgt=waveforms)
