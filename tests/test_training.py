"""The training step: its loss, its gradient and its history."""

import math
import re
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, EarlyStopping
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from skdidan.neural.batches import Batch, PairedBatches
from skdidan.neural.losses import SquaredError
from skdidan.neural.monitoring import monitor_callbacks
from skdidan.neural.networks import MLP
from skdidan.neural.schedules import cooldown, ramp
from skdidan.neural.terms import LossTerms
from skdidan.neural.training import AdaptationNet, PenaltyTerm
from skdidan.penalties import IDA, MeanDistance
from skdidan.tables import CLASSIFIERS


def net(penalties=None, *, module=None, max_epochs=2, trade_off=1.0, **params):
    torch.manual_seed(0)
    return AdaptationNet(
        module or MLP((4,), 3, dropout=0.0, input_dropout=0.0),
        nn.CrossEntropyLoss(),
        n_classes=3,
        penalties=penalties or {},
        trade_off=trade_off,
        lr=params.pop("lr", 1e-3),
        weight_decay=params.pop("weight_decay", 0.0),
        max_epochs=max_epochs,
        **params,
    )


def batches(n_source=20, n_target=12, batch_size=8):
    generator = torch.Generator().manual_seed(0)
    source = torch.randn(n_source, 4, generator=generator)
    target = torch.randn(n_target, 4, generator=generator) + 1
    return PairedBatches(
        source, target, torch.arange(n_source) % 3, batch_size, np.random.default_rng(0)
    )


def test_squared_error_by_hand():
    logits = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 1.0]])
    loss = SquaredError(torch.tensor([1.0, 3.0, 1.0]))(logits, torch.tensor([0, 1]))
    # Row errors of 0 and 0.25 + 1, with weights 1 and 3.
    assert float(loss) == pytest.approx(3 * 1.25 / 4)


def test_ramp_is_the_published_schedule():
    assert ramp(0) == 0
    assert ramp(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)


def test_schedules_name_an_argument_without_sense():
    for odd in (-1, np.nan, "1", None, [1]):
        with pytest.raises(ValueError, match="progress must be a finite number of at least 0"):
            ramp(odd)
        with pytest.raises(ValueError, match="n_epochs must be a whole number of at least 1"):
            cooldown(1, odd)
    with pytest.raises(ValueError, match="epoch must be a whole number; got None"):
        cooldown(None, 3)


def test_parts_of_a_penalty_are_recorded_by_name():
    class Backwards(nn.Module):
        parts = ("first", "second")

        def terms(self, source, target):
            return {"second": source.sum() * 0 + 2, "first": source.sum() * 0 + 1}

    history = net({"x": PenaltyTerm(Backwards())}).fit(batches(), None).history
    assert (history[0]["x_first"], history[0]["x_second"]) == (1, 2)


def test_a_penalty_receives_the_inputs_it_uses():
    """One batch without shuffling: labels and probabilities are those of its rows."""

    class Recorder(nn.Module):
        uses = ("source_predictions", "labels", "predictions")

        def forward(self, source, target, **inputs):
            self.inputs = inputs
            return source.sum() * 0

    recorder = Recorder()
    data = PairedBatches(*_unshuffled(batches(n_source=8, n_target=5)))
    fitted = net({"x": PenaltyTerm(recorder)}, trade_off=0, max_epochs=1, lr=1e-12).fit(data, None)
    rows = torch.cat([data.source, data.target])
    probabilities = fitted.outputs(rows).logits.softmax(dim=1)
    assert all(recorder.inputs[name].requires_grad for name in recorder.uses if name != "labels")
    inputs = {name: recorder.inputs[name].detach().sort(dim=0).values for name in recorder.uses}
    labels = nn.functional.one_hot(data.y_idx)
    torch.testing.assert_close(inputs["labels"], labels.sort(dim=0).values)
    torch.testing.assert_close(inputs["source_predictions"], probabilities[:8].sort(dim=0).values)
    torch.testing.assert_close(inputs["predictions"], probabilities[8:].sort(dim=0).values)


