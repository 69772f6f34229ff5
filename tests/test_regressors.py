"""JDAR and JIASL against a general minimiser of their objectives."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from sklearn.base import clone
from sklearn.linear_model import Lasso

from skdidan import JDAR, JIASL, NoTargetWarning
from skdidan.shallow import codes as codes_module
from skdidan.shallow.codes import exact_codes
from skdidan.shallow.regressors import _masked_codes, _reconstruction_errors
from skdidan.shallow.sparsity import RowSparsity


def make_domains(n_features=5, seed=0):
    """Draw three classes in two informative features, with a shift in the third."""
    rng = np.random.default_rng(seed)
    y_src, y_tgt = np.repeat(list("abc"), 15), np.repeat(list("abc"), [12, 8, 5])
    centres = np.zeros((3, n_features))
    centres[:, :2] = [[2, 0], [-1, 2], [-1, -2]]
    X_src, X_tgt = (
        centres[np.searchsorted(list("abc"), y)] + rng.normal(size=(len(y), n_features))
        for y in (y_src, y_tgt)
    )
    X_tgt[:, 2] += 3
    return X_src + 1, y_src, X_tgt + 1, y_tgt


def objective_of_the_paper(P, X_src, y_src, X_tgt, pseudo, trade_off, alpha):
    """Sum the three terms as they are defined, with features and labels centred on the source."""
    classes = np.unique(y_src)
    labels = (y_src[:, None] == classes).astype(float)
    error = labels - labels.mean(axis=0) - (X_src - X_src.mean(axis=0)) @ P
    differences = [X_src.mean(axis=0) - X_tgt.mean(axis=0)] + [
        X_src[y_src == name].mean(axis=0) - X_tgt[pseudo == name].mean(axis=0)
        for name in classes
        if name in pseudo
    ]
    distance = sum(np.sum((difference @ P) ** 2) for difference in differences)
    sparsity = np.sum(np.linalg.norm(P, axis=1))
    return np.sum(error**2) / len(X_src) + trade_off * distance + alpha * sparsity


@pytest.mark.parametrize("trade_off, alpha", [(0.0, 0.01), (0.5, 0.1), (5.0, 0.01)])
def test_jdar_reaches_the_minimum_of_its_objective(trade_off, alpha):
    """A general minimiser of the paper's three terms finds nothing lower."""
    X_src, y_src, X_tgt, _ = make_domains()
    jdar = JDAR(trade_off, alpha=alpha, tol=1e-12).fit(X_src, y_src, X_tgt)
    pseudo = jdar.pseudo_labels_

    def objective(P):
        return objective_of_the_paper(
            P.reshape(5, 3), X_src, y_src, X_tgt, pseudo, trade_off, alpha
        )

    ours = objective(jdar.coef_.T.ravel())
    assert jdar.n_iter_ == len(jdar.objective_)
    assert ours == pytest.approx(jdar.objective_[-1])
    reference = minimize(objective, np.full(15, 0.1), method="BFGS", options={"gtol": 1e-7})
    assert ours == pytest.approx(reference.fun, rel=1e-5)
    np.testing.assert_array_equal(jdar.predict(X_tgt), pseudo)


def stacked_equations(n_rows, n_features, seed=0):
    """Draw correlated features of three classes, and mean differences that must vanish."""
    rng = np.random.default_rng(seed)
    y = np.arange(n_rows) % 3
    X = rng.normal(size=(n_rows, 4)) @ rng.normal(size=(4, n_features))
    X += 0.5 * rng.normal(size=(3, n_features))[y] + rng.normal(size=X.shape)
    labels = np.eye(3)[y] - np.eye(3)[y].mean(axis=0)
    A = np.concatenate([(X - X.mean(axis=0)) / n_rows**0.5, rng.normal(size=(4, n_features))])
    return A, np.concatenate([labels / n_rows**0.5, np.zeros((4, 3))])


def row_sparse_objective(A, B, alpha, P):
    return np.sum((B - A @ P) ** 2) + alpha * np.linalg.norm(P, axis=1).sum()


def reweighted_least_squares(A, B, alpha, tol=1e-5):
    """Minimise the same objective by ridge regressions that weigh each row by its last length."""
    P, values = np.ones((A.shape[1], B.shape[1])), [np.inf]
    while len(values) < 3 or values[-2] - values[-1] > tol * values[-1]:
        lengths = np.sqrt(np.sum(P**2, axis=1) + 1e-8)
        P = np.linalg.solve(A.T @ A + np.diag(alpha / (2 * lengths)), A.T @ B)
        values.append(row_sparse_objective(A, B, alpha, P))
    return P


