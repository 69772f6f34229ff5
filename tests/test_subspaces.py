"""TCA against a dense solution of the generalised eigenvalue problem, and its invariants."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.linalg
from references import own_checks
from scipy.sparse.linalg import ArpackNoConvergence
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.decomposition import PCA, KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from skdidan import (
    JDA,
    TCA,
    TJM,
    CorpusScaler,
    NoTargetWarning,
    Target,
    make_adaptation_pipeline,
)
from skdidan.shallow import eigenproblems
from skdidan.shallow.eigenproblems import thin_svd


def make_domains(n_source=40, n_target=25, n_features=6, seed=0):
    """Draw two correlated Gaussian clouds, one shifted against the other."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(n_features, n_features)) / np.sqrt(n_features)
    X_src = rng.normal(size=(n_source, n_features)) @ mix
    shift = rng.normal(size=n_features)
    return X_src, 1.5 * rng.normal(size=(n_target, n_features)) @ mix + shift


def dense_problem(X_src, X_tgt, kernel, mu):
    """Form K H K and K L K + mu I as the paper writes them."""
    X = np.vstack([X_src, X_tgt])
    n, n_src, n_tgt = len(X), len(X_src), len(X_tgt)
    K = kernel(X)
    e = np.r_[np.full(n_src, 1 / n_src), np.full(n_tgt, -1 / n_tgt)][:, None]
    H = np.eye(n) - np.ones((n, n)) / n
    return K @ H @ K, K @ e @ e.T @ K + mu * np.eye(n)


def distance_of_means(Z_src, Z_tgt):
    return np.sum((Z_src.mean(axis=0) - Z_tgt.mean(axis=0)) ** 2)


@pytest.mark.filterwarnings("ignore::skdidan.NoTargetWarning")
@own_checks(TCA(1, kernel="precomputed"))
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "kernel, sizes, n_components, mu",
    [
        ("rbf", (40, 25, 6), 10, 1e-3),
        ("rbf", (180, 130, 6), 8, 1.0),  # Lanczos
        ("linear", (40, 25, 6), 6, 100.0),  # in the space of the features
        ("linear", (20, 25, 60), 10, 1e-3),
        ("linear", (180, 130, 320), 8, 1.0),  # Lanczos
        ("linear", (180, 130, 280), 8, 1e-3),  # Lanczos in the space of the features
    ],
)
def test_solves_the_generalised_problem(kernel, sizes, n_components, mu):
    """Each solver gives the eigenvalues and components of the dense matrices of the paper."""
    X_src, X_tgt = make_domains(*sizes)
    if kernel == "linear":  # otherwise the reference is too ill-conditioned
        X_src, X_tgt = X_src / np.sqrt(sizes[2]), X_tgt / np.sqrt(sizes[2])
    n = len(X_src) + len(X_tgt)
    tca = TCA(n_components, kernel=kernel, gamma=0.1, mu=mu)
    Z = np.vstack([tca.fit_transform(X_src, X_tgt=X_tgt), tca.transform(X_tgt)])
    K = linear_kernel if kernel == "linear" else lambda X: rbf_kernel(X, gamma=0.1)
    B, A = dense_problem(X_src, X_tgt, K, mu)
    expected, W = scipy.linalg.eigh(B, A)
    expected, W = expected[::-1][:n_components], W[:, ::-1][:, :n_components]
    np.testing.assert_allclose(tca.eigenvalues_, expected, rtol=1e-8)
    # W' K H K W = n I: uncorrelated components of unit variance.
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(n_components), atol=1e-7)
    # The same directions as the dense solution, up to sign.
    Z_dense = K(np.vstack([X_src, X_tgt])) @ W
    Z_dense = (Z_dense - Z_dense.mean(axis=0)) / Z_dense.std(axis=0)
    correlation = np.abs(np.sum(Z_dense * (Z - Z.mean(axis=0)), axis=0)) / n
    np.testing.assert_allclose(correlation, 1, atol=1e-6)