@pytest.mark.parametrize("uses", ["labels", ("labels", "speakers")])
def test_a_penalty_with_unknown_inputs_is_refused(uses):
    class Wrong(MeanDistance):
        pass

    Wrong.uses = uses
    with pytest.raises(ValueError, match="uses of Wrong must be a tuple of names out of"):
        PenaltyTerm(Wrong())


def test_weights_of_a_penalty_are_trained_with_the_network():
    class Learner(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(1.0))

        def forward(self, source, target):
            return self.weight * (source.detach().sum() * 0 + 1)

    fitted = net({"x": PenaltyTerm(Learner())}, lr=0.1, max_epochs=5).fit(batches(), None)
    values = fitted.history[:, "x"]
    assert values == sorted(values, reverse=True) and values[-1] < 0.5


def test_divergence_in_the_last_step_is_an_error():
    with pytest.raises(FloatingPointError, match="diverged in its last step: the outputs"):
        net(lr=1e30, max_epochs=1).fit(batches(n_source=8, n_target=8), None)


class Breaks(nn.Module):
    """Distance of the means that is infinite from a call on."""

    def __init__(self, n_calls):
        super().__init__()
        self.n_calls = n_calls

    def forward(self, source, target):
        self.n_calls -= 1
        scale = 1.0 if self.n_calls >= 0 else torch.inf
        return scale * (source.mean(dim=0) - target.mean(dim=0)).square().sum()


@pytest.mark.parametrize("within", [0, 1])
def test_divergence_keeps_the_last_epoch_with_a_finite_loss(within):
    """In the first batch of an epoch its weights are to blame, later only those of the epoch."""
    n_batches = sum(1 for _ in batches())
    assert n_batches > 1
    penalties = {"x": PenaltyTerm(Breaks(3 * n_batches + within))}
    torch.manual_seed(0)
    match = rf"epoch 4: x is inf. Scale .* or lower lr=.* The weights of epoch {2 + within} are"
    with pytest.warns(ConvergenceWarning, match=match):
        found = net(penalties, max_epochs=6).fit(batches(), None)
    weights = []

    class Keep(Callback):
        def on_epoch_end(self, net, **kwargs):
            weights.append({k: v.clone() for k, v in net.module_.state_dict().items()})

    torch.manual_seed(0)
    net({"x": PenaltyTerm(Breaks(99))}, max_epochs=6, callbacks=[Keep()]).fit(batches(), None)
    torch.testing.assert_close(found.module_.state_dict(), weights[1 + within], rtol=0, atol=0)
    assert len(found.history) == 2 + within
    with pytest.raises(FloatingPointError, match="in epoch 1: x is inf"):
        net({"x": PenaltyTerm(Breaks(1))}).fit(batches(), None)


def test_divergence_keeps_the_best_epoch_if_one_is_watched():
    """Where the outputs are infinite after the last step of an epoch, the score finds it first."""
    n_batches = sum(1 for _ in batches())

    class Break(Callback):
        def on_batch_end(self, net, **kwargs):
            if len(net.history) == 5 and len(net.history[-1]["batches"]) == n_batches:
                torch.nn.init.constant_(net.module_.output.bias, torch.inf)

    data = batches()
    watch = monitor_callbacks("information", 9, data.source[:0], np.zeros(0, int), data.target)
    with pytest.warns(ConvergenceWarning, match="in epoch 5: .* The weights of epoch") as warned:
        found = net(max_epochs=9, callbacks=[("break", Break()), *watch]).fit(data, None)
    best = dict(found.callbacks_)["best_epoch"]
    assert f"epoch {best.best_epoch_} are kept" in str(warned[0].message)
    assert len(found.history) == best.best_epoch_ <= 4
    state = found.module_.state_dict()
    torch.testing.assert_close(state, best.best_model_weights_, rtol=0, atol=0)


def test_a_best_epoch_that_was_the_last_to_explode_is_not_kept():
    """The loss of an epoch is that before its last update."""

    class Explode(Callback):
        def on_epoch_end(self, net, **kwargs):
            if len(net.history) == 4:
                torch.nn.init.constant_(net.module_.output.bias, torch.nan)

    callbacks = [Explode(), EarlyStopping("train_loss", patience=9, load_best=True)]
    with pytest.warns(ConvergenceWarning, match="The weights of epoch 3 are kept"):
        found = net(lr=1e-2, max_epochs=9, callbacks=callbacks).fit(batches(), None)
    assert len(found.history) == 3
    assert all(part.isfinite().all() for part in found.module_.state_dict().values())


