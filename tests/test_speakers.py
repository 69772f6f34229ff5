"""Offsets of estimated speakers: independent references, and limits."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestCentroid

from skdidan import NoTargetWarning, SpeakerScaler


def recordings(n_speakers, n, seed=0, d=8):
    """Emotions shift the first two features, speakers all others."""
    rng = np.random.default_rng(seed)
    y, speakers = rng.integers(3, size=n), np.arange(n) % n_speakers
    emotions, voices = np.zeros((3, d)), np.zeros((n_speakers, d))
    emotions[:, :2] = [[4, 0], [-2, 3.4], [-2, -3.4]]
    voices[:, 2:] = rng.normal(scale=2, size=(n_speakers, d - 2))
    X = rng.normal(size=(n, d)) + emotions[y] + voices[speakers]
    return X - X.mean(axis=0), np.array(["anger", "joy", "sadness"])[y], speakers


def cluster(points, number):
    labels = AgglomerativeClustering(number).fit_predict(points)
    return NearestCentroid().fit(points, labels).predict(points)


def reference(X_src, y_src, X_tgt, n_clusters, shrinkage):
    """Compute the four steps with all matrices written out."""
    mean, deviation = X_tgt.mean(axis=0), X_tgt.std(axis=0)
    X_src, X_tgt = ((X - X.mean(axis=0)) / X.std(axis=0) for X in (X_src, X_tgt))
    P = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000).fit(X_src, y_src)
    P = P.predict_proba(X_tgt)
    unexplained = X_tgt - P @ (P.T @ X_tgt / P.sum(axis=0)[:, np.newaxis])
    residual = X_src.copy()
    for label in np.unique(y_src):
        residual[y_src == label] -= residual[y_src == label].mean(axis=0)
    Z = PCA(min(20, X_src.shape[1]), svd_solver="full").fit_transform(residual)
    speakers = cluster(Z, 8)
    within = X_src.copy()
    for speaker in range(8):
        within[speakers == speaker] -= within[speakers == speaker].mean(axis=0)
    C = within.T @ within / len(X_src)
    shrunk = 0.7 * C + 0.3 * np.trace(C) / len(C) * np.eye(len(C))
    values, vectors = np.linalg.eigh(shrunk)
    points = PCA(svd_solver="full").fit_transform(
        unexplained @ (vectors / np.sqrt(values)) @ vectors.T
    )
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    moved = X_tgt.copy()
    for number in n_clusters:
        labels = cluster(points, number)
        for speaker in range(number):
            rows = labels == speaker
            offset = unexplained[rows].sum(axis=0) / (rows.sum() + shrinkage)
            moved[rows] -= offset / len(n_clusters)
    moved = (moved - moved.mean(axis=0)) / moved.std(axis=0) + moved.mean(axis=0)
    return mean + moved * deviation


def test_the_four_steps_are_those_of_the_documentation():
    X_src, y_src, _ = recordings(6, 150)
    X_tgt, _, _ = recordings(4, 90, seed=1)
    scaler = SpeakerScaler((3, 5), shrinkage=7.0).fit(X_src, y_src, X_tgt)
    expected = reference(X_src, y_src, X_tgt, (3, 5), 7.0)
    np.testing.assert_allclose(scaler.transform(X_tgt), expected, atol=1e-8)
    np.testing.assert_array_equal(scaler.transform(X_src, sample_domain=np.ones(150)), X_src)


def share(X, groups):
    """Return the share of the variance that lies between groups."""
    means = np.array([X[groups == group].mean(axis=0) for group in np.unique(groups)])
    return means.var(axis=0).sum() / X.var(axis=0).sum()


def test_speakers_are_found_and_their_offsets_removed_but_not_the_emotions():
    X_src, y_src, _ = recordings(6, 300)
    X_tgt, y_tgt, speakers = recordings(4, 240, seed=1)
    scaler = SpeakerScaler((4,), shrinkage=0.0).fit(X_src, y_src, X_tgt)
    assert adjusted_rand_score(speakers, scaler.speakers_[:, 0]) > 0.9
    Z = scaler.transform(X_tgt)
    assert share(Z, speakers) < 0.05 < share(X_tgt, speakers)
    assert share(Z, y_tgt) > share(X_tgt, y_tgt)
    np.testing.assert_allclose(Z.std(axis=0), X_tgt.std(axis=0))


def test_new_recordings_of_the_same_speakers_lose_the_same_offsets():
    X_src, y_src, _ = recordings(6, 300)
    X_tgt, _, speakers = recordings(4, 240, seed=1)
    half = np.arange(240) < 120
    scaler = SpeakerScaler((4,), shrinkage=0.0).fit(X_src, y_src, X_tgt[half])
    new = X_tgt[~half], speakers[~half]
    assert share(scaler.transform(new[0]), new[1]) < 0.1 < share(*new)


@pytest.mark.parametrize("outlier", [1e6, 1e10, 1e12])
def test_an_outlier_is_a_cluster_of_its_own_and_the_others_stay(outlier):
    X_src, y_src, _ = recordings(6, 150)
    X_tgt, _, _ = recordings(4, 90, seed=1)
    clusters = []
    for value in (1e3, outlier):
        rows = np.vstack([X_tgt, np.full((1, 8), value)])
        clusters.append(SpeakerScaler((3, 5)).fit(X_src, y_src, rows).speakers_)
    for near, far in zip(*(each.T for each in clusters), strict=True):
        assert adjusted_rand_score(near, far) > 0.98 and np.bincount(far)[far[-1]] == 1


def test_offset_and_scale_of_a_domain_change_nothing_else():
    X_src, y_src, _ = recordings(6, 150)
    X_tgt, _, _ = recordings(4, 90, seed=1)
    expected = SpeakerScaler().fit(X_src, y_src, X_tgt).transform(X_tgt)
    scale, offset = np.logspace(-120, 120, 8, base=2), np.arange(8.0)
    scaler = SpeakerScaler().fit(X_src * scale + scale, y_src, X_tgt * scale - offset * scale)
    moved = scaler.transform(X_tgt * scale - offset * scale)
    np.testing.assert_allclose(moved / scale + offset, expected, atol=1e-8)
    for power in (1e200, 1e-200):
        scaler = SpeakerScaler().fit(X_src * power, y_src, X_tgt * power)
        np.testing.assert_allclose(scaler.transform(X_tgt * power) / power, expected, atol=1e-8)


def test_more_clusters_than_rows_and_constant_features():
    X_src, y_src, _ = recordings(2, 12)
    X_tgt = np.column_stack([np.arange(4.0), np.ones((4, 7))])
    Z = SpeakerScaler().fit(X_src, y_src, X_tgt).transform(X_tgt)
    np.testing.assert_allclose(Z[:, 1:], 1, atol=1e-12)
    assert np.isfinite(Z).all()
    one = SpeakerScaler().fit(X_src, y_src, X_tgt[:1])
    np.testing.assert_array_equal(one.transform(X_tgt), X_tgt)


def test_equal_target_rows_stay_without_a_warning_of_numpy():
    X, y, _ = recordings(2, 30)
    rows = np.tile(X[0], (3, 1))
    with np.errstate(all="raise"):
        scaler = SpeakerScaler(random_state=0).fit(X, y, rows)
    np.testing.assert_allclose(scaler.transform(rows), rows)


def test_an_emotion_that_no_target_row_can_have_and_offsets_that_are_all_of_a_feature():
    X_src, y_src, _ = recordings(6, 150)
    X_tgt, _, _ = recordings(4, 90, seed=1)
    X_src[y_src == "anger"] += 1e5
    assert np.isfinite(SpeakerScaler().fit(X_src, y_src, X_tgt).transform(X_tgt)).all()
    each_its_own = SpeakerScaler((90,), shrinkage=0.0).fit(X_src, y_src, X_tgt)
    assert np.abs(each_its_own.transform(X_tgt + 1)).max() < 100


def test_without_a_target_all_rows_stay():
    X_src, y_src, _ = recordings(2, 30)
    with pytest.warns(NoTargetWarning, match="SpeakerScaler was fitted without a target"):
        scaler = SpeakerScaler().fit(X_src, y_src)
    np.testing.assert_array_equal(scaler.transform(X_src), X_src)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_speakers": 4}, "n_speakers must be a list or tuple of whole numbers; got 4"),
        ({"n_speakers": ()}, "n_speakers must hold at least one number"),
        ({"n_speakers": None}, "n_speakers must be a list or tuple"),
        ({"n_speakers": (3, 0)}, "n_speakers must be"),
        ({"n_components": 0}, "n_components must be"),
        ({"shrinkage": -1.0}, "shrinkage must be"),
    ],
)
def test_parameters_out_of_range(params, message):
    X, y, _ = recordings(2, 30)
    with pytest.raises(ValueError, match=message):
        SpeakerScaler(**params).fit(X, y, X)