def test_solves_the_generalised_problem_of_a_polynomial_kernel():
    X_src, X_tgt = make_domains()
    tca = TCA(5, kernel="poly", gamma=0.1, degree=2, coef0=0.7, mu=0.5)
    Z = np.vstack([tca.fit_transform(X_src, X_tgt=X_tgt), tca.transform(X_tgt)])
    B, A = dense_problem(X_src, X_tgt, lambda X: (0.1 * X @ X.T + 0.7) ** 2, 0.5)
    expected = scipy.linalg.eigh(B, A, eigvals_only=True)[::-1][:5]
    np.testing.assert_allclose(tca.eigenvalues_, expected, rtol=1e-6)
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(5), atol=1e-7)


@pytest.mark.parametrize("coef0, n_components", [(0.0, 6), (1.0, 9)])
def test_default_components_of_a_polynomial_kernel(coef0, n_components, recwarn):
    X_src, X_tgt = make_domains(n_features=3)
    tca = TCA(kernel="poly", degree=2, coef0=coef0).fit(X_src, X_tgt=X_tgt)
    assert np.count_nonzero(tca.eigenvalues_) == len(tca.eigenvalues_) == n_components
    assert not recwarn.list


class TestPrecomputedKernel:
    """The kernel in place of the features gives the same components."""

    GAMMA = 0.1
    ESTIMATORS = (TCA(4, mu=0.5), JDA(4, mu=0.5), TJM(4, mu=0.5))
    every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)

    def computed(self, estimator):
        return clone(estimator).set_params(kernel="rbf", gamma=self.GAMMA)

    def precomputed(self, estimator):
        return clone(estimator).set_params(kernel="precomputed")

    @every_estimator
    def test_domains_apart(self, estimator):
        X_src, X_tgt = make_domains()
        y, X, new = np.arange(40) % 3, np.vstack([X_src, X_tgt]), make_domains(seed=1)[1]
        K_src, K_tgt, K_new = (rbf_kernel(A, X, gamma=self.GAMMA) for A in (X_src, X_tgt, new))
        computed, precomputed = self.computed(estimator), self.precomputed(estimator)
        expected = computed.fit_transform(X_src, y, X_tgt)
        Z = precomputed.fit_transform(K_src, y, Target(K_tgt))
        np.testing.assert_allclose(Z, expected, atol=1e-8)
        np.testing.assert_allclose(precomputed.transform(K_new), computed.transform(new), atol=1e-8)
        np.testing.assert_allclose(precomputed.weights_, computed.weights_, atol=1e-8)

    @every_estimator
    def test_stacked_domains(self, estimator):
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        order = np.random.default_rng(1).permutation(65)
        X, domain, y = X[order], domain[order], order % 3
        new = make_domains(seed=1)[1]
        computed, precomputed = self.computed(estimator), self.precomputed(estimator)
        expected = computed.fit_transform(X, y, sample_domain=domain)
        Z = precomputed.fit_transform(rbf_kernel(X, gamma=self.GAMMA), y, sample_domain=domain)
        np.testing.assert_allclose(Z, expected, atol=1e-8)
        Z = precomputed.transform(rbf_kernel(new, X, gamma=self.GAMMA))
        np.testing.assert_allclose(Z, computed.transform(new), atol=1e-8)

    def test_single_precision_and_names(self):
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        K = pd.DataFrame(linear_kernel(X.astype(np.float32)))
        tca = TCA(4, kernel="precomputed").set_output(transform="pandas")
        Z = tca.fit_transform(K, sample_domain=domain)
        assert list(Z.columns) == ["tca0", "tca1", "tca2", "tca3"] and set(Z.dtypes) == {K[0].dtype}
        np.testing.assert_allclose(Z, TCA(4).fit_transform(X, sample_domain=domain), atol=1e-4)

    @pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, np.ndarray.tolist])
    def test_stacked_domains_in_a_pipeline(self, container):
        """A pipeline sorts the columns like the rows, in each of its methods."""
        estimator = JDA(4, mu=0.5)  # the only one that needs labels
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        y = np.r_[np.where(X[:40, 0] > 0, "anger", "neutral"), np.full(25, "zzz")]
        order = np.random.default_rng(0).permutation(65)
        X, domain, y = X[order], domain[order], y[order]
        K = container(rbf_kernel(X, gamma=self.GAMMA))
        K_new = container(rbf_kernel(make_domains(seed=1)[1], X, gamma=self.GAMMA))
        computed, precomputed = (
            make_adaptation_pipeline(tca, LogisticRegression()).fit(rows, y, sample_domain=domain)
            for tca, rows in ((self.computed(estimator), X), (self.precomputed(estimator), K))
        )
        assert precomputed.classes_.tolist() == ["anger", "neutral"]
        assert computed.columns_ is None and (np.diff(domain[precomputed.columns_]) <= 0).all()
        expected = computed.decision_function(make_domains(seed=1)[1])
        np.testing.assert_allclose(precomputed.decision_function(K_new), expected, atol=1e-5)
        np.testing.assert_allclose(
            precomputed[:-1].transform(K_new),
            computed[:-1].transform(make_domains(seed=1)[1]),
            atol=1e-6,
        )
        assert precomputed[1:].columns_ is None
        np.testing.assert_allclose(
            precomputed[:-1].fit_transform(K, sample_domain=domain, y=y),
            computed[:-1].fit_transform(X, sample_domain=domain, y=y),
            atol=1e-6,
        )
        restored = pickle.loads(pickle.dumps(precomputed))
        np.testing.assert_array_equal(restored.predict(K_new), precomputed.predict(K_new))

    def test_a_step_that_is_left_out_may_come_first(self):
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        order = np.random.default_rng(0).permutation(65)
        X, domain, y = X[order], domain[order], order % 3
        fitted = [
            make_adaptation_pipeline("passthrough", tca, LogisticRegression()).fit(
                rows, y, sample_domain=domain
            )
            for tca, rows in (
                (self.computed(TCA(4)), X),
                (self.precomputed(TCA(4)), rbf_kernel(X, gamma=self.GAMMA)),
            )
        ]
        np.testing.assert_allclose(
            fitted[1].decision_function(rbf_kernel(X, gamma=self.GAMMA)),
            fitted[0].decision_function(X),
            atol=1e-5,
        )

    def test_a_plain_pipeline_learns_the_labels_of_the_target(self):
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        y = np.r_[np.repeat(["anger", "neutral"], 20), np.full(25, "zzz")]
        plain = make_pipeline(TCA(4, kernel="precomputed"), SVC())
        plain.fit(linear_kernel(X), y, tca__sample_domain=domain)
        assert plain.classes_.tolist() == ["anger", "neutral", "zzz"]

    def test_a_search_over_a_pipeline(self):
        """Folds take rows and columns of the kernel, so that scores equal those from features."""
        X, domain = np.vstack(make_domains()), np.repeat([1, -1], [40, 25])
        y = np.where(X[:, 0] > 0, "anger", "neutral")
        order = np.random.default_rng(0).permutation(65)
        X, domain, y = X[order], domain[order], y[order]
        searches = []
        for tca, rows in (
            (self.computed(TCA()), X),
            (self.precomputed(TCA()), rbf_kernel(X, gamma=self.GAMMA)),
        ):
            grid = {"tca__n_components": [1, 2, 4], "tca__mu": [0.1, 10.0]}
            pipeline = make_adaptation_pipeline(tca, SVC())
            search = GridSearchCV(pipeline, grid, cv=3, error_score="raise")
            searches.append(search.fit(rows, y, sample_domain=domain))
        scores = [search.cv_results_["mean_test_score"] for search in searches]
        np.testing.assert_allclose(*scores)
        np.testing.assert_array_equal(
            searches[1].predict(rbf_kernel(X, gamma=self.GAMMA)), searches[0].predict(X)
        )

    def test_kernels_of_another_width_in_a_pipeline(self):
        X_src, X_tgt = make_domains()
        K, domain = linear_kernel(np.vstack([X_src, X_tgt])), np.repeat([-1, 1], [40, 25])
        pipeline = make_adaptation_pipeline(TCA(2, kernel="precomputed"))
        with pytest.raises(ValueError, match="got 65 rows and 64 columns"):
            pipeline.fit(K[:, 1:], sample_domain=domain)
        pipeline.fit(K, sample_domain=domain)
        for X in (K[:, 1:], np.hstack([K, K])):
            with pytest.raises(ValueError, match=f"X has {X.shape[1]} features, but TCA"):
                pipeline.transform(X)

    def test_domains_of_different_precision(self):
        K = rbf_kernel(np.vstack(make_domains()), gamma=self.GAMMA)
        expected = TCA(4, kernel="precomputed").fit_transform(K[:40], X_tgt=K[40:])
        for types in ((np.float32, np.float64), (np.float64, np.float32)):
            source, target = K[:40].astype(types[0]), K[40:].astype(types[1])
            Z = TCA(4, kernel="precomputed").fit_transform(source, X_tgt=target)
            np.testing.assert_allclose(Z, expected, atol=1e-2)

    @pytest.mark.parametrize("stacked", [False, True])
    def test_the_given_kernel_is_not_modified(self, stacked):
        X = np.vstack(make_domains(200, 150))
        K = rbf_kernel(X, gamma=self.GAMMA)
        copy, domain = K.copy(), np.random.default_rng(0).permutation(350) % 2 - 1
        tca = TCA(4, kernel="precomputed")
        if stacked:
            Z = tca.fit_transform(K, sample_domain=domain)
            expected = TCA(4, kernel="rbf", gamma=self.GAMMA).fit_transform(X, sample_domain=domain)
            np.testing.assert_allclose(Z, expected, atol=1e-6)
        else:
            with pytest.warns(NoTargetWarning):
                tca.fit(K)
        np.testing.assert_array_equal(K, copy)

    def test_memory(self):
        X = np.vstack(make_domains(300, 400))
        K, domain = rbf_kernel(X, gamma=self.GAMMA), np.repeat([1, -1], [300, 400])
        for n_copies, arguments in (
            (1, {"X": K[:300], "X_tgt": K[300:]}),
            (2, {"X": K, "sample_domain": domain}),
        ):
            tracemalloc.start()
            TCA(4, kernel="precomputed").fit(**arguments)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert n_copies <= peak / K.nbytes < n_copies + 1.2  # batches add up to 1.2

    def test_asymmetric_matrices_and_distances_are_refused(self):
        X = np.vstack(make_domains())
        tca = TCA(2, kernel="precomputed")
        distances = np.linalg.norm(X[:, None] - X, axis=2)
        match = r"got a matrix with a zero diagonal.* Turn distances D into a kernel by np.exp"
        for matrix in (distances, distances + 1e-12 * np.eye(65)):
            with pytest.raises(ValueError, match=match):
                tca.fit(matrix[:40], X_tgt=matrix[40:])
        kernel = np.exp(-self.GAMMA * distances**2)
        tca.fit(kernel[:40], X_tgt=kernel[40:])
        kernel[3, 50] += 1e-6
        with pytest.raises(ValueError, match=r"symmetric matrix; entries differ by up to 1.0e-06"):
            tca.fit(kernel[:40], X_tgt=kernel[40:])
        TCA(2, kernel="precomputed").fit(
            kernel[:40].astype(np.float32), X_tgt=kernel[40:].astype(np.float32)
        )

    def test_kernels_of_the_wrong_shape_or_order(self):
        X_src, X_tgt = make_domains()
        K = linear_kernel(np.vstack([X_src, X_tgt]))
        tca = TCA(2, kernel="precomputed")
        with pytest.raises(ValueError, match="then for each target row; got 65 rows and 6 columns"):
            TCA(20, kernel="precomputed").fit(X_src, X_tgt=X_tgt)
        with pytest.raises(ValueError, match="got 40 rows and 65 columns"):
            tca.fit(K[:40], sample_domain=np.repeat([1, -1], 20))
        match = r"needs a symmetric matrix; entries differ by up to .* Sort the columns like"
        with pytest.raises(ValueError, match=match):
            tca.fit(K[25:], X_tgt=K[:25])
        with pytest.warns(UserWarning, match="Only 6 of 8 .* precomputed kernel has a lower"):
            TCA(8, kernel="precomputed").fit(K[:40], X_tgt=K[40:])
        with pytest.raises(ValueError, match="X has 6 features, but TCA is expecting 65"):
            tca.fit(K[:40], X_tgt=K[40:]).transform(X_tgt)


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_all_rows_as_landmarks_give_the_exact_kernel(kernel):
    X_src, X_tgt = make_domains()
    params = {"kernel": kernel, "gamma": 0.1, "mu": 0.5}
    exact, landmarks = TCA(4, **params), TCA(4, n_landmarks=1000, random_state=0, **params)
    expected = exact.fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(landmarks.fit_transform(X_src, X_tgt=X_tgt), expected, atol=1e-5)
    np.testing.assert_allclose(landmarks.eigenvalues_, exact.eigenvalues_, rtol=1e-6)
    new = make_domains(seed=1)[1]
    np.testing.assert_allclose(landmarks.transform(new), exact.transform(new), atol=1e-4)