def test_learning_rate_falls_in_the_last_epochs():
    fitted = net({}, lr=0.3, max_epochs=10).fit(batches(), None)
    expected = [0.3] * 8 + [0.2, 0.1]
    assert fitted.history[:, "lr"] == pytest.approx(expected)
    assert fitted.optimizer_.param_groups[0]["weight_decay"] == fitted.weight_decay
    single = net({}, lr=0.3, max_epochs=1).fit(batches(), None)
    assert single.history[:, "lr"] == [0.3]


def test_loss_is_the_sum_of_its_terms():
    penalties = {
        "near": PenaltyTerm(MeanDistance(), weight=2.0),
        "far": PenaltyTerm(MeanDistance(), weight=0.5, local=True),
    }
    fitted = net(penalties, trade_off=3.0, max_epochs=4).fit(batches(), None)
    for epoch in fitted.history:
        assert epoch["near"] == pytest.approx(epoch["far"])
        assert epoch["trade_off"] == pytest.approx(3 * ramp(epoch["epoch"] / 4))
        terms = epoch["classification_loss"] + epoch["trade_off"] * 2.5 * epoch["near"]
        assert epoch["train_loss"] == pytest.approx(terms, rel=1e-5)


def test_one_step_equals_a_loop_by_hand():
    """AdamW on the loss plus the penalty, with a forward pass for each domain."""
    data = batches(n_source=8, n_target=8)
    batch = Batch(data.source, data.target, data.y_idx)
    ours = net({"mean": PenaltyTerm(MeanDistance())}, trade_off=0.7, max_epochs=1)
    ours.fit(PairedBatches(*_unshuffled(batch)), None)

    torch.manual_seed(0)
    module = MLP((4,), 3, dropout=0.0, input_dropout=0.0)
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-3, weight_decay=0.0)
    logits, source_features, *_ = module(batch.source)
    _, target_features, *_ = module(batch.target)
    distance = MeanDistance()(source_features, target_features)
    loss = nn.functional.cross_entropy(logits, batch.y_idx) + 0.7 * ramp(1.0) * distance
    loss.backward()
    optimizer.step()

    assert ours.history[-1, "train_loss"] == pytest.approx(loss.item(), rel=1e-5)
    for mine, theirs in zip(ours.module_.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-6, rtol=1e-4)


def _unshuffled(batch):
    return batch.source, batch.target, batch.y_idx, 64, np.random.default_rng(0)


def test_outputs_are_those_of_the_evaluated_module():
    fitted = net(module=MLP((4,), 3, dropout=0.5)).fit(batches(), None)
    X = torch.randn(30, 4)
    outputs = fitted.outputs(X, batch_size=7)
    with torch.no_grad():
        expected = fitted.module_.eval()(X)
    torch.testing.assert_close(outputs.logits, expected.logits)
    torch.testing.assert_close(outputs.features, expected.features)


def test_a_network_may_return_a_plain_tuple():
    class Pair(MLP):
        def forward(self, X):
            return tuple(super().forward(X)[:2])

    torch.manual_seed(0)
    pair = Pair((4,), 3, dropout=0.0, input_dropout=0.0)
    penalties = {"mean": PenaltyTerm(MeanDistance(), local=True)}
    losses = [
        net(penalties, module=module).fit(batches(), None).history[:, "train_loss"]
        for module in (pair, None)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda X: X[:, :3],
        lambda X: (X[:, :3], X, X),
        lambda X: None,
        lambda X: (X[:, :2], X),  # too few logits
        lambda X: (X[:, :3], X[:, 0]),  # features that are no matrix
    ],
)
def test_a_network_that_returns_anything_else_is_refused(wrong):
    class Wrong(nn.Linear):
        def forward(self, X):
            return wrong(super().forward(X))

    with pytest.raises(TypeError, match=r"Wrong.forward must return skdidan.Outputs.*\(12, 3\)"):
        net(module=Wrong(4, 3)).fit(batches(), None)


