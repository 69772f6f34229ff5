"""Penalties against hand-computed values, plain NumPy references and numerical gradients."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso

from skdidan.penalties import CORAL, IDA, LMMD, MMD, PENALTIES, MeanDistance


def features(n, d=4, seed=0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


def directions(rows):
    centred = rows - rows.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=1, keepdims=True)


def ida_reference(source, target, sparsity, mean_weight):
    """IDA by scikit-learn's Lasso, one target row at a time."""
    atoms, rows = directions(source), directions(target)
    total = 0.0
    for row in rows:
        lasso = Lasso(alpha=sparsity / len(row), fit_intercept=False, tol=1e-12, max_iter=10**6)
        code = lasso.fit(atoms.T, row).coef_
        total += np.sum((row - code @ atoms) ** 2) + 2 * sparsity * np.abs(code).sum()
    return total / len(rows) + mean_weight * mean_distance_reference(source, target)


def mean_distance_reference(source, target):
    """One minus the share of variance left within the domains, each of which counts a half."""
    centre = (source.mean(axis=0) + target.mean(axis=0)) / 2

    def variance(about_source, about_target):
        return sum(
            np.mean(np.sum((rows - about) ** 2, axis=1))
            for rows, about in ((source, about_source), (target, about_target))
        )

    within = variance(source.mean(axis=0), target.mean(axis=0))
    return 1 - within / variance(centre, centre)


def mmd_reference(source, target, widths):
    rows = np.concatenate([source, target])
    squared = [[np.sum((a - b) ** 2) for b in rows] for a in rows]
    mean = np.sum(squared) / (len(rows) * (len(rows) - 1))

    def kernel(a, b):
        return sum(math.exp(-np.sum((a - b) ** 2) / (width * mean)) for width in widths)

    def average(A, B):
        return np.mean([kernel(a, b) for a, b in itertools.product(A, B)])

    return average(source, source) + average(target, target) - 2 * average(source, target)


@pytest.mark.parametrize("mean_weight", [0.0, 2.0])
def test_ida_equals_its_formula(mean_weight):
    source, target = features(9), features(6, seed=1, shift=0.3)
    expected = ida_reference(source.numpy(), target.numpy(), 0.1, mean_weight)
    penalty = IDA(0.1, mean_weight=mean_weight, tol=1e-9)(source, target)
    assert float(penalty) == pytest.approx(expected, abs=1e-8)
    rough = IDA(0.1, mean_weight=mean_weight)(source, target)
    assert expected <= float(rough) <= expected + IDA().tol


def test_ida_by_hand():
    # Centred and normalised, both domains are the two ends of a line: the code of each target row
    # is 1 - 0.2 / 2 spread over two opposite atoms, at a cost of 2 * 0.2 - 0.2**2.
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


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_reconstruction_cannot_be_had_by_shrinking_or_shifting_the_target(scale):
    source, target = features(20), features(15, seed=1)
    ida = IDA(mean_weight=0)
    expected = float(ida(source, target))
    assert float(ida(source, scale * target + 3)) == pytest.approx(expected, rel=1e-6)


def test_rows_that_are_all_alike_have_no_directions():
    row = torch.rand(1, 16, generator=torch.Generator().manual_seed(0))
    source, target = row.repeat(30, 1), row.repeat(20, 1)
    assert IDA().codes(source, target).count_nonzero() == 0
    assert float(IDA()(source, target)) < 1e-3


def test_mmd_does_not_see_the_scale():
    source, target = features(20), features(15, seed=1, shift=1.0)
    expected = float(MMD()(source, target))
    assert float(MMD()(1e-10 * source, 1e-10 * target)) == pytest.approx(expected)


def test_ida_names_its_parameters():
    shown = "IDA(sparsity=0.2, mean_weight=3.0, label_weight=1.0, levels=[[0, 0, 1]], tol=0.1)"
    assert repr(IDA(0.2, levels=[[0, 0, 1]])) == shown


def test_ida_codes_of_half_precision_are_those_of_single():
    source, target = features(12).bfloat16(), features(9, seed=1).bfloat16()
    expected = IDA().codes(source.float(), target.float())
    assert torch.equal(IDA().codes(source, target), expected)
    with pytest.raises(ValueError, match="matrices with equally many columns"):
        IDA().codes(source, target[:, :2])