@pytest.mark.parametrize("mu", [1e-3, 100.0])
def test_domains_of_the_same_mean_have_whitened_principal_components(mu):
    X_src, X_tgt = make_domains()
    tca = make_adaptation_pipeline(CorpusScaler(), TCA(4, mu=mu))
    Z = np.vstack([tca.fit_transform(X_src, X_tgt=X_tgt), tca.transform(X_tgt)])
    X = np.vstack([StandardScaler().fit_transform(domain) for domain in (X_src, X_tgt)])
    expected = PCA(4).fit_transform(X)
    expected *= np.sign(np.sum(expected * Z, axis=0)) / expected.std(axis=0)
    np.testing.assert_allclose(Z, expected, atol=1e-8)


def test_landmarks_are_drawn_by_the_random_state():
    X_src, X_tgt = make_domains()
    first, second, third = (
        TCA(3, kernel="rbf", n_landmarks=9, random_state=seed).fit_transform(X_src, X_tgt=X_tgt)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - third).max() > 1e-3


def test_no_other_weights_have_a_lower_objective():
    X_src, X_tgt = make_domains()
    B, A = dense_problem(X_src, X_tgt, lambda X: rbf_kernel(X, gamma=0.1), 0.01)

    def objective(W):
        """Return the objective of the paper, after W is scaled so that W' K H K W = n I."""
        W = np.linalg.solve(np.linalg.cholesky(W.T @ B @ W / 65), W.T).T
        return np.trace(W.T @ A @ W)

    tca = TCA(5, kernel="rbf", gamma=0.1, mu=0.01).fit(X_src, X_tgt=X_tgt)
    ours, rng = objective(tca.weights_), np.random.default_rng(0)
    np.testing.assert_allclose(ours, 65 * np.sum(1 / tca.eigenvalues_))
    for scale in (1e-4, 1e-2, 1.0):
        noise = scale * np.abs(tca.weights_).max() * rng.normal(size=(65, 5))
        assert ours < objective(tca.weights_ + noise)


