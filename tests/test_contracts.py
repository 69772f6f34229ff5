"""Contracts that everything in a table obeys."""

import copy
import pickle

import numpy as np
import pytest
import torch
from conftest import features, one_hot
from sklearn.utils.estimator_checks import parametrize_with_checks
from test_confusion import mcc_reference
from torch import nn

from skdidan.classifiers import CLASSIFIERS
from skdidan.penalties import PENALTIES

EXPECTED_FAILURES = {
    "check_methods_subset_invariance": "in single precision the outputs of one row alone and among "
    "others, products of matrices of different sizes, agree to 1e-6 but not to 1e-7",
}


@pytest.mark.filterwarnings("ignore::skdidan.domains.NoTargetWarning")
@parametrize_with_checks(
    [cls() for cls in CLASSIFIERS.values()],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
    xfail_strict=False,
)
def test_classifiers_are_scikit_learn_estimators(estimator, check):
    check(estimator)


def memberships(penalty, n_source, n_target, dtype=torch.float64):
    """Labels and predictions of three classes, as far as the penalty uses them."""
    known = {
        "labels": one_hot(torch.arange(n_source) % 3),
        "predictions": features(n_target, d=3, seed=2).softmax(dim=1),
        "source_predictions": features(n_source, d=3, seed=3).softmax(dim=1),
    }
    return {name: known[name].to(dtype) for name in penalty.uses}


ADVERSARIES = ("conditional_domain_adversary", "domain_adversary")
# With features alone, and with all that a penalty uses beside them.
CASES = [(name, False) for name in sorted(PENALTIES)]
CASES += [(name, True) for name in sorted(PENALTIES) if PENALTIES[name].uses]


def with_fixed_width(penalty, source, target):
    """Hold the kernel's width at that of these rows, as the gradient does."""
    rows = torch.cat([source, target])
    mean = torch.cdist(rows, rows).square().sum() / (len(rows) * (len(rows) - 1))
    fixed = copy.deepcopy(penalty)
    fixed._kernel = lambda rows: sum(
        torch.exp(-(rows[:, None] - rows[None]).square().sum(-1) / (width * mean))
        for width in penalty.widths
    )
    return fixed


def with_fixed_weights(penalty, source, target):
    """Hold the weights of the rows at those of these logits, as the gradient does."""
    probable = (target / penalty.temperature).softmax(dim=1).numpy()
    weights = 1 + np.exp(np.sum(probable * np.log(probable), axis=1))
    return lambda source, target: mcc_reference(target.numpy(), penalty.temperature, weights)


# What a gradient holds constant on purpose, the difference quotient must hold constant, too.
HELD = {
    "jmmd": with_fixed_width,
    "lmmd": with_fixed_width,
    "mcc": with_fixed_weights,
    "mmd": with_fixed_width,
}


@pytest.fixture(params=CASES, ids=[name + "+labels" * known for name, known in CASES])
def case(request):
    """Name of a penalty, and whether it is given what it uses."""
    return request.param