def test_other_data_than_batches_are_left_to_skorch():
    fitted = net().fit(batches(), None)
    outputs = fitted.forward(np.zeros((5, 4), dtype=np.float32))
    expected = fitted.outputs(torch.zeros(5, 4))
    torch.testing.assert_close(outputs[0], expected.logits)
    torch.testing.assert_close(outputs[1], expected.features)


@pytest.mark.parametrize("is_watched", [False, True])
def test_terms_are_read_once_an_epoch_unless_a_callback_watches_batches(is_watched, monkeypatch):
    """The history is the same."""
    calls, seen = [], []
    read = LossTerms.read
    monkeypatch.setattr(
        LossTerms, "read", lambda self, *flags: calls.append(0) or read(self, *flags)
    )

    class Watch(Callback):
        def on_batch_end(self, net, **kwargs):
            seen.append(net.history[-1, "batches", -1, "train_loss"])

    torch.manual_seed(0)
    callbacks = [Watch()] if is_watched else []
    found = net({"x": PenaltyTerm(MeanDistance())}, max_epochs=3, callbacks=callbacks)
    found.fit(batches(), None)
    n_batches = len(batches())
    assert len(calls) == 3 * (1 + n_batches * is_watched)
    losses = [loss for epoch in found.history[:, "batches", :, "train_loss"] for loss in epoch]
    assert len(losses) == 3 * n_batches and seen == losses * is_watched
    for epoch in found.history:
        for batch in epoch["batches"]:
            expected = batch["classification_loss"] + batch["trade_off"] * batch["x"]
            assert batch["train_loss"] == pytest.approx(expected)


class DeviceReads(TorchDispatchMode):
    """Counts the numbers that lines of the package read from a device, for which they wait."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten._local_scalar_dense.default:
            frames = [f for f in traceback.extract_stack() if "torch" not in Path(f.filename).parts]
            # one_hot and the optimizer read on a CPU alone
            is_ours = "skdidan" in Path(frames[-2].filename).parts
            self.count += is_ours and not re.search(r"one_hot\(|step_fn\(", frames[-2].line)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("name", ["source_only", "dan", "dsan", "jan", "cdan", "mcc", "hda"])
def test_a_step_reads_nothing_from_the_device(name, network):
    """DIDAN and LIDAN, whose solver reads its gap, and contrasts are the exceptions.

    Nor does an epoch, but for `LossTerms.read`.
    """
    rng = np.random.default_rng(0)
    counts = []
    for n_rows, max_epochs in ((32, 1), (64, 1), (32, 3)):
        rows = rng.normal(size=(n_rows, 8, 9)).astype(np.float32)
        rows = rows[:, 0] if network == "mlp" else rows
        with DeviceReads() as reads:
            params = {"batch_size": 8, "network": network, "random_state": 0}
            model = CLASSIFIERS[name](max_epochs=max_epochs, **params)
            model.fit(rows, np.arange(n_rows) % 3, rows + 0.3)
        counts.append(reads.count)
    assert counts[0] == counts[1] == counts[2] > 0


def test_a_loss_that_is_not_finite_is_named_before_what_fails_because_of_it():
    """The solver of IDA refuses features that are not finite: the error names their loss."""

    class Spoil(nn.Module):
        def forward(self, source, target):
            return source.sum() * torch.inf

    terms = {"x": PenaltyTerm(Spoil()), "ida": PenaltyTerm(IDA(label_weight=0))}
    with pytest.raises(FloatingPointError, match=r"in epoch 1: x is (nan|inf)"):
        net(terms).fit(batches(), None)


def test_errors_of_a_penalty_are_raised_as_they_are():
    class Fails(nn.Module):
        def forward(self, source, target):
            raise ValueError("no such thing")

    with pytest.raises(ValueError, match="no such thing"):
        net({"x": PenaltyTerm(Fails())}).fit(batches(), None)


def test_an_interrupt_is_raised_again():
    class Interrupt(Callback):
        def on_batch_end(self, net, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        net(callbacks=[Interrupt()]).fit(batches(), None)