def test_the_means_come_closer_as_mu_falls():
    X_src, X_tgt = make_domains()
    distances = []
    for mu in (1e4, 1e2, 1.0, 1e-2, 1e-4):
        tca = TCA(3, kernel="rbf", mu=mu)
        source = tca.fit_transform(X_src, X_tgt=X_tgt)
        distances.append(distance_of_means(source, tca.transform(X_tgt)))
    assert (np.diff(distances) < 0).all()
    assert distances[-1] < 1e-6 < 0.05 < distances[0]


def test_stacked_rows_come_back_in_their_order():
    X_src, X_tgt = make_domains(200, 100, 4)
    stacked, domain = np.vstack([X_src, X_tgt]), np.repeat([1, -1], [200, 100])
    order = np.random.default_rng(1).permutation(300)
    plain, shuffled = TCA(3, kernel="rbf"), TCA(3, kernel="rbf")
    source = plain.fit_transform(X_src, X_tgt=X_tgt)
    Z = shuffled.fit_transform(stacked[order], sample_domain=domain[order])
    np.testing.assert_allclose(Z[np.argsort(order)][:200], source, atol=1e-6)
    np.testing.assert_allclose(Z[np.argsort(order)], plain.transform(stacked), atol=1e-6)


def test_transform_maps_unseen_rows_one_by_one():
    X_src, X_tgt = make_domains()
    new = make_domains(seed=1)[1]
    for kernel in ("linear", "rbf"):
        tca = TCA(3, kernel=kernel).fit(X_src, X_tgt=Target(X_tgt))
        one_by_one = np.vstack([tca.transform(row[None]) for row in new])
        np.testing.assert_allclose(tca.transform(Target(new)), one_by_one, atol=1e-10)