def test_ida_codes_name_the_rows_that_rebuild():
    source = features(12, d=30)
    codes = IDA(sparsity=0.05).codes(source, source[:8] - source[:8].mean(0) + source.mean(0))
    assert codes.shape == (8, 12)
    assert torch.equal(codes.argmax(dim=1), torch.arange(8))


def rebuilt_labels_reference(source, target, labels, predictions, sparsity):
    """Compute the term of the labels at one level row by row."""
    atoms, rows = directions(source), directions(target)
    total = 0.0
    for row, prediction in zip(rows, predictions, strict=True):
        lasso = Lasso(alpha=sparsity / len(row), fit_intercept=False, tol=1e-12, max_iter=10**6)
        code = lasso.fit(atoms.T, row).coef_
        evidence = [max(0.0, np.mean(code[labels[:, k] == 1])) for k in range(labels.shape[1])]
        if sum(evidence):
            shares = np.array(evidence) / sum(evidence)
            sharp = shares**2 / sum(shares**2)
            total += max(shares) * np.sum((prediction - sharp) ** 2)
    return total / len(rows)


def one_hot(classes, n_classes=3):
    return torch.nn.functional.one_hot(torch.tensor(classes), n_classes).double()


class TestIDALabels:
    """Labels that the codes rebuild."""

    source, target = features(9), features(6, seed=1, shift=0.3)
    labels = one_hot([0, 1, 2, 0, 1, 1, 0, 1, 0])
    predictions = features(6, d=3, seed=2)

    def test_rebuilt_labels_equal_their_formula(self):
        expected = rebuilt_labels_reference(
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

    def test_the_right_predictions_cost_nothing(self):
        source = features(30, d=40)
        labels = one_hot(np.arange(30) % 3)
        terms = IDA(0.5, tol=1e-9).terms(source, source, labels, labels)
        assert float(terms["labels"]) == pytest.approx(0, abs=1e-6)

    def test_weights_of_zero_leave_terms_out(self):
        ida = IDA(mean_weight=0, label_weight=0)
        terms = ida.terms(self.source, self.target, self.labels, self.predictions)
        assert list(terms) == ida.parts == ["features"]

    def test_gradient_reaches_the_predictions_only_through_the_error(self):
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
            rebuilt_labels_reference(source, target, *level, 0.1)
            for level in (rough, (labels, predictions))
        ]

        def term(*levels):
            return float(
                IDA(0.1, label_weight=1, levels=levels, tol=1e-9).terms(*arguments)["labels"]
            )

        assert term([7, -2, 7]) == pytest.approx(expected[0], abs=1e-7)
        assert term([0, 1, 2]) == pytest.approx(expected[1], abs=1e-7)
        assert term([1, 0, 1], [0, 1, 2]) == pytest.approx(np.mean(expected), abs=1e-7)

    @pytest.mark.parametrize(
        ("labels", "predictions", "message"),
        [
            (labels, None, "labels of the source and predictions of the target go together"),
            (None, predictions, "labels of the source and predictions of the target go together"),
            (labels[:4], predictions, r"got shapes \(4, 3\) and \(6, 3\)"),
            (labels, predictions[:, :2], r"got shapes \(9, 3\) and \(6, 2\)"),
            (labels[:, 0], predictions, r"got shapes \(9,\) and \(6, 3\)"),
        ],
    )
    def test_labels_that_do_not_fit_are_refused(self, labels, predictions, message):
        with pytest.raises(ValueError, match=message):
            IDA()(self.source, self.target, labels, predictions)

    def test_levels_must_name_each_class(self):
        ida = IDA(levels=[[0, 1]])
        with pytest.raises(ValueError, match=r"a group for each of 3 classes; got \[\[0, 1\]\]"):
            ida(self.source, self.target, self.labels, self.predictions)

    @pytest.mark.parametrize(
        "levels", [[], [[]], [0, 1], ["ab"], [[0.5, 1]], [None], [[0, 1], [0, 0, 1]], 3]
    )
    def test_levels_hold_sequences_of_integers(self, levels):
        with pytest.raises(ValueError, match="levels must hold equally long sequences"):
            IDA(levels=levels)


def test_mmd_equals_its_formula():
    source, target = features(7), features(5, seed=1, shift=1.0)
    for widths in [(1.0,), (0.25, 0.5, 1.0, 2.0, 4.0)]:
        expected = mmd_reference(source.numpy(), target.numpy(), widths)
        assert float(MMD(widths)(source, target)) == pytest.approx(expected, rel=1e-10)


