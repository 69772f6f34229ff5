"""Statistics: Holm, ranks, paired tests and the bootstrap, against values computed elsewhere."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import wilcoxon

from skdidan.metrics import uar, war
from skdidan.results.statistics import (
    average_ranks,
    compare_pairs,
    critical_difference,
    holm,
    resample_scores,
)


def test_holm_by_hand():
    """Sorted: 0.01·4, 0.02·3, 0.03·2, 0.04·1, where no value may be below one before it."""
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.005, 0.011, 0.02, 0.04, 0.13]) == pytest.approx([0.025, 0.044, 0.06, 0.08, 0.13])
    assert holm([0.6, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_a_test_that_was_not_made_does_not_count_for_holm():
    np.testing.assert_allclose(holm([0.02, np.nan, 0.01]), [0.02, np.nan, 0.02])


def test_ranks_by_hand():
    """The highest score has rank 1; ties share the mean of their ranks, and NaN is last."""
    scores = [[0.3, 0.5, 0.5], [0.9, 0.8, np.nan]]
    np.testing.assert_allclose(average_ranks(scores), [(3 + 1) / 2, (1.5 + 2) / 2, (1.5 + 3) / 2])


@pytest.mark.parametrize(
    ("n_methods", "quantile"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (7, 2.949), (10, 3.164)],
)
def test_critical_difference_has_the_quantiles_of_the_paper(n_methods, quantile):
    """Table 5(a) of Demšar (2006), for alpha = 0.05."""
    expected = quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * 14))
    assert critical_difference(n_methods, 14) == pytest.approx(expected, abs=1e-3)


def test_critical_difference_of_the_example_in_the_paper():
    """Section 3.2.2: four methods on 14 data sets."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)
    assert critical_difference(4, 14, 0.1) == pytest.approx(1.12, abs=0.01)


def test_paired_test_by_enumeration():
    """Two of the 32 equally likely signs of 1, ..., 5 are as extreme as these."""
    result = compare_pairs([0.2, 0.4, 0.6, 0.8, 1.0, np.nan], [0.1, 0.2, 0.3, 0.4, 0.5, 0.9])
    signed = [np.dot(range(1, 6), signs) for signs in product([1, -1], repeat=5)]
    assert result.p == pytest.approx(np.mean(np.abs(signed) >= 15)) == 1 / 16
    assert (result.n_pairs, result.wins, result.ties, result.losses) == (5, 5, 0, 0)
    assert result.difference == pytest.approx(0.3)


def test_paired_test_is_that_of_scipy():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12))
    assert compare_pairs(first, second).p == wilcoxon(first, second).pvalue


def test_equal_pairs_and_no_pairs():
    assert compare_pairs([0.5, 0.5], [0.5, 0.5]) == (2, 0.0, 0, 2, 0, 1.0)
    none = compare_pairs([np.nan], [0.5])
    assert none.n_pairs == 0 and np.isnan(none.p) and np.isnan(none.difference)


def resample(is_correct, y, units, metric="war", n_resamples=4000, seed=0):
    return resample_scores(
        np.asarray(is_correct, dtype=float),
        np.asarray(y),
        np.asarray(units),
        classes=np.unique(y),
        metric=metric,
        n_resamples=n_resamples,
        random_state=seed,
    )


def test_bootstrap_of_two_speakers_has_the_binomial_shares():
    """One speaker is all right, the other all wrong: scores 0, 1/2 and 1 at 1/4, 1/2, 1/4."""
    (scores,) = resample([[1, 1, 0, 0]], list("abab"), [0, 0, 1, 1])
    values, counts = np.unique(scores, return_counts=True)
    assert values.tolist() == [0, 0.5, 1]
    np.testing.assert_allclose(counts / 4000, [0.25, 0.5, 0.25], atol=0.03)


def test_bootstrap_of_recordings_has_the_deviation_of_a_proportion():
    """The closed form is sqrt(p (1 - p) / n)."""
    (scores,) = resample([np.arange(50) < 40], ["a"] * 50, np.arange(50))
    assert scores.mean() == pytest.approx(0.8, abs=0.01)
    assert scores.std() == pytest.approx(np.sqrt(0.8 * 0.2 / 50), rel=0.05)


@pytest.mark.parametrize(("metric", "score"), [("uar", uar), ("war", war)])
def test_each_resample_is_the_score_of_the_drawn_rows(metric, score):
    """The speakers that SciPy draws are drawn again here, and their rows scored one by one."""
    rng = np.random.default_rng(3)
    y, units = rng.choice(list("abc"), 30), rng.permutation(np.repeat(np.arange(5), 6))
    y_pred = np.where(rng.random((2, 30)) < 0.6, y, "a")
    found = resample(y_pred == y, y, units, metric, n_resamples=7, seed=1)
    drawn = np.random.default_rng(1).integers(0, 5, (7, 5))
    for method, expected in zip(y_pred, found, strict=True):
        for speakers, value in zip(drawn, expected, strict=True):
            rows = np.concatenate([np.flatnonzero(units == speaker) for speaker in speakers])
            assert value == pytest.approx(score(y[rows], method[rows]))