def test_iterative_solutions_are_repeatable_to_the_bit():
    X_src, X_tgt = make_domains(200, 150, 8)
    first, second = (TCA(4, kernel="rbf").fit_transform(X_src, X_tgt=X_tgt) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_the_largest_entry_of_a_component_is_positive():
    X_src, X_tgt = make_domains()
    tca = TCA(5, kernel="rbf").fit(X_src, X_tgt=X_tgt)
    Z = tca.transform(np.vstack([X_src, X_tgt]))
    np.testing.assert_array_equal(Z.max(axis=0), np.abs(Z).max(axis=0))


def test_without_target_it_is_kernel_pca_of_unit_variance():
    X = make_domains()[0]
    X = X - X.mean(axis=0)
    tca = TCA(4)
    with pytest.warns(NoTargetWarning, match="TCA was fitted without a target"):
        Z = tca.fit_transform(X)
    reference = KernelPCA(4).fit_transform(X)
    reference /= reference.std(axis=0)
    reference *= np.sign(np.sum(reference * Z, axis=0))
    np.testing.assert_allclose(Z, reference, atol=1e-8)


def test_gamma_by_default_is_one_over_the_total_variance():
    X_src, X_tgt = make_domains()
    tca = TCA(kernel="rbf").fit(X_src, X_tgt=X_tgt)
    X = np.vstack([X_src, X_tgt])
    squared = np.sum((X[:, None] - X[None]) ** 2, axis=2)
    np.testing.assert_allclose(squared.mean(), 2 / tca.gamma_)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_number_of_components_by_default(kernel):
    X_src, X_tgt = make_domains()
    n_components = {"linear": 6, "rbf": 32}[kernel]
    tca = TCA(kernel=kernel)
    assert tca.fit_transform(X_src, X_tgt=X_tgt).shape == (40, n_components)
    assert TCA(kernel=kernel).fit(X_src[:2], X_tgt=X_tgt[:2]).transform(X_tgt).shape == (25, 4)


def test_a_feature_of_another_scale_does_not_spoil_the_others():
    """A scale of 1e5 costs no more than a thousandth of precision."""
    X_src, X_tgt = make_domains(200, 150, 6)
    scales = np.array([1, 1, 1, 1, 1, 1e5])
    tca = TCA(6)
    Z_src = tca.fit_transform(X_src * scales, X_tgt=X_tgt * scales)
    Z = np.vstack([Z_src, tca.transform(X_tgt * scales)])
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(6), atol=1e-3)
    # The same problem in the space of the features, where the scales can be taken out: with the
    # scatter S, the difference d of the means and G = X'X, S v = lambda (d d' + mu G^-1) v.
    X = np.vstack([X_src, X_tgt])
    scatter, d = 350 * np.cov(X.T, bias=True), X_src.mean(axis=0) - X_tgt.mean(axis=0)
    A = np.outer(d, d) + np.linalg.inv(X.T @ X) / np.outer(scales, scales) ** 2
    reference = 1 / scipy.linalg.eigvalsh(A, scatter)
    np.testing.assert_allclose(tca.eigenvalues_, reference, rtol=1e-3)


