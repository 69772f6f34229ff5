"""TJM against the iterations of the paper in plain NumPy, and their objective."""

from itertools import product

import numpy as np
import pytest
import scipy.linalg
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel

from skdidan import TCA, TJM, NoTargetWarning
from skdidan.shallow import subspaces
from skdidan.shallow.eigenproblems import solve_transfer


def make_domains(n_source=40, n_target=25, n_features=6, seed=0):
    """Draw two Gaussian clouds; the target is shifted and wider."""
    rng = np.random.default_rng(seed)
    X_src = rng.normal(size=(n_source, n_features))
    return X_src, 1.5 * rng.normal(size=(n_target, n_features)) + rng.normal(size=n_features)


def matrices_of_the_paper(K, n_source):
    """K M K and K H K."""
    n = len(K)
    e = np.r_[np.full(n_source, 1 / n_source), np.full(n - n_source, -1 / (n - n_source))]
    return K @ np.outer(e, e) @ K, K @ (np.eye(n) - np.full((n, n), 1 / n)) @ K


def iterate_as_in_the_paper(K, n_source, mu, n_components, n_iterations):
    """Run algorithm 1 with dense matrices; return A and the smoothed objectives."""
    KMK, KHK = matrices_of_the_paper(K, n_source)
    G, objectives = np.eye(len(K)), []
    for iteration in range(n_iterations):
        values, A = scipy.linalg.eigh(KHK, KMK + mu * G)
        A = A[:, ::-1][:, :n_components] / np.sqrt(values[::-1][:n_components])
        squares = np.sum(A**2, axis=1)
        if iteration == 0:
            smoothing = 1e-12 * squares[:n_source].max()
        lengths = np.sqrt(squares[:n_source] + smoothing)
        regulariser = lengths.sum() + squares[n_source:].sum()
        objectives.append(np.trace(A.T @ KMK @ A) + mu * regulariser)
        G = np.diag(np.r_[0.5 / lengths, np.ones(len(K) - n_source)])
    return A, objectives


@pytest.mark.parametrize(
    "kernel, sizes, n_components, mu",
    [
        ("rbf", (40, 25, 6), 5, 0.1),
        ("rbf", (180, 130, 6), 5, 1.0),  # Lanczos
        ("linear", (40, 25, 6), 4, 1.0),  # in the space of the features
        ("linear", (20, 25, 60), 5, 0.1),
    ],
)
def test_iterations_of_the_paper(kernel, sizes, n_components, mu):
    """Components, objectives and weights after four iterations equal those of dense matrices."""
    X_src, X_tgt = make_domains(*sizes)
    X = np.vstack([X_src, X_tgt])
    K = linear_kernel(X) if kernel == "linear" else rbf_kernel(X, gamma=0.1)
    A, objectives = iterate_as_in_the_paper(K, len(X_src), mu, n_components, n_iterations=4)
    tjm = TJM(n_components, kernel=kernel, gamma=0.1, mu=mu, max_iter=4, tol=0.0)
    Z = np.vstack([tjm.fit_transform(X_src, X_tgt=X_tgt), tjm.transform(X_tgt)])
    expected = np.sqrt(len(X)) * K @ A
    expected *= np.sign(np.sum(expected * Z, axis=0))
    np.testing.assert_allclose(Z, expected, atol=1e-6)
    np.testing.assert_allclose(tjm.objectives_, objectives, rtol=1e-8)
    norms = np.linalg.norm(A[: len(X_src)], axis=1)
    np.testing.assert_allclose(tjm.source_weights_, norms, atol=1e-6 * norms.max())
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(n_components), atol=1e-7)


@pytest.mark.parametrize(
    "kernel, n_landmarks, mu",
    [("linear", None, 0.01), ("rbf", None, 100.0), ("poly", None, 0.01), ("rbf", 30, 100.0)],
)
def test_no_iteration_raises_the_objective(kernel, n_landmarks, mu):
    X_src, X_tgt = make_domains(180, 130)
    params = {"kernel": kernel, "n_landmarks": n_landmarks, "random_state": 0}
    tjm = TJM(5, mu=mu, max_iter=20, tol=0.0, **params).fit(X_src, X_tgt=X_tgt)
    falls = -np.diff(tjm.objectives_) / tjm.objectives_[1:]
    assert len(tjm.objectives_) > 3 and falls[0] > 0.1 and falls.min() > -1e-12


