"""The eigenproblem of transfer components, solved without forming its matrices."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

__all__ = ["solve_transfer", "thin_svd"]

# Below this size a full decomposition is as quick as an iterative one, and exact to the last digit.
_DENSE_SIZE = 256


class _Problem(NamedTuple):
    """``K H K w = lambda (K L K + mu I) w`` in r coordinates, those of the n rows or fewer."""

    kernel: NDArray[Any]  # K, (r, r), or (r,) for a diagonal one
    ones: NDArray[Any]  # the vector of n ones
    contrasts: NDArray[Any]  # the columns of E in L = E E'
    n: int
    mu: float
    outside: float  # length of what the r coordinates miss of the ones, over that of the ones

    def times_kernel(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by K."""
        return self.kernel @ V if self.kernel.ndim == 2 else (self.kernel * V.T).T

    def times_transposed(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by K', which is K itself where no penalties have gone into it."""
        return self.kernel.T @ V if self.kernel.ndim == 2 else self.times_kernel(V)

    def centre(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by the symmetric root of H, which is H itself where nothing is outside."""
        shrinkage = 1 / (self.n * (1 + self.outside))
        return V - np.multiply.outer(self.ones, shrinkage * (self.ones @ V))


def solve_transfer(
    kernel: NDArray[Any],
    contrasts: NDArray[Any],
    mu: float,
    n_components: int,
    *,
    basis: NDArray[Any] | None = None,
    penalties: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Solve ``K H K w = lambda (K L K + mu G) w``.

    Parameters
    ----------
    kernel : ndarray of float, shape (n, n) or (r,)
        K; with a basis, its diagonal in that.
    contrasts : ndarray of float, shape (n, n_contrasts)
        The columns of E in L = E E'.
    mu : float > 0
        Weight of G.
    n_components : int
        Number of eigenvalues.
    basis : ndarray of float, shape (n, r), optional
        Orthonormal columns that span those of K.
    penalties : ndarray of float > 0, shape (n,), optional
        The diagonal of G. None takes ones.

    Returns
    -------
    eigenvalues : ndarray of float, shape (n_components,)
        The leading ones, in descending order.
    V : ndarray of float, shape (n, n_components) or (r, n_components)
        Their vectors, or with a basis the coordinates of these in it.
    W : ndarray of float, shape (n, n_components)
        Their vectors, scaled so that W' K H K W = n I.
    """
    n = len(contrasts)
    if basis is None:
        problem = _Problem(kernel, np.ones(n), contrasts, n, mu, 0.0)
    else:
        ones = basis.sum(axis=0)
        outside = float(np.linalg.norm(1 - basis @ ones)) / math.sqrt(n)
        problem = _Problem(kernel, ones, basis.T @ contrasts, n, mu, outside)
    if penalties is None:
        eigenvalues, V = _solve(problem, n_components)
        return eigenvalues, V, V if basis is None else basis @ V
    # With w = G^-1/2 v, v has an identity in place of G, and K G^-1/2 in place of K.
    roots = 1 / np.sqrt(penalties)
    if basis is None:
        eigenvalues, V = _solve(problem._replace(kernel=kernel * roots), n_components)
        W = roots[:, None] * V
        return eigenvalues, W, W
    # What v has outside of G^-1/2 basis = Q T only adds to its length.
    Q, T = scipy.linalg.qr(roots[:, None] * basis, mode="economic")
    eigenvalues, V = _solve(problem._replace(kernel=kernel[:, None] * T.T), n_components)
    return eigenvalues, T.T @ V, roots[:, None] * (Q @ V)


def _solve(problem: _Problem, n_components: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the leading eigenvalues and their vectors."""
    size, mu = len(problem.ones), problem.mu
    # A = B B' + mu I with B = K' E, of few columns: its inverse root is known with their span.
    P, sigma, _ = thin_svd(problem.times_transposed(problem.contrasts))
    a = mu + sigma**2
    shrinkage = sigma**2 / (a + np.sqrt(mu * a))

    def whiten(V: NDArray[Any]) -> NDArray[Any]:
        return (V - P @ (shrinkage * (P.T @ V).T).T) / math.sqrt(mu)

    def multiply(V: NDArray[Any]) -> NDArray[Any]:
        return problem.centre(problem.times_kernel(whiten(V)))

    def multiply_transposed(V: NDArray[Any]) -> NDArray[Any]:
        return whiten(problem.times_transposed(problem.centre(V)))

    eigenvalues, W = np.zeros(n_components), np.zeros((size, n_components))
    # What is left of K after the centring may be rounding error alone: not to be blown up.
    # The factor is what identical rows ask for, whose centred kernel is nothing else.
    rounding = 10 * math.sqrt(problem.n) * np.finfo(float).eps
    noise = rounding * float(np.linalg.norm(problem.kernel)) / math.sqrt(mu)
    n_leading = min(n_components, size)
    sigma, V = _leading_singular_vectors(multiply, multiply_transposed, size, n_leading, noise)
    real = sigma > noise
    eigenvalues[: real.sum()] = sigma[real] ** 2
    W[:, : real.sum()] = whiten(V[:, real]) * (math.sqrt(problem.n) / sigma[real])
    return eigenvalues, W


def _leading_singular_vectors(
    multiply: Callable[[NDArray[Any]], NDArray[Any]],
    multiply_transposed: Callable[[NDArray[Any]], NDArray[Any]],
    size: int,
    n_leading: int,
    noise: float,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find singular values, largest first, and right singular vectors of a square operator."""
    if n_leading == 0:
        return np.zeros(0), np.zeros((size, 0))

    def square(V: NDArray[Any]) -> NDArray[Any]:
        return multiply_transposed(multiply(V))

    # A fixed start keeps the result the same from run to run; a vector of ones would not do, being
    # mapped to zero by a centred kernel.
    start = np.random.default_rng(0).standard_normal(size)
    if size > _DENSE_SIZE and 4 * n_leading < size and square(start).any():
        operator = LinearOperator((size, size), matvec=square, dtype=np.float64)
        try:
            squares, V = eigsh(operator, k=n_leading, which="LA", v0=start)
        except ArpackNoConvergence:
            pass
        else:
            order = np.argsort(-squares, kind="stable")
            squares, V = squares[order], V[:, order]
            # In the square, the noise of one factor is multiplied by the size of the other.
            real = squares > noise * math.sqrt(max(squares[0], 0.0))
            return np.sqrt(np.where(real, squares, 0.0)), V
    _, sigma, Vt = thin_svd(multiply(np.eye(size)))
    return sigma[:n_leading], Vt[:n_leading].T


def thin_svd(A: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Decompose A = U diag(sigma) Vt, with no more singular values than A has rows or columns."""
    try:
        return scipy.linalg.svd(A, full_matrices=False)
    except scipy.linalg.LinAlgError:
        # The divide and conquer of the default is quick, but fails on some finite matrices.
        return scipy.linalg.svd(A, full_matrices=False, lapack_driver="gesvd")
