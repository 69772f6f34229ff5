"""Sparse codes: the rows of one matrix rebuilt from a few rows of another, by a batched lasso."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skdidan.parameters import check_count, check_positive
from skdidan.reporting import warn_caller

__all__ = ["SparseCodesWarning", "sparse_codes"]

_STEPS_PER_CHECK = 5  # the duality gap costs as much as three steps
_RELAXATION = 1.6  # between 1.5 and 1.8, says section 3.4.3 of Boyd et al.
_FIRST_PENALTY = 2.0  # times the mean energy of a source row: fastest to a loose tolerance
_MOST_PENALTY_CHANGES = 30  # with a penalty that keeps changing ADMM need not converge


class SparseCodesWarning(UserWarning):
    """The lasso solver ran out of iterations before its duality gap closed."""


@torch.no_grad()
def sparse_codes(
    source: Tensor,
    target: Tensor,
    sparsity: float | Tensor,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
) -> Tensor:
    r"""Rebuild each target row as a sparse combination of the source rows.

    Solves, for all target rows at once, the lasso

    .. math:: \min_W \tfrac12 \|F_t - W F_s\|_F^2 + \sum_{ij} \tau_{ij} |W_{ij}|

    by over-relaxed ADMM with residual balancing [1]_, until the duality gap is at most ``tol``
    times the energy :math:`\tfrac12 \|F_t\|_F^2`. No gradient flows through the solver.

    Parameters
    ----------
    source : Tensor, shape (n_source, n_features)
        Rows to rebuild the target from, :math:`F_s`.
    target : Tensor, shape (n_target, n_features)
        Rows to rebuild, :math:`F_t`; same type and device as `source`.
    sparsity : float > 0 or Tensor of such, shape (n_target, n_source)
        Price :math:`\tau` of the codes, the same for all of them or one for each. A row whose
        correlations with all source rows are at most their price has a code of zeros.
    tol : float > 0, default=1e-4
        Relative duality gap at which the problem counts as solved.
    max_iter : int > 0, default=10_000
        Most iterations.

    Returns
    -------
    codes : Tensor, shape (n_target, n_source)
        The sparse codes :math:`W^*`. Beyond them, the solver holds only a few arrays of the size
        of the codes or of its inputs.

    Warns
    -----
    SparseCodesWarning
        If the gap is still open after `max_iter` iterations.

    Raises
    ------
    TypeError
        If `source` or `target` is no tensor.
    ValueError
        If the shapes do not fit, a parameter is out of its range, a value is not finite, or the
        lengths of the source rows differ by more than the precision can bear.

    References
    ----------
    .. [1] Boyd, Parikh, Chu, Peleato, Eckstein (2011). Distributed optimization and statistical
       learning via the alternating direction method of multipliers. Foundations and Trends in
       Machine Learning 3(1), sections 3.4 and 6.4.

    Examples
    --------
    With orthonormal source rows the codes are soft-thresholded correlations.

    >>> import torch
    >>> from skdidan import sparse_codes
    >>> sparse_codes(torch.eye(3), torch.tensor([[1.0, 0.3, 0.05]]), 0.1, tol=1e-9)
    tensor([[0.9000, 0.2000, 0.0000]])
    """
    check_positive("tol", tol)
    check_count("max_iter", max_iter)
    _check_shapes(source, target)
    price = _price(sparsity, source, target)
    # In single precision the iterations come to rest up to a percent before the gap closes, and
    # rows of very different lengths cannot be factored. MPS knows no double precision.
    precisions = [torch.float32, torch.float64] if tol >= 0.05 else [torch.float64]
    if source.is_mps:
        precisions = [torch.float32]
    for precision in precisions:
        working = torch.promote_types(source.dtype, precision)
        codes, gap = _admm(source.to(working), target.to(working), price, tol, max_iter)
        if math.isfinite(gap):
            break
    else:
        if not bool((target @ source.T).isfinite().all()):
            raise ValueError(
                "source or target holds NaN, infinity or values too large to multiply."
            )
        raise ValueError(
            "source has rows of too different lengths to be solved in this precision: "
            f"{float(source.norm(dim=1).min()):.1e} to {float(source.norm(dim=1).max()):.1e}."
        )
    if gap > tol:
        warn_caller(
            f"sparse_codes stopped after max_iter={max_iter} iterations with a relative duality "
            f"gap of {gap:.1e} > tol={tol:.1e}; raise max_iter or tol.",
            SparseCodesWarning,
        )
    return codes.to(source.dtype)


def _admm(
    source: Tensor, target: Tensor, price: float | Tensor, tol: float, max_iter: int
) -> tuple[Tensor, float]:
    """Return the codes and their relative duality gap; NaN if the precision does not suffice."""
    correlation = target @ source.T
    # The Gram matrix is worth forming only where it is no larger than the codes or the inputs.
    gram = source @ source.T if len(source) <= max(len(target), source.shape[1]) else None
    energy = torch.linalg.vecdot(target, target)

    tiny = torch.finfo(source.dtype).tiny
    rho = _FIRST_PENALTY * max(float(torch.linalg.vecdot(source, source).mean()), tiny)
    price = price.to(source) if isinstance(price, Tensor) else price
    constant, matrix, threshold = *_ridge(source, gram, correlation, rho), price / rho
    state = torch.zeros_like(correlation)  # the codes and their scaled dual, added up
    relative, n_changes = math.nan, 0
    for iteration in range(1, max_iter + 1):
        scaled_dual = torch.clamp(state, -threshold, threshold)  # type: ignore[arg-type] # of both kinds
        near = torch.sub(state, scaled_dual, alpha=2)  # the codes less the dual
        ridge = _solve_ridge(constant, matrix, source, gram, near)
        state = torch.lerp(state, ridge + scaled_dual, _RELAXATION)
        if iteration % _STEPS_PER_CHECK and iteration != max_iter:
            continue
        before = near + scaled_dual
        scaled_dual = torch.clamp(state, -threshold, threshold)  # type: ignore[arg-type] # of both kinds
        codes = state - scaled_dual  # soft thresholding
        gap = _duality_gap(codes, correlation, source, gram, energy, price)
        relative = float(gap.sum() / (0.5 * energy.sum()).clamp_min(tiny))
        if relative <= tol or not math.isfinite(relative):
            break
        change = _balance(ridge, codes, before, scaled_dual)
        if max(change, 1 / change) > 1.5 and n_changes < _MOST_PENALTY_CHANGES:
            n_changes += 1
            rho *= change
            state = codes + scaled_dual / change
            constant, matrix = _ridge(source, gram, correlation, rho)
            threshold = price / rho
    return codes, relative


def check_tensors(source: Any, target: Any) -> None:
    """Raise a TypeError if source or target is no tensor."""
    if not isinstance(source, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"source and target must be tensors; got {type(source).__name__} and "
            f"{type(target).__name__}. torch.as_tensor makes them of arrays."
        )


def _check_shapes(source: Tensor, target: Tensor) -> None:
    check_tensors(source, target)
    if target.ndim != 2 or source.ndim != 2 or target.shape[1] != source.shape[1]:
        raise ValueError(
            "source and target must be matrices with equally many columns; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if not source.is_floating_point() or not target.is_floating_point():
        raise ValueError(
            f"source and target must be of a floating type; got {source.dtype} and {target.dtype}."
        )
    if source.numel() == 0:
        raise ValueError(
            f"source has no rows or columns to rebuild from; got shape {tuple(source.shape)}."
        )


def _price(sparsity: float | Tensor, source: Tensor, target: Tensor) -> float | Tensor:
    if not isinstance(sparsity, Tensor):
        return check_positive("sparsity", sparsity)
    if sparsity.shape != (len(target), len(source)):
        raise ValueError(
            "sparsity must be a number, or a matrix of one for each pair of a target and a source "
            f"row, of shape {(len(target), len(source))}; got {tuple(sparsity.shape)}."
        )
    if not bool(((sparsity > 0) & sparsity.isfinite()).all()):
        raise ValueError("sparsity must hold finite numbers above 0.")
    return sparsity


def _ridge(
    source: Tensor, gram: Tensor | None, correlation: Tensor, rho: float
) -> tuple[Tensor, Tensor]:
    """Prepare the ridge regressions of all iterations: one inverse, of the smaller product.

    The codes ``(correlation + rho * near) (gram + rho I)^-1`` nearest to some others, `near`, are
    ``constant + near @ matrix``; without the Gram matrix, by the matrix inversion lemma,
    ``constant + near - (near @ source) @ matrix``.
    """
    product = gram if gram is not None else source.T @ source
    identity = torch.eye(len(product), dtype=product.dtype, device=product.device)
    factor, info = torch.linalg.cholesky_ex(product + rho * identity)
    if int(info):
        factor.fill_(torch.nan)  # makes the failure known with the next gap
    root = torch.linalg.solve_triangular(factor, identity, upper=False)
    inverse = root.T @ root
    if gram is not None:
        return correlation @ inverse, rho * inverse
    matrix = inverse @ source.T
    return (correlation - (correlation @ source) @ matrix) / rho, matrix


def _solve_ridge(
    constant: Tensor, matrix: Tensor, source: Tensor, gram: Tensor | None, near: Tensor
) -> Tensor:
    if gram is not None:
        return torch.addmm(constant, near, matrix)
    return torch.addmm(constant + near, near @ source, matrix, alpha=-1)


def _balance(ridge: Tensor, codes: Tensor, before: Tensor, scaled_dual: Tensor) -> float:
    """Factor on rho under which the relative primal and dual residuals would be about equal."""
    tiny = torch.finfo(codes.dtype).tiny
    primal = (ridge - codes).norm() / ridge.norm().clamp_min(tiny)
    dual = (codes - before).norm() / scaled_dual.norm().clamp_min(tiny)
    return float((primal / dual.clamp_min(tiny)).sqrt().clamp(0.2, 5))


def _duality_gap(
    codes: Tensor,
    correlation: Tensor,
    source: Tensor,
    gram: Tensor | None,
    energy: Tensor,
    price: float | Tensor,
) -> Tensor:
    r"""Gap of each row between the lasso and its dual at the scaled residual.

    With residual ``r = f - w F`` and ``s = min(1, 1 / max(|F r| / price))`` the dual point ``s r``
    is feasible, and the gap is ``(1 + s^2)/2 |r|^2 + sum(price |w|) - s <r, f>``. All products
    with ``f`` are taken from the correlations and its `energy`, so that no residual is formed.
    """
    factors = (codes, gram) if gram is not None else (codes @ source, source.T)
    slopes = torch.addmm(correlation, *factors, alpha=-1)
    projection = energy - torch.linalg.vecdot(codes, correlation)
    residual = (projection - torch.linalg.vecdot(codes, slopes)).clamp_min(0)
    scale = (slopes.abs() / price).amax(dim=1).clamp_min(1).reciprocal()
    cost = (price * codes.abs()).sum(dim=1)
    return 0.5 * (1 + scale.square()) * residual + cost - scale * projection