def sizes_and_scales(seed, spread):
    """Draw domains of random sizes, with features of scales up to ten to the spread."""
    rng = np.random.default_rng(seed)
    n_source, n_target, n_features = rng.integers(1, 60), rng.integers(1, 60), rng.integers(1, 12)
    X_src = rng.normal(size=(n_source, n_features))
    X_tgt = rng.normal(size=(n_target, n_features)) + rng.normal(size=n_features)
    scales = [10.0 ** rng.integers(-spread, spread + 1, size=n_features) for _ in range(2)]
    return X_src * scales[0], X_tgt * scales[1]


@pytest.mark.parametrize("kernel", ["linear", "rbf", "poly"])
@pytest.mark.filterwarnings("ignore:Only .* TJM components are non-negligible")
def test_negligible_components_do_not_raise_the_objective(kernel):
    """Rounding errors of tiny components must neither raise the objective nor reach the output."""
    for seed, spread in [*product(range(8), [0, 4]), (50, 4)]:
        X_src, X_tgt = sizes_and_scales(seed, spread)
        tjm = TJM(kernel=kernel, tol=0.0).fit(X_src, X_tgt=X_tgt)
        assert (np.diff(tjm.objectives_) <= 0).all()
        assert len(tjm.objectives_) == tjm.n_iter_
        n = len(X_src) + len(X_tgt)
        Z = tjm.transform(np.vstack([X_src, X_tgt]))
        n_real = np.count_nonzero(tjm.eigenvalues_)
        np.testing.assert_array_equal(Z[:, n_real:], 0)
        np.testing.assert_allclose(Z[:, :n_real].var(axis=0), 1, atol=1e-2)
        assert n_real < n and len(tjm.eigenvalues_) == Z.shape[1]


@pytest.mark.filterwarnings("ignore:Only .* TJM components are non-negligible")
def test_one_feature():
    rng = np.random.default_rng(8)
    X_src, X_tgt = rng.normal(size=(30, 1)), rng.normal(size=(30, 1)) + 1
    tjm = TJM(kernel="rbf").fit(X_src, X_tgt=X_tgt)
    assert tjm.n_iter_ > 1 and (np.diff(tjm.objectives_) < 0).all()
    assert tjm.eigenvalues_[tjm.eigenvalues_ > 0].min() > 1e-13 * tjm.eigenvalues_[0]


def test_an_iteration_that_raises_the_objective_is_discarded(monkeypatch):
    """The third call of the solver returns the first solution, which is worse than the second."""
    X_src, X_tgt = make_domains()
    expected = TJM(4, max_iter=2, tol=0.0).fit(X_src, X_tgt=X_tgt)
    solutions = []

    def solve_worse(*args, **kwargs):
        solutions.append(solve_transfer(*args, **kwargs))
        return solutions[-1] if len(solutions) < 3 else solutions[0]

    monkeypatch.setattr(subspaces, "solve_transfer", solve_worse)
    tjm = TJM(4, max_iter=9, tol=0.0).fit(X_src, X_tgt=X_tgt)
    assert len(solutions) == 3 and tjm.n_iter_ == 2
    for name in ("objectives_", "source_weights_", "eigenvalues_", "components_"):
        np.testing.assert_array_equal(getattr(tjm, name), getattr(expected, name))


def test_the_objective_is_that_of_the_components():
    X_src, X_tgt = make_domains()
    tjm = TJM(5, kernel="rbf", gamma=0.1, mu=0.5, max_iter=3).fit(X_src, X_tgt=X_tgt)
    KMK, KHK = matrices_of_the_paper(rbf_kernel(np.vstack([X_src, X_tgt]), gamma=0.1), 40)
    A = tjm.weights_ / np.sqrt(65)
    np.testing.assert_allclose(A.T @ KHK @ A, np.eye(5), atol=1e-9)
    regulariser = np.linalg.norm(A[:40], axis=1).sum() + np.sum(A[40:] ** 2)
    expected = np.trace(A.T @ KMK @ A) + 0.5 * regulariser
    np.testing.assert_allclose(tjm.objectives_[-1], expected, rtol=1e-6)


