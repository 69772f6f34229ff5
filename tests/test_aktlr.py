"""AKTLR: its proximal map by hand, its maps by optimality conditions, limits, groups of names."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning

from skdidan import AKTLR, JDAR, CorpusScaler, Functionals, make_adaptation_pipeline
from skdidan.shallow import sparsity
from skdidan.shallow.feature_groups import find_groups
from skdidan.shallow.sparsity import GroupSparsity

GROUPS = np.array([*"aaabbbccccdd"])
WEIGHTS = {"group_sparsity": 0.2, "sparsity": 0.15, "tol": 1e-12}


def make_domains(seed=0):
    """Draw three classes that differ in three features of the groups a and b."""
    rng = np.random.default_rng(seed)
    y_src, y_tgt = np.arange(60) % 3, np.arange(40) % 3
    centres = np.zeros((3, 12))
    centres[:, [0, 1, 3]] = [[2, 0, 1], [-1, 2, 0], [-1, -2, -1]]
    X_src, X_tgt = (centres[y] + rng.normal(size=(len(y), 12)) for y in (y_src, y_tgt))
    return X_src + 1, np.array(["anger", "fear", "joy"])[y_src], X_tgt + 1


def slopes_of_the_smooth_part(aktlr, X_src, y, X_tgt):
    """Differentiate the squared error and the distances of the means, term by term."""
    P = aktlr.coef_.T
    labels = (y[:, None] == aktlr.classes_) - 1 / 3
    source = X_src - X_src.mean(axis=0)
    slopes = 2 / len(source) * source.T @ (source @ P - labels)
    pairs = [(np.ones(len(y), bool), np.ones(len(X_tgt), bool))]
    pairs += [(y == name, aktlr.pseudo_labels_ == name) for name in aktlr.classes_]
    for some, others in pairs:
        difference = X_src[some].mean(axis=0) - X_tgt[others].mean(axis=0)
        slopes += 2 * np.outer(difference, difference @ P)
    return slopes


def test_the_map_satisfies_the_optimality_conditions():
    """Zero is a subgradient of the objective, in each group and in each of its rows."""
    X_src, y, X_tgt = make_domains()
    aktlr = AKTLR(feature_groups=GROUPS, **WEIGHTS).fit(X_src, y, X_tgt)
    P, slopes = aktlr.coef_.T, slopes_of_the_smooth_part(aktlr, X_src, y, X_tgt)
    lengths = np.linalg.norm(slopes, axis=1)
    kept = P.any(axis=1)
    for name in "abcd":
        group, weight = name == GROUPS, 0.2 * np.sqrt(np.sum(name == GROUPS))
        if not kept[group].any():
            excess = np.maximum(lengths[group] - 0.15, 0)
            assert np.linalg.norm(excess) <= weight + 1e-6
            continue
        for i in np.flatnonzero(group & kept):
            pull = weight * P[i] / np.linalg.norm(P[group]) + 0.15 * P[i] / np.linalg.norm(P[i])
            np.testing.assert_allclose(slopes[i], -pull, atol=1e-5)
        assert (lengths[group & ~kept] <= 0.15 + 1e-6).all()
    # Both kinds of zeros are there: of a whole group, and of rows of a group that is kept.
    assert aktlr.selected_groups_.tolist() == ["a", "b"]
    assert 3 <= kept.sum() < 6
    np.testing.assert_array_equal(kept, aktlr.selected_features_)
    np.testing.assert_array_equal(aktlr.feature_importances_, np.linalg.norm(P, axis=1))


def test_shrinking_by_hand():
    """Rows lose 1, then the first group, now of length 4, loses 2, and the second all."""
    P = np.array([[3.0, 4.0], [0.0, 1.0], [1.5, 0.0]])
    penalty = GroupSparsity(np.array([0, 0, 1]), np.array([2.0, 0.6]), 1.0)
    np.testing.assert_allclose(penalty.shrink(P, 1.0), [[1.2, 1.6], [0, 0], [0, 0]])
    assert penalty.value(P) == pytest.approx(2 * 26**0.5 + 0.6 * 1.5 + 5 + 1 + 1.5)


@pytest.mark.parametrize("groups", [None, range(12)], ids=["none", "one each"])
@pytest.mark.parametrize("weights", [(0.02, 0.08), (0.0, 0.1), (0.1, 0.0)])
def test_a_group_for_each_feature_makes_it_jdar(groups, weights):
    data = make_domains()
    jdar = JDAR(2.0, alpha=0.1, tol=1e-12).fit(*data)
    params = dict(zip(("group_sparsity", "sparsity"), weights, strict=True))
    aktlr = AKTLR(2.0, feature_groups=groups, tol=1e-12, **params).fit(*data)
    np.testing.assert_allclose(aktlr.coef_, jdar.coef_, atol=1e-5)
    np.testing.assert_allclose(aktlr.objective_, jdar.objective_, rtol=1e-8)
    np.testing.assert_array_equal(aktlr.pseudo_labels_, jdar.pseudo_labels_)
    assert (aktlr.selected_groups_ is None) == (groups is None)


def test_one_group_of_all_features_makes_it_a_ridge_regression():
    """The derivative of a length is that of its square, divided by twice the length."""
    X_src, y, X_tgt = make_domains()
    aktlr = AKTLR(0.0, group_sparsity=0.1, sparsity=0, feature_groups=[0] * 12, tol=1e-12)
    P = aktlr.fit(X_src, y, X_tgt).coef_.T
    source, labels = X_src - X_src.mean(axis=0), (y[:, None] == aktlr.classes_) - 1 / 3
    ridge = 60 * 0.1 * 12**0.5 / (2 * np.linalg.norm(P))
    expected = np.linalg.solve(source.T @ source + ridge * np.eye(12), source.T @ labels)
    np.testing.assert_allclose(P, expected, atol=1e-5)


def test_order_of_the_columns_does_not_matter():
    X_src, y, X_tgt = make_domains()
    order = np.random.default_rng(1).permutation(12)
    aktlr = AKTLR(feature_groups=GROUPS, **WEIGHTS).fit(X_src, y, X_tgt)
    turned = AKTLR(feature_groups=GROUPS[order], **WEIGHTS)
    turned.fit(X_src[:, order], y, X_tgt[:, order])
    np.testing.assert_allclose(turned.coef_, aktlr.coef_[:, order], atol=1e-6)
    np.testing.assert_array_equal(turned.selected_groups_, aktlr.selected_groups_)


@pytest.mark.parametrize("shape", [(200, 12), (20, 40)])
def test_the_objective_never_rises_and_ends_near_the_minimum(shape):
    rng = np.random.default_rng(0)
    A = rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1]))
    A += 0.1 * rng.normal(size=shape)  # correlated, for which momentum overshoots
    B = A[:, :3] + rng.normal(size=(shape[0], 3))
    penalty = GroupSparsity(np.arange(shape[1]) // 4, np.full(shape[1] // 4, 2.0), 1.0)
    start = np.zeros((shape[1], 3))
    _, exact = penalty.descend(A, B, start, 1e-12)
    P, values = penalty.descend(A, B, start, 1e-4)
    assert penalty.has_converged and len(values) < len(exact)
    assert np.diff(exact).max() <= 1e-12 and np.diff(values).max() <= 1e-12
    assert exact[-1] <= values[-1] <= exact[-1] + 100 * 1e-4 * np.sum(B**2)
    assert penalty.objective(A, B, P) == pytest.approx(values[-1])


def test_a_warning_if_the_steps_do_not_suffice(monkeypatch):
    monkeypatch.setattr(sparsity, "_MAX_STEPS", 3)
    match = r"AKTLR did not converge in .* raise group_sparsity or sparsity or tol"
    with pytest.warns(ConvergenceWarning, match=match) as caught:
        AKTLR(feature_groups=GROUPS, tol=1e-9).fit(*make_domains())
    assert len(caught) == 1 and caught[0].filename == __file__


def test_groups_of_egemaps_are_found_by_name_or_by_order():
    pytest.importorskip("opensmile")
    names = Functionals("eGeMAPSv02").get_feature_names_out()
    by_name, by_order = find_groups("egemaps", 88, names), find_groups("egemaps", 88, None)
    np.testing.assert_array_equal(by_name, by_order)
    labels, sizes = np.unique(by_order, return_counts=True)
    assert np.bincount(sizes).tolist() == [0, 12, 28, *[0] * 7, 2]
    assert set(labels[sizes == 10]) == {"F0semitoneFrom27.5Hz", "loudness"}
    np.testing.assert_array_equal(find_groups("auto", 88, names[::-1]), by_order[::-1])
    prefixed = find_groups("auto", 88, [f"voice__{name}" for name in names])
    assert prefixed[0] == "voice__F0semitoneFrom27.5Hz"


def test_automatic_groups_are_for_egemaps_alone():
    assert find_groups("auto", 87, None) is None
    assert find_groups("auto", 88, [f"pc{n}" for n in range(88)]) is None
    assert find_groups(None, 88, None) is None


def test_rows_of_egemaps_are_grouped_in_frames_and_in_pipelines():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 88)), np.repeat(["anger", "fear"], 30)
    X[30:, 10:20] += 1  # loudness
    params = {"group_sparsity": 0.03, "sparsity": 0.001}
    pipeline = make_adaptation_pipeline(CorpusScaler(), AKTLR(**params)).fit(X, y, X + 1)
    assert "loudness" in pipeline[-1].selected_groups_
    assert len(pipeline[-1].selected_groups_) < 42
    names = [f"{name}_sma3_{n}" for n, name in enumerate(pipeline[-1].feature_groups_)]
    order = rng.permutation(88)
    frames = [pd.DataFrame(part, columns=names).iloc[:, order] for part in (X, X + 1)]
    aktlr = AKTLR(feature_groups="egemaps", **params).fit(frames[0], y, frames[1])
    np.testing.assert_array_equal(aktlr.feature_groups_, pipeline[-1].feature_groups_[order])


@pytest.mark.parametrize(
    "params, match",
    [
        ({"group_sparsity": -1}, "group_sparsity must be a finite number of at least 0; got -1"),
        ({"sparsity": -1}, "sparsity must be a finite number of at least 0; got -1"),
        ({"group_sparsity": 0, "sparsity": 0.0}, "group_sparsity and sparsity must not both be 0"),
        ({"feature_groups": "mfcc"}, "must be 'auto', 'egemaps', None or an array .* got 'mfcc'"),
        ({"feature_groups": "egemaps"}, r"or its 88 columns .* got 12 column\(s\) without names"),
        ({"feature_groups": ["a", "b"]}, r"for each of the 12 features, .* got \['a', 'b'\]"),
        ({"feature_groups": [*"abcdefghijk", None]}, "all of them text or all numbers; got"),
        ({"feature_groups": 3}, "for each of the 12 features, .* got 3"),
    ],
)
def test_parameters_out_of_range(params, match):
    with pytest.raises(ValueError, match=match):
        AKTLR(**params).fit(*make_domains())


def test_frames_without_names_of_egemaps_are_refused():
    X_src, y, X_tgt = make_domains()
    frames = [pd.DataFrame(X, columns=[f"pc{n}" for n in range(12)]) for X in (X_src, X_tgt)]
    with pytest.raises(ValueError, match=r"got 12 column\(s\) with other names"):
        AKTLR(feature_groups="egemaps").fit(frames[0], y, frames[1])
