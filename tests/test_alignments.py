"""Closed-form alignments against the definitions in their papers."""

import numpy as np
import pytest
import scipy.linalg
from sklearn.base import clone
from sklearn.covariance import empirical_covariance, ledoit_wolf, shrunk_covariance
from sklearn.decomposition import PCA

from skdidan import GFK, CorrelationAlignment, SubspaceAlignment
from skdidan.shallow.eigenproblems import leading_svd

ALIGNMENTS = [
    CorrelationAlignment(),
    CorrelationAlignment(0.1, with_mean=False),
    SubspaceAlignment(),
    GFK(),
]
every_alignment = pytest.mark.parametrize("alignment", ALIGNMENTS, ids=str)


def make_domains(n_source=40, n_target=25, n_features=6, seed=0):
    """Draw two correlated Gaussian clouds, different in mean and covariance."""
    rng = np.random.default_rng(seed)
    X_src, X_tgt = (
        rng.normal(size=(n, n_features)) @ rng.normal(size=(n_features, n_features))
        for n in (n_source, n_target)
    )
    return X_src, X_tgt + rng.normal(size=n_features)


def principal_axes(X, k):
    """Leading eigenvectors of the covariance, in columns."""
    return np.linalg.eigh(np.cov(X.T))[1][:, ::-1][:, :k]


@every_alignment
def test_more_features_than_rows(alignment):
    X_src, X_tgt = make_domains(20, 9, 40)
    alignment = clone(alignment)
    Z_src = alignment.fit_transform(X_src, X_tgt=X_tgt)
    Z_tgt = alignment.transform(X_tgt)
    assert Z_src.shape == (len(X_src), Z_tgt.shape[1])
    assert np.isfinite(Z_src).all() and np.isfinite(Z_tgt).all()
    np.testing.assert_allclose(alignment.transform(X_tgt[:1]), Z_tgt[:1], atol=1e-12)


