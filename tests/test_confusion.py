"""MCC against a plain NumPy loop and values by hand."""

import pytest
import torch
from references import features, mcc_reference

from skdidan import MCC


@pytest.mark.parametrize("temperature", [0.2, 2.5])
def test_equals_its_formula(temperature):
    logits = features(9, d=3)
    value = float(MCC(temperature)(features(1, d=3), logits))
    assert value == pytest.approx(mcc_reference(logits.numpy(), temperature), rel=1e-10)


def test_one_row_by_hand():
    # Probabilities 3/4 and 1/4 at temperature 1: the classes are confused at 1/4 and 3/4.
    logits = torch.tensor([[3.0, 1.0]]).log()
    assert float(MCC(1.0)(logits, logits)) == pytest.approx((0.25 + 0.75) / 2)


def test_the_source_is_ignored():
    target = features(9, d=3)
    assert float(MCC()(features(4, d=3), target)) == float(MCC()(features(5, d=3, seed=1), target))


def test_a_class_without_rows_adds_its_share():
    logits = torch.tensor([[50.0, 0.0, 0.0], [0.0, 50.0, 0.0]], dtype=torch.float64)
    assert float(MCC(1.0)(logits, logits)) == pytest.approx(1 / 3)
    alone = torch.tensor([[50.0, 0.0, 0.0]], dtype=torch.float64)
    assert float(MCC(1.0)(alone, alone)) == pytest.approx(2 / 3)


def test_a_class_whose_probabilities_underflow_adds_nothing():
    logits = torch.tensor([[500.0, 0.0, -500.0], [0.0, 500.0, -500.0]]).requires_grad_()
    value = MCC(1.0)(logits, logits)
    value.backward()
    assert value.item() == 0 and logits.grad.isfinite().all()


def test_temperature_is_shown_and_checked():
    with pytest.raises(ValueError, match="temperature must be a finite number above 0; got 0"):
        MCC(0)
    assert repr(MCC(2.0)) == "MCC(temperature=2.0)"