@pytest.mark.parametrize("sizes", [(40, 25, 6), (150, 130, 400)])
def test_features_far_from_zero(sizes):
    X_src, X_tgt = (X + 1e5 for X in make_domains(*sizes))
    tca = TCA(6).fit(X_src, X_tgt=X_tgt)
    Z = np.vstack([tca.transform(X_src), tca.transform(X_tgt)])
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(6), atol=1e-2)


def test_the_rbf_kernel_does_not_depend_on_an_offset():
    X_src, X_tgt = make_domains()
    expected = TCA(3, kernel="rbf").fit_transform(X_src, X_tgt=X_tgt)
    tca = TCA(3, kernel="rbf")
    np.testing.assert_allclose(tca.fit_transform(X_src + 1e6, X_tgt=X_tgt + 1e6), expected, 1e-5)


@pytest.mark.parametrize("params", [{"gamma": 1e120}, {"coef0": 1e120}, {"degree": 2000}])
def test_a_polynomial_kernel_that_overflows_names_its_parameters(params):
    X_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match=r"up to .*Choose other gamma, coef0 or degree, or scale"):
        TCA(2, kernel="poly", **{"gamma": 1.0, "coef0": 9.0, **params}).fit(X_src, X_tgt=X_tgt)


def test_the_rbf_kernel_is_exact_beside_an_outlier():
    X_src, X_tgt = make_domains()
    X_tgt = np.vstack([X_tgt, np.full(X_tgt.shape[1], 1e10)])
    rows = np.vstack([X_src, X_tgt])
    kernel = np.exp(-0.1 * cdist(rows, rows, "sqeuclidean"))
    exact = TCA(3, kernel="precomputed")
    expected = exact.fit_transform(kernel[: len(X_src)], X_tgt=kernel[len(X_src) :])
    found = TCA(3, kernel="rbf", gamma=0.1).fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_zero_components_are_reported():
    X_src, X_tgt = make_domains()
    X_src, X_tgt = (np.c_[X, X[:, :2]] for X in (X_src, X_tgt))
    match = "Only 6 of 8 TCA components are non-negligible; .* features .*: scale them first"
    with pytest.warns(UserWarning, match=match) as caught:
        TCA().fit(X_src, X_tgt=X_tgt)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="Only 3 of 6 TCA components"):
        TCA().fit(X_src[:, :6] ** [1, 1, 1, 0, 0, 0], X_tgt=X_tgt[:, :6] ** [1, 1, 1, 0, 0, 0])


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_component_removed_by_centring_is_not_reported(kernel, recwarn):
    X_src, X_tgt = make_domains()
    tca = TCA(kernel=kernel).fit(X_src[:2], X_tgt=X_tgt[:2])
    assert (tca.eigenvalues_ > 0).tolist() == [True, True, True, False]
    assert not recwarn.list


