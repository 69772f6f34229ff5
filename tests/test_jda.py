"""JDA against a dense solution of the problem in the paper."""

import itertools

import numpy as np
import pytest
import scipy.linalg
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.neighbors import KNeighborsClassifier

from skdidan import JDA, TCA, NoTargetWarning


def make_domains(seed=0):
    """Draw three classes; a linear map and a shift separate the domains."""
    rng = np.random.default_rng(seed)
    y_src, y_tgt = np.repeat(list("abc"), 15), np.repeat(list("abc"), [12, 8, 5])
    centres = 2 * rng.normal(size=(3, 6))
    X_src, X_tgt = (
        centres[np.searchsorted(list("abc"), y)] + rng.normal(size=(len(y), 6))
        for y in (y_src, y_tgt)
    )
    return X_src, y_src, X_tgt @ rng.normal(size=(6, 6)) / 2 + 1, y_tgt


def matrix_of_the_paper(y_src, y_tgt, weight):
    """L_0 + weight * sum of L_c, entry by entry as in equations 3 and 7."""
    n_src, n = len(y_src), len(y_src) + len(y_tgt)
    y = np.r_[y_src, y_tgt]
    L = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            sizes = [n_src if row < n_src else n - n_src for row in (i, j)]
            sign = 1 if (i < n_src) == (j < n_src) else -1
            L[i, j] = sign / np.prod(sizes)
            if y[i] == y[j] and y[i] in y_src and y[i] in y_tgt:
                of_class = [
                    np.sum(y_src == y[i]) if row < n_src else np.sum(y_tgt == y[i])
                    for row in (i, j)
                ]
                L[i, j] += weight * sign / np.prod(of_class)
    return L


@pytest.mark.parametrize("kernel, weight", [("linear", 20.0), ("rbf", 0.3)])
def test_solves_the_problem_of_the_paper(kernel, weight):
    """Components equal a dense generalised eigendecomposition with the matrices of the paper."""
    X_src, y_src, X_tgt, _ = make_domains()
    jda = JDA(4, kernel=kernel, gamma=0.05, mu=0.5, conditional_weight=weight)
    Z = np.vstack([jda.fit_transform(X_src, y_src, X_tgt), jda.transform(X_tgt)])
    X, n = np.vstack([X_src, X_tgt]), 70
    K = linear_kernel(X) if kernel == "linear" else rbf_kernel(X, gamma=0.05)
    L = matrix_of_the_paper(y_src, jda.pseudo_labels_, weight)
    A, B = K @ L @ K + 0.5 * np.eye(n), K @ (np.eye(n) - 1 / n) @ K
    eigenvalues, W = scipy.linalg.eigh(B, A)
    eigenvalues, W = eigenvalues[::-1][:4], W[:, ::-1][:, :4]
    np.testing.assert_allclose(jda.eigenvalues_, eigenvalues, rtol=1e-8)
    expected = K @ W * np.sqrt(n / eigenvalues)  # scipy scales W' A W to one
    expected *= np.sign(np.sum(expected * Z, axis=0))
    np.testing.assert_allclose(Z, expected, atol=1e-6)
    np.testing.assert_allclose(np.cov(Z.T, bias=True), np.eye(4), atol=1e-8)


@pytest.mark.parametrize("estimator", [None, LogisticRegression()])
def test_pseudo_labels_are_a_fixed_point(estimator):
    X_src, y_src, X_tgt, _ = make_domains()
    jda = JDA(3, kernel="rbf", mu=0.1, estimator=estimator, max_iter=50)
    Z_src = jda.fit_transform(X_src, y_src, X_tgt)
    assert 1 < jda.n_iter_ < 50
    classifier = (estimator or KNeighborsClassifier(1)).fit(Z_src, y_src)
    np.testing.assert_array_equal(classifier.predict(jda.transform(X_tgt)), jda.pseudo_labels_)


class Cyclic(ClassifierMixin, BaseEstimator):
    """Repeats the same three predictions for the first three target rows."""

    predictions = itertools.cycle(["aab", "aba", "baa"])

    def fit(self, X, y):
        """Remember the classes."""
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        """Return the next prediction."""
        return np.array(list(next(self.predictions)) + ["c"] * (len(X) - 3))


def test_it_stops_when_the_predictions_repeat_an_earlier_iteration():
    X_src, y_src, X_tgt, _ = make_domains()
    jda = JDA(3, estimator=Cyclic(), max_iter=50).fit(X_src, y_src, X_tgt)
    assert jda.n_iter_ == 4 and "".join(jda.pseudo_labels_[:3]) == "baa"


def test_the_given_classifier_is_not_fitted():
    X_src, y_src, X_tgt, _ = make_domains()
    classifier = LogisticRegression()
    JDA(3, estimator=classifier).fit(X_src, y_src, X_tgt)
    assert not hasattr(classifier, "coef_")


@pytest.mark.parametrize("params", [{"max_iter": 1}, {"conditional_weight": 0.0}])
def test_without_conditional_terms_it_is_tca(params):
    X_src, y_src, X_tgt, _ = make_domains()
    expected = TCA(3).fit_transform(X_src, X_tgt=X_tgt)
    Z = JDA(3, **params).fit_transform(X_src, y_src, X_tgt)
    np.testing.assert_allclose(Z, expected, atol=1e-9)


def test_a_class_without_predictions_has_no_term():
    X_src, y_src, X_tgt, _ = make_domains()
    jda = JDA(3, estimator=DummyClassifier(strategy="constant", constant="b"))
    assert np.isfinite(jda.fit_transform(X_src, y_src, X_tgt)).all()
    assert jda.n_iter_ == 2
    np.testing.assert_array_equal(jda.pseudo_labels_, "b")


def test_without_target():
    X_src, y_src, _, _ = make_domains()
    with pytest.warns(NoTargetWarning, match="JDA was fitted without a target"):
        jda = JDA(3).fit(X_src, y_src)
    assert jda.pseudo_labels_ is None and jda.n_iter_ == 1
    with pytest.warns(NoTargetWarning):
        np.testing.assert_allclose(jda.transform(X_src), TCA(3).fit_transform(X_src))


@pytest.mark.parametrize(
    "params, match",
    [
        ({"conditional_weight": -1}, "conditional_weight must be a finite number of at least 0"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1; got 0"),
        ({"estimator": TCA()}, r"estimator must be a classifier, .* or None; got TCA\(\)"),
        ({"estimator": LogisticRegression}, "estimator must be a classifier, .*; got <class"),
        ({"mu": 0}, "mu must be a finite number above 0"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, y_src, X_tgt, _ = make_domains()
    with pytest.raises(ValueError, match=match):
        JDA(**params).fit(X_src, y_src, X_tgt)


def test_labels_are_required():
    X_src, _, X_tgt, _ = make_domains()
    with pytest.raises(ValueError, match="requires y to be passed"):
        JDA().fit(X_src, None, X_tgt)
    with pytest.raises(ValueError, match="JDA needs at least two classes"):
        JDA().fit(X_src, np.full(45, "a"), X_tgt)
