"""MCC against a plain NumPy loop and hand-computed values."""

import numpy as np
import pytest
import torch
from conftest import features

from skdidan import MCC


def mcc_reference(logits, temperature, weights=None):
    """Minimum class confusion, entry by entry; the weights by default those of the rows."""
    scaled = np.exp(logits / temperature)
    probable = scaled / scaled.sum(axis=1, keepdims=True)
    if weights is None:
        weights = [1 + np.exp(np.sum(p * np.log(p))) for p in probable]
    n_classes = logits.shape[1]
    confusion = np.zeros((n_classes, n_classes))
    for k in range(n_classes):
        for m in range(n_classes):
            confusion[k, m] = sum(w * p[k] * p[m] for w, p in zip(weights, probable, strict=True))
    confusion /= confusion.sum(axis=1, keepdims=True)
    return (confusion.sum() - np.trace(confusion)) / n_classes


@pytest.mark.parametrize("temperature", [0.2, 1.0, 2.5])
def test_equals_its_formula(temperature):
    logits = features(9, d=3)
    value = float(MCC(temperature)(features(1, d=3), logits))
    assert value == pytest.approx(mcc_reference(logits.numpy(), temperature), rel=1e-10)


def test_by_hand():
    # One row at three to one, at temperature 1: the classes confuse 1/4 and 3/4.
    logits = torch.tensor([[3.0, 1.0]]).log()
    assert float(MCC(1.0)(logits, logits)) == pytest.approx((0.25 + 0.75) / 2)


def test_the_source_has_no_part_in_it():
    target = features(9, d=3)
    assert float(MCC()(features(4, d=3), target)) == float(MCC()(features(5, d=3, seed=1), target))


def test_a_class_of_no_row_costs_nothing():
    logits = torch.tensor([[500.0, 0.0, -500.0], [0.0, 500.0, -500.0]])
    assert float(MCC(1.0)(logits, logits)) == 0


def test_the_temperature_is_positive():
    with pytest.raises(ValueError, match="temperature must be a finite number above 0; got 0"):
        MCC(0)
    assert repr(MCC(2.0)) == "MCC(temperature=2.0)"