def test_zero_components_of_an_iterative_solution():
    mix = np.random.default_rng(1).normal(size=(20, 400))
    X_src, X_tgt = (X @ mix for X in make_domains(200, 150, 20))
    tca = TCA(24, mu=1e-3)
    with pytest.warns(UserWarning, match="Only 20 of 24 TCA components"):
        Z_src = tca.fit_transform(X_src, X_tgt=X_tgt)
    assert np.count_nonzero(tca.eigenvalues_) == 20
    np.testing.assert_array_equal(Z_src[:, 20:], 0)


@pytest.mark.parametrize(
    "kernel, n_features, value",
    [("linear", 3, 1.1), ("linear", 300, 0.0), ("linear", 300, 1000.1), ("rbf", 3, 1000.1)],
)
@pytest.mark.filterwarnings("ignore:Only 0 of 2 TCA components")
def test_identical_rows_give_zeros(kernel, n_features, value):
    """Centring leaves rounding errors alone, which must not become components of unit variance."""
    tca = TCA(2, kernel=kernel)
    Z = tca.fit_transform(np.full((200, n_features), value), X_tgt=np.full((90, n_features), value))
    np.testing.assert_array_equal(Z, 0)
    np.testing.assert_array_equal(tca.eigenvalues_, 0)


@pytest.mark.filterwarnings("ignore:Only 3 of 5 TCA components")
def test_constant_features_and_repeated_rows():
    X_src, X_tgt = (np.repeat(X, 10, axis=0) for X in make_domains(30, 12, 3))
    X_src, X_tgt = (np.c_[X, np.zeros(len(X)), np.full(len(X), 0.3)] for X in (X_src, X_tgt))
    tca = TCA(5)
    Z = tca.fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(Z[::10], Z[9::10], atol=1e-9)
    np.testing.assert_array_equal(tca.eigenvalues_ > 0, [True, True, True, False, False])
    np.testing.assert_array_equal(Z[:, 3:], 0)


