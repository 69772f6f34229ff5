"""Coupled discriminative subspace alignment: closed forms, objective, limits."""

import numpy as np
import pytest
from references import shifted_blobs
from sklearn.linear_model import MultiTaskLasso
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from skdidan import CDSA, JDA, CorpusScaler, NoTargetWarning, make_adaptation_pipeline
from skdidan.shallow.coupled import Codes

X_SRC, Y_SRC, X_TGT, Y_TGT = shifted_blobs(40, 50)
SVM = SVC(kernel="linear", C=0.01, class_weight="balanced")


def scatter(X, y):
    """L of the paper for samples in columns, over their number."""
    n, total = X.shape[1], np.zeros((len(X), len(X)))
    for label in np.unique(y):
        part = X[:, y == label]
        mean, shift = part.mean(axis=1), part.mean(axis=1) - X.mean(axis=1)
        for column in part.T:
            total += np.outer(column - mean, column - mean) / n
        total -= 1e-5 * part.shape[1] / n * np.outer(shift, shift)
    return total


def reference(alpha, beta, gamma, n_iterations, sign=1.0):
    """Follow the closed forms of the paper with whole codes, samples in columns.

    Return the mapped rows and the objectives, each before and after an iteration.
    """
    X = np.concatenate([X_SRC, X_TGT])
    X = X - X.mean(axis=0)
    X = X / np.sqrt((X**2).sum(axis=1).mean())
    axes = np.linalg.svd(X)[2]
    axes *= np.sign(axes[np.arange(6), np.abs(axes).argmax(axis=1)])[:, np.newaxis]
    Xs, Xt = np.split((X @ axes.T).T, [40], axis=1)
    Ps = Pt = np.eye(6)[:, :4]
    identity, a, g = np.eye(6), alpha / 50, gamma / np.sqrt(50)

    def codes(Q):
        return np.linalg.solve(a * Xs.T @ Ps @ Ps.T @ Xs + g * Q, a * Xs.T @ Ps @ Pt.T @ Xt)

    def unit():
        images = np.hstack([Ps.T @ Xs, Pt.T @ Xt])
        return np.split((images / images.std(axis=1, keepdims=True)).T, [40])

    def objective():
        error = Ps.T @ Xs @ Z - Pt.T @ Xt
        return (
            np.trace(Ps.T @ Ls @ Ps) + np.trace(Pt.T @ Lt @ Pt) + beta * np.sum((Ps - Pt) ** 2)
            + a * np.sum(error**2) + g * np.linalg.norm(Z, axis=1).sum()
        )  # fmt: skip

    Z, Ls, objectives = codes(np.eye(40) / 2), scatter(Xs, Y_SRC), []
    for _ in range(n_iterations):
        source, target = unit()
        Lt = scatter(Xt, SVM.fit(source, Y_SRC).predict(target))
        before = objective()
        right = a * Xt @ Z.T @ Xs.T @ Ps + beta * Ps
        Pt = np.linalg.solve(Lt + a * Xt @ Xt.T + beta * identity, right)
        right = a * Xs @ Z @ Xt.T @ Pt + sign * beta * Pt
        Ps = np.linalg.solve(Ls + a * Xs @ Z @ Z.T @ Xs.T + sign * beta * identity, right)
        Z = codes(np.diag(1 / (2 * np.linalg.norm(Z, axis=1))))
        objectives.append((before, objective()))
    return *unit(), np.array(objectives), np.linalg.norm(Z, axis=1)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 0.01), (5.0, 0.2, 0.1), (3.0, 0.0, 0.02)])
