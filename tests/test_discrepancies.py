"""Maximum mean discrepancies against plain NumPy and values by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from references import features, one_hot

from skdidan import JMMD, LMMD, MMD


def mmd_reference(source, target, widths):
    rows = np.concatenate([source, target])
    squared = [[np.sum((a - b) ** 2) for b in rows] for a in rows]
    mean = np.sum(squared) / (len(rows) * (len(rows) - 1))

    def kernel(a, b):
        return sum(math.exp(-np.sum((a - b) ** 2) / (width * mean)) for width in widths)

    def average(A, B):
        return np.mean([kernel(a, b) for a, b in itertools.product(A, B)])

    return average(source, source) + average(target, target) - 2 * average(source, target)


def test_scaling_the_features_does_not_change_mmd():
    source, target = features(20), features(15, seed=1, shift=1.0)
    expected = float(MMD()(source, target))
    assert float(MMD()(1e-10 * source, 1e-10 * target)) == pytest.approx(expected)


def test_mmd_equals_its_formula():
    source, target = features(7), features(5, seed=1, shift=1.0)
    for widths in [(1.0,), (0.25, 0.5, 1.0, 2.0, 4.0)]:
        expected = mmd_reference(source.numpy(), target.numpy(), widths)
        assert float(MMD(widths)(source, target)) == pytest.approx(expected, rel=1e-10)


class TestLMMD:
    """The MMD of each class."""

    def test_hard_labels_give_the_mean_over_the_shared_classes(self):
        source, target = features(12), features(9, seed=1, shift=0.5)
        codes_s, codes_t = torch.arange(12) % 3, torch.arange(9) % 2  # no target row of class 2
        value = LMMD((1.0,))(source, target, one_hot(codes_s.tolist()), one_hot(codes_t.tolist()))
        rows = torch.cat([source, target])
        squared = torch.cdist(rows, rows).square()
        kernel = torch.exp(-squared / (squared.sum() / (21 * 20)))
        expected = 0.0
        for c in range(2):
            s, t = (codes_s == c).nonzero()[:, 0], 12 + (codes_t == c).nonzero()[:, 0]
            expected += kernel[s][:, s].mean() + kernel[t][:, t].mean()
            expected -= 2 * kernel[s][:, t].mean()
        assert float(value) == pytest.approx(float(expected) / 2)

    def test_soft_predictions_weight_the_rows(self, monkeypatch):
        def kernel(penalty, rows):  # with a width that does not depend on the rows
            return torch.exp(-torch.cdist(rows, rows).square())

        monkeypatch.setattr(LMMD, "_kernel", kernel)
        source, target = features(4), features(2, seed=1)
        labels = one_hot([0, 0, 1, 1], 2)
        soft = LMMD()(source, target, labels, torch.tensor([[0.75, 0.5], [0.25, -0.5]]))
        # Three copies of a row are three quarters of the weight.
        copies = target[[0, 0, 0, 1, 0]], labels, one_hot([0, 0, 0, 0, 1], 2)
        assert float(soft) == pytest.approx(float(LMMD()(source, *copies)))

    def test_without_labels_or_with_one_class_it_is_mmd(self):
        source, target = features(8), features(6, seed=1)
        assert float(LMMD()(source, target)) == float(MMD()(source, target))
        ones = torch.ones(8, 1), torch.ones(6, 1)
        assert float(LMMD()(source, target, *ones)) == pytest.approx(float(MMD()(source, target)))

    def test_no_gradient_flows_through_the_predictions(self):
        source, target = features(8).requires_grad_(), features(6, seed=1)
        predictions = torch.rand(6, 2, dtype=source.dtype).requires_grad_()
        LMMD()(source, target, one_hot([0, 1] * 4, 2), predictions).backward()
        assert predictions.grad is None and source.grad.abs().sum() > 0

    def test_domains_without_a_shared_class_have_a_value_of_zero(self):
        labels = one_hot([0, 0, 0], 2), one_hot([1, 1], 2)
        assert float(LMMD()(features(3), features(2), *labels)) == 0


class TestJMMD:
    """MMD of features and predictions together."""

    def test_equals_its_formula(self):
        source, target = features(7), features(5, seed=1, shift=1.0)
        probable = features(12, d=3, seed=2).softmax(dim=1)
        rows = torch.cat([source, target]).numpy()
        squared = np.array([[np.sum((a - b) ** 2) for b in rows] for a in rows])
        mean = squared.sum() / (12 * 11)
        kernel = sum(np.exp(-squared / (width * mean)) for width in (0.5, 2.0))
        for i, j in itertools.product(range(12), repeat=2):
            difference = (probable[i] - probable[j]).numpy()
            kernel[i, j] *= math.exp(-np.sum(difference**2) / 0.7)
        expected = kernel[:7, :7].mean() + kernel[7:, 7:].mean() - 2 * kernel[:7, 7:].mean()
        jmmd = JMMD((0.5, 2.0), prediction_width=0.7)
        value = jmmd(source, target, source_predictions=probable[:7], predictions=probable[7:])
        assert float(value) == pytest.approx(expected, rel=1e-10)

    def test_without_or_with_equal_predictions_it_is_mmd(self):
        source, target = features(8), features(6, seed=1)
        known = {"source_predictions": torch.ones(8, 3), "predictions": torch.ones(6, 3)}
        expected = float(MMD()(source, target))
        assert float(JMMD()(source, target)) == expected
        assert float(JMMD()(source, target, **known)) == pytest.approx(expected)

    def test_gradient_flows_through_the_predictions_of_both_domains(self):
        predictions = [features(n, d=3, seed=n).softmax(dim=1) for n in (8, 6)]
        for rows in predictions:
            rows.requires_grad_()
        value = JMMD()(features(8), features(6, seed=1, shift=1.0), None, *predictions[::-1])
        value.backward()
        assert all(rows.grad.abs().sum() > 0 for rows in predictions)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MMD(3), "widths must be a list or tuple of numbers; got 3"),
        (lambda: MMD("12"), "widths must be a list or tuple of numbers; got '12'"),
        (lambda: MMD(b"12"), "widths must be a list or tuple of numbers; got b'12'"),
        (lambda: MMD({1.0}), "widths must be a list or tuple of numbers; got {1.0}"),
        (lambda: MMD([]), "widths must hold at least one number"),
        (lambda: MMD(np.array([1.0, 0.0])), r"widths must be a finite number above 0; got .*0\.0"),
        (lambda: JMMD(prediction_width=0), "prediction_width must be a finite number above 0"),
    ],
)
def test_errors_name_the_parameter(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_parameters_are_shown():
    assert repr(JMMD([1.0], prediction_width=2.0)) == "JMMD(widths=(1.0,), prediction_width=2.0)"