def test_a_second_fit_with_another_kernel_removes_old_attributes():
    X_src, X_tgt = make_domains()
    tca = TCA(2, kernel="rbf").fit(X_src, X_tgt=X_tgt)
    tca.set_params(kernel="linear").fit(X_src, X_tgt=X_tgt)
    assert not hasattr(tca, "weights_") and not hasattr(tca, "X_fit_")
    tca.set_params(kernel="rbf").fit(X_src, X_tgt=X_tgt)
    expected = TCA(2, kernel="rbf").fit(X_src, X_tgt=X_tgt).transform(X_tgt)
    np.testing.assert_array_equal(tca.transform(X_tgt), expected)


def test_without_convergence_the_dense_solver_is_used(monkeypatch):
    X_src, X_tgt = make_domains(200, 100, 5)
    expected = TCA(3, kernel="rbf").fit_transform(X_src, X_tgt=X_tgt)

    def give_up(*args, **kwargs):
        raise ArpackNoConvergence("gave up", np.zeros(0), np.zeros((300, 0)))

    monkeypatch.setattr(eigenproblems, "eigsh", give_up)
    np.testing.assert_allclose(
        TCA(3, kernel="rbf").fit_transform(X_src, X_tgt=X_tgt), expected, atol=1e-8
    )


@pytest.mark.parametrize("shape", [(7, 3), (3, 7)])
def test_a_failed_decomposition_is_repeated_with_the_robust_driver(shape, monkeypatch):
    A = np.random.default_rng(0).normal(size=shape)
    expected, svd = thin_svd(A), scipy.linalg.svd

    def fail_on_the_default(A, lapack_driver="gesdd", **kwargs):
        if lapack_driver == "gesdd":
            raise scipy.linalg.LinAlgError("SVD did not converge")
        return svd(A, lapack_driver=lapack_driver, **kwargs)

    monkeypatch.setattr(scipy.linalg, "svd", fail_on_the_default)
    U, sigma, Vt = thin_svd(A)
    assert U.shape == expected[0].shape and Vt.shape == expected[2].shape
    np.testing.assert_allclose((U * sigma) @ Vt, A, atol=1e-12)
    np.testing.assert_allclose(sigma, expected[1])


@pytest.mark.parametrize(
    "params, match",
    [
        (
            {"kernel": "cos"},
            r"kernel must be one of \['linear', 'poly', 'precomputed', 'rbf'\]; got",
        ),
        ({"degree": 0}, "degree must be a whole number of at least 1; got 0"),
        ({"coef0": -1.0}, "coef0 must be a finite number of at least 0; got -1.0"),
        ({"kernel": "rbf", "n_landmarks": 0}, "n_landmarks must be a whole number of at least 1"),
        ({"n_landmarks": 9}, "n_landmarks works with kernel='rbf' or 'poly' only; got kernel='lin"),
        ({"n_landmarks": 9, "kernel": "precomputed"}, "kernel='precomputed'. Set n_landmarks=None"),
        (
            {"kernel": "rbf", "n_landmarks": 9, "n_components": 10},
            "or n_landmarks=9; got 10. Use at most 9, or None",
        ),
        ({"mu": 0.0}, "mu must be a finite number above 0; got 0.0"),
        ({"gamma": -1}, "gamma must be a finite number above 0; got -1"),
        ({"n_components": 0}, "n_components must be a whole number of at least 1; got 0"),
        ({"n_components": 7}, r"n_samples=65 .* n_features=6 .* got 7. Use at most 6, or None"),
        ({"n_components": 66, "kernel": "rbf"}, r"n_samples=65 .* got 66. Use at most 65"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match=match):
        TCA(**params).fit(X_src, X_tgt=X_tgt)


@pytest.mark.parametrize("method", [TCA, JDA])
def test_a_kernel_that_is_set_after_the_fit_waits_for_the_next_one(method):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 3)), list("ab") * 10
    fitted = method(2, kernel="poly", degree=2).fit(X, y, X + 1)
    before = fitted.transform(X)
    fitted.set_params(kernel="rbf", degree=5, coef0=3.0)
    np.testing.assert_array_equal(fitted.transform(X), before)