@pytest.mark.parametrize("params", [{}, {"kernel": "rbf", "n_landmarks": 30}])
def test_one_iteration_is_tca(params):
    X_src, X_tgt = make_domains()
    expected = TCA(4, random_state=0, **params).fit_transform(X_src, X_tgt=X_tgt)
    tjm = TJM(4, random_state=0, max_iter=1, **params)
    np.testing.assert_allclose(tjm.fit_transform(X_src, X_tgt=X_tgt), expected, atol=1e-8)


def test_all_rows_as_landmarks_give_the_exact_kernel():
    X_src, X_tgt = make_domains()
    params = {"kernel": "rbf", "gamma": 0.1, "mu": 0.5, "max_iter": 3}
    exact, landmarks = TJM(4, **params), TJM(4, n_landmarks=1000, random_state=0, **params)
    expected = exact.fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(landmarks.fit_transform(X_src, X_tgt=X_tgt), expected, atol=1e-5)
    np.testing.assert_allclose(landmarks.objectives_, exact.objectives_, rtol=1e-6)
    np.testing.assert_allclose(landmarks.source_weights_, exact.source_weights_, rtol=1e-4)


def test_source_rows_far_from_the_target_weigh_less():
    X_src, X_tgt = make_domains()
    X_src[20:] += 5
    weights = TJM(4, kernel="rbf", max_iter=3).fit(X_src, X_tgt=X_tgt).source_weights_
    tca = TJM(4, kernel="rbf", max_iter=1).fit(X_src, X_tgt=X_tgt).source_weights_
    assert weights[:20].mean() / weights[20:].mean() > 2 * tca[:20].mean() / tca[20:].mean()


def test_the_last_components_dominate_the_weights():
    X_src, X_tgt = make_domains()
    tjm = TJM(32, kernel="rbf", max_iter=3).fit(X_src, X_tgt=X_tgt)
    squares = np.square(tjm.weights_).sum(axis=0)
    assert squares[-8:].sum() > 0.5 * squares.sum()
    few = TJM(4, kernel="rbf", max_iter=3).fit(X_src, X_tgt=X_tgt)
    assert np.corrcoef(tjm.source_weights_, few.source_weights_)[0, 1] < 0.5


def test_it_stops_at_the_tolerance():
    X_src, X_tgt = make_domains()
    coarse = TJM(4, tol=0.1).fit(X_src, X_tgt=X_tgt)
    fine = TJM(4, max_iter=100).fit(X_src, X_tgt=X_tgt)
    assert coarse.n_iter_ == len(coarse.objectives_) < fine.n_iter_ < 100
    shares = -np.diff(coarse.objectives_) / coarse.objectives_[1:]
    assert shares[-1] <= 0.1 < shares[:-1].min()


def test_repeated_rows():
    rng = np.random.default_rng(4)  # LAPACK's default decomposition has failed on these
    X_src, X_tgt = np.repeat(rng.normal(size=(20, 8)), 8, axis=0), rng.normal(size=(40, 8)) + 1
    tjm = TJM(kernel="rbf")
    Z = np.vstack([tjm.fit_transform(X_src, X_tgt=X_tgt), tjm.transform(X_tgt)])
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(32), atol=1e-6)


@pytest.mark.parametrize("kernel, value", [("linear", 0.0), ("rbf", 1.1)])
@pytest.mark.filterwarnings("error::RuntimeWarning", "ignore:Only 0 of 2 TJM components")
def test_identical_rows_give_zeros(kernel, value):
    Z = TJM(2, kernel=kernel).fit_transform(np.full((20, 3), value), X_tgt=np.full((9, 3), value))
    np.testing.assert_array_equal(Z, 0)


def test_without_target():
    X_src, _ = make_domains()
    with pytest.warns(NoTargetWarning, match="TJM was fitted without a target"):
        tjm = TJM(3, max_iter=3).fit(X_src)
    assert len(tjm.source_weights_) == 40 and (np.diff(tjm.objectives_) <= 0).all()


@pytest.mark.parametrize(
    "params, match",
    [
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1; got 0"),
        ({"tol": -1.0}, "tol must be a finite number of at least 0; got -1.0"),
        ({"mu": 0}, "mu must be a finite number above 0; got 0"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match=match):
        TJM(**params).fit(X_src, X_tgt=X_tgt)
