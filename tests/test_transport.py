"""Optimal transport against plain NumPy, SciPy's assignments, and couplings by hand."""

import sys
import tracemalloc

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from skdidan import NoTargetWarning, OptimalTransport

METHODS = ["emd", "sinkhorn", "sinkhorn_lpl1"]
every_method = pytest.mark.parametrize("method", METHODS)


def make_domains(n_source=40, n_target=25, n_features=6, seed=0):
    """Draw three classes; the target is shifted."""
    rng = np.random.default_rng(seed)
    centres = 3 * rng.normal(size=(3, n_features))
    y = np.arange(n_source) % 3
    X_src = centres[y] + rng.normal(size=(n_source, n_features))
    X_tgt = centres[np.arange(n_target) % 3] + rng.normal(size=(n_target, n_features)) + 1
    return X_src, np.array(["anger", "neutral", "sadness"])[y], X_tgt


@every_method
def test_the_coupling_moves_all_mass(method):
    X_src, y_src, X_tgt = make_domains(10, 90, 3)
    transport = OptimalTransport(method, tol=1e-5)
    Z, coupling = transport.fit_transform(X_src, y_src, X_tgt), transport.coupling_
    assert coupling.shape == (10, 90) and (coupling >= 0).all()
    np.testing.assert_allclose(coupling.sum(axis=1), 1 / 10)
    np.testing.assert_allclose(90 * coupling.sum(axis=0), 1, atol=1e-4)
    np.testing.assert_array_equal(Z, transport.transported_)
    np.testing.assert_allclose(Z, 10 * coupling @ X_tgt)
    np.testing.assert_array_equal(transport.transform(X_tgt), X_tgt)


def test_assignment_by_hand():
    # The squared distances 0-2 and 1-3 sum to 8, the distances 0-3 and 1-2 to 10.
    X_src, X_tgt = np.array([[1.0], [0.0]]), np.array([[2.0], [3.0]])
    transport = OptimalTransport("emd")
    np.testing.assert_array_equal(transport.fit_transform(X_src, X_tgt=X_tgt), [[3.0], [2.0]])
    np.testing.assert_allclose(transport.coupling_, [[0.0, 0.5], [0.5, 0.0]])


