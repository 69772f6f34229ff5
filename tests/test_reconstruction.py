"""IDA against scikit-learn's Lasso, values by hand and finite differences."""

import numpy as np
import pytest
import torch
from references import features, mean_distance_reference, one_hot
from sklearn.linear_model import Lasso

from skdidan import IDA


def lasso_codes(source, target, sparsity):
    """Centred and normalised rows, and the codes of the target by scikit-learn's Lasso."""
    atoms, rows = (part - part.mean(axis=0) for part in (source, target))
    atoms, rows = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (atoms, rows))
    alpha = sparsity / rows.shape[1]
    lasso = Lasso(alpha=alpha, fit_intercept=False, tol=1e-12, max_iter=10**6)
    return atoms, rows, lasso.fit(atoms.T, rows.T).coef_


def ida_reference(source, target, sparsity, mean_weight):
    """IDA without labels, as its docstring defines it."""
    atoms, rows, codes = lasso_codes(source, target, sparsity)
    total = np.sum((rows - codes @ atoms) ** 2) + 2 * sparsity * np.abs(codes).sum()
    return total / len(rows) + mean_weight * mean_distance_reference(source, target)


@pytest.mark.parametrize("mean_weight", [0.0, 2.0])
def test_ida_equals_its_formula(mean_weight):
    source, target = features(9), features(6, seed=1, shift=0.3)
    expected = ida_reference(source.numpy(), target.numpy(), 0.1, mean_weight)
    penalty = IDA(0.1, mean_weight=mean_weight, tol=1e-9)(source, target)
    assert float(penalty) == pytest.approx(expected, abs=1e-8)
    rough = IDA(0.1, mean_weight=mean_weight)(source, target)
    assert expected <= float(rough) <= expected + IDA().tol


def test_ida_by_hand():
    # Centred and normalised, both domains are the two ends of a line. Each target row has a value
    # of 2 * 0.2 - 0.2**2, with a code of size 1 - 0.2 over two opposite atoms.
    source = torch.tensor([[0.0, 0.0], [2.0, 0.0]], dtype=torch.float64)
    target = torch.tensor([[5.0, 1.0], [9.0, 1.0]], dtype=torch.float64)
    assert float(IDA(0.2, mean_weight=0, tol=1e-9)(source, target)) == pytest.approx(0.36)
    # The means are 37**0.5 apart, the variances 1 and 4.
    share = (37 / 4) / (37 / 4 + 2.5)
    with_means = IDA(0.2, mean_weight=0.5, tol=1e-9)(source, target)
    assert float(with_means) == pytest.approx(0.36 + 0.5 * share)


def test_ida_of_orthogonal_domains_is_one():
    source = torch.tensor([[1.0, 0, 0, 0], [-1, 0, 0, 0]])
    target = torch.tensor([[0.0, 3, 0, 0], [0, -3, 0, 0]])
    assert float(IDA(0.1)(source, target)) == pytest.approx(1.0)


def test_repr_names_the_parameters():
    weights = "feature_weight=1.0, mean_weight=3.0, label_weight=1.0"
    shown = f"IDA(sparsity=0.2, {weights}, levels=[[0, 0, 1]], tol=0.1)"
    assert repr(IDA(0.2, levels=[[0, 0, 1]])) == shown


def test_ida_codes_of_half_precision_are_those_of_single():
    source, target = features(12).bfloat16(), features(9, seed=1).bfloat16()
    expected = IDA().codes(source.float(), target.float())
    assert torch.equal(IDA().codes(source, target), expected)
    with pytest.raises(ValueError, match="matrices with the same number of columns"):
        IDA().codes(source, target[:, :2])


def test_largest_code_is_that_of_the_same_row_in_the_source():
    source = features(12, d=30)
    codes = IDA(sparsity=0.05).codes(source, source[:8] - source[:8].mean(0) + source.mean(0))
    assert codes.shape == (8, 12)
    assert torch.equal(codes.argmax(dim=1), torch.arange(8))


def test_scaling_or_shifting_the_target_does_not_change_the_reconstruction():
    source, target = features(20), features(15, seed=1)
    ida = IDA(mean_weight=0)
    expected = float(ida(source, target))
    for scale in (0.01, 100.0):
        assert float(ida(source, scale * target + 3)) == pytest.approx(expected, rel=1e-6)


def test_identical_rows_are_not_scaled_up_from_rounding_errors():
    row = torch.rand(1, 16, generator=torch.Generator().manual_seed(0))
    source, target = row.repeat(30, 1), row.repeat(20, 1)
    assert IDA().codes(source, target).count_nonzero() == 0
    assert float(IDA()(source, target)) < 1e-3


def label_error_reference(source, target, labels, predictions, sparsity):
    """Compute the term of the labels at one level row by row."""
    _, rows, codes = lasso_codes(source, target, sparsity)
    total = 0.0
    for code, prediction in zip(codes, predictions, strict=True):
        evidence = [max(0.0, np.mean(code[labels[:, k] == 1])) for k in range(labels.shape[1])]
        if sum(evidence):
            shares = np.array(evidence) / sum(evidence)
            sharp = shares**2 / sum(shares**2)
            total += max(shares) * np.sum((prediction - sharp) ** 2)
    return total / len(rows)


