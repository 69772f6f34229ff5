"""CorpusInvariantSelector: its numbers from fits by hand, its speakers, pipelines and refusals."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from skdidan import (
    AKTLR,
    JDAR,
    CorpusInvariantSelector,
    CorpusScaler,
    NoTargetWarning,
    make_adaptation_pipeline,
)


def make_domains(seed=0):
    """Draw features of use in both corpora (0, 1), in the source (2, 3) and in none (4, 5)."""
    rng = np.random.default_rng(seed)
    y_src, y_tgt = np.arange(90) % 3, np.arange(60) % 3
    centres = 2.5 * np.array([[1, 0], [-1, 1], [-1, -1.0]])
    X_src, X_tgt = rng.normal(size=(90, 6)), rng.normal(size=(60, 6))
    X_src[:, :2] += centres[y_src]
    X_src[:, 2:4] += centres[y_src]
    X_tgt[:, :2] += centres[y_tgt]
    X_tgt[:, 2:4] -= 0.4 * centres[y_tgt]
    return X_src, np.array(["anger", "fear", "joy"])[y_src], X_tgt


@pytest.mark.parametrize("estimator", [None, AKTLR()])
def test_features_of_use_in_both_corpora_are_selected(estimator):
    X_src, y, X_tgt = make_domains()
    selector = CorpusInvariantSelector(2, estimator=estimator, random_state=0)
    Z_src = selector.fit_transform(X_src, y, X_tgt)
    assert selector.get_support(indices=True).tolist() == [0, 1]
    assert selector.get_feature_names_out().tolist() == ["x0", "x1"]
    np.testing.assert_array_equal(Z_src, X_src[:, :2])
    np.testing.assert_array_equal(selector.transform(X_tgt), X_tgt[:, :2])
    np.testing.assert_array_equal(selector.inverse_transform(Z_src)[:, 2:], 0)
    alone = CorpusInvariantSelector(2, estimator=JDAR(0.0), random_state=0).fit(X_src, y, X_tgt)
    assert alone.importances_[2:4].min() > 2 * selector.importances_[2:4].max()


class Counted(ClassifierMixin, BaseEstimator):
    """Give each fit the next of these importances, and note its rows."""

    rows, importances = [], []

    def fit(self, X, y, X_tgt=None):
        self.feature_importances_ = self.importances[len(self.rows)]
        self.rows.append((X, y, X_tgt))
        return self


@pytest.fixture
def counted(monkeypatch):
    monkeypatch.setattr(Counted, "rows", [])
    values = [[3, 2, 0, 0, 0, 0], [3, 0, 2, 1, 0, 0], [0, 5, 1, 0, 0, 0.0], [3, 2, 1, 0, 0, 0]]
    monkeypatch.setattr(Counted, "importances", values)
    return {"estimator": Counted(), "n_resamples": 4, "random_state": 0}


@pytest.mark.parametrize(
    "params, stability, selected",
    [
        ({}, [0.75, 0.75, 0.75, 0.25, 0, 0], [0, 1, 2]),
        ({"n_features_to_select": 2}, [0.75, 0.75, 0.5, 0, 0, 0], [0, 1]),
        ({"threshold": 0.7}, [0.75, 0.75, 0.75, 0.25, 0, 0], [0, 1, 2]),
        ({"threshold": 0.25}, [0.75, 0.75, 0.75, 0.25, 0, 0], [0, 1, 2, 3]),
        ({"n_features_to_select": 1, "threshold": 0.75}, [0.75, 0.25, 0, 0, 0, 0], [0]),
        ({"n_features_to_select": 6}, [0.75, 0.75, 0.75, 0.25, 0, 0], [0, 1, 2, 3, 4, 5]),
    ],
)
def test_importance_and_stability_by_hand(counted, params, stability, selected):
    selector = CorpusInvariantSelector(**params, **counted).fit(*make_domains())
    np.testing.assert_allclose(selector.importances_, [2.25, 2.25, 1, 0.25, 0, 0])
    np.testing.assert_array_equal(selector.stability_, stability)
    assert selector.get_support(indices=True).tolist() == selected


@pytest.mark.parametrize("in_pipeline", [False, True])
@pytest.mark.parametrize("is_stacked", [False, True])
def test_whole_speakers_are_drawn_and_rows_of_the_target(counted, is_stacked, in_pipeline):
    X_src, y, X_tgt = make_domains()
    speakers = np.arange(90) // 9
    model = CorpusInvariantSelector(2, **counted)
    if in_pipeline:
        model = make_adaptation_pipeline(model, SVC())
    if is_stacked:
        X, labels = np.concatenate([X_tgt, X_src]), np.concatenate([np.repeat("?", 60), y])
        numbers, groups = np.repeat([-1, 0], [60, 90]), np.concatenate([np.zeros(60), speakers])
        model.fit(X, labels, sample_domain=numbers, groups=groups)
    else:
        model.fit(X_src, y, X_tgt, groups=speakers)
    drawn = []
    for X, labels, target in Counted.rows:
        rows = [np.flatnonzero((X_src == row).all(axis=1))[0] for row in X]
        np.testing.assert_array_equal(y[rows], labels)
        _, times = np.unique(rows, return_counts=True)
        counts = np.bincount(speakers[rows], minlength=10)
        assert counts.sum() == 90 and set(counts % 9) == {0} and set(times) <= set(counts // 9)
        assert len(target) == 60 and len(np.unique(target, axis=0)) < 60
        drawn.append(tuple(counts))
    assert len(set(drawn)) == 4


def test_a_speaker_of_two_corpora_is_two_speakers(counted):
    X_src, y, X_tgt = make_domains()
    X, numbers = np.concatenate([X_src, X_tgt]), np.repeat([0, 1, -1], [45, 45, 60])
    labels = np.concatenate([y, np.repeat("?", 60)])
    CorpusInvariantSelector(**counted).fit(X, labels, sample_domain=numbers, groups=["ann"] * 150)
    first = [
        (X[:, :, None] == X_src[:45].T).all(axis=1).any(axis=1).sum() for X, *_ in Counted.rows
    ]
    assert set(first) <= {0, 45, 90} and len(set(first)) > 1


def test_draws_of_one_class_are_drawn_again(counted):
    """Each resample has both of two speakers, who have one emotion each."""
    X_src, y, X_tgt = make_domains()
    some = np.isin(y, ["anger", "fear"])
    CorpusInvariantSelector(**counted).fit(X_src[some], y[some], X_tgt, groups=y[some])
    assert [np.unique(labels).tolist() for _, labels, _ in Counted.rows] == [["anger", "fear"]] * 4


def test_names_of_columns_reach_the_regression():
    X_src, y, X_tgt = make_domains()
    names = ["pitch_sma3_a", "pitch_sma3_b", "loud_sma3_a", "loud_sma3_b", "rate", "level"]
    frames = [pd.DataFrame(X, columns=names) for X in (X_src, X_tgt)]
    regression = AKTLR(feature_groups="egemaps")  # which fails without them
    selector = CorpusInvariantSelector(2, estimator=regression, n_resamples=2, random_state=0)
    selector.set_output(transform="pandas").fit(frames[0], y, frames[1])
    assert selector.transform(frames[1]).columns.tolist() == names[:2]


def test_in_a_pipeline_the_last_step_sees_the_selected_columns():
    X_src, y, X_tgt = make_domains()
    selector = CorpusInvariantSelector(2, random_state=0)
    pipeline = make_adaptation_pipeline(selector, SVC()).fit(X_src, y, X_tgt)
    assert pipeline[-1].n_features_in_ == 2
    assert pipeline[:-1].get_feature_names_out().tolist() == ["x0", "x1"]


def test_groups_that_no_step_takes_are_still_refused():
    data = make_domains()
    with pytest.raises(TypeError, match="groups go to the last step, but 'svc', SVC"):
        make_adaptation_pipeline(CorpusScaler(), SVC()).fit(*data, groups=np.zeros(90))


def test_one_warning_without_a_target():
    X_src, y, _ = make_domains()
    with pytest.warns(NoTargetWarning, match="CorpusInvariantSelector was fitted") as caught:
        CorpusInvariantSelector(n_resamples=2, random_state=0).fit(X_src, y)
    assert len(caught) == 1


class Silent(Counted):
    """A classifier that takes a target and says nothing of features."""

    def fit(self, X, y, X_tgt=None):
        return self


@pytest.mark.parametrize(
    "params, match",
    [
        ({"n_features_to_select": 0}, "n_features_to_select must be a whole number of at least 1"),
        ({"n_features_to_select": 7}, "must not exceed the number of features, 6; got 7"),
        ({"threshold": 0}, "threshold must be above 0 and at most 1; got 0"),
        ({"threshold": 1.1}, "threshold must be above 0 and at most 1; got 1.1"),
        ({"n_resamples": 0}, "n_resamples must be a whole number of at least 1; got 0"),
        ({"estimator": LogisticRegression()}, "whose fit takes X_tgt, such as JDAR"),
        ({"estimator": CorpusScaler()}, "estimator must be a classifier whose fit takes X_tgt"),
        ({"estimator": Silent()}, "must set feature_importances_ in fit; got Silent"),
    ],
)
def test_parameters_out_of_range(params, match):
    with pytest.raises(ValueError, match=match):
        CorpusInvariantSelector(**params).fit(*make_domains())


def test_a_threshold_that_no_feature_reaches(counted):
    with pytest.raises(ValueError, match=r"threshold=0\.9: the highest is 0\.75\. Use a lower"):
        CorpusInvariantSelector(threshold=0.9, **counted).fit(*make_domains())


def test_groups_that_would_not_reach_a_selector_are_an_error():
    X, y, X_tgt = make_domains()
    inner = make_adaptation_pipeline(CorpusInvariantSelector(3, random_state=0))
    groups = np.arange(len(X)) // 4
    with pytest.raises(TypeError, match="groups do not reach the selector inside"):
        make_adaptation_pipeline(inner, JDAR()).fit(X, y, X_tgt, groups=groups)
