"""Optimal transport: move each source row to the target rows that receive its mass."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import Tags

from skdidan.domains import Domains
from skdidan.parameters import check_count, check_not_negative, check_option, check_positive
from skdidan.reporting import import_extra, quiet, warn_caller
from skdidan.shallow.closed_forms import DomainMaps
from skdidan.shallow.eigenproblems import power_of_two

__all__ = ["OptimalTransport"]

_MAX_ITER = {"emd": 100_000, "sinkhorn": 1000, "sinkhorn_lpl1": 1000}
_METRICS = ("cityblock", "euclidean", "sqeuclidean")
_N_LINEARISATIONS = 10
_SMOOTHING = 1e-3  # added under the root, whose slope is unbounded at zero


class OptimalTransport(OneToOneFeatureMixin, DomainMaps):
    r"""Optimal transport of the source onto the target.

    Each source row holds the mass :math:`1 / n_s`, and each target row :math:`1 / n_t`. The
    coupling :math:`\gamma` moves the mass of the source to the target at the lowest cost, where
    :math:`C_{ij}` is the distance between source row `i` and target row `j` [1]_:

    .. math:: \min_{\gamma \ge 0} \sum_{ij} \gamma_{ij} C_{ij}
              + \varepsilon \sum_{ij} \gamma_{ij} (\log \gamma_{ij} - 1)
              + \eta \sum_j \sum_c \Bigl( \sum_{i \in c} \gamma_{ij} \Bigr)^{1/2}
              \quad \text{subject to} \quad
              \sum_j \gamma_{ij} = \tfrac{1}{n_s}, \quad \sum_i \gamma_{ij} = \tfrac{1}{n_t} .

    A source row becomes the mean of the target rows, weighted by the mass they receive from it:
    :math:`n_s \sum_j \gamma_{ij} x^t_j`. A new source row, given to ``transform`` with
    `sample_domain`, moves like its nearest source row of the fit [3]_. Target rows do not change.

    The solver is POT [2]_: ``pip install skdidan[ot]``.

    Several sources are pooled.

    Parameters
    ----------
    method : {"sinkhorn", "emd", "sinkhorn_lpl1"}, default="sinkhorn"
        The terms of the objective. "emd" (earth mover's distance) uses the first one, and couples a
        source row with few target rows. "sinkhorn" adds the entropy :math:`\varepsilon`, which
        spreads the mass. "sinkhorn_lpl1" uses all three: the last one, over the classes `c` of the
        source, keeps a target row from receiving mass from several classes.
    reg : float > 0, default=0.1
        Weight :math:`\varepsilon` of the entropy, relative to the costs after `norm`.
    reg_cl : float >= 0, default=0.01
        Weight :math:`\eta` of the class term.
    metric : {"sqeuclidean", "euclidean", "cityblock"}, default="sqeuclidean"
        Distance between two rows.
    norm : {"median", "max"} or None, default="median"
        Divisor of the costs, which frees `reg` and `reg_cl` from the scale and number of features.
        If the median is zero, it is the median of the positive costs. None does not divide.
    max_iter : int > 0, default=None
        Maximum number of iterations. None takes 100,000 for "emd", else 1,000. "sinkhorn_lpl1" runs
        Sinkhorn ten times with at most this many iterations each.
    tol : float > 0, default=1e-4
        Tolerance of Sinkhorn: the root mean square error of the masses of the target rows, relative
        to :math:`1 / n_t`.

    Attributes
    ----------
    coupling_ : ndarray of float, shape (n_source, n_target)
        The coupling :math:`\gamma`.
    X_fit_ : ndarray of float, shape (n_source, n_features)
        The source.
    transported_ : ndarray of float, shape (n_source, n_features)
        The transported source.
    n_iter_ : int or None
        Number of Sinkhorn iterations, over all runs for "sinkhorn_lpl1"; 0 without a target; None
        for "emd", since POT does not report it.
    n_features_in_, feature_names_in_ : int, ndarray of str, shape (n_features,)
        Number of features, and names of the columns of data frames.

    Notes
    -----
    Without a target the source does not change. `fit` raises an ImportError if POT is missing, and
    a ValueError if source rows are left without mass: `reg` is then too small for the precision of
    the computer, or, for "emd", `max_iter` is too small.

    Time and memory grow with the product of the numbers of rows. At its peak `fit` holds about 5
    matrices of :math:`n_s \times n_t` numbers in double precision for "emd", 8 for "sinkhorn" and
    11 for "sinkhorn_lpl1".

    The class term is concave. As in POT, ten linearisations lower it. Each is solved by Sinkhorn
    and starts from the previous solution. 0.001 is added to the sum under the root.

    POT imports TensorFlow and JAX if they are installed. To prevent this, set the environment
    variables ``POT_BACKEND_DISABLE_TENSORFLOW=1`` and ``POT_BACKEND_DISABLE_JAX=1``.

    References
    ----------
    .. [1] Courty, Flamary, Tuia, Rakotomamonjy (2017). Optimal transport for domain adaptation.
       IEEE Transactions on Pattern Analysis and Machine Intelligence 39(9), arXiv:1507.00504.
    .. [2] Flamary et al. (2021). POT: Python Optimal Transport. Journal of Machine Learning
       Research 22(78).
    .. [3] Ferradans, Papadakis, Peyré, Aujol (2014). Regularized discrete optimal transport. SIAM
       Journal on Imaging Sciences 7(3), arXiv:1307.5551.

    Examples
    --------
    The shortest way to move two rows onto two others:

    >>> import numpy as np
    >>> from skdidan import OptimalTransport
    >>> X_src, X_tgt = np.array([[0.0, 0], [1, 0]]), np.array([[1.0, 2], [0, 2]])
    >>> OptimalTransport("emd").fit_transform(X_src, X_tgt=X_tgt)
    array([[0., 2.],
           [1., 2.]])
    """

    def __init__(
        self,
        method: str = "sinkhorn",
        *,
        reg: float = 0.1,
        reg_cl: float = 0.01,
        metric: str = "sqeuclidean",
        norm: str | None = "median",
        max_iter: int | None = None,
        tol: float = 1e-4,
    ) -> None:
        self.method = method
        self.reg = reg
        self.reg_cl = reg_cl
        self.metric = metric
        self.norm = norm
        self.max_iter = max_iter
        self.tol = tol

    def _fit(self, domains: Domains) -> None:
        X_src, y_src, X_tgt = domains
        self.X_fit_ = source = X_src.astype(np.float64)
        if X_tgt is None:
            self.coupling_, self.transported_ = np.eye(len(source)) / len(source), source
            self.n_iter_ = None if self.method == "emd" else 0
            return
        target = X_tgt.astype(np.float64)
        self.coupling_ = self._couple(self._costs(source, target), y_src)
        self.transported_ = self.coupling_ / self.coupling_.sum(axis=1, keepdims=True) @ target

    def _costs(self, source: NDArray[Any], target: NDArray[Any]) -> NDArray[Any]:
        metric: Any = self.metric
        scale = 1.0 if self.norm is None else power_of_two(self, source, target)
        costs = cdist(source / scale, target / scale, metric)
        if not np.isfinite(costs).all():
            raise ValueError(
                f"metric={self.metric!r} overflows on such large features with norm=None. Use "
                "norm='median', or scale the features first (CorpusScaler)."
            )
        if self.norm is None:
            return costs
        scale = np.median(costs) if self.norm == "median" else costs.max()
        if scale == 0 and costs.any():  # more than half of the pairs are equal
            scale = np.median(costs[costs > 0])
        return costs / (scale or 1.0)

    def _couple(self, costs: NDArray[Any], y_src: Any) -> NDArray[Any]:
        ot = import_extra("ot", "ot", "OptimalTransport needs the POT package")
        a, b = (np.full(n, 1 / n) for n in costs.shape)
        max_iter = self.max_iter or _MAX_ITER[self.method]
        # POT's warnings name its own parameters, and some concern runs before the last one.
        with quiet("ot"):
            if self.method == "emd":
                coupling, log = ot.emd(a, b, costs, numItermax=max_iter, log=True)
                self.n_iter_, has_converged = None, log["warning"] is None
            else:
                tol = self.tol / math.sqrt(len(b))  # POT compares the Euclidean norm
                # Logarithms neither underflow nor overflow for rows far from all others.
                options = {"method": "sinkhorn_log", "numItermax": max_iter, "stopThr": tol}
                solve = partial(ot.sinkhorn, a, b, reg=self.reg, log=True, **options)
                coupling, log = solve(costs)
                self.n_iter_ = log["niter"] + 1  # POT counts from zero
                if self.method == "sinkhorn_lpl1":
                    coupling = self._separate_classes(solve, costs, y_src, coupling, log)
                has_converged = bool(np.linalg.norm(coupling.sum(axis=0) - b) <= tol)
        self._check_coupling(coupling, has_converged, max_iter)
        return coupling

    def _separate_classes(
        self, solve: Any, costs: Any, y_src: Any, coupling: Any, log: dict[str, Any]
    ) -> NDArray[Any]:
        """Lower the class term by adding its slopes to the costs, from the coupling without it."""
        classes, y_idx = np.unique(y_src, return_inverse=True)
        members = (y_idx == np.arange(len(classes))[:, None]).astype(float)
        for _ in range(1, _N_LINEARISATIONS):
            slopes = 0.5 / np.sqrt(members @ coupling + _SMOOTHING)  # (n_classes, n_target)
            start = log["log_u"], log["log_v"]
            coupling, log = solve(costs + self.reg_cl * slopes[y_idx], warmstart=start)
            self.n_iter_ += log["niter"] + 1
        return coupling

    def _check_coupling(self, coupling: NDArray[Any], has_converged: bool, max_iter: int) -> None:
        sums = coupling.sum(axis=1)
        if not sums.all() or not np.isfinite(sums).all():
            cure = f"max_iter={max_iter}" if self.method == "emd" else f"reg={self.reg}"
            raise ValueError(
                f"method={self.method!r} left source rows without mass; increase {cure}."
            )
        if not has_converged:
            cures = "max_iter" if self.method == "emd" else "max_iter, reg or tol"
            warn_caller(
                f"OptimalTransport did not converge in max_iter={max_iter} iterations; increase "
                f"{cures}.",
            )

    def _map_source(self, X: NDArray[Any]) -> NDArray[Any]:
        if np.array_equal(X, self.X_fit_):
            return self.transported_
        scale = power_of_two(self, X, self.X_fit_)
        # Distances by a matrix product are faster, but lose precision far from zero.
        nearest = cdist(X / scale, self.X_fit_ / scale).argmin(axis=1)
        return X + (self.transported_ - self.X_fit_)[nearest]

    def _check_parameters(self) -> None:
        check_option("method", self.method, _MAX_ITER)
        check_positive("reg", self.reg)
        check_not_negative("reg_cl", self.reg_cl)
        check_option("metric", self.metric, _METRICS)
        if self.norm is not None:
            check_option("norm", self.norm, ("max", "median"))
        if self.max_iter is not None:
            check_count("max_iter", self.max_iter)
        check_positive("tol", self.tol)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = self.method == "sinkhorn_lpl1"
        return tags
