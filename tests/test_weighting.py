"""Kernel mean matching against a general solver, and classifiers trained with the weights."""

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from skdidan import KMM, MDSA, TCA, NoTargetWarning, Target, WeightedClassifier


def make_domains(n_source=40, n_target=25, seed=0):
    """Draw a wide cloud of two classes, and a narrow one within it."""
    rng = np.random.default_rng(seed)
    X_src = 2 * rng.normal(size=(n_source, 3))
    return X_src, np.where(X_src[:, 0] > 0, "a", "b"), 0.5 * rng.normal(size=(n_target, 3)) + 1


@pytest.mark.filterwarnings("ignore::skdidan.NoTargetWarning")
@parametrize_with_checks([KMM()])
def test_scikit_learn_compatible(estimator, check):
    check(estimator)


@pytest.mark.parametrize("max_weight, eps", [(1000.0, None), (2.0, None), (5.0, 0.0), (1.0, 0.0)])
def test_minimum_of_the_quadratic_programme(max_weight, eps):
    """Under bounds that bind or do not, SLSQP finds nothing lower."""
    X_src, _, X_tgt = make_domains()
    kmm = KMM(0.2, max_weight=max_weight, eps=eps, tol=1e-9).fit(X_src, X_tgt=X_tgt)
    K = rbf_kernel(X_src, gamma=0.2)
    kappa = 40 / 25 * rbf_kernel(X_src, X_tgt, gamma=0.2).sum(axis=1)
    bound = 1 - 1 / np.sqrt(40) if eps is None else eps

    def objective(weights):
        return 0.5 * weights @ K @ weights - kappa @ weights

    reference = minimize(
        objective,
        np.ones(40),
        jac=lambda weights: K @ weights - kappa,
        bounds=[(0, max_weight)] * 40,
        constraints=LinearConstraint(np.ones(40), 40 * (1 - bound), 40 * (1 + bound)),
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = kmm.weights_
    assert weights.min() >= 0 and weights.max() <= max_weight
    assert 40 * (1 - bound) - 1e-9 <= weights.sum() <= 40 * (1 + bound) + 1e-9
    assert objective(weights) == pytest.approx(reference.fun, abs=1e-5)


def test_weights_bring_the_mean_to_the_target():
    X_src, _, X_tgt = make_domains(200, 50)
    weights = KMM().fit(X_src, X_tgt=X_tgt).weights_
    before = np.linalg.norm(X_src.mean(axis=0) - X_tgt.mean(axis=0))
    after = np.linalg.norm(weights @ X_src / weights.sum() - X_tgt.mean(axis=0))
    assert after < 0.2 * before


def test_equal_domains_have_weights_of_one():
    X_src, _, _ = make_domains()
    kmm = KMM(0.5, tol=1e-12).fit(X_src, X_tgt=X_src)
    np.testing.assert_allclose(kmm.weights_, 1, atol=1e-3)


def test_order_of_rows_and_stacked_domains():
    X_src, _, X_tgt = make_domains()
    expected = KMM(tol=1e-10).fit(X_src, X_tgt=Target(X_tgt)).weights_
    order = np.random.default_rng(1).permutation(65)
    X, domain = np.vstack([X_src, X_tgt])[order], np.repeat([1, -1], [40, 25])[order]
    weights = KMM(tol=1e-10).fit(X, sample_domain=domain).weights_
    np.testing.assert_allclose(weights, expected[order[domain > 0]], atol=1e-2)


def test_default_gamma_and_rows_far_from_zero():
    X_src, _, X_tgt = make_domains()
    kmm = KMM().fit(X_src, X_tgt=X_tgt)
    assert 1 / kmm.gamma_ == pytest.approx(np.vstack([X_src, X_tgt]).var(axis=0).sum())
    far = KMM().fit(X_src + 1e6, X_tgt=X_tgt + 1e6)
    np.testing.assert_allclose(far.weights_, kmm.weights_, atol=1e-2)


def test_weights_beside_an_outlier_do_not_depend_on_how_far_it_is():
    X_src, _, X_tgt = make_domains()
    near, far = (
        KMM(0.1, tol=1e-8).fit(X_src, X_tgt=np.vstack([X_tgt, np.full(X_tgt.shape[1], value)]))
        for value in (1e3, 1e10)
    )
    np.testing.assert_allclose(far.weights_, near.weights_, atol=1e-6)


def test_identical_rows():
    kmm = KMM().fit(np.ones((5, 2)), X_tgt=np.ones((3, 2)))
    np.testing.assert_allclose(kmm.weights_, 1)


def test_missing_convergence_is_reported():
    X_src, _, X_tgt = make_domains()
    with pytest.warns(UserWarning, match="KMM did not converge in max_iter=2 iterations"):
        assert KMM(max_iter=2).fit(X_src, X_tgt=X_tgt).n_iter_ == 2


@pytest.mark.parametrize(
    "params, match",
    [
        ({"gamma": 0.0}, "gamma must be a finite number above 0"),
        ({"max_weight": 0.5}, "max_weight must be at least 1, .* got 0.5"),
        ({"eps": -0.1}, "eps must be a finite number of at least 0"),
        ({"tol": 0}, "tol must be a finite number above 0"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, _, X_tgt = make_domains()
    with pytest.raises(ValueError, match=match):
        KMM(**params).fit(X_src, X_tgt=X_tgt)


class TestWeightedClassifier:
    """A classifier with the weights of another estimator."""

    @pytest.mark.parametrize("estimator", [LogisticRegression(), SVC()])
    def test_is_the_classifier_with_the_weights(self, estimator):
        X_src, y_src, X_tgt = make_domains()
        ours = WeightedClassifier(estimator, weighting=KMM(0.1)).fit(X_src, y_src, X_tgt)
        weights = KMM(0.1).fit(X_src, X_tgt=X_tgt).weights_
        np.testing.assert_array_equal(ours.weights_, weights)
        expected = estimator.fit(X_src, y_src, sample_weight=weights)
        np.testing.assert_array_equal(ours.predict(X_tgt), expected.predict(X_tgt))
        np.testing.assert_allclose(ours.decision_function(X_tgt), expected.decision_function(X_tgt))
        assert hasattr(ours, "predict_proba") == hasattr(estimator, "predict_proba")

    def test_probabilities(self):
        X_src, y_src, X_tgt = make_domains()
        ours = WeightedClassifier().fit(X_src, y_src, X_tgt)
        np.testing.assert_allclose(ours.predict_proba(Target(X_tgt)).sum(axis=1), 1)

    def test_without_target_all_weights_are_one(self):
        X_src, y_src, X_tgt = make_domains()
        with pytest.warns(NoTargetWarning, match="WeightedClassifier was fitted without a target"):
            ours = WeightedClassifier().fit(X_src, y_src)
        np.testing.assert_array_equal(ours.weights_, 1)
        expected = LogisticRegression().fit(X_src, y_src).predict(X_tgt)
        np.testing.assert_array_equal(ours.predict(X_tgt), expected)
        with pytest.warns(NoTargetWarning, match="KMM was fitted without a target"):
            np.testing.assert_array_equal(KMM().fit(X_src).weights_, 1)

    def test_a_class_whose_weights_are_all_zero(self):
        rng = np.random.default_rng(0)
        X_src = rng.normal(size=(60, 2)) + np.repeat([0, 20], 30)[:, None]
        y_src = np.repeat(["a", "b"], 30)
        with pytest.raises(ValueError, match=r"All source rows of \['b'\] have weight 0"):
            WeightedClassifier(SVC()).fit(X_src, y_src, X_src[:20])

    def test_a_classifier_that_takes_no_weights(self):
        X_src, y_src, X_tgt = make_domains()
        with pytest.raises(TypeError, match="KNeighborsClassifier does not"):
            WeightedClassifier(KNeighborsClassifier()).fit(X_src, y_src, X_tgt)

    @pytest.mark.parametrize("weighting", ["kmm", TCA(kernel="rbf")])
    def test_a_weighting_without_one_weight_per_row(self, weighting):
        X_src, y_src, X_tgt = make_domains()
        with pytest.raises(TypeError, match="weighting must be an estimator"):
            WeightedClassifier(weighting=weighting).fit(X_src, y_src, X_tgt)


@pytest.mark.parametrize("make", [WeightedClassifier, MDSA])
@pytest.mark.parametrize("estimator", [Ridge(), KMeans(2), LogisticRegression])
def test_only_classifiers_are_weighted(make, estimator):
    X, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with pytest.raises(TypeError, match="estimator must be a classifier; got"):
        make(estimator=estimator).fit(X, y, X + 1)