class TestPenalties:
    """What every penalty of the table promises."""

    @pytest.fixture
    def penalty(self, case):
        torch.manual_seed(0)  # of the weights of those that have some
        return PENALTIES[case[0]]()

    @pytest.fixture
    def call(self, penalty, case):
        def call(source, target, penalty=penalty):
            known = memberships(penalty, len(source), len(target)) if case[1] else {}
            return penalty(source, target, **known)

        return call

    @pytest.mark.parametrize("sizes", [(8, 8), (12, 5), (3, 12), (1000, 30), (1, 1)])
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_scalar_of_any_sizes(self, call, sizes, dtype):
        value = call(features(sizes[0]).to(dtype), features(sizes[1], seed=1).to(dtype))
        assert value.shape == ()
        assert value.dtype == dtype
        assert value.item() >= 0

    def test_gradient_equals_finite_differences(self, case, penalty, call):
        if case[0] == "ida":  # the gradient of the minimum; its labels have tests of their own
            penalty.tol, penalty.label_weight = 1e-12, 0
        source, target = features(5, d=3), features(4, d=3, seed=1, shift=0.5)
        leaves = [rows.clone().requires_grad_() for rows in (source, target)]
        given = torch.autograd.grad(call(*leaves), leaves, allow_unused=True)
        held = HELD.get(case[0], lambda penalty, *rows: penalty)(penalty, source, target)
        sign = -1 if case[0] in ADVERSARIES else 1
        for i, gradient in enumerate(given):
            expected = torch.zeros_like(leaves[i])
            for index in np.ndindex(*expected.shape):
                values = []
                for step in (1e-5, -1e-5):
                    rows = [source.clone(), target.clone()]
                    rows[i][index] += step
                    values.append(call(*rows, penalty=held).item())
                expected[index] = sign * (values[0] - values[1]) / 2e-5
            gradient = torch.zeros_like(expected) if gradient is None else gradient
            torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=0)

    def test_order_of_the_rows_does_not_matter(self, penalty, case):
        source, target = features(8), features(6, seed=1)
        known = memberships(penalty, 8, 6) if case[1] else {}
        value = penalty(source, target, **known).item()
        turned = {name: rows.flip(0) for name, rows in known.items()}
        assert penalty(source.flip(0), target.flip(0), **turned).item() == pytest.approx(value)

    def test_copies_and_pickles_say_the_same(self, penalty, call):
        source, target = features(8), features(6, seed=1)
        unused = copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))
        for other in (*unused, penalty):  # the weights of a first call are drawn from one state
            torch.manual_seed(1)
            last = call(source, target, penalty=other).item()
            assert last == call(source, target, penalty=unused[0]).item()
        for other in (copy.deepcopy(penalty), pickle.loads(pickle.dumps(penalty))):
            assert call(source, target, penalty=other).item() == last

    def test_arrays_are_refused(self, penalty):
        with pytest.raises(TypeError, match="must be tensors; got Tensor and ndarray"):
            penalty(torch.zeros(6, 4), np.zeros((6, 4)))

    def test_features_that_do_not_fit_are_refused(self, penalty):
        with pytest.raises(ValueError, match=r"equally many columns; got shapes \(6, 4\) and"):
            penalty(features(6), features(6)[:, :1])
        with pytest.raises(ValueError, match="at least one row; got 6 and 0"):
            penalty(features(6), features(6)[:0])

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_is_computed_in_single(self, call, dtype):
        source, target = features(6).to(dtype), features(5, seed=1).to(dtype)
        expected = call(source.float(), target.float())
        assert torch.equal(call(source, target), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(call(source.float(), target.float()), expected)

    @pytest.mark.parametrize("degenerate", ["dead", "constant", "one row", "twins", "tiny", "huge"])
    def test_degenerate_features_give_finite_values_and_gradients(self, call, degenerate):
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
        leaves = source.clone().requires_grad_(), target.clone().requires_grad_()
        value = call(*leaves)
        value.backward()
        assert value.isfinite()
        assert all(rows.grad is None or rows.grad.isfinite().all() for rows in leaves)


@pytest.mark.parametrize("name", ["coral", "jmmd", "lmmd", "mean_distance", "mmd"])
def test_identical_domains_cost_nothing(name):
    source, penalty = features(10), PENALTIES[name]()
    known = memberships(penalty, 10, 10)
    if known:
        known["predictions"] = known.get("labels", known.get("source_predictions"))
    assert float(penalty(source, source.clone())) == pytest.approx(0, abs=1e-12)
    assert float(penalty(source, source.clone(), **known)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", [name for name in sorted(PENALTIES) if PENALTIES[name].uses])
def test_memberships_that_do_not_fit_are_refused(name):
    penalty = PENALTIES[name]()
    source, target, known = features(6), features(5, seed=1), memberships(penalty, 6, 5)
    first, last = penalty.uses
    with pytest.raises(ValueError, match=f"{first} and {last} go together; got {first} alone"):
        penalty(source, target, **{first: known[first]})
    with pytest.raises(TypeError, match=f"{first} must be a tensor; got ndarray"):
        penalty(source, target, **{**known, first: known[first].numpy()})
    with pytest.raises(
        ValueError, match=rf"{first} must be of shape \(., n_classes\); got \(2, 3\)"
    ):
        penalty(source, target, **{**known, first: known[first][:2]})
    with pytest.raises(ValueError, match=f"{first} and {last} must agree in their columns"):
        penalty(source, target, **{**known, first: known[first][:, :2]})


@pytest.mark.parametrize("name", sorted(PENALTIES))
def test_each_penalty_works_in_a_loop_by_hand(name):
    """With all that any penalty may use, whether this one does or not."""
    rows = features(40, d=6).float(), features(30, d=6, seed=1, shift=1.0).float()
    labels = (rows[0][:, 0] > 0).long()

    def train(trade_off):
        torch.manual_seed(0)
        encoder, output = nn.Sequential(nn.Linear(6, 8), nn.ReLU()), nn.Linear(8, 2)
        penalty = PENALTIES[name]()
        modules = nn.ModuleList([encoder, output, penalty])
        optimizer = torch.optim.Adam(modules.parameters(), lr=0.02)
        for _ in range(60):
            source, target = map(encoder, rows)
            logits = output(source), output(target)
            aligned = logits if name == "mcc" else (source, target)
            if name in ADVERSARIES and not trade_off:
                aligned = source.detach(), target.detach()
            value = penalty(
                *aligned,
                labels=nn.functional.one_hot(labels),
                predictions=logits[1].softmax(dim=1),
                source_predictions=logits[0].softmax(dim=1),
            )
            weight = trade_off or (name in ADVERSARIES)
            loss = nn.functional.cross_entropy(logits[0], labels) + weight * value
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return value.item(), (logits[0].argmax(dim=1) == labels).float().mean().item()

    alone, aligned = train(0), train(10 if name == "coral" else 1)
    assert aligned[1] > 0.9
    # An adversary's loss is the discriminator's: deceived, it is larger.
    assert aligned[0] > 1.2 * alone[0] if name in ADVERSARIES else aligned[0] < 0.8 * alone[0]
