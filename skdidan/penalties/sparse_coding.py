"""Sparse codes: reconstruct each row of one matrix from a few rows of another (batched lasso)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from skdidan.parameters import check_count, check_positive
from skdidan.reporting import warn_caller

__all__ = ["SparseCodesWarning", "sparse_codes"]

_STEPS_PER_CHECK = 5  # a duality gap costs as much as three steps
_RELAXATION = 1.6  # section 3.4.3 of Boyd et al. recommends 1.5 to 1.8
_INITIAL_RHO = 2.0  # times the mean squared length of a source row: fastest to a loose tolerance
_SMALL = 512  # up to so many source rows, the time of a product is not that of its operations
_MAX_RHO_CHANGES = 30  # ADMM may not converge while rho keeps changing


class SparseCodesWarning(UserWarning):
    """The lasso solver reached `max_iter` before its duality gap closed."""


@torch.no_grad()
def sparse_codes(
    source: Tensor,
    target: Tensor,
    sparsity: float | Tensor,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
) -> Tensor:
    r"""Reconstruct each target row as a sparse combination of the source rows.

    Solves the lasso for all target rows at once:

    .. math:: \min_W \tfrac12 \|F_t - W F_s\|_F^2 + \sum_{ij} \tau_{ij} |W_{ij}|

    The solver is over-relaxed ADMM with residual balancing [1]_. It stops when the duality gap is
    at most ``tol`` times :math:`\tfrac12 \|F_t\|_F^2`. No gradient flows through the solver.

    Parameters
    ----------
    source : Tensor, shape (n_source, n_features)
        Rows :math:`F_s` from which the target is reconstructed.
    target : Tensor, shape (n_target, n_features)
        Rows :math:`F_t` to reconstruct; same type and device as `source`.
    sparsity : float > 0, or Tensor of such, shape (n_target, n_source)
        Penalty weight :math:`\tau` of the codes: one for all, or one for each code. The codes of a
        target row are zero, up to `tol`, if its product with each source row is at most the weight.
    tol : float > 0, default=1e-4
        Relative duality gap at which the solver stops.
    max_iter : int > 0, default=10_000
        Maximum number of iterations.

    Returns
    -------
    codes : Tensor, shape (n_target, n_source)
        The sparse codes :math:`W^*`. The solver needs memory for a few more arrays of the size of
        the codes or of the inputs.

    Warns
    -----
    SparseCodesWarning
        If the gap is still open after `max_iter` iterations.

    Raises
    ------
    TypeError
        If `source` or `target` is not a tensor.
    ValueError
        If the shapes do not fit, a parameter is out of its range, a value is not finite, or the
        lengths of the source rows differ too much for the precision.

    References
    ----------
    .. [1] Boyd, Parikh, Chu, Peleato, Eckstein (2011). Distributed optimization and statistical
       learning via the alternating direction method of multipliers. Foundations and Trends in
       Machine Learning 3(1), sections 3.4 and 6.4.

    Examples
    --------
    With orthonormal source rows the codes are soft-thresholded products.

    >>> import torch
    >>> from skdidan import sparse_codes
    >>> sparse_codes(torch.eye(3), torch.tensor([[1.0, 0.3, 0.05]]), 0.1, tol=1e-9)
    tensor([[0.9000, 0.2000, 0.0000]])
    """
    check_positive("tol", tol)
    check_count("max_iter", max_iter)
    check_matrices(source, target)
    if source.numel() == 0:
        raise ValueError(
            "source needs at least one row and one column to reconstruct from; got shape "
            f"{tuple(source.shape)}."
        )
    tau = _check_sparsity(sparsity, source, target)
    # In single precision the iterations may stall with a gap of up to a percent, and the Cholesky
    # factorisation fails for rows of very different lengths. MPS has no double precision.
    precisions = [torch.float32, torch.float64] if tol >= 0.05 else [torch.float64]
    if source.is_mps:
        precisions = [torch.float32]
    for precision in precisions:
        working = torch.promote_types(source.dtype, precision)
        codes, gap = _admm(source.to(working), target.to(working), tau, tol, max_iter)
        if math.isfinite(gap):
            break
    else:
        if not bool((target @ source.T).isfinite().all()):
            raise ValueError(
                "source or target holds NaN, infinity or values too large to multiply. Scale the "
                "features (CorpusScaler)."
            )
        raise ValueError(
            "The lengths of the source rows differ too much for this precision: "
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
    source: Tensor, target: Tensor, tau: float | Tensor, tol: float, max_iter: int
) -> tuple[Tensor, float]:
    """Return the codes and their relative duality gap, NaN if the precision was too low."""
    correlation = target @ source.T
    gram = source @ source.T if _takes_gram(len(source), *target.shape) else None
    energy = torch.linalg.vecdot(target, target)

    tiny = torch.finfo(source.dtype).tiny
    rho = _INITIAL_RHO * max(float(torch.linalg.vecdot(source, source).mean()), tiny)
    tau = tau.to(source) if isinstance(tau, Tensor) else tau
    constant, matrix, threshold = *_ridge(source, gram, correlation, rho), tau / rho
    state = torch.zeros_like(correlation)  # sum of the codes and their scaled dual
    relative, n_changes = math.nan, 0
    for iteration in range(1, max_iter + 1):
        scaled_dual = torch.clamp(state, -threshold, threshold)  # type: ignore[arg-type] # float or Tensor
        near = torch.sub(state, scaled_dual, alpha=2)  # the codes minus the dual
        if gram is not None:
            ridge = torch.addmm(constant, near, matrix)
        else:
            ridge = torch.addmm(constant + near, near @ source, matrix, alpha=-1)
        state = torch.lerp(state, ridge + scaled_dual, _RELAXATION)
        if iteration % _STEPS_PER_CHECK and iteration != max_iter:
            continue
        previous_codes = near + scaled_dual
        scaled_dual = torch.clamp(state, -threshold, threshold)  # type: ignore[arg-type] # float or Tensor
        codes = state - scaled_dual  # soft thresholding
        gap = _duality_gap(codes, correlation, source, gram, energy, tau)
        relative = float(gap.sum() / (0.5 * energy.sum()).clamp_min(tiny))
        if relative <= tol or not math.isfinite(relative):
            break
        change = _balance(ridge, codes, previous_codes, scaled_dual)
        if max(change, 1 / change) > 1.5 and n_changes < _MAX_RHO_CHANGES:
            n_changes += 1
            rho *= change
            state = codes + scaled_dual / change
            constant, matrix = _ridge(source, gram, correlation, rho)
            threshold = tau / rho
    return codes, relative


def _takes_gram(n_source: int, n_target: int, n_features: int) -> bool:
    """Tell whether to multiply by the Gram matrix of the source instead of the source twice.

    It must be no larger than the codes or the inputs, and must not need more operations.
    """
    return n_source <= max(n_target, n_features) and n_source <= max(2 * n_features, _SMALL)


def check_matrices(source: Any, target: Any) -> None:
    """Raise an error unless both are floating-point matrices with the same number of columns."""
    if not isinstance(source, Tensor) or not isinstance(target, Tensor):
        raise TypeError(
            f"source and target must be tensors; got {type(source).__name__} and "
            f"{type(target).__name__}. Convert arrays with torch.as_tensor."
        )
    if target.ndim != 2 or source.ndim != 2 or target.shape[1] != source.shape[1]:
        raise ValueError(
            "source and target must be matrices with the same number of columns; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if not source.is_floating_point() or not target.is_floating_point():
        raise ValueError(
            "source and target must have a floating-point type; got "
            f"{source.dtype} and {target.dtype}."
        )


def _check_sparsity(sparsity: float | Tensor, source: Tensor, target: Tensor) -> float | Tensor:
    if not isinstance(sparsity, Tensor):
        return check_positive("sparsity", sparsity)
    if sparsity.shape != (len(target), len(source)):
        raise ValueError(
            "sparsity must be a number or a tensor of shape (n_target, n_source) = "
            f"{(len(target), len(source))}; got shape {tuple(sparsity.shape)}."
        )
    if not bool(((sparsity > 0) & sparsity.isfinite()).all()):
        raise ValueError("sparsity must hold finite numbers above 0.")
    return sparsity


def _ridge(
    source: Tensor, gram: Tensor | None, correlation: Tensor, rho: float
) -> tuple[Tensor, Tensor]:
    """Invert the smaller product once, for the ridge regressions of all iterations.

    Each iteration needs the codes ``(correlation + rho * near) (gram + rho I)^-1``. They are
    ``constant + near @ matrix``. Without the Gram matrix, by the matrix inversion lemma, they are
    ``constant + near - (near @ source) @ matrix``.
    """
    product = gram if gram is not None else source.T @ source
    identity = torch.eye(len(product), dtype=product.dtype, device=product.device)
    factor, info = torch.linalg.cholesky_ex(product + rho * identity)
    if int(info):
        factor.fill_(torch.nan)  # the next gap is then NaN, which ends the iterations
    root = torch.linalg.solve_triangular(factor, identity, upper=False)
    inverse = root.T @ root
    if gram is not None:
        return correlation @ inverse, rho * inverse
    matrix = inverse @ source.T
    return (correlation - (correlation @ source) @ matrix) / rho, matrix


def _balance(ridge: Tensor, codes: Tensor, previous_codes: Tensor, scaled_dual: Tensor) -> float:
    """Return the factor on rho that makes the relative primal and dual residuals about equal."""
    tiny = torch.finfo(codes.dtype).tiny
    primal = (ridge - codes).norm() / ridge.norm().clamp_min(tiny)
    dual = (codes - previous_codes).norm() / scaled_dual.norm().clamp_min(tiny)
    return float((primal / dual.clamp_min(tiny)).sqrt().clamp(0.2, 5))


def _duality_gap(
    codes: Tensor,
    correlation: Tensor,
    source: Tensor,
    gram: Tensor | None,
    energy: Tensor,
    tau: float | Tensor,
) -> Tensor:
    r"""Return the gap of each row between the lasso and its dual at the scaled residual.

    With the residual ``r = f - w F`` and ``s = min(1, 1 / max(|F r| / tau))`` the dual point
    ``s r`` is feasible, and the gap is ``(1 + s^2)/2 |r|^2 + sum(tau |w|) - s <r, f>``. The
    correlations and the `energy` hold all products with ``f``, so no residual is formed.
    """
    factors = (codes, gram) if gram is not None else (codes @ source, source.T)
    slopes = torch.addmm(correlation, *factors, alpha=-1)
    projection = energy - torch.linalg.vecdot(codes, correlation)
    residual = (projection - torch.linalg.vecdot(codes, slopes)).clamp_min(0)
    scale = (slopes.abs() / tau).amax(dim=1).clamp_min(1).reciprocal()
    l1 = (tau * codes.abs()).sum(dim=1)
    return 0.5 * (1 + scale.square()) * residual + l1 - scale * projection