def regress(A, B, alpha, tol):
    """Find the map of a step of JDAR, from zero."""
    return RowSparsity(alpha).regress(A, B, np.zeros((A.shape[1], B.shape[1])), tol)


@pytest.mark.parametrize("shape", [(200, 30), (40, 150)])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_row_sparse_regression_is_no_worse_than_reweighted_least_squares(shape, alpha):
    """Its objective is not higher, and removed rows are exactly zero instead of almost zero."""
    A, B = stacked_equations(*shape)
    P = regress(A, B, alpha, 1e-5)
    value = row_sparse_objective(A, B, alpha, P)
    reference = reweighted_least_squares(A, B, alpha)
    assert value <= row_sparse_objective(A, B, alpha, reference)
    removed = ~P.any(axis=1)
    assert removed.any() and (np.linalg.norm(reference[removed], axis=1) > 0).all()


def test_tolerance_bounds_the_distance_to_the_minimum():
    A, B = stacked_equations(200, 30)
    minimum, coarse = (
        row_sparse_objective(A, B, 0.01, regress(A, B, 0.01, tol)) for tol in (1e-12, 5e-4)
    )
    assert minimum < coarse <= minimum + 0.05 * np.sum(B**2)


def test_alignment_shrinks_a_shifted_feature():
    X_src, y_src, X_tgt, y_tgt = make_domains()
    X_src[:, 2], X_tgt[:, 2] = X_src[:, 0], X_tgt[:, 0] + 3  # informative, and shifted
    alone, aligned = (JDAR(weight).fit(X_src, y_src, X_tgt) for weight in (0.0, 1.0))
    shares = [np.linalg.norm(jdar.coef_[:, 2]) for jdar in (alone, aligned)]
    assert shares[1] < 0.3 * shares[0]
    accuracy = [jdar.score(X_tgt, y_tgt) for jdar in (alone, aligned)]
    assert accuracy[1] > accuracy[0] + 0.1


def test_rows_satisfy_the_optimality_conditions():
    """Slopes of kept rows oppose the penalty; rows are zero where the slope is below alpha."""
    X_src, y_src, X_tgt, _ = make_domains(20)
    jdar = JDAR(alpha=0.2, tol=1e-13).fit(X_src, y_src, X_tgt)

    def smooth(P):
        P = P.reshape(20, 3)
        return objective_of_the_paper(P, X_src, y_src, X_tgt, jdar.pseudo_labels_, 1.0, 0.0)

    P = jdar.coef_.T
    slopes = approx_fprime(P.ravel(), smooth, 1e-6).reshape(20, 3)
    lengths = np.linalg.norm(P, axis=1)
    kept = lengths > 0
    assert 2 <= kept.sum() < 10
    np.testing.assert_allclose(slopes[kept], -0.2 * P[kept] / lengths[kept, None], atol=1e-4)
    assert (np.linalg.norm(slopes[~kept], axis=1) <= 0.2 + 1e-4).all()


def test_a_common_shift_changes_only_the_intercept():
    X_src, y_src, X_tgt, _ = make_domains()
    jdar, far = JDAR().fit(X_src, y_src, X_tgt), JDAR().fit(X_src + 100, y_src, X_tgt + 100)
    np.testing.assert_allclose(far.coef_, jdar.coef_, atol=1e-8)
    np.testing.assert_allclose(
        far.decision_function(X_tgt + 100), jdar.decision_function(X_tgt), atol=1e-8
    )


def test_two_classes_have_one_score():
    X_src, y_src, X_tgt, _ = make_domains()
    y_src = np.where(y_src == "a", "anger", "other")
    model = JDAR().fit(X_src, y_src, X_tgt)
    scores = model.decision_function(X_tgt)
    assert scores.shape == (25,)
    np.testing.assert_array_equal(model.predict(X_tgt) == "other", scores > 0)


@pytest.mark.parametrize("cls", [JDAR, JIASL])
def test_without_target_it_is_a_regression_on_the_source(cls):
    X_src, y_src, X_tgt, _ = make_domains()
    with pytest.warns(NoTargetWarning, match=f"{cls.__name__} was fitted without a target"):
        model = cls().fit(X_src, y_src)
    assert model.pseudo_labels_ is None and model.n_iter_ == 1
    expected = JDAR(0.0, max_iter=1).fit(X_src, y_src, X_tgt)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-12)


