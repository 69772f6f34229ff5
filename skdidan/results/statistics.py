"""Statistics of scores: bootstrap intervals, paired tests and ranks."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import bootstrap, rankdata, studentized_range, wilcoxon

__all__ = [
    "PairedTest",
    "average_ranks",
    "compare_pairs",
    "critical_difference",
    "holm",
    "resample_scores",
]

_BATCH = 500  # resamples at a time, or their indices would fill the memory


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    r"""Adjust p-values for several tests by the step-down method of Holm (1979).

    The i-th smallest of m becomes :math:`\max_{j \le i} \min(1, (m - j + 1) p_{(j)})`. A test that
    was not made has NaN, and does not count.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted, made = np.full(p.shape, np.nan), np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(np.minimum(1, factors * p[order]))
    return adjusted


def average_ranks(scores: ArrayLike) -> NDArray[np.float64]:
    """Average the ranks of methods over blocks; 1 is the highest score, and ties share a rank.

    `scores` has shape (n_blocks, n_methods). NaN, the score of a run that failed, ranks last.
    """
    filled = np.nan_to_num(np.asarray(scores, dtype=float), nan=-np.inf)
    return rankdata(-filled, axis=1).mean(axis=0)


def critical_difference(n_methods: int, n_blocks: int, alpha: float = 0.05) -> float:
    r"""Return the difference of average ranks that is significant by the Nemenyi test.

    .. math:: CD = \frac{q_\alpha}{\sqrt 2} \sqrt{\frac{k (k + 1)}{6 N}}

    for k methods in N blocks, with the quantile :math:`q_\alpha` of the studentized range
    (Demšar, JMLR 7, 2006).
    """
    quantile = studentized_range.ppf(1 - alpha, n_methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks)))


class PairedTest(NamedTuple):
    """Differences of pairs, first minus second, and the p-value of Wilcoxon's test on them."""

    n_pairs: int
    difference: float
    wins: int
    ties: int
    losses: int
    p: float


def compare_pairs(first: ArrayLike, second: ArrayLike) -> PairedTest:
    """Test paired scores by Wilcoxon's signed-rank test; pairs with NaN are left out."""
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    differences = differences[~np.isnan(differences)]
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    n_pairs = len(differences)
    p = 1.0 if n_pairs else np.nan  # SciPy divides by zero if all pairs are equal
    if wins + losses:
        # Equal pairs count for nothing, but some versions of SciPy approximate because of them.
        p = float(wilcoxon(differences[differences != 0]).pvalue)
    mean = float(differences.mean()) if n_pairs else np.nan
    return PairedTest(n_pairs, mean, wins, n_pairs - wins - losses, losses, p)


def resample_scores(
    is_correct: NDArray[Any],
    y: NDArray[Any],
    units: NDArray[np.intp],
    *,
    classes: NDArray[Any],
    metric: str,
    n_resamples: int,
    random_state: int,
) -> NDArray[np.float64]:
    """Score methods on rows whose units, such as speakers, are drawn with replacement.

    Parameters
    ----------
    is_correct : ndarray of float, shape (n_methods, n_rows)
        Share of the seeds that predict each row correctly.
    y : ndarray, shape (n_rows,)
        True labels.
    units : ndarray of int, shape (n_rows,)
        Number of the unit of each row, from 0.
    classes : ndarray, shape (n_classes,)
        Classes whose recalls the UAR averages. In a resample, absent classes are left out.
    metric : {"uar", "war"}
        Score.
    n_resamples, random_state : int
        Number and seed of the resamples. Methods share each resample.

    Returns
    -------
    scores : ndarray, shape (n_methods, n_resamples)
    """
    n_units = units.max() + 1
    of_unit = np.arange(n_units)[:, np.newaxis] == units
    # Shape (n_units, n_rows) by (n_rows, ...); the scores are sums over the units that are drawn.
    groups = (y[:, np.newaxis] == classes) if metric == "uar" else np.ones((len(y), 1))
    totals = of_unit.astype(float) @ groups
    hits = np.einsum("ur,mr,rc->umc", of_unit, is_correct, groups, optimize=True)

    def statistic(drawn: NDArray[np.intp], axis: int = -1) -> NDArray[np.float64]:
        counts = np.apply_along_axis(np.bincount, axis, drawn, minlength=n_units)
        n_rows = (counts @ totals)[..., np.newaxis, :]
        recalls = np.tensordot(counts, hits, axes=1) / np.where(n_rows > 0, n_rows, 1)
        scores = recalls.sum(axis=-1) / (n_rows > 0).sum(axis=-1)
        return np.moveaxis(scores, -1, 0)

    result = bootstrap(
        (np.arange(n_units),),
        statistic,
        n_resamples=n_resamples,
        batch=_BATCH,
        vectorized=True,
        method="percentile",
        random_state=np.random.default_rng(random_state),
    )
    return result.bootstrap_distribution
