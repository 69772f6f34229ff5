"""Shared fixtures: small shifted domains on which a classifier has something to adapt to."""

import numpy as np
import pytest


@pytest.fixture
def domains():
    """Three emotions as three blobs in six dimensions; the target is shifted and larger."""
    return shifted_blobs(n_source=60, n_target=90)


@pytest.fixture
def spectrogram_domains():
    """Two emotions as energy in low or high bins of a (16, 20) spectrogram."""
    rng = np.random.default_rng(1)
    y = np.array(["anger", "sadness"])[np.arange(40) % 2]
    X = rng.normal(size=(40, 16, 20)).astype(np.float32)
    X[y == "anger", 8:] += 2
    X[y == "sadness", :8] += 2
    return X[:24], y[:24], X[24:] * 1.5 + 0.5, y[24:]


def shifted_blobs(n_source, n_target, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=3, size=(3, 6))
    labels = np.array(["anger", "neutral", "sadness"])
    codes_src, codes_tgt = np.arange(n_source) % 3, np.arange(n_target) % 3
    X_src = centres[codes_src] + rng.normal(size=(n_source, 6))
    X_tgt = centres[codes_tgt] + rng.normal(size=(n_target, 6)) + 0.5
    return X_src, labels[codes_src], X_tgt, labels[codes_tgt]