def test_two_rows_share_one():
    X_src, X_tgt = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [10.0]])
    transport = OptimalTransport("emd").fit(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(transport.coupling_, np.array([[2, 0], [1, 1], [0, 2]]) / 6)
    np.testing.assert_allclose(transport.transported_, [[0.0], [5.0], [10.0]], atol=1e-12)


@pytest.mark.parametrize("metric", ["sqeuclidean", "euclidean", "cityblock"])
def test_domains_of_equal_size_are_assigned(metric):
    X_src, _, X_tgt = make_domains(30, 30)
    Z = OptimalTransport("emd", metric=metric).fit_transform(X_src, X_tgt=X_tgt)
    _, assigned = linear_sum_assignment(cdist(X_src, X_tgt, metric))
    np.testing.assert_allclose(Z, X_tgt[assigned], atol=1e-9)


@pytest.mark.parametrize("reg, norm", [(0.1, "median"), (0.05, "max"), (20.0, None)])
def test_sinkhorn_in_plain_numpy(reg, norm):
    """The coupling equals plain Sinkhorn iterations on costs divided as `norm` says."""
    X_src, _, X_tgt = make_domains()
    costs = np.sum((X_src[:, None] - X_tgt) ** 2, axis=2)
    costs /= {"median": np.median(costs), "max": costs.max(), None: 1}[norm]
    u, kernel = np.ones(40), np.exp(-costs / reg)
    for _ in range(3000):
        v = 1 / 25 / (kernel.T @ u)
        u = 1 / 40 / (kernel @ v)
    transport = OptimalTransport(reg=reg, norm=norm, tol=1e-10, max_iter=3000)
    transport.fit(X_src, X_tgt=X_tgt)
    np.testing.assert_allclose(transport.coupling_, u[:, None] * kernel * v, atol=1e-10)


def test_class_regularisation_in_plain_numpy():
    """Ten linearisations, each solved by plain Sinkhorn iterations, give the same coupling."""
    X_src, y_src, X_tgt = make_domains()
    costs = np.sum((X_src[:, None] - X_tgt) ** 2, axis=2)
    costs /= np.median(costs)
    slopes = np.zeros_like(costs)
    for _ in range(10):
        u, kernel = np.ones(40), np.exp(-(costs + 0.1 * slopes) / 1.0)
        for _ in range(500):
            v = 1 / 25 / (kernel.T @ u)
            u = 1 / 40 / (kernel @ v)
        coupling = u[:, None] * kernel * v
        for i in range(40):
            slopes[i] = 0.5 / np.sqrt(coupling[y_src == y_src[i]].sum(axis=0) + 1e-3)
    transport = OptimalTransport("sinkhorn_lpl1", reg=1.0, reg_cl=0.1, tol=1e-9)
    transport.fit(X_src, y_src, X_tgt)
    np.testing.assert_allclose(transport.coupling_, coupling, atol=1e-9)


@pytest.mark.parametrize("method, far", [("sinkhorn", "source"), ("sinkhorn_lpl1", "target")])
def test_a_far_row_costs_no_mass(method, far):
    """Its kernel values underflow, which only iterations on logarithms survive."""
    rng = np.random.default_rng(0)
    X_src, X_tgt = rng.normal(size=(40, 4)), rng.normal(size=(25, 4)) + 1
    y_src = np.where(X_src[:, 0] > 0, "anger", "neutral")
    (X_src if far == "source" else X_tgt)[0] = 200
    transport = OptimalTransport(method).fit(X_src, y_src, X_tgt)
    np.testing.assert_allclose(40 * transport.coupling_.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(25 * transport.coupling_.sum(axis=0), 1, atol=1e-3)
    assert np.abs(transport.transported_).max() < 201


def test_little_entropy_comes_close_to_the_exact_coupling():
    X_src, _, X_tgt = make_domains(30, 30)
    exact = OptimalTransport("emd").fit(X_src, X_tgt=X_tgt).coupling_
    params = {"reg": 1e-3, "max_iter": 5000, "tol": 1e-2}
    coupling = OptimalTransport(**params).fit(X_src, X_tgt=X_tgt).coupling_
    assert np.abs(coupling - exact).sum() < 0.1


def test_a_median_of_zero_is_replaced_by_that_of_the_positive_costs():
    X_src, X_tgt = np.r_[np.zeros(10), 2, 5][:, None], np.r_[np.zeros(8), 3][:, None]
    costs = (X_src - X_tgt.T) ** 2  # positive: 10 times 9, 8 times 4, 8 times 25, 1 and 4
    expected = OptimalTransport(norm=None).fit(X_src / 3, X_tgt=X_tgt / 3).coupling_
    assert np.median(costs) == 0 and np.median(costs[costs > 0]) == 9
    for scale in (1.0, 100.0):
        transport = OptimalTransport().fit(scale * X_src, X_tgt=scale * X_tgt)
        np.testing.assert_allclose(transport.coupling_, expected, atol=1e-12)


def class_term(transport, y_src):
    """Compute the class term of the objective, with 0.001 under the root."""
    sums = [transport.coupling_[y_src == name].sum(axis=0) for name in np.unique(y_src)]
    return np.sqrt(np.array(sums) + 1e-3).sum()


def test_class_regularisation_separates_the_classes():
    X_src, y_src, X_tgt = make_domains()
    plain = OptimalTransport(reg=0.5, tol=1e-8).fit(X_src, X_tgt=X_tgt)
    off = OptimalTransport("sinkhorn_lpl1", reg=0.5, reg_cl=0.0, tol=1e-8).fit(X_src, y_src, X_tgt)
    np.testing.assert_allclose(off.coupling_, plain.coupling_, atol=1e-10)
    terms = [class_term(off, y_src)]
    for reg_cl in (0.1, 0.3):
        transport = OptimalTransport("sinkhorn_lpl1", reg=0.5, reg_cl=reg_cl)
        terms.append(class_term(transport.fit(X_src, y_src, X_tgt), y_src))
    assert terms[0] > terms[1] > terms[2]


@pytest.mark.parametrize("norm, metric", [("median", "cityblock"), ("max", "sqeuclidean")])
def test_scale_and_offset_of_the_features_do_not_matter(norm, metric):
    X_src, y_src, X_tgt = make_domains()
    transport = OptimalTransport("sinkhorn_lpl1", norm=norm, metric=metric)
    expected = transport.fit_transform(X_src, y_src, X_tgt)
    Z = transport.fit_transform(100 * X_src + 7, y_src, 100 * X_tgt + 7)
    np.testing.assert_allclose(Z, 100 * expected + 7, atol=1e-3)


@every_method
def test_one_row_each(method):
    transport = OptimalTransport(method)
    if method == "sinkhorn_lpl1":  # needs two classes
        Z = transport.fit_transform([[0.0], [1.0]], ["anger", "neutral"], [[5.0]])
        np.testing.assert_allclose(Z, [[5.0], [5.0]])
    else:
        np.testing.assert_allclose(transport.fit_transform([[1.0]], X_tgt=[[5.0]]), [[5.0]])


def test_constant_features(recwarn):
    transport = OptimalTransport()
    Z = transport.fit_transform(np.zeros((9, 5)), np.arange(9) % 2, np.ones((7, 5)))
    np.testing.assert_allclose(Z, 1)
    Z = transport.fit_transform(np.zeros((9, 5)), np.arange(9) % 2, np.zeros((7, 5)))
    np.testing.assert_array_equal(Z, 0)
    assert not recwarn.list


@pytest.mark.parametrize("method", ["emd", "sinkhorn"])
def test_without_target_the_source_does_not_change(method):
    X_src, y_src, _ = make_domains()
    transport = OptimalTransport(method)
    with pytest.warns(NoTargetWarning, match="OptimalTransport was fitted without a target"):
        np.testing.assert_array_equal(transport.fit_transform(X_src, y_src), X_src)
    np.testing.assert_allclose(transport.coupling_, np.eye(40) / 40)
    assert transport.n_iter_ == (None if method == "emd" else 0)


def test_only_the_class_term_needs_labels():
    X_src, y_src, X_tgt = make_domains()
    with pytest.raises(ValueError, match="requires y to be passed"):
        OptimalTransport("sinkhorn_lpl1").fit(X_src, None, X_tgt)
    with pytest.raises(ValueError, match="OptimalTransport needs at least two classes"):
        OptimalTransport("sinkhorn_lpl1").fit(X_src, np.full(40, "anger"), X_tgt)
    plain = OptimalTransport().fit_transform(X_src, X_tgt=X_tgt)
    np.testing.assert_array_equal(OptimalTransport().fit_transform(X_src, y_src, X_tgt), plain)


@pytest.mark.parametrize(
    "method, cures", [("sinkhorn", "max_iter, reg or tol"), ("emd", "max_iter")]
)
def test_missing_convergence_is_reported_once(method, cures):
    X_src, y_src, X_tgt = make_domains()
    transport = OptimalTransport(method, reg=0.01, max_iter={"sinkhorn": 25, "emd": 120}[method])
    match = f"did not converge in max_iter=.* iterations; increase {cures}"
    with pytest.warns(UserWarning, match=match) as caught:
        transport.fit(X_src, y_src, X_tgt)
    assert len(caught) == 1 and caught[0].filename == __file__


def test_couplings_that_leave_rows_without_mass():
    X_src, _, X_tgt = make_domains()
    match = "method='sinkhorn' left source rows without mass; increase reg=1e-200"
    with pytest.raises(ValueError, match=match):
        OptimalTransport(reg=1e-200, max_iter=20).fit(X_src, X_tgt=X_tgt)
    match = "method='emd' left source rows without mass; increase max_iter=3"
    with pytest.raises(ValueError, match=match):
        OptimalTransport("emd", max_iter=3).fit(X_src, X_tgt=X_tgt)


@pytest.mark.parametrize("method, n_matrices", [("sinkhorn", 8), ("sinkhorn_lpl1", 11)])
def test_memory(method, n_matrices):
    X_src, y_src, X_tgt = make_domains(500, 400)
    tracemalloc.start()
    transport = OptimalTransport(method, tol=0.1).fit(X_src, y_src, X_tgt)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (n_matrices + 1) * transport.coupling_.nbytes


def test_iterations_are_counted():
    X_src, y_src, X_tgt = make_domains()
    for max_iter in (1, 11, 25):
        transport = OptimalTransport(max_iter=max_iter, tol=1e-15)
        with pytest.warns(UserWarning, match="did not converge"):
            assert transport.fit(X_src, X_tgt=X_tgt).n_iter_ == max_iter
    assert 11 < OptimalTransport().fit(X_src, X_tgt=X_tgt).n_iter_ < 1000
    parted = OptimalTransport("sinkhorn_lpl1").fit(X_src, y_src, X_tgt)
    assert parted.n_iter_ > 10
    assert OptimalTransport("emd").fit(X_src, X_tgt=X_tgt).n_iter_ is None


def test_features_too_large_for_their_distances():
    X_src, _, X_tgt = make_domains()
    with pytest.raises(ValueError, match=r"metric='sqeuclidean' overflows .* Use norm='median'"):
        OptimalTransport(norm=None).fit(1e160 * X_src, X_tgt=1e160 * X_tgt)


def test_missing_pot_names_the_cure(monkeypatch):
    X_src, _, X_tgt = make_domains()
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(ImportError, match=r"needs the POT package: pip install skdidan\[ot\]"):
        OptimalTransport().fit(X_src, X_tgt=X_tgt)


@pytest.mark.parametrize(
    "params, match",
    [
        ({"method": "emb"}, r"method must be one of \['emd', 'sinkhorn', .*; got 'emb'"),
        ({"reg": 0}, "reg must be a finite number above 0; got 0"),
        ({"reg_cl": -1.0}, "reg_cl must be a finite number of at least 0; got -1.0"),
        ({"metric": "cosine"}, r"metric must be one of \['cityblock', .*; got 'cosine'"),
        ({"norm": "log"}, r"norm must be one of \['max', 'median'\]; got 'log'"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1; got 0"),
        ({"tol": 0}, "tol must be a finite number above 0; got 0"),
    ],
)
def test_parameters_out_of_range(params, match):
    X_src, _, X_tgt = make_domains()
    with pytest.raises(ValueError, match=match):
        OptimalTransport(**params).fit(X_src, X_tgt=X_tgt)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_rows_of_the_fit_move_alike_in_any_subset(offset):
    X_src, _, X_tgt = make_domains()
    transport = OptimalTransport("emd")
    Z = transport.fit_transform(X_src + offset, X_tgt=X_tgt + offset)
    some = transport.transform(X_src[3:9] + offset, sample_domain=np.zeros(6))
    np.testing.assert_allclose(some, Z[3:9], rtol=0, atol=1e-6)


def test_a_new_source_row_moves_like_the_nearest_one():
    X_src, X_tgt = np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 2], [0, 5]])
    transport = OptimalTransport("emd").fit(X_src, X_tgt=X_tgt)
    moves = transport.transported_ - X_src
    moved = transport.transform([[0.9, 0.1], [-1, 0]], sample_domain=[0, 0])
    np.testing.assert_allclose(moved, [[0.9, 0.1] + moves[1], [-1, 0] + moves[0]])
