"""Shallow methods on features that are very large, very small, far from zero, or very many."""

import tracemalloc

import numpy as np
import pytest
from sklearn.base import clone

from skdidan import (
    AKTLR,
    GFK,
    JDA,
    JDAR,
    JIASL,
    KMM,
    TCA,
    TJM,
    CorrelationAlignment,
    OptimalTransport,
    SubspaceAlignment,
    WeightedClassifier,
)

HOMOGENEOUS = [
    CorrelationAlignment(),
    CorrelationAlignment(0.0, with_mean=False),
    SubspaceAlignment(),
    GFK(),
    OptimalTransport(),
    OptimalTransport("emd", metric="euclidean", norm="max"),
    OptimalTransport("sinkhorn_lpl1", metric="cityblock"),
]
# Their fitted attributes, eigenvalues and widths of kernels, hold products of the features.
OF_PRODUCTS = [
    TCA(),
    TCA(kernel="poly"),
    TCA(kernel="rbf"),
    TCA(kernel="rbf", gamma=1.0),
    TCA(kernel="rbf", n_landmarks=9, random_state=0),
    JDA(),
    TJM(),
    KMM(),
    KMM(1.0),
    WeightedClassifier(),
]
REGRESSORS = [JDAR(alpha=0.1), JIASL(alpha=0.1, max_iter=2)]
REGRESSORS += [AKTLR(feature_groups=[0, 0, 1, 1])]
every_homogeneous = pytest.mark.parametrize("estimator", HOMOGENEOUS, ids=str)
every_scale = pytest.mark.parametrize("scale", [2.0**530, 2.0**-660])


def make_domains(n_features=4):
    rng = np.random.default_rng(0)
    X_src, X_tgt = rng.normal(size=(40, n_features)), rng.normal(size=(30, n_features)) + 1
    return X_src, np.where(X_src[:, 0] > 0, "anger", "neutral"), X_tgt


def mapped(estimator, X_src, y, X_tgt):
    """Fit a clone, and map the source, the target and new source rows."""
    estimator = clone(estimator)
    source = estimator.fit_transform(X_src, y, X_tgt)
    new = estimator.transform(X_src[:5] * 1.1, sample_domain=np.zeros(5))
    return np.concatenate([source, estimator.transform(X_tgt), new])


@every_scale
@every_homogeneous
def test_scaled_rows_have_scaled_images(estimator, scale):
    X_src, y, X_tgt = make_domains()
    expected = mapped(estimator, X_src, y, X_tgt)
    Z = mapped(estimator, X_src * scale, y, X_tgt * scale)
    np.testing.assert_allclose(Z / scale, expected, rtol=1e-12, atol=1e-12)


@every_scale
@pytest.mark.parametrize("estimator", REGRESSORS, ids=str)
def test_scaled_rows_with_a_scaled_penalty_have_the_same_scores(estimator, scale):
    X_src, y, X_tgt = make_domains()
    expected = clone(estimator).fit(X_src, y, X_tgt)
    weights = {name: getattr(estimator, name) * scale for name in estimator._weights}
    scaled = clone(estimator).set_params(**weights)
    scaled.fit(X_src * scale, y, X_tgt * scale)
    np.testing.assert_allclose(scaled.coef_ * scale, expected.coef_, rtol=1e-12)
    np.testing.assert_allclose(scaled.intercept_, expected.intercept_, rtol=1e-12)
    np.testing.assert_allclose(scaled.objective_, expected.objective_, rtol=1e-12)
    assert (scaled.predict(X_tgt * scale) == expected.predict(X_tgt)).all()


@every_scale
@pytest.mark.parametrize("estimator", OF_PRODUCTS, ids=str)
def test_products_out_of_range_are_refused(estimator, scale):
    X_src, y, X_tgt = make_domains()
    name = "KMM" if isinstance(estimator, WeightedClassifier) else type(estimator).__name__
    with pytest.raises(ValueError, match=rf"{name} computes with .*e.\d+, .*\(CorpusScaler\)"):
        clone(estimator).fit(X_src * scale, y, X_tgt * scale)


@pytest.mark.parametrize("scale", [1e305, 1e-310])
@pytest.mark.parametrize("estimator", HOMOGENEOUS + REGRESSORS, ids=str)
def test_features_at_the_end_of_the_range_are_refused(estimator, scale):
    X_src, y, X_tgt = make_domains()
    with pytest.raises(ValueError, match=r"range of double precision.*\(CorpusScaler\)"):
        clone(estimator).fit(X_src * scale, y, X_tgt * scale)


@pytest.mark.parametrize(
    "tca", [TCA(kernel="poly", gamma=1e60), TCA(kernel="poly", gamma=1e60, n_landmarks=9)], ids=str
)
def test_a_kernel_out_of_range_is_refused(tca):
    X_src, _, X_tgt = make_domains()
    with pytest.raises(ValueError, match=r"TCA computes with numbers of up to \d.\de\+18\d"):
        tca.fit(X_src, X_tgt=X_tgt)