def test_mmd_is_never_negative_and_sees_a_shift():
    near = MMD()(features(50), features(40, seed=1))
    far = MMD()(features(50), features(40, seed=1, shift=1.0))
    assert 0 <= float(near) < float(far)


def test_coral_equals_numpy_covariances():
    source, target = features(9), 2 * features(6, seed=1)
    difference = np.cov(source.numpy().T) - np.cov(target.numpy().T)
    expected = np.sum(difference**2) / (4 * 4**2)
    assert float(CORAL()(source, target)) == pytest.approx(expected, rel=1e-10)


def test_coral_does_not_see_a_shift():
    source = features(9)
    assert float(CORAL()(source, source + 5)) == pytest.approx(0, abs=1e-20)


def test_mean_distance_is_the_share_of_variance():
    source, target = features(9), features(6, seed=1, shift=1.0)
    expected = mean_distance_reference(source.numpy(), target.numpy())
    assert float(MeanDistance()(source, target)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_mean_distance_cannot_be_had_by_shrinking_the_features(scale):
    source, target = features(9), features(6, seed=1, shift=1.0)
    expected = float(MeanDistance()(source, target))
    assert float(MeanDistance()(scale * source, scale * target)) == pytest.approx(expected)


def test_mean_distance_of_two_points_is_one():
    assert float(MeanDistance()(torch.zeros(3, 2), torch.ones(4, 2))) == 1


@pytest.mark.parametrize("name", ["coral", "mean_distance", "mmd"])
def test_identical_domains_cost_nothing(name):
    source = features(10)
    assert float(PENALTIES[name]()(source, source.clone())) == pytest.approx(0, abs=1e-12)


class TestLMMD:
    """The MMD of each class."""

    def test_of_hard_labels_it_is_the_mean_of_the_classes(self):
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

    def test_soft_predictions_weigh_the_rows(self, monkeypatch):
        def kernel(penalty, rows):  # of a width that does not depend on the rows
            return torch.exp(-torch.cdist(rows, rows).square())

        monkeypatch.setattr(LMMD, "_kernel", kernel)
        source, target = features(4), features(2, seed=1)
        labels = one_hot([0, 0, 1, 1], 2)
        soft = LMMD()(source, target, labels, torch.tensor([[0.75, 0.5], [0.25, -0.5]]))
        # Three copies of a row are three quarters of the weight.
        copies = target[[0, 0, 0, 1, 0]], labels, one_hot([0, 0, 0, 0, 1], 2)
        assert float(soft) == pytest.approx(float(LMMD()(source, *copies)))

    def test_without_labels_it_is_mmd(self):
        source, target = features(8), features(6, seed=1)
        assert float(LMMD()(source, target)) == float(MMD()(source, target))
        ones = torch.ones(8, 1), torch.ones(6, 1)
        assert float(LMMD()(source, target, *ones)) == pytest.approx(float(MMD()(source, target)))

    def test_no_gradient_flows_through_the_predictions(self):
        source, target = features(8).requires_grad_(), features(6, seed=1)
        predictions = torch.rand(6, 2, dtype=source.dtype).requires_grad_()
        LMMD()(source, target, one_hot([0, 1] * 4, 2), predictions).backward()
        assert predictions.grad is None and source.grad.abs().sum() > 0

    def test_no_class_in_common_costs_nothing(self):
        labels = one_hot([0, 0, 0], 2), one_hot([1, 1], 2)
        assert float(LMMD()(features(3), features(2), *labels)) == 0

    def test_labels_and_predictions_go_together(self):
        with pytest.raises(ValueError, match="go together"):
            LMMD()(features(3), features(2), torch.eye(3))


@pytest.mark.parametrize("name", sorted(PENALTIES))
class TestContract:
    """What every penalty of the table promises."""

    @pytest.mark.parametrize("sizes", [(8, 8), (12, 5), (3, 12)])
    def test_scalar_of_any_sizes(self, name, sizes):
        value = PENALTIES[name]()(features(sizes[0]), features(sizes[1], seed=1))
        assert value.shape == ()
        assert float(value) >= 0

    def test_gradient_equals_finite_differences(self, name):
        penalty = IDA(tol=1e-12) if name == "ida" else PENALTIES[name]()
        source, target = features(5, d=3), features(4, d=3, seed=1, shift=0.5)
        source.requires_grad_(), target.requires_grad_()
        penalty(source, target).backward()
        fixed_width = _with_fixed_width(penalty, source, target)
        for rows in (source, target):
            expected = torch.zeros_like(rows)
            for index in np.ndindex(*rows.shape):
                step = torch.zeros_like(rows)
                step[index] = 1e-5
                above, below = (
                    fixed_width(source + s, target)
                    if rows is source
                    else fixed_width(source, target + s)
                    for s in (step, -step)
                )
                expected[index] = (above - below).item() / 2e-5
            torch.testing.assert_close(rows.grad, expected, atol=1e-5, rtol=0)

    def test_order_of_the_rows_does_not_matter(self, name):
        source, target = features(8), features(6, seed=1)
        value = PENALTIES[name]()(source, target)
        turned = PENALTIES[name]()(source.flip(0), target.flip(0))
        assert float(value) == pytest.approx(float(turned), rel=1e-3)

    def test_arrays_are_refused(self, name):
        with pytest.raises(TypeError, match="must be tensors; got Tensor and ndarray"):
            PENALTIES[name]()(torch.zeros(6, 4), np.zeros((6, 4)))

    def test_features_that_do_not_fit_are_refused(self, name):
        penalty = PENALTIES[name]()
        with pytest.raises(ValueError, match=r"equally many columns; got shapes \(6, 4\) and"):
            penalty(features(6), features(6)[:, :1])
        with pytest.raises(ValueError, match="at least one row; got 6 and 0"):
            penalty(features(6), features(6)[:0])

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_is_computed_in_single(self, name, dtype):
        source, target = features(6).to(dtype), features(5, seed=1).to(dtype)
        expected = PENALTIES[name]()(source.float(), target.float())
        assert torch.equal(PENALTIES[name]()(source, target), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(PENALTIES[name]()(source.float(), target.float()), expected)

    @pytest.mark.parametrize("degenerate", ["dead", "constant", "one row", "twins", "tiny", "huge"])
    def test_degenerate_features_give_finite_values_and_gradients(self, name, degenerate):
        source, target = features(6).float(), features(5, seed=1).float()
        if degenerate == "dead":
            source, target = torch.zeros(6, 4), torch.zeros(5, 4)
        elif degenerate == "constant":
            target = torch.ones(5, 4)
        elif degenerate == "one row":
            source, target = source[:1], target[:1]
        elif degenerate == "twins":
            source, target = source[[0, 0, 1, 1]], source[[0, 0]]
        else:
            scale = 1e-12 if degenerate == "tiny" else 1e6
            source, target = scale * source, scale * target
        source = source.clone().requires_grad_()
        target = target.clone().requires_grad_()
        value = PENALTIES[name]()(source, target)
        value.backward()
        assert value.isfinite()
        assert source.grad.isfinite().all()
        assert target.grad.isfinite().all()


def _with_fixed_width(penalty, source, target):
    """MMD's gradient holds the kernel width constant: so must the difference quotient."""
    if not isinstance(penalty, MMD):
        return penalty
    rows = torch.cat([source, target]).detach()
    mean = torch.cdist(rows, rows).square().sum() / (len(rows) * (len(rows) - 1))

    def fixed(source, target):
        def kernel(a, b):
            squared = (a[:, None] - b[None]).square().sum(-1)
            return sum(torch.exp(-squared / (width * mean)) for width in penalty.widths).mean()

        return kernel(source, source) + kernel(target, target) - 2 * kernel(source, target)

    return fixed


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: IDA(0.0), "sparsity must be a finite number above 0; got 0.0"),
        (lambda: IDA(tol=-1.0), "tol must be a finite number above 0; got -1.0"),
        (lambda: IDA(label_weight=-1), "label_weight must be a finite number of at least 0"),
        (lambda: IDA(mean_weight=-1), "mean_weight must be a finite number of at least 0; got -1"),
        (lambda: MMD([]), "widths must hold at least one number"),
        (lambda: MMD(np.array([1.0, 0.0])), "widths must be a finite number above 0; got 0.0"),
    ],
)
def test_errors_name_the_parameter(make, message):
    with pytest.raises(ValueError, match=message):
        make()