def test_the_iterations_follow_the_closed_forms(weights):
    names = "reconstruction", "coupling", "sparsity"
    cdsa = CDSA(4, max_iter=3, **dict(zip(names, weights, strict=True)))
    Z_src = cdsa.fit_transform(X_SRC, Y_SRC, X_TGT)
    source, target, objectives, norms = reference(*weights, cdsa.n_iter_)
    np.testing.assert_allclose(Z_src - Z_src.mean(axis=0), source - source.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(cdsa.transform(X_TGT), target, atol=1e-6)
    np.testing.assert_allclose(np.array(cdsa.objective_)[:, [0, 2]], objectives, rtol=1e-6)
    np.testing.assert_allclose(cdsa.source_weights_, norms, atol=1e-6)


def test_the_objective_never_rises_within_an_iteration_but_does_with_the_sign_of_the_paper():
    for weights in ((1.0, 1.0, 0.01), (0.0, 1.0, 0.0), (10.0, 0.0, 1.0), (1.0, 1.0, 0.0)):
        names = "reconstruction", "coupling", "sparsity"
        cdsa = CDSA(max_iter=8, **dict(zip(names, weights, strict=True)))
        objectives = np.array(cdsa.fit(X_SRC, Y_SRC, X_TGT).objective_)
        assert objectives.shape == (cdsa.n_iter_, 3)
        assert (np.diff(objectives, axis=1) <= 1e-12 * objectives[:, :1]).all()
    *_, objectives, _ = reference(1.0, 0.3, 0.01, 1, sign=-1.0)
    assert (objectives[:, 1] > objectives[:, 0]).any()


def test_repeated_codes_approach_the_group_lasso():
    """Tangents of the norms lead to the minimum that scikit-learn finds by coordinate descent."""
    rng = np.random.default_rng(0)
    source, target, penalty = rng.normal(size=(12, 5)), rng.normal(size=(30, 5)), 6.0
    codes = Codes.of(source, target, np.ones(12), penalty / 2)
    for _ in range(3000):
        codes = Codes.of(source, target, codes.lengths(), penalty / 2)
    # Its objective is ours over twice the number of equations.
    lasso = MultiTaskLasso(penalty / 10, fit_intercept=False, tol=1e-12, max_iter=100_000)
    lasso.fit(source.T, target.T)
    assert 0 < np.count_nonzero(lasso.coef_.any(axis=0)) < 12
    np.testing.assert_allclose(target @ codes.factors.T, lasso.coef_, atol=1e-4)


def test_components_have_unit_variance_and_missing_ones_are_zero():
    X_src, X_tgt = (np.hstack([X[:, :2], X[:, :2]]) for X in (X_SRC, X_TGT))
    cdsa = CDSA(4)
    Z_src = cdsa.fit_transform(X_src, Y_SRC, X_tgt)
    spread = np.concatenate([Z_src, cdsa.transform(X_tgt)]).std(axis=0)
    np.testing.assert_allclose(spread, [1, 1, 0, 0], atol=1e-9)


def test_without_a_target_there_is_one_map():
    with pytest.warns(NoTargetWarning):
        cdsa = CDSA().fit(X_SRC, Y_SRC)
    np.testing.assert_array_equal(cdsa.components_, cdsa.source_components_)
    assert cdsa.pseudo_labels_ is None and cdsa.n_iter_ == 10


def test_the_target_is_recognised_better_than_without():
    rng = np.random.default_rng(0)
    y = np.repeat(["anger", "joy"], 60)
    centres = np.where(y == "joy", 1.0, -1.0)[:, np.newaxis] * [1.5, 0, 0, 0]
    X_src = centres + rng.normal(size=(120, 4)) * [1, 1, 4, 1]
    turn = np.linalg.qr(np.eye(4) + 0.4 * rng.normal(size=(4, 4)))[0]
    X_tgt = (centres + rng.normal(size=(120, 4)) * [1, 1, 4, 1]) @ turn
    plain = make_adaptation_pipeline(CorpusScaler(), SVM).fit(X_src, y, X_tgt)
    adapted = make_adaptation_pipeline(CorpusScaler(), CDSA(2), SVM).fit(X_src, y, X_tgt)
    assert adapted.score(X_tgt, y) > plain.score(X_tgt, y)


def test_the_classifier_of_the_pseudo_labels_can_be_chosen():
    cdsa = CDSA(estimator=KNeighborsClassifier(1), max_iter=1).fit(X_SRC, Y_SRC, X_TGT)
    assert np.mean(cdsa.pseudo_labels_ == Y_TGT) > 0.9
    for cls in (CDSA, JDA):
        with pytest.raises(ValueError, match="estimator must be a classifier, such as"):
            cls(estimator=CorpusScaler()).fit(X_SRC, Y_SRC, X_TGT)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_components": 7}, "n_components must be below n_samples=90 .* n_features=6 .*; got 7"),
        ({"n_components": 0}, "n_components must be"),
        ({"reconstruction": -1}, "reconstruction must be"),
        ({"coupling": -1}, "coupling must be"),
        ({"reconstruction": 0, "coupling": 0}, "reconstruction and coupling must not both be 0"),
        ({"sparsity": -1}, "sparsity must be"),
        ({"max_iter": 0}, "max_iter must be"),
    ],
)
def test_parameters_out_of_range(params, message):
    with pytest.raises(ValueError, match=message):
        CDSA(**params).fit(X_SRC, Y_SRC, X_TGT)