@pytest.mark.parametrize("n_source, n_target", [(40, 30), (30, 41)])
@pytest.mark.parametrize("kind", ["full rank", "repeated rows", "small directions"])
@pytest.mark.parametrize("n_leading", [None, 5])
def test_decomposition_of_wide_rows(n_source, n_target, kind, n_leading):
    """The Gram matrix gives the singular values and vectors of LAPACK; tiny ones are left to it."""
    rng = np.random.default_rng(0)
    for n in (n_source, n_target):
        A = rng.normal(size=(n, 200))
        if kind == "repeated rows":
            A[n // 2 :] = A[: n - n // 2]
        if kind == "small directions":
            A = 10.0 ** -np.arange(n)[:, None] * np.linalg.qr(A.T)[0].T
        A -= A.mean(axis=0)
        U, sigma, Vt = leading_svd(A, n_leading)
        _, all_sigma, all_Vt = np.linalg.svd(A, full_matrices=False)
        k = len(sigma)
        assert k == n_leading or (n_leading is None and (all_sigma[k:] < 1e-5 * sigma[0]).all())
        np.testing.assert_allclose(sigma, all_sigma[:k], rtol=1e-9)
        np.testing.assert_allclose(U * sigma @ Vt, A @ all_Vt[:k].T @ all_Vt[:k], atol=1e-9)
        np.testing.assert_allclose(Vt @ Vt.T, np.eye(k), atol=1e-9)


@every_alignment
@pytest.mark.parametrize("n_source, n_target", [(30, 20), (20, 45)])
def test_wide_rows_are_aligned_as_by_full_matrices(alignment, n_source, n_target):
    """With 60 features, the maps are those of the formulas with eigenvectors of covariances."""
    X_src, X_tgt = make_domains(n_source, n_target, 60)
    alignment = clone(alignment)
    Z_src, Z_tgt = alignment.fit_transform(X_src, X_tgt=X_tgt), alignment.transform(X_tgt)
    source, target = X_src - X_src.mean(axis=0), X_tgt - X_tgt.mean(axis=0)
    if isinstance(alignment, CorrelationAlignment):
        roots = []
        for X, exponent in ((X_src, -0.5), (X_tgt, 0.5)):
            C, _ = ledoit_wolf(X)
            if alignment.shrinkage != "auto":
                C = shrunk_covariance(empirical_covariance(X), alignment.shrinkage)
            values, V = np.linalg.eigh(C)
            roots.append(V * values**exponent @ V.T)
        Z = source @ roots[0] @ roots[1] + X_tgt.mean(axis=0)
        expected = Z if alignment.with_mean else X_src @ roots[0] @ roots[1]
        np.testing.assert_allclose(Z_src, expected, atol=1e-9 * np.abs(expected).max())
        return
    k = min(32, n_source - 1, n_target - 1)
    P_s, P_t = principal_axes(X_src, k), principal_axes(X_tgt, k)
    if isinstance(alignment, SubspaceAlignment):
        expected = target @ P_t
        signs = np.sign(np.sum(expected * Z_tgt, axis=0))
        np.testing.assert_allclose(Z_tgt, expected * signs, atol=1e-8)
        np.testing.assert_allclose(Z_src, source @ P_s @ P_s.T @ P_t * signs, atol=1e-8)
    else:  # of each pair of principal directions, the kernel has the integral along an arc
        U, cosines, Vt = np.linalg.svd(P_s.T @ P_t)
        angles, starts = np.arccos(cosines), P_s @ U
        ends = (P_t @ Vt.T - starts * cosines) / np.sin(angles)
        nodes, weights = np.polynomial.legendre.leggauss(30)
        G = 0.0
        for t, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            Phi = starts * np.cos(t * angles) + ends * np.sin(t * angles)
            G = G + weight * Phi @ Phi.T
        np.testing.assert_allclose(Z_src @ Z_src.T, source @ G @ source.T, atol=1e-6)


@every_alignment
def test_constant_features(alignment, recwarn):
    Z = clone(alignment).fit_transform(np.zeros((9, 5)), X_tgt=np.zeros((7, 5)))
    np.testing.assert_array_equal(Z, 0)
    assert not recwarn.list


def test_a_target_of_one_row_has_no_variance():
    X_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match=r"The target has 1 sample.* variance needs at least two"):
        GFK().fit(X_src, X_tgt=X_tgt[:1])


def kernel_of(gfk, X_src, X_tgt):
    """Compute G from the images of unit vectors."""
    gfk.fit(X_src, X_tgt=X_tgt)
    root = gfk.transform(np.eye(X_src.shape[1])) - gfk.transform(np.zeros((1, X_src.shape[1])))
    return root @ root.T


