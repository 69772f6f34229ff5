"""Sparse codes against scikit-learn's Lasso, closed forms and the optimality conditions."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from skdidan.penalties import sparse_coding
from skdidan.penalties.sparse_coding import SparseCodesWarning, _takes_gram, sparse_codes


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


@pytest.mark.parametrize(
    ("shape", "sparsity"), [*((shape, 0.05) for shape in SHAPES), (SHAPES[1], 1.0)]
)
def test_objective_agrees_with_scikit_learn(shape, sparsity):
    target, source = problem(*shape)
    codes = sparse_codes(source, target, sparsity)
    # Lasso divides the squared error by the number of its samples, which are our features.
    lasso = Lasso(alpha=sparsity / shape[2], fit_intercept=False, tol=1e-8, max_iter=1_000_000)
    reference = np.atleast_2d(lasso.fit(source.numpy().T, target.numpy().T).coef_)
    best = objective(target, source, torch.tensor(reference), sparsity)
    assert objective(target, source, codes, sparsity) == pytest.approx(best, rel=1e-4)


def test_one_weight_for_each_code_is_equivalent_to_rescaled_source_rows():
    target, source = problem(6, 9, 12)
    weights = 0.1 + torch.rand(6, 9, generator=torch.Generator().manual_seed(0)).double()
    codes = sparse_codes(source, target, weights, tol=1e-10)
    for row, weight, code in zip(target, weights, codes, strict=True):
        rescaled = sparse_codes(source / weight.unsqueeze(1), row[None], 1.0, tol=1e-10)
        torch.testing.assert_close(code, rescaled[0] / weight, atol=1e-5, rtol=0)


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


def test_nearly_collinear_source_rows_are_solved():
    """Ill-conditioned float32 rows: the gap closes in time, or a warning would be an error."""
    generator = torch.Generator().manual_seed(0)
    direction = torch.randn(50, 1, generator=generator) @ torch.randn(1, 20, generator=generator)
    source = direction + 0.05 * torch.randn(50, 20, generator=generator)
    target = torch.randn(8, 20, generator=generator)
    codes = sparse_codes(source, target, 0.1)
    lasso = Lasso(alpha=0.1 / 20, fit_intercept=False, tol=1e-10, max_iter=1_000_000)
    reference = lasso.fit(source.double().numpy().T, target.double().numpy().T).coef_
    best = objective(target, source, torch.tensor(reference).float(), 0.1)
    assert objective(target, source, codes, 0.1) == pytest.approx(best, rel=1e-4)


def test_all_codes_are_zero_at_the_largest_product():
    target, source = problem(6, 8, 5)
    too_sparse = float((target @ source.T).abs().max())
    assert sparse_codes(source, target, too_sparse).count_nonzero() == 0


def test_solving_with_and_without_the_gram_matrix_agree():
    """Twelve rows together use the Gram matrix of ten source rows, single rows do not."""
    target, source = problem(12, 10, 6)
    together = sparse_codes(source, target, 0.2, tol=1e-10)
    alone = torch.cat([sparse_codes(source, row[None], 0.2, tol=1e-10) for row in target])
    assert objective(target, source, together, 0.2) == pytest.approx(
        objective(target, source, alone, 0.2), rel=1e-8
    )


def test_many_source_rows_are_multiplied_twice_if_that_is_cheaper(monkeypatch):
    """With more than 512 of them; both ways end within the tolerance of the minimum."""
    tol = 0.02
    assert _takes_gram(600, 601, 300) and not _takes_gram(600, 601, 20)
    target, source = problem(601, 600, 20)
    sparsity = 0.5 * float((target @ source.T).abs().max())
    twice = sparse_codes(source, target, sparsity, tol=tol)
    monkeypatch.setattr(sparse_coding, "_SMALL", 600)
    once = sparse_codes(source, target, sparsity, tol=tol)
    torch.testing.assert_close(twice, once, atol=1e-9, rtol=1e-9)  # the same iterations
    slack = tol * 0.5 * float(target.square().sum())
    best = objective(target, source, sparse_codes(source, target, sparsity, tol=tol / 4), sparsity)
    assert best - slack <= objective(target, source, twice, sparsity) <= best + slack


@pytest.mark.parametrize("n_rows", [64, 512])
def test_batches_take_the_gram_matrix(n_rows):
    """Whatever the number of features, so that the digits of trainings stay."""
    assert all(_takes_gram(n_rows, n_rows, n_features) for n_features in (1, 30, 128, 4096))


def test_zero_and_identical_rows_give_finite_codes():
    target, source = problem(4, 6, 5)
    target[0] = 0
    assert sparse_codes(source, target, 0.1)[0].count_nonzero() == 0
    assert sparse_codes(0 * source, target, 0.1).count_nonzero() == 0
    assert sparse_codes(source[:1].expand(6, 5), target, 0.1).isfinite().all()


def test_memory_stays_below_the_gram_matrix_of_the_source():
    n_source = 300_000  # the Gram matrix would take 720 GB
    target, source = problem(1, n_source, 4)
    codes = sparse_codes(source, target, 1e3)
    assert codes.shape == (1, n_source) and codes.count_nonzero() == 0


def test_no_gradient_flows_through_the_solver():
    target, source = problem(3, 4, 5)
    assert not sparse_codes(source.requires_grad_(), target.requires_grad_(), 0.1).requires_grad


def test_running_out_of_iterations_warns():
    target, source = problem(5, 40, 12)
    message = r"stopped after max_iter=3 .* gap of (\S+) > tol=1.0e-04; raise max_iter"
    with pytest.warns(SparseCodesWarning, match=message) as caught:
        sparse_codes(source, target, 0.01, max_iter=3)
    assert caught[0].filename == __file__


def test_closing_the_gap_in_the_last_iteration_does_not_warn():
    source, target = torch.eye(3), torch.ones(1, 3)
    assert sparse_codes(source, target, 2.0, max_iter=1).count_nonzero() == 0  # zeros are optimal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((2, 3), (4, 5), 0.1), r"same number of columns; got shapes \(4, 5\) and \(2, 3\)"),
        (((2, 3), (0, 3), 0.1), r"source needs at least one row and .*; got shape \(0, 3\)"),
        (((2, 0), (4, 0), 0.1), r"source needs at least one row and .*; got shape \(4, 0\)"),
        (((2, 3), (4, 3), 0.0), "sparsity must be a finite number above 0; got 0.0"),
        (((2, 3), (4, 3), torch.ones(4, 2)), r"= \(2, 4\); got shape \(4, 2\)"),
        (((2, 3), (4, 3), torch.zeros(2, 4)), "must hold finite numbers above 0"),
    ],
)
def test_errors_name_the_value(arguments, message):
    target, source, sparsity = arguments
    with pytest.raises(ValueError, match=message):
        sparse_codes(torch.ones(source), torch.ones(target), sparsity)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"a floating-point type; got torch\.int64 and"):
        sparse_codes(torch.eye(2).long(), torch.ones(1, 2), 0.1)


@pytest.mark.parametrize(("dtype", "tol"), [(torch.float16, 1e-4), (torch.bfloat16, 0.1)])
def test_half_precision_is_solved_in_a_higher_one(dtype, tol):
    target, source = (rows.to(dtype) for rows in problem(6, 20, 8))
    codes = sparse_codes(source, target, 0.5, tol=tol)
    assert codes.dtype == dtype
    expected = sparse_codes(source.float(), target.float(), 0.5, tol=tol)
    torch.testing.assert_close(codes, expected.to(dtype))


@pytest.mark.parametrize("seed", range(2))
def test_rows_of_very_different_lengths_fall_back_to_double_precision(seed):
    target, source = problem(20, 30, 12, seed=seed)
    lengths = torch.logspace(0, 4, 30, dtype=torch.float64).unsqueeze(1)
    codes = sparse_codes((lengths * source).float(), target.float(), 0.1, tol=0.05).double()
    # The same problem with the lengths in the penalty weights.
    weights = (0.1 / lengths.T).expand(20, 30)
    exact = sparse_codes(source, target, weights, tol=1e-5)
    value, least = (
        0.5 * (target - w @ source).square().sum() + (weights * w.abs()).sum()
        for w in (codes * lengths.T, exact)
    )
    energy = 0.5 * target.square().sum()
    assert least - 1e-5 * energy <= value <= least + 0.05 * energy


def test_lengths_beyond_double_precision_are_refused():
    target, source = problem(4, 6, 3)
    lengths = torch.logspace(0, 50, 6, dtype=torch.float64).unsqueeze(1)
    with pytest.raises(ValueError, match="The lengths of the source rows differ too much"):
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