@pytest.mark.parametrize("scale", [1e200, 1e-200])
def test_a_precomputed_kernel_out_of_range_is_refused(scale):
    X_src, _, X_tgt = make_domains()
    rows = np.concatenate([X_src, X_tgt])
    K = rows @ rows.T * scale
    with pytest.raises(ValueError, match="TJM computes with numbers of up to"):
        TJM(kernel="precomputed").fit(K, sample_domain=np.repeat([0, -1], [40, 30]))


@pytest.mark.parametrize("scale", [1e-30, 1e25])
@pytest.mark.parametrize("cls", [TCA, JDA])
def test_products_in_range_give_the_same_components(cls, scale):
    # The kernel grows with the square of the features, the first term of the objective with its
    # square; a regulariser that grows alike leaves the solution unchanged.
    X_src, y, X_tgt = make_domains()
    expected = cls(3).fit(X_src, y, X_tgt).transform(X_tgt)
    Z = cls(3, mu=scale**4).fit(X_src * scale, y, X_tgt * scale).transform(X_tgt * scale)
    np.testing.assert_allclose(Z, expected, atol=1e-9)


@pytest.mark.filterwarnings("ignore:Only", "ignore:A map of")
@pytest.mark.parametrize("move", [lambda X: X * 1e15, lambda X: X + 1e30], ids=["large", "far"])
@pytest.mark.parametrize("estimator", HOMOGENEOUS + OF_PRODUCTS + REGRESSORS, ids=str)
def test_a_target_far_from_the_source_gives_finite_results(estimator, move):
    X_src, y, X_tgt = make_domains()
    estimator = clone(estimator).fit(X_src, y, move(X_tgt))
    if hasattr(estimator, "transform"):
        assert np.isfinite(mapped(estimator, X_src, y, move(X_tgt))).all()
    for name, value in vars(estimator).items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            assert np.isfinite(value).all(), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "estimator", [SubspaceAlignment(), TCA(), TCA(kernel="poly"), JDA(), TJM()], ids=str
)
def test_rows_whose_image_is_out_of_range_are_refused(estimator, dtype):
    """They would be infinite, in the type of the rows."""
    X_src, y, X_tgt = make_domains()
    estimator = clone(estimator).fit(1e-3 * X_src, y, 1e-3 * X_tgt)
    X = X_tgt[:4].astype(dtype)
    X[2] = np.finfo(dtype).max
    match = rf"{type(estimator).__name__} maps row 2 of X, .* for {dtype.__name__}\. .*CorpusScaler"
    for numbers in (None, np.zeros(4)):
        with pytest.raises(ValueError, match=match):
            estimator.transform(X, sample_domain=numbers)
    assert np.isfinite(estimator.transform(X[:2])).all()


@pytest.mark.parametrize("cls", [JDAR, JIASL])
def test_scores_out_of_range_are_refused(cls):
    X_src, y, X_tgt = make_domains()
    classifier = cls(alpha=1e-9).fit(1e-3 * X_src, y, 1e-3 * X_tgt)
    with pytest.raises(ValueError, match=f"{cls.__name__} maps row 1 of X, .* CorpusScaler"):
        classifier.predict(np.array([[0.0] * 4, [1e308] * 4]))


@pytest.mark.parametrize("shrinkage", ["auto", 0.0])
def test_coral_moves_the_source_to_a_target_without_spread(shrinkage):
    X_src, _, X_tgt = make_domains()
    target = X_tgt + 1e30
    assert (target == 1e30).all()
    Z = CorrelationAlignment(shrinkage).fit_transform(X_src, X_tgt=target)
    np.testing.assert_array_equal(Z, 1e30)


def test_coefficients_that_the_penalty_sets_to_zero_are_reported():
    X_src, y, X_tgt = make_domains()
    with pytest.warns(UserWarning, match=r"All coefficients of JDAR are zero.*\(CorpusScaler\)"):
        jdar = JDAR().fit(X_src * 1e-200, y, X_tgt * 1e-200)
    assert not jdar.coef_.any()


@pytest.mark.parametrize("estimator", [*HOMOGENEOUS, *OF_PRODUCTS, JDAR()], ids=str)
def test_memory_grows_with_the_number_of_features(estimator):
    """No method forms a matrix of n_features x n_features."""
    n_features = 4000
    X_src, y, X_tgt = make_domains(n_features)
    estimator = clone(estimator)
    tracemalloc.start()
    estimator.fit(X_src, y, X_tgt)
    if hasattr(estimator, "transform"):
        estimator.transform(np.concatenate([X_src, X_tgt]), sample_domain=np.arange(70) - 35)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * n_features**2 / 4
