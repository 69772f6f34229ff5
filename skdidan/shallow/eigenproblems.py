"""Solver for the eigenproblem of transfer components, and the range of numbers it can take."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

__all__ = [
    *("SQUARABLE", "centre_rows", "leading_svd", "power_of_two", "solve_transfer", "thin_svd"),
]

_Product = Callable[[NDArray[Any]], NDArray[Any]]  # of a matrix and columns

_EPS = float(np.finfo(float).eps)
SQUARABLE = 1e140  # largest features of which sums of squares are computed
# Up to this size a full decomposition is as fast as an iterative one, and more precise.
_DENSE_SIZE = 256
# A Gram matrix has squared singular values up to rounding errors of the largest one: those above
# this share of it keep nine digits.
_PRECISE_SQUARE = 1e-7
_CURE = "Scale the features first (CorpusScaler)"


class _Problem(NamedTuple):
    """``K H K w = lambda (K L K + mu I) w`` in r <= n coordinates."""

    kernel: NDArray[Any]  # K, (r, r), or (r,) for a diagonal one
    ones: NDArray[Any]  # the vector of n ones, projected to the r coordinates
    contrasts: NDArray[Any]  # the columns of E in L = E E'
    n: int
    mu: float
    outside: float  # norm of the part of the ones that the projection loses, over sqrt(n)

    def times_kernel(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by K."""
        return self.kernel @ V if self.kernel.ndim == 2 else (self.kernel * V.T).T

    def times_transposed(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by K', which differs from K only with penalties."""
        return self.kernel.T @ V if self.kernel.ndim == 2 else self.times_kernel(V)

    def centre(self, V: NDArray[Any]) -> NDArray[Any]:
        """Multiply by the symmetric root of H, which equals H if nothing is outside."""
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
    """Solve ``K H K w = lambda (K L K + mu G) w``, with L = E E' for the `contrasts` E (n, m).

    `kernel` is K (n, n); with a `basis` (n, r), orthonormal columns that span those of K, it is the
    diagonal of K in these coordinates. `penalties` (n,) is the diagonal of G; None takes ones.
    Returns the leading eigenvalues in descending order; the coordinates basis' W, or W without a
    basis; and the eigenvectors W (n, n_components), scaled so that W' K H K W = n I.
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
    # Substituting w = G^-1/2 v replaces G by the identity and K by K G^-1/2.
    roots = 1 / np.sqrt(penalties)
    if basis is None:
        eigenvalues, V = _solve(problem._replace(kernel=kernel * roots), n_components)
        W = roots[:, None] * V
        return eigenvalues, W, W
    # A part of v outside the span of G^-1/2 basis = Q T would only add to its norm.
    Q, T = scipy.linalg.qr(roots[:, None] * basis, mode="economic")
    eigenvalues, V = _solve(problem._replace(kernel=kernel[:, None] * T.T), n_components)
    return eigenvalues, T.T @ V, roots[:, None] * (Q @ V)


def _solve(problem: _Problem, n_components: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the leading eigenvalues and their vectors."""
    size, mu = len(problem.ones), problem.mu
    # A = B B' + mu I, where B = K' E has few columns; their SVD gives the inverse root of A.
    P, sigma, _ = thin_svd(problem.times_transposed(problem.contrasts))
    a = mu + sigma**2
    shrinkage = sigma**2 / (a + math.sqrt(mu) * np.sqrt(a))

    def whiten(V: NDArray[Any]) -> NDArray[Any]:
        return (V - P @ (shrinkage * (P.T @ V).T).T) / math.sqrt(mu)

    def multiply(V: NDArray[Any]) -> NDArray[Any]:
        return problem.centre(problem.times_kernel(whiten(V)))

    def multiply_transposed(V: NDArray[Any]) -> NDArray[Any]:
        return whiten(problem.times_transposed(problem.centre(V)))

    eigenvalues, W = np.zeros(n_components), np.zeros((size, n_components))
    # For identical rows the centred kernel is pure rounding error, which must not be amplified to
    # a component. They need the factor 10.
    rounding = 10 * math.sqrt(problem.n) * _EPS
    noise = rounding * float(np.linalg.norm(problem.kernel)) / math.sqrt(mu)
    n_leading = min(n_components, size)
    sigma, V = _leading_singular_vectors(multiply, multiply_transposed, size, n_leading, noise)
    real = sigma > noise
    eigenvalues[: real.sum()] = sigma[real] ** 2
    W[:, : real.sum()] = whiten(V[:, real]) * (math.sqrt(problem.n) / sigma[real])
    return eigenvalues, W


def _leading_singular_vectors(
    multiply: _Product, multiply_transposed: _Product, size: int, n_leading: int, noise: float
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find singular values, largest first, and right singular vectors of a square operator."""
    if n_leading == 0:
        return np.zeros(0), np.zeros((size, 0))

    def square(V: NDArray[Any]) -> NDArray[Any]:
        return multiply_transposed(multiply(V))

    # A fixed start makes results repeatable. Ones would not do: a centred kernel maps them to zero.
    start = np.random.default_rng(0).standard_normal(size)
    if size > _DENSE_SIZE and 4 * n_leading < size and square(start).any():
        operator = LinearOperator((size, size), matvec=square, dtype=np.float64)
        with suppress(ArpackNoConvergence):
            squares, V = eigsh(operator, k=n_leading, which="LA", v0=start)
            order = np.argsort(-squares, kind="stable")
            squares, V = squares[order], V[:, order]
            # In the square, the noise of one factor is multiplied by the norm of the other.
            real = squares > noise * math.sqrt(max(squares[0], 0.0))
            return np.sqrt(np.where(real, squares, 0.0)), V
    _, sigma, Vt = thin_svd(multiply(np.eye(size)))
    return sigma[:n_leading], Vt[:n_leading].T


def thin_svd(A: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Compute the reduced singular value decomposition A = U diag(sigma) Vt."""
    try:
        return scipy.linalg.svd(A, full_matrices=False)
    except scipy.linalg.LinAlgError:
        # The default driver (divide and conquer) is fast, but fails on some finite matrices.
        return scipy.linalg.svd(A, full_matrices=False, lapack_driver="gesvd")


def leading_svd(
    A: NDArray[Any], n_leading: int | None = None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Compute the leading singular values of A, and their vectors, in the shape of `thin_svd`.

    None takes all that exceed rounding errors. With fewer rows than columns, the eigenvectors of
    the Gram matrix A A' give them in a fraction of the time, unless a value is too small for that.
    """
    n, n_features = A.shape
    if n < n_features:
        if n_leading is None:
            squares, U = np.linalg.eigh(A @ A.T)
        else:
            squares, U = scipy.linalg.eigh(A @ A.T, subset_by_index=[n - n_leading, n - 1])
        squares, U = squares[::-1], U[:, ::-1]
        if n_leading is None:
            n_real = np.count_nonzero(squares > n_features * _EPS * squares[0])
            n_leading = max(1, int(n_real))
            squares, U = squares[:n_leading], U[:, :n_leading]
        if squares[-1] > _PRECISE_SQUARE * squares[0]:
            sigma = np.sqrt(squares)
            return U, sigma, U.T @ A / sigma[:, None]
    U, sigma, Vt = thin_svd(A)
    return U[:, :n_leading], sigma[:n_leading], Vt[:n_leading]


def power_of_two(
    estimator: Any, *parts: NDArray[Any], limit: float = 1e300, cure: str = _CURE
) -> float:
    """Return a power of two near the largest absolute value; divisions by it are exact.

    Raises a ValueError with the cure unless that value is zero or from ``1 / limit`` to `limit`.
    """
    largest = max(float(max(part.max(initial=0), -part.min(initial=0))) for part in parts)
    if largest and not 1 / limit <= largest <= limit:
        raise ValueError(
            f"{type(estimator).__name__} computes with numbers of up to {largest:.1e}, and its "
            f"results would leave the range of double precision. {cure}."
        )
    return 2.0 ** math.frexp(largest)[1]


def centre_rows(estimator: Any, X: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean of the rows, and the rows minus their mean."""
    power_of_two(estimator, X)
    mean = X.mean(axis=0)
    mean = mean + (X - mean).mean(axis=0)  # constant columns become zero without a rounding error
    return mean, X - mean
