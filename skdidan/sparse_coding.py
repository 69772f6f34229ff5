"""Sparse codes: the rows of one matrix rebuilt from a few rows of another, by a batched lasso."""

from __future__ import annotations

import torch
from torch import Tensor

from skdidan.parameters import check_count, check_positive
from skdidan.reporting import warn_caller

__all__ = ["SparseCodesWarning", "sparse_codes"]

_STEPS_PER_CHECK = 10  # the duality gap costs as much as a step


class SparseCodesWarning(UserWarning):
    """The lasso solver ran out of iterations before its duality gap closed."""


@torch.no_grad()
def sparse_codes(
    source: Tensor,
    target: Tensor,
    sparsity: float,
    *,
    tol: float = 1e-4,
    max_iter: int = 10_000,
) -> Tensor:
    r"""Rebuild each target row as a sparse combination of the source rows.

    Solves, for all target rows at once, the lasso

    .. math:: \min_W \tfrac12 \|F_t - W F_s\|_F^2 + \tau \|W\|_1

    by FISTA [1]_ with the gradient-based adaptive restart of [2]_, row by row, until the duality
    gap of every row is at most ``tol`` times the row's energy :math:`\tfrac12 \|f_t\|^2`.
    No gradient flows through the solver.

    Parameters
    ----------
    source : Tensor, shape (n_source, n_features)
        Rows to rebuild the target from, :math:`F_s`.
    target : Tensor, shape (n_target, n_features)
        Rows to rebuild, :math:`F_t`; same type and device as `source`.
    sparsity : float > 0
        Weight :math:`\tau` of the absolute sum of the codes. A row whose correlations with all
        source rows are at most `sparsity` has a code of zeros.
    tol : float > 0, default=1e-4
        Relative duality gap at which a row counts as solved.
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
    ValueError
        If the shapes do not fit, a parameter is out of its range, or a value is not finite.

    References
    ----------
    .. [1] Beck, Teboulle (2009). A fast iterative shrinkage-thresholding algorithm for linear
       inverse problems. SIAM Journal on Imaging Sciences 2(1).
    .. [2] O'Donoghue, Candès (2015). Adaptive restart for accelerated gradient schemes.
       Foundations of Computational Mathematics 15.

    Examples
    --------
    With orthonormal source rows the codes are soft-thresholded correlations.

    >>> import torch
    >>> from skdidan import sparse_codes
    >>> sparse_codes(torch.eye(3), torch.tensor([[1.0, 0.3, 0.05]]), 0.1)
    tensor([[0.9000, 0.2000, 0.0000]])
    """
    check_positive("sparsity", sparsity)
    check_positive("tol", tol)
    check_count("max_iter", max_iter)
    _check_shapes(source, target)
    correlation = target @ source.T
    if not bool(correlation.isfinite().all()):
        raise ValueError("source or target holds NaN, infinity or values too large to multiply.")
    # The Gram matrix is worth forming only where it is no larger than the codes or the inputs.
    gram = source @ source.T if len(source) <= max(len(target), source.shape[1]) else None
    step = 1.0 / _lipschitz(source, gram).clamp_min(torch.finfo(source.dtype).tiny)
    energy = 0.5 * target.square().sum(dim=1)

    codes = torch.zeros_like(correlation)
    ahead, momentum = codes, torch.ones_like(energy)
    for iteration in range(max_iter + 1):
        if iteration % _STEPS_PER_CHECK == 0 or iteration == max_iter:
            gap = _duality_gap(codes, correlation, source, gram, energy, sparsity)
            if bool((gap <= tol * energy).all()):
                return codes
        fitted = ahead @ gram if gram is not None else (ahead @ source) @ source.T
        moved = torch.nn.functional.softshrink(
            ahead - step * (fitted - correlation), float(step * sparsity)
        )
        change = moved - codes
        restart = ((ahead - moved) * change).sum(dim=1) > 0
        previous = torch.where(restart, torch.ones_like(momentum), momentum)
        momentum = 0.5 * (1 + (1 + 4 * previous.square()).sqrt())
        ahead = moved + ((previous - 1) / momentum).unsqueeze(1) * change
        codes = moved
    warn_caller(
        f"sparse_codes stopped after max_iter={max_iter} iterations with a relative duality gap of "
        f"{float((gap / energy).nan_to_num().max()):.1e} > tol={tol:.1e}; raise max_iter or tol.",
        SparseCodesWarning,
    )
    return codes


def _check_shapes(source: Tensor, target: Tensor) -> None:
    if target.ndim != 2 or source.ndim != 2 or target.shape[1] != source.shape[1]:
        raise ValueError(
            "source and target must be matrices with equally many columns; got shapes "
            f"{tuple(source.shape)} and {tuple(target.shape)}."
        )
    if len(source) == 0:
        raise ValueError("source has no rows to rebuild the target from.")


def _lipschitz(source: Tensor, gram: Tensor | None) -> Tensor:
    """Largest eigenvalue of the Gram matrix, taken from the smaller of the two products."""
    if gram is None or source.shape[1] < len(source):
        gram = source.T @ source
    return torch.linalg.eigvalsh(gram)[-1]


def _duality_gap(
    codes: Tensor,
    correlation: Tensor,
    source: Tensor,
    gram: Tensor | None,
    energy: Tensor,
    sparsity: float,
) -> Tensor:
    r"""Gap of each row between the lasso and its dual at the scaled residual.

    With residual ``r = f - w F`` and ``s = min(1, sparsity / max|F r|)`` the dual point ``s r`` is
    feasible, and the gap is ``(1 + s^2)/2 |r|^2 + sparsity |w|_1 - s <r, f>``. All products with
    ``f`` are taken from the correlations, so that no residual is formed.
    """
    fitted = codes @ gram if gram is not None else (codes @ source) @ source.T
    explained = (codes * correlation).sum(dim=1)
    residual = (2 * energy - 2 * explained + (codes * fitted).sum(dim=1)).clamp_min(0)
    steepest = (correlation - fitted).abs().amax(dim=1)
    scale = (sparsity / steepest.clamp_min(torch.finfo(steepest.dtype).tiny)).clamp_max(1)
    cost = sparsity * codes.abs().sum(dim=1)
    return 0.5 * (1 + scale.square()) * residual + cost - scale * (2 * energy - explained)