class TestIDALabels:
    """Labels that the codes reconstruct."""

    source, target = features(9), features(6, seed=1, shift=0.3)
    labels = one_hot([0, 1, 2, 0, 1, 1, 0, 1, 0])
    predictions = features(6, d=3, seed=2)

    def test_label_error_equals_its_formula_and_adds_to_the_other_terms(self):
        expected = label_error_reference(
            *(a.numpy() for a in (self.source, self.target, self.labels, self.predictions)), 0.1
        )
        ida = IDA(0.1, mean_weight=2.0, label_weight=0.7, tol=1e-9)
        terms = ida.terms(self.source, self.target, self.labels, self.predictions)
        assert list(terms) == ida.parts == ["features", "means", "labels"]
        assert float(terms["labels"]) == pytest.approx(0.7 * expected, abs=1e-7)
        total = ida(self.source, self.target, self.labels, self.predictions)
        assert float(total) == pytest.approx(sum(map(float, terms.values())))
        assert float(total - terms["labels"]) == pytest.approx(
            float(ida(self.source, self.target)), abs=1e-9
        )

    def test_right_predictions_have_no_error(self):
        source = features(30, d=40)
        labels = one_hot(np.arange(30) % 3)
        terms = IDA(0.5, tol=1e-9).terms(source, source, labels, labels)
        assert float(terms["labels"]) == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("left", ["features", "means", "labels"])
    def test_terms_of_weight_zero_are_left_out(self, left):
        inputs = self.source, self.target, self.labels, self.predictions
        weights = dict.fromkeys(["feature_weight", "mean_weight", "label_weight"], 0)
        weights[f"{left.removesuffix('s')}_weight"] = 2.0
        ida = IDA(**weights)
        terms = ida.terms(*inputs)
        assert list(terms) == ida.parts == [left]
        whole = IDA(mean_weight=1.0).terms(*inputs)
        assert float(terms[left]) == pytest.approx(2 * float(whole[left]), rel=1e-6)

    def test_labels_alone_are_nothing_without_labels(self):
        ida = IDA(feature_weight=0, mean_weight=0)
        assert float(ida(self.source, self.target)) == 0

    def test_one_term_must_have_a_weight(self):
        with pytest.raises(ValueError, match="and label_weight must not all be 0"):
            IDA(feature_weight=0, mean_weight=0, label_weight=0)

    def test_label_error_moves_the_predictions_but_not_the_features(self):
        predictions = self.predictions.clone().requires_grad_()
        ida = IDA(0.1, label_weight=1, tol=1e-9)
        rows = [domain.clone().requires_grad_() for domain in (self.source, self.target)]
        terms = ida.terms(*rows, self.labels, predictions)
        slope, *none = torch.autograd.grad(terms["labels"], [predictions, *rows], allow_unused=True)
        assert none == [None, None]
        step = 1e-5 * features(6, d=3, seed=3)
        up, down = (
            ida.terms(self.source, self.target, self.labels, self.predictions + s)["labels"]
            for s in (step, -step)
        )
        assert float((slope * step).sum()) == pytest.approx(float(up - down) / 2, rel=1e-6)

    def test_a_level_adds_up_the_classes_of_a_group(self):
        arguments = self.source, self.target, self.labels, self.predictions
        source, target, labels, predictions = (a.numpy() for a in arguments)
        rough = [np.stack([a[:, 0] + a[:, 2], a[:, 1]], axis=1) for a in (labels, predictions)]
        expected = [
            label_error_reference(source, target, *level, 0.1)
            for level in (rough, (labels, predictions))
        ]

        def term(*levels):
            return float(
                IDA(0.1, label_weight=1, levels=levels, tol=1e-9).terms(*arguments)["labels"]
            )

        assert term([7, -2, 7]) == pytest.approx(expected[0], abs=1e-7)  # any group numbers do
        assert term([0, 1, 2]) == pytest.approx(expected[1], abs=1e-7)
        assert term([1, 0, 1], [0, 1, 2]) == pytest.approx(np.mean(expected), abs=1e-7)

    @pytest.mark.parametrize(
        ("labels", "predictions", "message"),
        [
            (None, predictions, r"labels and predictions go together; got predictions alone"),
            (labels, predictions[:, :2], r"same number of columns; got {'labels': 3, 'pred.*: 2}"),
            (labels[:, 0], predictions, r"labels must be of shape \(9, n_classes\); got \(9,\)"),
        ],
    )
    def test_labels_that_do_not_fit_are_refused(self, labels, predictions, message):
        with pytest.raises(ValueError, match=message):
            IDA()(self.source, self.target, labels, predictions)

    def test_levels_must_hold_a_group_for_each_class(self):
        ida = IDA(levels=[[0, 1]])
        with pytest.raises(ValueError, match=r"a group for each of 3 classes; got \[\[0, 1\]\]"):
            ida(self.source, self.target, self.labels, self.predictions)

    @pytest.mark.parametrize("levels", [[], [[]], [0, 1], ["ab"], [[0.5, 1]], [[0, 1], [0, 0, 1]]])
    def test_levels_that_are_not_sequences_of_integers_are_refused(self, levels):
        with pytest.raises(ValueError, match="levels must hold at least one sequence"):
            IDA(levels=levels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IDA(0.0), "sparsity must be a finite number above 0; got 0.0"),
        (lambda: IDA(tol=-1.0), "tol must be a finite number above 0; got -1.0"),
        (lambda: IDA(label_weight=-1), "label_weight must be a finite number of at least 0"),
        (lambda: IDA(mean_weight=-1), "mean_weight must be a finite number of at least 0; got -1"),
    ],
)
def test_errors_name_the_parameter(make, message):
    with pytest.raises(ValueError, match=message):
        make()
