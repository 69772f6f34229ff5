"""Domain adversaries against torch's own cross-entropy and hand-computed values."""

import math

import pytest
import torch
from conftest import features
from torch import nn

from skdidan import ConditionalDomainAdversary, DomainAdversary


def cross_entropy(discriminator, source, target):
    """Mean of the domains' losses, by torch."""
    loss = nn.BCEWithLogitsLoss()
    logits = discriminator(source), discriminator(target)
    return (
        loss(logits[0], torch.ones(len(source), 1)) + loss(logits[1], torch.zeros(len(target), 1))
    ) / 2


def gradients(value, *tensors):
    return torch.autograd.grad(value, tensors)


def test_the_value_and_the_discriminators_gradient_are_torchs_and_that_of_features_is_reversed():
    source, target = (
        features(9).float().requires_grad_(),
        features(5, seed=1).float().requires_grad_(),
    )
    adversary = DomainAdversary((7, 6))
    value = adversary(source, target)
    expected = cross_entropy(adversary.discriminator, source, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    weights = list(adversary.parameters())
    assert [tuple(w.shape) for w in weights] == [(7, 4), (7,), (6, 7), (6,), (1, 6), (1,)]
    ours = gradients(value, source, target, *weights)
    theirs = gradients(expected, source, target, *weights)
    for sign, mine, reference in zip((-1, -1, *[1] * 6), ours, theirs, strict=True):
        torch.testing.assert_close(mine, sign * reference)


def test_a_discriminator_that_guesses_costs_log_2():
    adversary = DomainAdversary(())
    adversary(features(3), features(2))
    for weight in adversary.parameters():
        nn.init.zeros_(weight)
    assert float(adversary(features(3), features(2, shift=9.0)).detach()) == pytest.approx(
        math.log(2)
    )


def test_its_weights_are_drawn_without_advancing_the_generator():
    before = torch.get_rng_state()
    DomainAdversary()(features(3), features(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_features_of_another_size_are_refused():
    adversary = DomainAdversary()
    adversary(features(3), features(2))
    with pytest.raises(ValueError, match="has learnt from rows of 4 columns; got 5"):
        adversary(features(3, d=5), features(2, d=5))


def test_another_type_of_features_goes_through_the_same_weights():
    adversary = DomainAdversary()
    single = adversary(features(3).float(), features(2).float())
    double = adversary(features(3), features(2))
    assert single.dtype == double.dtype == torch.float32
    assert single.item() == double.item()


def test_the_first_call_may_be_one_of_inference():
    adversary = DomainAdversary()
    with torch.inference_mode():
        adversary(features(3), features(2))
    adversary(features(3), features(2)).backward()
    assert all(weight.grad is not None for weight in adversary.parameters())


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (8, "hidden must be a list or tuple of whole numbers; got 8"),
        ("8", "hidden must be a list or tuple of whole numbers; got '8'"),
        ([8, 0], "hidden must be a whole number of at least 1; got 0"),
    ],
)
def test_hidden_layers_have_units(hidden, message):
    with pytest.raises(ValueError, match=message):
        DomainAdversary(hidden)


class TestConditional:
    """The discriminator of features and predictions."""

    source, target = features(3, d=2), features(2, d=2, seed=1)

    def call(self, adversary, source_predictions, predictions):
        return adversary(
            self.source,
            self.target,
            source_predictions=torch.tensor(source_predictions, dtype=torch.float64),
            predictions=torch.tensor(predictions, dtype=torch.float64),
        )

    def test_it_sees_the_outer_product_by_hand(self):
        adversary = ConditionalDomainAdversary((), entropy_conditioning=False)
        of_source = [[1.0, 0.0], [0.5, 0.5], [-1.0, 2.0]]  # below 0 is 0, the sum is 1
        of_target = [[0.25, 0.75], [0.0, 1.0]]
        value = self.call(adversary, of_source, of_target)
        shares_s, shares_t = [[1, 0], [0.5, 0.5], [0, 1]], of_target
        joint = [
            [[f * g for f in row for g in p] for row, p in zip(rows.tolist(), shares, strict=True)]
            for rows, shares in ((self.source, shares_s), (self.target, shares_t))
        ]
        linear = adversary.discriminator[0]
        logits_s, logits_t = (linear(torch.tensor(rows, dtype=torch.float64)) for rows in joint)
        expected = (torch.log1p(torch.exp(-logits_s)).mean() + logits_t.exp().log1p().mean()) / 2
        assert value.item() == pytest.approx(expected.item())

    def test_sure_rows_count_twice_and_undecided_ones_one_and_a_half_times(self):
        adversary = ConditionalDomainAdversary((5,))
        of_target = [[1.0, 0.0], [0.0, 0.0]]  # the last is undecided
        all_rows = self.call(adversary, [[1.0, 0.0], [0.5, 0.5], [0.5, 0.5]], of_target)
        # exp(-log 2) = 1/2: weights 2, 1.5, 1.5, and 2, 1.5.
        discriminator = adversary.discriminator
        rows = torch.cat([self.source, self.target])
        shares = torch.tensor([[1.0, 0], [0.5, 0.5], [0.5, 0.5], [1, 0], [0.5, 0.5]]).double()
        pairs = zip(rows, shares, strict=True)
        logits = discriminator(torch.stack([torch.outer(f, g).flatten() for f, g in pairs]))[:, 0]
        losses = torch.log1p(torch.exp(logits * torch.tensor([-1, -1, -1, 1, 1])))
        weights = torch.tensor([2 / 5, 1.5 / 5, 1.5 / 5, 2 / 3.5, 1.5 / 3.5])
        assert all_rows.item() == pytest.approx((weights * losses).sum().item() / 2)

    def test_no_gradient_flows_through_the_predictions(self):
        predictions = [torch.full((n, 2), 0.5, requires_grad=True) for n in (2, 3)]
        source = self.source.clone().requires_grad_()
        ConditionalDomainAdversary()(source, self.target, None, *predictions).backward()
        assert predictions[0].grad is None and predictions[1].grad is None
        assert source.grad.abs().sum() > 0

    def test_without_predictions_it_is_a_domain_adversary(self):
        torch.manual_seed(0)
        conditional = ConditionalDomainAdversary()(self.source, self.target)
        torch.manual_seed(0)
        assert float(conditional.detach()) == float(
            DomainAdversary()(self.source, self.target).detach()
        )

    def test_other_classes_than_before_are_refused(self):
        adversary = ConditionalDomainAdversary()
        self.call(adversary, [[1.0, 0.0]] * 3, [[1.0, 0.0]] * 2)
        with pytest.raises(ValueError, match=r"rows of 4 columns; got 2.*same classes"):
            adversary(self.source, self.target)

    def test_entropy_conditioning_is_a_switch(self):
        shown = repr(ConditionalDomainAdversary(entropy_conditioning=False))
        assert "entropy_conditioning=False" in shown
        with pytest.raises(ValueError, match="must be True or False; got 'no'"):
            ConditionalDomainAdversary(entropy_conditioning="no")