class TestCorrelationAlignment:
    """Against the closed form of the paper."""

    def test_source_gets_mean_and_covariance_of_the_target(self):
        X_src, X_tgt = make_domains()
        Z = CorrelationAlignment(0.0).fit_transform(X_src, X_tgt=X_tgt)
        np.testing.assert_allclose(Z.mean(axis=0), X_tgt.mean(axis=0), atol=1e-9)
        np.testing.assert_allclose(np.cov(Z.T, ddof=0), np.cov(X_tgt.T, ddof=0), atol=1e-9)

    @pytest.mark.parametrize("sizes", [(40, 25, 6), (10, 12, 30)])
    def test_matrix_of_the_paper_with_shrunk_covariances(self, sizes):
        X_src, X_tgt = make_domains(*sizes)
        C_s, C_t = (ledoit_wolf(X)[0] for X in (X_src, X_tgt))
        expected = np.linalg.inv(scipy.linalg.sqrtm(C_s)) @ scipy.linalg.sqrtm(C_t)
        coral = CorrelationAlignment(with_mean=False)
        Z = coral.fit_transform(X_src, X_tgt=X_tgt)
        np.testing.assert_allclose(coral.matrix_, expected, atol=1e-8)
        np.testing.assert_allclose(Z, X_src @ expected, atol=1e-7)
        np.testing.assert_array_equal(coral.transform(X_tgt), X_tgt)

    @pytest.mark.parametrize("shrinkage", ["auto", 0.2, 0.0])
    @pytest.mark.parametrize("rank", [9, 3])
    @pytest.mark.parametrize("n_source, n_target", [(60, 40), (30, 12), (12, 60), (13, 12), (9, 7)])
    def test_factors_equal_the_full_matrices(self, n_source, n_target, rank, shrinkage):
        """Twelve features, two of them constant, with more rows, as many rows and fewer rows."""
        rng = np.random.default_rng(0)
        X_src, X_tgt = (
            np.hstack(
                [rng.normal(size=(n, rank)) @ rng.normal(size=(rank, 10)), np.full((n, 2), 7)]
            )
            for n in (n_source, n_target)
        )
        roots = []
        for X, exponent in ((X_src, -0.5), (X_tgt, 0.5)):
            C = ledoit_wolf(X)[0]
            if shrinkage != "auto":
                C = shrunk_covariance(empirical_covariance(X), shrinkage)
            values, V = np.linalg.eigh(C)
            powers = [value**exponent if value > 1e-12 * values[-1] else 0 for value in values]
            roots.append(V @ np.diag(powers) @ V.T)
        coral = CorrelationAlignment(shrinkage)
        Z = coral.fit_transform(X_src, X_tgt=X_tgt)
        expected = (X_src - X_src.mean(axis=0)) @ roots[0] @ roots[1] + X_tgt.mean(axis=0)
        np.testing.assert_allclose(coral.matrix_, roots[0] @ roots[1], atol=1e-8)
        np.testing.assert_allclose(Z, expected, atol=1e-8)

    def test_shrinkage_by_hand(self):
        # Covariances diag(1, 4) and diag(9, 1), each averaged with its mean variance times I.
        X = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
        coral = CorrelationAlignment(0.5).fit(X * [1, 2], X_tgt=X * [3, 1])
        expected = np.sqrt([(0.5 * 9 + 2.5) / (0.5 * 1 + 1.25), (0.5 * 1 + 2.5) / (0.5 * 4 + 1.25)])
        np.testing.assert_allclose(coral.matrix_, np.diag(expected), atol=1e-12)

    def test_a_constant_source_feature_stays_at_the_mean_of_the_target(self):
        X_src, X_tgt = make_domains()
        X_src[:, 2] = 7
        Z = CorrelationAlignment(0.0).fit_transform(np.eye(40, 6), X_tgt=X_tgt)
        assert np.isfinite(Z).all()
        coral = CorrelationAlignment(0.0).fit(X_src, X_tgt=X_tgt)
        np.testing.assert_allclose(coral.matrix_[2], 0, atol=1e-9)

    def test_with_mean_must_be_a_boolean(self):
        X_src, X_tgt = make_domains()
        with pytest.raises(ValueError, match="with_mean must be True or False; got 'no'"):
            CorrelationAlignment(with_mean="no").fit(X_src, X_tgt=X_tgt)

    @pytest.mark.parametrize("shrinkage", [1.5, "ledoit"])
    def test_shrinkage_out_of_range(self, shrinkage):
        X_src, X_tgt = make_domains()
        match = "shrinkage other than 'auto' must be a number from 0 to 1; got"
        with pytest.raises(ValueError, match=match):
            CorrelationAlignment(shrinkage).fit(X_src, X_tgt=X_tgt)


