"""Domain adversaries against torch's cross-entropy and values by hand."""

import math

import pytest
import torch
from references import features
from torch import nn

from skdidan import ConditionalDomainAdversary, DomainAdversary


def cross_entropy(discriminator, source, target):
    """Mean of the domains' losses, by torch."""
    loss = nn.BCEWithLogitsLoss()
    logits_s, logits_t = discriminator(source), discriminator(target)
    return (loss(logits_s, torch.ones_like(logits_s)) + loss(logits_t, 0 * logits_t)) / 2


def test_value_and_gradients_are_those_of_torch_but_reversed_at_the_features():
    source, target = (features(n, seed=n).float().requires_grad_() for n in (9, 5))
    adversary = DomainAdversary((7, 6))
    value = adversary(source, target)
    expected = cross_entropy(adversary.discriminator, source, target)
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    weights = list(adversary.parameters())
    assert [tuple(w.shape) for w in weights] == [(7, 4), (7,), (6, 7), (6,), (1, 6), (1,)]
    ours = torch.autograd.grad(value, [source, target, *weights])
    theirs = torch.autograd.grad(expected, [source, target, *weights])
    for sign, mine, reference in zip((-1, -1, *[1] * 6), ours, theirs, strict=True):
        torch.testing.assert_close(mine, sign * reference)


def test_a_discriminator_that_guesses_has_a_loss_of_log_2():
    adversary = DomainAdversary(())
    adversary(features(3), features(2))
    for weight in adversary.parameters():
        nn.init.zeros_(weight)
    assert float(adversary(features(3), features(2, shift=9.0)).detach()) == pytest.approx(
        math.log(2)
    )


def test_drawing_the_weights_does_not_advance_the_generator():
    before = torch.get_rng_state()
    DomainAdversary()(features(3), features(2))
    assert torch.equal(torch.get_rng_state(), before)


def test_features_of_another_size_are_refused():
    adversary = DomainAdversary()
    adversary(features(3), features(2))
    with pytest.raises(ValueError, match="was made for rows of 4 columns; got 5"):
        adversary(features(3, d=5), features(2, d=5))


def test_weights_stay_the_same_for_features_of_another_type():
    adversary = DomainAdversary()
    single = adversary(features(3).float(), features(2).float())
    double = adversary(features(3), features(2))
    assert single.dtype == double.dtype == torch.float32
    assert single.item() == double.item()


def test_weights_drawn_in_inference_mode_can_be_trained():
    adversary = DomainAdversary()
    with torch.inference_mode():
        adversary(features(3), features(2))
    adversary(features(3), features(2)).backward()
    assert all(weight.grad is not None for weight in adversary.parameters())


def test_hidden_layers_have_units():
    with pytest.raises(ValueError, match="hidden must be a whole number of at least 1; got 0"):
        DomainAdversary([8, 0])


class TestConditional:
    """The discriminator on features and predictions."""

    source, target = features(3, d=2), features(2, d=2, seed=1)

    def call(self, adversary, source_predictions, predictions):
        return adversary(
            self.source,
            self.target,
            source_predictions=torch.tensor(source_predictions, dtype=torch.float64),
            predictions=torch.tensor(predictions, dtype=torch.float64),
        )

    def test_the_discriminator_receives_the_outer_product(self):
        adversary = ConditionalDomainAdversary((), entropy_conditioning=False)
        of_source = [[1.0, 0.0], [0.5, 0.5], [-1.0, 2.0]]  # the last is clipped to 0 and 1
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

    def test_confident_rows_weigh_2_and_undecided_ones_1_5(self):
        adversary = ConditionalDomainAdversary((5,))
        of_target = [[1.0, 0.0], [0.0, 0.0]]  # the last becomes uniform
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
        assert conditional.item() == DomainAdversary()(self.source, self.target).item()

    def test_another_number_of_classes_is_refused(self):
        adversary = ConditionalDomainAdversary()
        self.call(adversary, [[1.0, 0.0]] * 3, [[1.0, 0.0]] * 2)
        with pytest.raises(ValueError, match=r"rows of 4 columns; got 2.*same classes"):
            adversary(self.source, self.target)

    def test_entropy_conditioning_is_shown_and_checked(self):
        shown = repr(ConditionalDomainAdversary(entropy_conditioning=False))
        assert "entropy_conditioning=False" in shown
        with pytest.raises(ValueError, match="must be True or False; got 'no'"):
            ConditionalDomainAdversary(entropy_conditioning="no")