class TestJIASL:
    """The alternation between codes and map."""

    def test_the_objective_never_rises_within_an_iteration(self):
        X_src, y_src, X_tgt, _ = make_domains()
        jiasl = JIASL(3.0).fit(X_src, y_src, X_tgt)
        assert len(jiasl.objective_) == jiasl.n_iter_ > 1
        for before, coded, mapped in jiasl.objective_:
            assert before >= coded >= mapped

    def test_objective_and_minimum_over_the_map(self):
        """Recompute one iteration: codes by proximal gradient steps, the map by BFGS."""
        X_src, y_src, X_tgt, _ = make_domains()
        jiasl = JIASL(2.0, sparsity=0.05, alpha=0.02, tol=1e-12, max_iter=3)
        jiasl.fit(X_src, y_src, X_tgt)
        start = JIASL(2.0, sparsity=0.05, alpha=0.02, tol=1e-12, max_iter=2)
        P = start.fit(X_src, y_src, X_tgt).coef_.T
        mean = X_src.mean(axis=0)
        source, target = X_src - mean, X_tgt - mean
        allowed = jiasl.pseudo_labels_[:, None] == y_src
        W = [proximal_codes(source @ P, row, np.ones(45), 0.05) for row in target @ P]
        V = [
            proximal_codes(source @ P, row, a, 0.05)
            for row, a in zip(target @ P, allowed, strict=True)
        ]
        labels = (y_src[:, None] == np.unique(y_src)) - 1 / 3

        def objective(P):
            P = P.reshape(5, 3)
            value = np.sum((labels - source @ P) ** 2) / 45
            for codes in (np.array(W), np.array(V)):
                missed = np.sum((target @ P - codes @ source @ P) ** 2)
                value += 2 / 25 * (missed + 2 * 0.05 * np.abs(codes).sum())
            return value + 0.02 * np.sum(np.linalg.norm(P, axis=1))

        _, coded, mapped = jiasl.objective_[-1]
        assert coded == pytest.approx(objective(P.ravel()), rel=1e-3)
        assert mapped == pytest.approx(objective(jiasl.coef_.T.ravel()), rel=1e-3)
        reference = minimize(objective, P.ravel(), method="BFGS", options={"gtol": 1e-7})
        assert mapped == pytest.approx(reference.fun, rel=1e-3)

    def test_codes_of_a_class_stay_within_it(self):
        X_src, y_src, X_tgt, _ = make_domains()
        allowed = np.repeat(list("abc"), [12, 8, 5])[:, None] == y_src
        codes = _masked_codes(X_src, X_tgt, allowed, 0.01, np.zeros((25, 45)))
        assert (codes[~allowed] == 0).all()
        expected = [
            proximal_codes(X_src, row, a, 0.01) for row, a in zip(X_tgt, allowed, strict=True)
        ]
        np.testing.assert_allclose(codes @ X_src, np.array(expected) @ X_src, atol=0.02)

    def test_without_reconstruction_it_is_a_regression_on_the_source(self):
        X_src, y_src, X_tgt, _ = make_domains()
        expected = JDAR(0.0, max_iter=1).fit(X_src, y_src, X_tgt).coef_
        np.testing.assert_allclose(JIASL(0.0).fit(X_src, y_src, X_tgt).coef_, expected, atol=1e-3)


@pytest.mark.parametrize("n_source, n_columns", [(1, 3), (2, 5), (60, 1), (60, 2), (300, 5)])
@pytest.mark.parametrize("kind", ["plain", "repeated", "flat"])
@pytest.mark.parametrize("sparsity", [1e-3, 0.3, 100.0])
def test_exact_codes_are_those_of_coordinate_descent(n_source, n_columns, kind, sparsity):
    """Also with repeated and zero rows, and with rows in a plane, as regressed labels are."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(n_source, n_columns)), rng.normal(size=(40, n_columns))
    target[0] = 0
    if kind == "repeated":
        source[n_source // 3 :] = source[: n_source - n_source // 3]
        source[-1] = 0
    if kind == "flat":
        source -= source.mean(axis=1, keepdims=True)
    codes, is_found = exact_codes(source, target, sparsity)
    assert is_found.all()
    products = (target - codes @ source) @ source.T
    assert np.abs(products).max() <= sparsity + 1e-8  # the optimality conditions of the lasso
    used = codes != 0
    np.testing.assert_allclose(products[used], np.sign(codes[used]) * sparsity, atol=1e-8)
    assert used.sum(axis=1).max() <= n_columns
    lasso = Lasso(sparsity / n_columns, fit_intercept=False, tol=1e-7, max_iter=1_000_000)
    expected = np.atleast_2d(lasso.fit(source.T, target[:5].T).coef_)
    np.testing.assert_allclose(codes[:5] @ source, expected @ source, atol=2e-3)


def test_codes_that_are_not_found_are_left_to_coordinate_descent(monkeypatch):
    X_src, _, X_tgt, _ = make_domains()
    allowed = np.ones((25, 45), dtype=bool)
    expected = _masked_codes(X_src, X_tgt, allowed, 0.01, np.zeros((25, 45)))
    monkeypatch.setattr(codes_module, "_STEPS_PER_COLUMN", 0)
    assert not exact_codes(X_src, X_tgt, 0.01)[1].any()
    codes = _masked_codes(X_src, X_tgt, allowed, 0.01, np.zeros((25, 45)))
    np.testing.assert_allclose(codes @ X_src, expected @ X_src, atol=0.02)
    assert (np.abs(codes) > 0).any(axis=1).all()


def test_rows_of_which_no_product_is_finite_have_no_exact_codes():
    codes, is_found = exact_codes(np.full((3, 2), 1e200), np.full((2, 2), 1e200), 1.0)
    assert not is_found.any() and not codes.any()


@pytest.mark.parametrize("n_source, n_target", [(20, 50), (50, 20)])
def test_errors_of_two_reconstructions_in_fewer_rows(n_source, n_target):
    """Any map of them has half of the squared length of both errors."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(n_source, 7)), rng.normal(size=(n_target, 7))
    W, V = rng.normal(size=(2, n_target, n_source)) * (rng.random((2, n_target, n_source)) < 0.2)
    E = _reconstruction_errors(source, target, W, V)
    assert len(E) == n_target + min(n_source, n_target)
    both = np.concatenate([target - W @ source, target - V @ source])
    np.testing.assert_allclose(2 * E.T @ E, both.T @ both, atol=1e-10)


