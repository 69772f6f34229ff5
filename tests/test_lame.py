"""Laplacian-adjusted maximum likelihood: iteration, energy, new rows and limits."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from skdidan import LAME, SourceOnlyClassifier, load, save

RNG = np.random.default_rng(0)
Y_SRC = np.repeat(["anger", "joy", "neutral"], 30)
CENTRES = np.array([[0.0, 3, 0, 0], [3, 0, 0, 0], [0, 0, 3, 0]])
X_SRC = RNG.normal(size=(90, 4)) + CENTRES.repeat(30, axis=0)
X_TGT = RNG.normal(size=(120, 4)) + CENTRES.repeat(40, axis=0) + [1.5, 0, -1, 1]
Y_TGT = np.repeat(["anger", "joy", "neutral"], 40)
X_NEW = RNG.normal(size=(60, 4)) + CENTRES.repeat(20, axis=0) + [1.5, 0, -1, 1]


def standardised(rows):
    return (rows - X_TGT.mean(axis=0)) / X_TGT.std(axis=0)


def directions(rows):
    return standardised(rows) / np.linalg.norm(standardised(rows), axis=1)[:, np.newaxis]


def softmax(row):
    return np.exp(row - row.max()) / np.exp(row - row.max()).sum()


def prior_of(model, rows):
    return np.maximum(model.estimator_.predict_proba(rows), 1e-3)


def affinity(n_neighbors):
    units = directions(X_TGT)
    W = np.zeros((120, 120))
    for i, unit in enumerate(units):
        distances = np.linalg.norm(units - unit, axis=1)
        distances[i] = np.inf
        for j in np.argsort(distances)[:n_neighbors]:
            W[i, j] += 0.5
            W[j, i] += 0.5
    return W


def energy(Y, P, W, weight):
    P = P / P.sum(axis=1, keepdims=True)
    return np.sum(Y * np.log(Y / P)) - weight / 2 * np.einsum("ij,ik,jk->", W, Y, Y)


@pytest.mark.parametrize("weight", [0.5, 1.0])
def test_the_iteration_equals_one_row_by_row(weight):
    model = LAME(LogisticRegression(), n_neighbors=4, weight=weight, max_iter=3)
    model.fit(X_SRC, Y_SRC, X_TGT)
    P, W = prior_of(model, X_TGT), affinity(4)
    Y = P / P.sum(axis=1, keepdims=True)
    energies = [energy(Y, P, W, weight)]
    for _ in range(3):
        Y = np.array([softmax(np.log(P[i]) + weight * W[i] @ Y) for i in range(120)])
        energies.append(energy(Y, P, W, weight))
    assert model.n_iter_ == 3
    np.testing.assert_allclose(model.target_probabilities_, Y, atol=1e-12)
    np.testing.assert_allclose(model.energies_, energies, rtol=1e-10)


@pytest.mark.parametrize(
    ("n_neighbors", "weight"), [(1, 1.0), (5, 1.0), (20, 1.0), (1, 40.0), (5, 8.0)]
)
def test_the_energy_never_rises_and_ends_where_rows_agree_with_their_neighbours(
    n_neighbors, weight
):
    model = LAME(n_neighbors=n_neighbors, weight=weight, max_iter=500).fit(X_SRC, Y_SRC, X_TGT)
    assert (np.diff(model.energies_) <= 0).all() and model.n_iter_ < 500
    assert len(model.energies_) == model.n_iter_ + 1
    assert model.energies_[-1] < model.energies_[0]
    P, W, Y = prior_of(model, X_TGT), affinity(n_neighbors), model.target_probabilities_
    if weight == 1:
        fixed = np.array([softmax(np.log(P[i]) + weight * W[i] @ Y) for i in range(120)])
        np.testing.assert_allclose(fixed, Y, atol=1e-2)


def test_an_iteration_that_would_raise_the_energy_takes_half_the_step():
    """Two rows, each the neighbour of the other, would swap their classes without an end."""
    X_src, y = np.array([[-1.0], [1.0]] * 4), np.array(["a", "b"] * 4)
    # The rows lie on opposite sides, so that their predictions are mirrored.
    model = LAME(LogisticRegression(C=0.1), n_neighbors=1, weight=30.0)
    model.fit(X_src, y, np.array([[-0.9], [1.0]]))
    p = prior_of(model, np.array([[-0.9], [1.0]]))
    whole = [softmax(np.log(p[i]) + 30 * p[1 - i]) for i in (0, 1)]
    again = [softmax(np.log(p[i]) + 30 * whole[1 - i]) for i in (0, 1)]
    assert np.argmax(whole[0]) != np.argmax(again[0]) and np.argmax(whole[0]) != np.argmax(whole[1])
    assert (np.diff(model.energies_) <= 0).all()
    labels = model.target_probabilities_.argmax(axis=1)
    assert labels[0] == labels[1] and model.target_probabilities_.max(axis=1).min() > 0.99


def test_without_neighbours_or_weight_the_predictions_stay():
    plain = LogisticRegression().fit(X_SRC, Y_SRC).predict_proba(X_TGT)
    for params in ({"n_neighbors": 0}, {"weight": 0.0}):
        model = LAME(LogisticRegression(), **params).fit(X_SRC, Y_SRC, X_TGT)
        np.testing.assert_array_equal(model.predict_proba(X_TGT), plain)
        assert model.target_probabilities_ is None and model.n_iter_ == len(model.energies_) == 0
    for target in (X_TGT[:1], 0 * X_TGT):
        model = LAME(LogisticRegression()).fit(X_SRC, Y_SRC, target)
        np.testing.assert_array_equal(model.predict_proba(X_TGT), plain)


def test_rows_of_the_target_keep_their_result_alone_and_in_any_order():
    model = LAME().fit(X_SRC, Y_SRC, X_TGT)
    expected, order = model.target_probabilities_, RNG.permutation(120)
    np.testing.assert_array_equal(model.predict_proba(X_TGT), expected)
    np.testing.assert_array_equal(model.predict_proba(X_TGT[order]), expected[order])
    np.testing.assert_array_equal(model.predict_proba(X_TGT[7:8] * (1 + 1e-12)), expected[7:8])


@pytest.mark.parametrize("outlier", [1e6, 1e10, -1e12])
def test_rows_are_recognised_and_have_their_neighbours_beside_an_outlier(outlier):
    """The others are then equal in the first digits, and products of them are not exact."""
    target = np.concatenate([X_TGT, np.full((1, 4), outlier), np.full((1, 4), outlier + 1)])
    model = LAME(LogisticRegression(), n_neighbors=3, weight=2.0).fit(X_SRC, Y_SRC, target)
    expected = model.target_probabilities_
    np.testing.assert_array_equal(model.predict_proba(target), expected)
    np.testing.assert_array_equal(model.predict_proba(target[5:6]), expected[5:6])
    units = ((rows - target.mean(axis=0)) / target.std(axis=0) for rows in (target, X_NEW))
    units, new = (Z / np.linalg.norm(Z, axis=1, keepdims=True) for Z in units)
    P, W = prior_of(model, target), np.zeros((122, 122))
    for i, unit in enumerate(units):
        distances = np.linalg.norm(units - unit, axis=1)
        distances[i] = np.inf
        for j in np.argsort(distances)[:3]:
            W[[i, j], [j, i]] += 0.5
    # Few neighbours differ, by the rounding of the rows themselves.
    start = energy(P / P.sum(axis=1, keepdims=True), P, W, 2.0)
    assert model.energies_[0] == pytest.approx(start, rel=1e-3)
    for unit, row, p in zip(new, X_NEW[:5], prior_of(model, X_NEW), strict=False):
        nearest = np.argsort(np.linalg.norm(units - unit, axis=1))[:3]
        one = softmax(np.log(p) + 2 * expected[nearest].sum(axis=0))
        np.testing.assert_allclose(model.predict_proba([row])[0], one, atol=1e-6)


def test_a_new_row_gets_one_iteration_with_its_nearest_target_rows():
    model = LAME(LogisticRegression(), n_neighbors=3, weight=2.0).fit(X_SRC, Y_SRC, X_TGT)
    expected = []
    for unit, p in zip(directions(X_NEW), prior_of(model, X_NEW), strict=True):
        nearest = np.argsort(np.linalg.norm(directions(X_TGT) - unit, axis=1))[:3]
        expected.append(softmax(np.log(p) + 2 * model.target_probabilities_[nearest].sum(axis=0)))
    np.testing.assert_allclose(model.predict_proba(X_NEW), expected, atol=1e-12)
    mixed = model.predict_proba(np.concatenate([X_NEW[:5], X_TGT[:5]]))
    np.testing.assert_array_equal(mixed[5:], model.target_probabilities_[:5])
    again = model.set_params(n_neighbors=1, weight=9.0).predict_proba(X_NEW)  # until the next fit
    np.testing.assert_allclose(again, expected, atol=1e-12)


def test_a_shifted_border_moves_into_the_gap():
    plain = LogisticRegression(C=0.01).fit(X_SRC, Y_SRC)
    model = LAME(LogisticRegression(C=0.01), weight=1.0).fit(X_SRC, Y_SRC, X_TGT)
    assert model.score(X_TGT, Y_TGT) > plain.score(X_TGT, Y_TGT) + 0.05
    assert model.score(X_NEW, Y_TGT[::2]) > plain.score(X_NEW, Y_TGT[::2])


def test_a_class_that_is_ruled_out_can_come_back():
    class Certain(DummyClassifier):
        def predict_proba(self, X):
            return np.eye(3)[np.where(np.asarray(X)[:, 0] > 90, 1, 0)]

    target = np.concatenate([X_TGT, X_TGT[:1]]) * 30
    model = LAME(Certain(), weight=9.0).fit(X_SRC, Y_SRC, target)
    changed = (
        model.predict(target) != model.classes_[Certain().predict_proba(target).argmax(axis=1)]
    )
    assert changed.any() and np.isfinite(model.predict_proba(target)).all()


def test_rows_of_the_source_are_not_refined_and_files_keep_the_target(tmp_path):
    model = LAME().fit(X_SRC, Y_SRC, X_TGT)
    domain = np.repeat([0, -1], [90, 120])
    mixed = model.predict_proba(np.concatenate([X_SRC, X_TGT]), sample_domain=domain)
    np.testing.assert_array_equal(mixed[:90], model.estimator_.predict_proba(X_SRC))
    np.testing.assert_array_equal(mixed[90:], model.target_probabilities_)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    rows = np.concatenate([X_TGT, X_NEW])
    np.testing.assert_array_equal(loaded.predict_proba(rows), model.predict_proba(rows))


def test_spectrograms_are_compared_by_the_features_of_the_network(spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    network = SourceOnlyClassifier(max_epochs=2, use_target=True, random_state=0)
    model = LAME(network, n_neighbors=3).fit(X_src, y_src, X_tgt)
    np.testing.assert_array_equal(model.predict_proba(X_tgt), model.target_probabilities_)
    np.testing.assert_array_equal(model.predict_proba(X_tgt[:1]), model.target_probabilities_[:1])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_neighbors": -1}, "n_neighbors must be a whole number of at least 0; got -1"),
        ({"n_neighbors": 2.5}, "n_neighbors must be a whole number of at least 0; got 2.5"),
        ({"weight": -1}, "weight must be"),
        ({"max_iter": 0}, "max_iter must be"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        LAME(**params).fit(X_SRC, Y_SRC, X_TGT)
