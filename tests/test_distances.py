"""MeanDistance and CORAL against plain NumPy."""

import numpy as np
import pytest
import torch
from references import features, mean_distance_reference

from skdidan import CORAL, MeanDistance


def test_coral_equals_numpy_covariances():
    source, target = features(9), 2 * features(6, seed=1)
    difference = np.cov(source.numpy().T) - np.cov(target.numpy().T)
    expected = np.sum(difference**2) / (4 * 4**2)
    assert float(CORAL()(source, target)) == pytest.approx(expected, rel=1e-10)


def test_coral_ignores_a_shift():
    source = features(9)
    assert float(CORAL()(source, source + 5)) == pytest.approx(0, abs=1e-20)


def test_mean_distance_is_the_share_of_the_variance():
    source, target = features(9), features(6, seed=1, shift=1.0)
    expected = mean_distance_reference(source.numpy(), target.numpy())
    assert float(MeanDistance()(source, target)) == pytest.approx(expected, rel=1e-10)


def test_scaling_the_features_does_not_change_the_mean_distance():
    source, target = features(9), features(6, seed=1, shift=1.0)
    expected = float(MeanDistance()(source, target))
    for scale in (0.01, 100.0):
        assert float(MeanDistance()(scale * source, scale * target)) == pytest.approx(expected)


def test_mean_distance_of_two_points_is_one():
    assert float(MeanDistance()(torch.zeros(3, 2), torch.ones(4, 2))) == 1