class TestSubspaceAlignment:
    """Against the closed form of the paper, and the problem that it solves."""

    def test_formula_of_the_paper(self):
        X_src, X_tgt = make_domains()
        P_s, P_t = principal_axes(X_src, 3), principal_axes(X_tgt, 3)
        alignment = SubspaceAlignment(3)
        Z_src = alignment.fit_transform(X_src, X_tgt=X_tgt)
        Z_tgt = alignment.transform(X_tgt)
        expected_src = (X_src - X_src.mean(axis=0)) @ P_s @ P_s.T @ P_t
        expected_tgt = (X_tgt - X_tgt.mean(axis=0)) @ P_t
        signs = np.sign(np.sum(expected_tgt * Z_tgt, axis=0))
        np.testing.assert_allclose(Z_src, expected_src * signs, atol=1e-9)
        np.testing.assert_allclose(Z_tgt, expected_tgt * signs, atol=1e-9)

    def test_no_other_matrix_brings_the_axes_closer(self):
        X_src, X_tgt = make_domains()
        P_s, P_t = (PCA(3).fit(X).components_.T for X in (X_src, X_tgt))
        aligned = SubspaceAlignment(3).fit(X_src, X_tgt=X_tgt).source_components_.T
        M = np.linalg.lstsq(P_s, P_t)[0]
        np.testing.assert_allclose(aligned, P_s @ M, atol=1e-9)


class TestGFK:
    """Against a numeric integral along the geodesic."""

    @pytest.mark.parametrize("n_components", [1, 3, 6])
    def test_integral_along_the_geodesic(self, n_components):
        """Integrate numerically along the matrix exponential that joins the two subspaces."""
        X_src, X_tgt = make_domains()
        P_s, P_t = principal_axes(X_src, n_components), principal_axes(X_tgt, n_components)
        # The logarithm of a rotation of the feature space that maps one subspace to the other.
        projection = P_t @ P_t.T
        log = scipy.linalg.logm((np.eye(6) - 2 * projection) @ (np.eye(6) - 2 * P_s @ P_s.T)).real
        nodes, weights = np.polynomial.legendre.leggauss(30)
        flow = [scipy.linalg.expm(t * log / 2) @ P_s for t in (nodes + 1) / 2]
        np.testing.assert_allclose(
            (end := scipy.linalg.expm(log / 2) @ P_s) @ end.T, projection, atol=1e-9
        )
        G = sum(w / 2 * Phi @ Phi.T for w, Phi in zip(weights, flow, strict=True))
        np.testing.assert_allclose(kernel_of(GFK(n_components), X_src, X_tgt), G, atol=1e-9)

    def test_angles_are_the_principal_ones(self):
        X_src, X_tgt = make_domains()
        gfk = GFK(3).fit(X_src, X_tgt=X_tgt)
        axes = principal_axes(X_src, 3), principal_axes(X_tgt, 3)
        np.testing.assert_allclose(gfk.angles_, scipy.linalg.subspace_angles(*axes)[::-1])

    def test_two_directions_by_hand(self):
        # From the first axis to the second: a rotation by 90 degrees.
        line = np.linspace(-1, 1, 5)[:, None]
        gfk = GFK(1)
        G = kernel_of(gfk, line * [1, 0], line * [0, 1])
        np.testing.assert_allclose(np.abs(G), [[0.5, 1 / np.pi], [1 / np.pi, 0.5]], atol=1e-12)
        np.testing.assert_allclose(gfk.angles_, np.pi / 2)

    def test_shared_directions_are_kept_whole(self):
        X_src, _ = make_domains()
        gfk = GFK(2)
        axes = principal_axes(X_src, 2)
        np.testing.assert_allclose(kernel_of(gfk, X_src, 2 * X_src + 1), axes @ axes.T, atol=1e-9)
        np.testing.assert_allclose(gfk.angles_, 0, atol=1e-7)

    def test_rows_are_centred_on_their_own_domain(self):
        X_src, X_tgt = make_domains()
        gfk = GFK(3)
        np.testing.assert_allclose(gfk.fit_transform(X_src, X_tgt=X_tgt).mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(gfk.transform(X_tgt).mean(axis=0), 0, atol=1e-9)


@pytest.mark.parametrize(
    "n_components, match",
    [(0, "a whole number of at least 1"), (7, "n_features=6; got 7. Use at most 6, or None")],
)
def test_number_of_components(n_components, match):
    X_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match=f"n_components must .*{match}"):
        GFK(n_components).fit(X_src, X_tgt=X_tgt)
