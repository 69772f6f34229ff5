"""Transfer component analysis (TCA): components in which source and target lie close together."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils import Tags, check_random_state, gen_batches

from skdidan.domains import Domains
from skdidan.estimators import DomainTransformer
from skdidan.parameters import check_count, check_not_negative, check_option, check_positive
from skdidan.reporting import warn_caller
from skdidan.shallow.eigenproblems import SQUARABLE, power_of_two, solve_transfer, thin_svd

__all__ = ["TCA"]

_KERNELS = ("linear", "poly", "precomputed", "rbf")
_DEFAULT_COMPONENTS = 32
_BATCH_SIZE = 256  # rows of a kernel
# The eigenvalues grow with the square of the kernel, some terms of TJM with a higher power.
_LARGEST_KERNEL = 1e120


class Solution(NamedTuple):
    """Components, each in a column, with their eigenvalues."""

    eigenvalues: NDArray[Any]
    weights: NDArray[Any]  # maps features, or a row of the kernel, to the components
    Z: NDArray[Any]  # the mapped rows of both domains
    W: NDArray[Any]  # eigenvectors, one entry per row of both domains


# Takes the columns of E in L = E E' and, if given, the diagonal of G.
Solver = Callable[..., Solution]
# Turns the eigenvectors of a solver into the weights and the mapped rows of a solution.
Expansion = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]


class TCA(ClassNamePrefixFeaturesOutMixin, DomainTransformer):
    r"""Transfer component analysis (TCA): kernel components that bring the domain means together.

    TCA finds functions of the features that keep the spread of the data and bring the means of both
    domains close together. With the kernel matrix :math:`K` of all :math:`n = n_s + n_t` rows, the
    centring matrix :math:`H = I - \mathbf{1}\mathbf{1}^\top / n` and :math:`L = e e^\top`, where
    :math:`e_i = 1 / n_s` for a source row and :math:`-1 / n_t` for a target row, it solves

    .. math:: \min_W \operatorname{tr}(W^\top K L K W) + \mu \operatorname{tr}(W^\top W)
              \quad \text{subject to} \quad W^\top K H K W = n I

    and maps rows to :math:`K W`. The first term is the squared distance of the projected means
    (the MMD). The solution consists of the leading eigenvectors of

    .. math:: K H K w = \lambda (K L K + \mu I) w .

    The paper has :math:`I` instead of :math:`n I`. The factor gives each component unit variance
    over the rows of both domains, whatever their number.

    Several sources are pooled.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None takes 32, but at most the number of rows of both domains and, for
        the linear and poly kernels, the dimension of their feature space.
    kernel : {"linear", "poly", "rbf", "precomputed"}, default="linear"
        ``k(x, z) = x' z``, ``(gamma x' z + coef0)^degree`` or ``exp(-gamma ||x - z||^2)``. With
        "precomputed", each row holds its kernel values with the n rows of the fit: source rows
        first, then target rows; with `sample_domain`, in the order of the stacked rows.
    gamma : float > 0, default=None
        Scale of the poly and rbf kernels. None takes one over the variance of the rows of both
        domains, summed over features: the mean squared distance of two rows is then ``2 / gamma``.
    degree : int > 0, default=3
        Degree of the poly kernel.
    coef0 : float >= 0, default=1.0
        Constant of the poly kernel.
    mu : float > 0, default=1.0
        Weight of the regulariser :math:`\operatorname{tr}(W^\top W)`, as in the paper. Smaller
        values bring the means closer together and allow rougher functions. Its effect depends on
        :math:`\|K e\|^2`, so useful values grow with the scale of the features.
    n_landmarks : int > 0, default=None
        Number of random rows that approximate the poly or rbf kernel (Nyström method,
        `sklearn.kernel_approximation.Nystroem`). Use it if the kernel matrix is too large: time and
        memory then grow with the number of rows, not with its square. None takes the exact kernel.
    random_state : int, RandomState or None, default=None
        Seed of the landmarks.

    Attributes
    ----------
    eigenvalues_ : ndarray of float, shape (n_components,)
        The :math:`\lambda`, in descending order. The objective at the solution is
        :math:`n \sum_i 1 / \lambda_i`.
    components_ : ndarray of float, shape (n_components, n_features) or (n_components, n_landmarks)
        Directions in the space of features or landmarks; only with the linear kernel or landmarks.
    weights_ : ndarray of float, shape (n, n_components)
        :math:`W`, one row per row of `X_fit_` or per column of a precomputed kernel; only with
        these.
    X_fit_ : ndarray of float, shape (n, n_features)
        Source rows, then target rows; only with an exact poly or rbf kernel.
    landmarks_ : Nystroem
        The approximation, for rows minus `centre_`; only with landmarks.
    centre_ : ndarray of float, shape (n_features,)
        Subtracted from the rows before the kernel is computed: medians for the rbf kernel, zeros
        for the poly kernel; only with these.
    gamma_ : float
        The scale used; only with the poly and rbf kernels.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    The matrices :math:`L`, :math:`H`, :math:`KLK` and :math:`KHK` are never formed. With
    :math:`k = K e` and :math:`a = \mu + \|k\|^2`, :math:`A = K L K + \mu I = k k^\top + \mu I` has
    the inverse root :math:`A^{-1/2} = (I - k k^\top / (a + \sqrt{\mu a})) / \sqrt{\mu}`. The
    leading eigenvectors of the symmetric :math:`A^{-1/2} K H K A^{-1/2}` are the right singular
    vectors of :math:`C = H K A^{-1/2}`, and its eigenvalues are the squared singular values. Small
    problems use a singular value decomposition, which resolves components smaller by a square root
    than an eigendecomposition does. Large problems use the Lanczos method on :math:`C^\top C`. The
    linear kernel with fewer features than rows is solved in the space of the features, without
    forming :math:`K`.

    A component is zero if its eigenvalue is zero to machine precision, as for data of lower rank.
    Features of very different scales, or far from zero, lose precision; scale them first, by
    `CorpusScaler` or `sklearn.preprocessing.StandardScaler`.

    An exact kernel takes :math:`8 n^2` bytes; the Lanczos method adds almost nothing. A precomputed
    kernel is copied once, or twice for stacked domains.

    Searches and cross-validations split a square precomputed kernel by rows and columns, as usual
    in scikit-learn, if an `AdaptationPipeline` starts with this step and the domains are stacked
    (`sample_domain`). A `sklearn.pipeline.Pipeline` does not know the domains: its classifier would
    also learn from the rows and labels of the target.

    If the domains have equal means, as after `CorpusScaler`, use the rbf kernel: the linear one has
    :math:`K e = 0`, and its components are those of a whitened PCA of all rows, for any `mu`.

    Without a target the first term vanishes. For a centred kernel, such as the linear one on
    centred features, the components are then those of kernel PCA, scaled to unit variance.

    References
    ----------
    S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang: "Domain Adaptation via Transfer Component
    Analysis", IEEE Transactions on Neural Networks 22(2), 2011. doi:10.1109/TNN.2010.2091281

    Examples
    --------
    Two features; the second one is shifted between the domains:

    >>> import numpy as np
    >>> from skdidan import TCA
    >>> rng = np.random.default_rng(0)
    >>> X_src, X_tgt = rng.normal(size=(50, 2)), rng.normal(loc=[0, 5], size=(40, 2))
    >>> tca = TCA(n_components=1, mu=0.1)
    >>> source = tca.fit_transform(X_src, X_tgt=X_tgt)
    >>> distance = np.abs(source.mean() - tca.transform(X_tgt).mean())
    >>> bool(distance < 0.01)
    True
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: str = "linear",
        gamma: float | None = None,
        degree: int = 3,
        coef0: float = 1.0,
        mu: float = 1.0,
        n_landmarks: int | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.mu = mu
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _fit(self, domains: Domains) -> None:
        self._find_components(self._solver(domains), domains)
        # Centring always removes one dimension from the n rows.
        n_components, n_rows = self._n_features_out, domains.n_source + domains.n_target
        n_real = np.count_nonzero(self.eigenvalues_)
        if n_real < min(n_components, n_rows - 1):
            cause = (
                "The precomputed kernel has a lower rank: use"
                if self.kernel == "precomputed"
                else "The features are few, constant, collinear or of very different scales: scale "
                "them first, or use"
            )
            warn_caller(
                f"Only {n_real} of {n_components} {type(self).__name__} components are "
                f"non-negligible; the others are set to zero. {cause} fewer components.",
            )

    def _transform(self, X: NDArray[Any], is_source: NDArray[np.bool_]) -> NDArray[Any]:
        if hasattr(self, "landmarks_"):
            X = self.landmarks_.transform(X - self.centre_)
        if hasattr(self, "components_"):
            return X @ self.components_.T
        if hasattr(self, "X_fit_"):
            X = self._kernel(X, self.X_fit_)
        return X @ self.weights_

    def _find_components(self, solve: Solver, domains: Domains) -> None:
        self._keep(solve(marginal_contrast(domains.n_source, domains.n_target)))

    def _keep(self, solution: Solution) -> None:
        self.eigenvalues_ = solution.eigenvalues
        if self.kernel == "linear" or self.n_landmarks is not None:
            self.components_ = solution.weights.T
        else:
            self.weights_ = solution.weights

    def _solver(self, domains: Domains) -> Solver:
        """Prepare the kernel, and return a function that solves the problem for any contrasts."""
        parts = [domains.X_src] if domains.X_tgt is None else [domains.X_src, domains.X_tgt]
        rows = np.concatenate(parts, dtype=np.float64)
        if self.kernel == "precomputed" and len(rows) != rows.shape[1]:
            raise ValueError(
                "kernel='precomputed' needs one column for each source row, then for each target "
                f"row; got {len(rows)} rows and {rows.shape[1]} columns."
            )
        self._n_features_out = self._count_components(*rows.shape)
        power_of_two(self, rows, limit=SQUARABLE)
        if self.kernel == "linear":
            return self._linear_solver(rows)
        if self.kernel == "precomputed":
            noise = max(np.finfo(part.dtype).eps for part in parts) ** 0.5
            if domains.order is not None:
                # The rows of stacked data are sorted by domain, but their columns are not.
                for batch in gen_batches(len(rows), _BATCH_SIZE):
                    rows[batch] = rows[batch, domains.order]
            _check_kernel(rows, noise)
            columns = slice(None) if domains.order is None else np.argsort(domains.order)
            return self._make_solver(rows, lambda W: (W[columns], rows @ W))
        self.gamma_ = self.gamma or kernel_scale(rows)
        params = {"gamma": self.gamma_, "degree": self.degree, "coef0": self.coef0}
        self._kernel_params = {"metric": self.kernel, **params}
        # Far from zero, the differences of rows would drown in rounding errors. The mean would be
        # far beside an outlier.
        is_rbf = self.kernel == "rbf"
        self.centre_ = np.median(rows, axis=0) if is_rbf else np.zeros(rows.shape[1])
        longest = rows[np.square(rows).sum(axis=1).argmax()][None]
        with np.errstate(over="ignore"):  # no entry of the kernel is larger than this one
            largest = self._kernel(longest, longest)
        cure = "Choose other gamma, coef0 or degree, or scale the features first (CorpusScaler)"
        power_of_two(self, largest, limit=_LARGEST_KERNEL, cure=cure)
        if self.n_landmarks is None:
            self.X_fit_ = rows
            kernel = self._kernel(rows, rows)
            return self._make_solver(kernel, lambda W: (W, kernel @ W))
        self.landmarks_ = Nystroem(
            self.kernel,
            n_components=min(self.n_landmarks, len(rows)),
            random_state=check_random_state(self.random_state),
            **params,
        )
        return self._linear_solver(self.landmarks_.fit_transform(rows - self.centre_))

    def _linear_solver(self, rows: NDArray[Any]) -> Solver:
        n, n_features = rows.shape
        if n_features < n:
            # In the basis of the left singular vectors U of the rows, K is diagonal and w = U v.
            U, root, Vt = thin_svd(rows)
            kept = root > np.finfo(float).eps * n * root[0]
            U, root, V = U[:, kept], root[kept], Vt[kept].T
            kernel, to_features = root**2, V * root
        else:
            U, kernel, to_features = None, rows @ rows.T, rows.T

        def expand(V: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
            weights = to_features @ V
            return weights, rows @ weights

        return self._make_solver(kernel, expand, basis=U)

    def _make_solver(
        self, kernel: NDArray[Any], expand: Expansion, basis: NDArray[Any] | None = None
    ) -> Solver:
        power_of_two(self, kernel, limit=_LARGEST_KERNEL)

        def solve(contrasts: NDArray[Any], penalties: NDArray[Any] | None = None) -> Solution:
            eigenvalues, V, W = solve_transfer(
                kernel, contrasts, self.mu, self._n_features_out, basis=basis, penalties=penalties
            )
            weights, Z = expand(V)
            # The largest entry of each column becomes positive.
            largest = np.abs(Z).argmax(axis=0)
            signs = np.where(Z[largest, np.arange(Z.shape[1])] < 0, -1.0, 1.0)
            return Solution(eigenvalues, weights * signs, Z * signs, W * signs)

        return solve

    def _kernel(self, A: NDArray[Any], B: NDArray[Any]) -> NDArray[Any]:
        A, B = A - self.centre_, B - self.centre_
        return pairwise_kernels(A, B, filter_params=True, **self._kernel_params)

    def _check_parameters(self) -> None:
        check_option("kernel", self.kernel, _KERNELS)
        check_positive("mu", self.mu)
        if self.gamma is not None:
            check_positive("gamma", self.gamma)
        check_count("degree", self.degree)
        check_not_negative("coef0", self.coef0)
        if self.n_landmarks is not None:
            check_count("n_landmarks", self.n_landmarks)
            if self.kernel in ("linear", "precomputed"):
                raise ValueError(
                    "n_landmarks works with kernel='rbf' or 'poly' only; got "
                    f"kernel={self.kernel!r}. Set n_landmarks=None."
                )

    def _count_components(self, n: int, n_features: int) -> int:
        limit = min(n, n_features) if self.kernel == "linear" else min(n, self.n_landmarks or n)
        if self.n_components is None:
            if self.kernel == "poly":  # the number of monomials without the constant one
                n_variables = n_features + bool(self.coef0)
                n_monomials = math.comb(n_variables + self.degree - 1, self.degree)
                limit = min(limit, n_monomials - bool(self.coef0))
            return min(_DEFAULT_COMPONENTS, limit)
        if check_count("n_components", self.n_components) > limit:
            bounds = f"n_samples={n} of both domains"
            if self.kernel == "linear":
                bounds += f" or n_features={n_features} (kernel='linear')"
            elif self.n_landmarks is not None:
                bounds += f" or n_landmarks={self.n_landmarks}"
            raise ValueError(
                f"n_components must not exceed {bounds}; got {self.n_components}. Use at most "
                f"{limit}, or None."
            )
        return int(self.n_components)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def kernel_scale(rows: NDArray[Any]) -> float:
    """Return one over the variance of the rows, summed over the features; 1 for identical rows."""
    spread = rows.var(axis=0).sum()
    # The mean of identical rows may differ from them by a rounding error.
    noise = np.finfo(float).eps * np.square(rows).mean(axis=0).sum()
    return float(1 / spread) if spread > noise else 1.0


def marginal_contrast(n_source: int, n_target: int) -> NDArray[Any]:
    """Return the column e, whose product with the rows is the difference of the domain means.

    It is zero if there is no target.
    """
    if not n_target:
        return np.zeros((n_source, 1))
    return np.repeat([1 / n_source, -1 / n_target], [n_source, n_target])[:, None]


def _check_kernel(kernel: NDArray[Any], noise: float) -> None:
    """Raise a ValueError for a matrix that is not symmetric, or holds distances."""
    noise = noise * max(kernel.max(), -kernel.min())
    batches = gen_batches(len(kernel), _BATCH_SIZE)
    difference = max(np.abs(kernel[rows] - kernel[:, rows].T).max() for rows in batches)
    if difference > noise:
        raise ValueError(
            "kernel='precomputed' needs a symmetric matrix; entries differ by up to "
            f"{difference:.1e} across the diagonal. Sort the columns like the rows: source, then "
            "target; with sample_domain, in the order of the stacked rows."
        )
    if noise > 0 and np.abs(kernel.diagonal()).max() <= noise:
        raise ValueError(
            "kernel='precomputed' needs a kernel; got a matrix with a zero diagonal, such as a "
            "matrix of distances. Turn distances D into a kernel by np.exp(-gamma * D**2)."
        )