def proximal_codes(dictionary, row, allowed, sparsity):
    """Minimise |row - w dictionary|^2 / 2 + sparsity |w|_1 by proximal gradient steps."""
    step = 1 / np.linalg.norm(dictionary @ dictionary.T, 2)
    codes = momentum = np.zeros(len(dictionary))
    for n in range(3000):
        slope = (momentum @ dictionary - row) @ dictionary.T
        moved = momentum - step * slope
        moved = np.sign(moved) * np.maximum(np.abs(moved) - step * sparsity, 0) * allowed
        codes, momentum = moved, moved + n / (n + 3) * (moved - codes)
    return codes


@pytest.mark.parametrize(
    "params, match",
    [
        ({"trade_off": -1}, "trade_off must be a finite number of at least 0"),
        ({"alpha": 0}, "alpha must be a finite number above 0"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
        ({"tol": 0.0}, "tol must be a finite number above 0"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, y_src, X_tgt, _ = make_domains()
    with pytest.raises(ValueError, match=match):
        JDAR(**params).fit(X_src, y_src, X_tgt)


def test_parameters_of_jiasl_out_of_range():
    X_src, y_src, X_tgt, _ = make_domains()
    with pytest.raises(ValueError, match="sparsity must be a finite number above 0; got 0"):
        JIASL(sparsity=0).fit(X_src, y_src, X_tgt)
    with pytest.raises(ValueError, match="alpha must be a finite number above 0; got 0"):
        JIASL(alpha=0).fit(X_src, y_src, X_tgt)


def test_one_warning_of_ours_if_the_maps_do_not_converge():
    """Nearly equal features and next to no penalty: coordinate descent creeps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 1)) + 1e-4 * rng.normal(size=(60, 30))
    y = np.where(X[:, 0] > 0, "anger", "fear")
    with pytest.warns(UserWarning, match="JDAR did not converge in 2000 sweeps") as caught:
        JDAR(alpha=1e-9, tol=1e-12).fit(X, y, X[::-1] + 1)
    assert len(caught) == 1 and caught[0].filename == __file__


@pytest.mark.parametrize("regressor", [JDAR(), JIASL()])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_are_those_nearest_to_the_regressed_labels(regressor, n_classes, domains):
    X_src, y_src, X_tgt, _ = domains
    some = np.isin(y_src, np.unique(y_src)[:n_classes])
    model = clone(regressor).fit(X_src[some], y_src[some], X_tgt)
    scores = X_tgt @ model.coef_.T + model.intercept_
    probabilities = model.predict_proba(X_tgt)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert probabilities.min() >= 0
    # No distribution is nearer: not the corners, nor a step towards them.
    distance = np.linalg.norm(scores - probabilities, axis=1)
    for corner in np.eye(n_classes):
        for step in (1e-3, 1.0):
            other = probabilities + step * (corner - probabilities)
            assert np.all(np.linalg.norm(scores - other, axis=1) >= distance - 1e-12)
    np.testing.assert_array_equal(
        model.predict(X_tgt), model.classes_[probabilities.argmax(axis=1)]
    )
