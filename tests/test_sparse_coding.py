"""The sparse solver against scikit-learn's Lasso, closed forms and the optimality conditions."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from skdidan.penalties.sparse_coding import SparseCodesWarning, sparse_codes


def problem(n_target, n_source, n_features, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(4, n_features, generator=generator, dtype=dtype)

    def rows(n):
        noise = torch.randn(n, n_features, generator=generator, dtype=dtype)
        return centres[torch.arange(n) % 4] + 0.5 * noise

    return rows(n_target), rows(n_source)


def objective(target, source, codes, sparsity):
    residual = target - codes @ source
    return float(0.5 * residual.square().sum() + sparsity * codes.abs().sum())


SHAPES = [(7, 5, 12), (5, 40, 12), (60, 50, 8), (1, 30, 20), (3, 1, 4)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparsity", [0.05, 1.0])
def test_objective_agrees_with_scikit_learn(shape, sparsity):
    target, source = problem(*shape)
    codes = sparse_codes(source, target, sparsity)
    # Lasso divides the squared error by the number of its samples, which are our features.
    lasso = Lasso(alpha=sparsity / shape[2], fit_intercept=False, tol=1e-8, max_iter=1_000_000)
    reference = np.atleast_2d(lasso.fit(source.numpy().T, target.numpy().T).coef_)
    best = objective(target, source, torch.tensor(reference), sparsity)
    assert objective(target, source, codes, sparsity) == pytest.approx(best, rel=1e-4)


def test_prices_of_their_own_are_those_of_rescaled_sources():
    target, source = problem(6, 9, 12)
    price = 0.1 + torch.rand(6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    codes = sparse_codes(source, target, price, tol=1e-10)
    for row, prices, code in zip(target, price, codes, strict=True):
        rescaled = sparse_codes(source / prices.unsqueeze(1), row[None], 1.0, tol=1e-10)
        torch.testing.assert_close(code, rescaled[0] / prices, atol=1e-5, rtol=0)


def test_a_matrix_of_equal_prices_is_one_price():
    target, source = problem(6, 9, 12)
    one = sparse_codes(source, target, 0.3)
    assert torch.equal(
        sparse_codes(source, target, torch.full((6, 9), 0.3, dtype=torch.float64)), one
    )


def test_single_precision_agrees_with_double():
    target, source = problem(20, 30, 16)
    single = sparse_codes(source.float(), target.float(), 0.1)
    assert single.dtype == torch.float32
    best = objective(target, source, sparse_codes(source, target, 0.1, tol=1e-9), 0.1)
    assert objective(target, source, single.double(), 0.1) == pytest.approx(best, rel=1e-4)


def test_orthonormal_sources_give_soft_thresholding():
    target = torch.tensor([[0.9, -0.4, 0.1], [0.0, 2.0, -0.3]])
    expected = torch.tensor([[0.6, -0.1, 0.0], [0.0, 1.7, 0.0]])
    torch.testing.assert_close(sparse_codes(torch.eye(3), target, 0.3, tol=1e-6), expected)


def test_optimality_conditions_hold():
    target, source = problem(30, 40, 10)
    codes = sparse_codes(source, target, 0.5, tol=1e-12)
    slope = (target - codes @ source) @ source.T
    assert slope.abs().max() <= 0.5 + 1e-5
    active = codes.abs() > 1e-4
    torch.testing.assert_close(slope[active], 0.5 * codes[active].sign(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_nearly_collinear_sources_are_solved(dtype):
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(50, 1, generator=generator) @ torch.randn(1, 20, generator=generator)
    source = (direction + 0.05 * torch.randn(50, 20, generator=generator)).to(dtype)
    target = torch.randn(30, 20, generator=generator).to(dtype)
    codes = sparse_codes(source, target, 0.1)  # a warning would be an error
    lasso = Lasso(alpha=0.1 / 20, fit_intercept=False, tol=1e-10, max_iter=1_000_000)
    reference = lasso.fit(source.double().numpy().T, target.double().numpy().T).coef_
    best = objective(target, source, torch.tensor(reference, dtype=dtype), 0.1)
    assert objective(target, source, codes, 0.1) == pytest.approx(best, rel=1e-4)


def test_uncorrelated_rows_have_no_code():
    target, source = problem(6, 8, 5)
    too_sparse = float((target @ source.T).abs().max())
    assert sparse_codes(source, target, too_sparse).count_nonzero() == 0


def test_gram_and_factored_routes_agree():
    target, source = problem(50, 40, 6)  # one Gram matrix for fifty rows ...
    together = sparse_codes(source, target, 0.2, tol=1e-10)
    alone = torch.cat([sparse_codes(source, row[None], 0.2, tol=1e-10) for row in target])
    assert objective(target, source, together, 0.2) == pytest.approx(
        objective(target, source, alone, 0.2), rel=1e-8
    )


def test_rows_are_solved_independently():
    target, source = problem(10, 12, 9)
    codes = sparse_codes(source, target, 0.3, tol=1e-10)
    order = torch.randperm(10, generator=torch.Generator().manual_seed(0))
    permuted = sparse_codes(source, target[order], 0.3, tol=1e-10)
    torch.testing.assert_close(permuted, codes[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("which", ["zero target", "zero source", "identical sources"])
def test_degenerate_rows_give_finite_codes(which):
    target, source = problem(4, 6, 5)
    if which == "zero target":
        target[0] = 0
    elif which == "zero source":
        source[:] = 0
    else:
        source[:] = source[0]
    codes = sparse_codes(source, target, 0.1)
    assert codes.isfinite().all()
    if which == "zero target":
        assert codes[0].count_nonzero() == 0
    if which == "zero source":
        assert codes.count_nonzero() == 0


def test_memory_stays_below_the_source_gram_matrix():
    n_source = 300_000  # whose Gram matrix would take 720 GB
    target, source = problem(1, n_source, 4)
    codes = sparse_codes(source, target, 1e3)
    assert codes.shape == (1, n_source)


def test_no_gradient_flows_through_the_solver():
    target, source = problem(3, 4, 5)
    assert not sparse_codes(source.requires_grad_(), target.requires_grad_(), 0.1).requires_grad


def test_running_out_of_iterations_warns():
    target, source = problem(5, 40, 12)
    message = r"stopped after max_iter=3 .* gap of (\S+) > tol=1.0e-04; raise max_iter"
    with pytest.warns(SparseCodesWarning, match=message) as caught:
        sparse_codes(source, target, 0.01, max_iter=3)
    assert caught[0].filename == __file__


def test_closing_the_gap_with_the_last_iteration_does_not_warn():
    source, target = torch.eye(3), torch.ones(1, 3)
    assert sparse_codes(source, target, 2.0, max_iter=1).count_nonzero() == 0  # zeros are optimal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3), (4, 5), 0.1), r"equally many columns; got shapes \(4, 5\) and \(2, 3\)"),
        (((2, 3), (0, 3), 0.1), r"source has no rows or columns .*; got shape \(0, 3\)"),
        (((2, 0), (4, 0), 0.1), r"source has no rows or columns .*; got shape \(4, 0\)"),
        (((2, 3), (4, 3), 0.0), "sparsity must be a finite number above 0; got 0.0"),
        (((2, 3), (4, 3), torch.ones(4, 2)), r"of shape \(2, 4\); got \(4, 2\)"),
        (((2, 3), (4, 3), torch.zeros(2, 4)), "must hold finite numbers above 0"),
    ],
)
def test_errors_name_the_value(arguments, message):
    target, source, sparsity = arguments
    with pytest.raises(ValueError, match=message):
        sparse_codes(torch.ones(source), torch.ones(target), sparsity)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"of a floating type; got torch\.int64 and"):
        sparse_codes(torch.eye(2).long(), torch.ones(1, 2), 0.1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("tol", [1e-4, 0.1])
def test_half_precision_is_solved_in_a_higher_one(dtype, tol):
    target, source = (rows.to(dtype) for rows in problem(6, 20, 8))
    codes = sparse_codes(source, target, 0.5, tol=tol)
    assert codes.dtype == dtype
    expected = sparse_codes(source.float(), target.float(), 0.5, tol=tol)
    torch.testing.assert_close(codes, expected.to(dtype))


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_very_different_lengths_fall_back_to_double_precision(seed):
    target, source = problem(20, 30, 12, seed=seed)
    lengths = torch.logspace(0, 4, 30, dtype=torch.float64).unsqueeze(1)
    codes = sparse_codes((lengths * source).float(), target.float(), 0.1, tol=0.05).double()
    # The same problem with the lengths in the prices.
    prices = (0.1 / lengths.T).expand(20, 30)
    exact = sparse_codes(source, target, prices, tol=1e-5)
    cost, least = (
        0.5 * (target - w @ source).square().sum() + (prices * w.abs()).sum()
        for w in (codes * lengths.T, exact)
    )
    energy = 0.5 * target.square().sum()
    assert least - 1e-5 * energy <= cost <= least + 0.05 * energy


def test_lengths_beyond_double_precision_are_refused():
    target, source = problem(4, 6, 3)
    lengths = torch.logspace(0, 50, 6, dtype=torch.float64).unsqueeze(1)
    with pytest.raises(ValueError, match="source has rows of too different lengths"):
        sparse_codes(lengths * source, target, 0.1)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="holds NaN, infinity"):
        sparse_codes(torch.ones(1, 1), torch.tensor([[float("nan")]]), 0.1)


def test_products_beyond_single_precision():
    source, target = 1e25 * torch.eye(3), 1e25 * torch.tensor([[1.0, 0.3, 0.05]])
    codes = sparse_codes(source, target, 1e49, tol=0.05)
    expected = sparse_codes(source.double(), target.double(), 1e49, tol=0.05)
    assert torch.allclose(codes, expected.float())
    exact = sparse_codes(source, target, 1e49, tol=1e-9)
    assert torch.allclose(exact, torch.tensor([[0.9, 0.2, 0.0]]))


def test_arrays_are_refused():
    with pytest.raises(TypeError, match="must be tensors; got ndarray and Tensor"):
        sparse_codes(np.eye(3), torch.eye(3), 0.1)
