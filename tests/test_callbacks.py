"""Callbacks of skorch: those that work, those that are refused, and resumed trainings."""

import re
from functools import partial
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from skorch import callbacks as ready
from skorch.callbacks import (
    BatchScoring,
    Callback,
    Checkpoint,
    EarlyStopping,
    EpochScoring,
    GradientNormClipping,
    LoadInitState,
    LRScheduler,
    PassthroughScoring,
    TrainEndCheckpoint,
)

from skdidan import DANNClassifier, DIDANClassifier, SourceOnlyClassifier
from skdidan.neural import cooldown, ramp

QUICK = {"n_networks": 1, "max_epochs": 6, "batch_size": 16, "random_state": 0}


@pytest.mark.parametrize(
    "callback",
    [
        EpochScoring("accuracy"),
        EpochScoring("balanced_accuracy", on_train=True),
        ("mine", EpochScoring("accuracy")),
        BatchScoring("accuracy"),
        PassthroughScoring("valid_loss"),
        EpochScoring,
    ],
)
def test_callbacks_that_score_are_refused(callback, domains):
    with pytest.raises(ValueError, match=r"callbacks cannot score, but hold .*monitor='source'"):
        DIDANClassifier(callbacks=[callback]).fit(*domains[:3])


@pytest.mark.parametrize(
    "callbacks", [GradientNormClipping(1.0), "disable", [print], [None], {"a": EarlyStopping()}]
)
def test_what_is_no_list_of_callbacks_is_refused(callbacks, domains):
    with pytest.raises(TypeError, match="callbacks must be a list of callbacks of skorch; got "):
        DIDANClassifier(callbacks=callbacks).fit(*domains[:3])


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping(),
        EarlyStopping("train_los"),
        Checkpoint(),
        LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
        LRScheduler("ReduceLROnPlateau", monitor="valid_loss", step_every="batch"),
    ],
)
def test_a_monitor_that_no_column_has(callback, domains):
    match = rf"{type(callback).__name__} of callbacks has monitor='.*none of the columns .*'lr'"
    with pytest.raises(ValueError, match=match):
        DIDANClassifier(callbacks=[callback], **QUICK).fit(*domains[:3])


@pytest.mark.parametrize("error", [KeyError("mine"), ValueError("mine")])
def test_errors_of_callbacks_are_left_alone(error, domains):
    class Fails(Callback):
        def __init__(self, monitor=None):
            self.monitor = monitor

        def on_epoch_end(self, net, **kwargs):
            raise error

    for monitor in (None, "train_loss"):
        with pytest.raises(type(error), match=r"^'?mine'?$"):
            DIDANClassifier(callbacks=[Fails(monitor)], **QUICK).fit(*domains[:3])


def test_callbacks_may_monitor_the_monitor(domains):
    stop = EarlyStopping("monitor", lower_is_better=False, patience=1)
    params = {**QUICK, "validation_fraction": 0.3, "monitor": "source", "max_epochs": 60}
    history = DIDANClassifier(callbacks=[stop], **params).fit(*domains[:3]).history_
    assert len(history) < 60 and history[-1]["monitor"] <= history[-2]["monitor"] * (1 + 1e-4)


def working(folder):
    """Callbacks of skorch that the page on long trainings lists, by their names there."""
    checkpoint = Checkpoint(dirname=folder, monitor="train_loss_best")
    return {
        "Checkpoint": checkpoint,
        "EarlyStopping": EarlyStopping("train_loss"),
        "EpochTimer": ready.EpochTimer(),
        "Freezer": ready.Freezer("embedding.*"),
        "GradientNormClipping": GradientNormClipping(1.0),
        "Initializer": ready.Initializer("*.weight", fn=torch.nn.init.ones_),
        "LRScheduler": LRScheduler(ready.WarmRestartLR, min_lr=1e-5, max_lr=1e-2),
        "LoadInitState": LoadInitState(Checkpoint(dirname=folder)),
        "MlflowLogger": ready.MlflowLogger(MagicMock(), MagicMock()),
        "ParamMapper": ready.ParamMapper("*.bias", torch.nn.init.ones_),
        "PrintLog": ready.PrintLog(),
        "ProgressBar": ready.ProgressBar(batches_per_epoch="count"),
        "SacredLogger": ready.SacredLogger(MagicMock()),
        "TensorBoard": ready.TensorBoard(MagicMock()),
        "TrainEndCheckpoint": TrainEndCheckpoint(dirname=folder),
        "Unfreezer": ready.Unfreezer("embedding.*", at=2),
        "WandbLogger": ready.WandbLogger(MagicMock(), save_model=False),
    }


@pytest.mark.parametrize("name", working(None))
def test_callbacks_that_the_page_lists_work(name, domains, tmp_path):
    callback = working(tmp_path)[name]
    history = SourceOnlyClassifier(callbacks=[callback], **QUICK).fit(*domains[:2]).history_
    assert len(history) == 6 and history[-1]["train_loss"] > 0


def test_the_page_lists_each_callback_of_skorch():
    page = Path(__file__).parents[1] / "docs/how_to/long_trainings.rst"
    section = page.read_text().split("\nCallbacks\n---------\n")[1].split("\n---")[0]
    works, refused = section.split("Some cannot work")
    works, refused = (set(re.findall(r"``([A-Z]\w+)", part)) for part in (works, refused))
    assert works >= working(None).keys()
    assert {*works, *refused} >= set(ready.__all__) - {"Callback"}
    assert {"EpochScoring", "BatchScoring", "PassthroughScoring", "InputShapeSetter"} <= refused


def test_what_callbacks_write_down(domains):
    """The loggers get the columns of the history, and a frozen layer keeps its weights."""
    writer = MagicMock()
    callbacks = [ready.TensorBoard(writer), ready.Freezer("embedding.*")]
    fitted = DANNClassifier(callbacks=callbacks, **QUICK).fit(*domains[:3])
    tags = {call.kwargs["tag"] for call in writer.add_scalar.call_args_list}
    assert {"lr", "classification_loss", "domain_adversary"} <= tags
    first = DANNClassifier(**{**QUICK, "lr": 1e-30, "max_epochs": 1}, weight_decay=0)
    begun = first.fit(*domains[:3]).net_.module_.state_dict()
    for name, weights in fitted.net_.module_.state_dict().items():
        assert torch.equal(weights, begun[name]) == name.startswith("embedding"), name


@pytest.mark.parametrize(
    ("callback", "match"),
    [
        (
            ready.InputShapeSetter(),
            "hold InputShapeSetter, which is of no use: a network",
        ),
        (ready.WandbLogger(MagicMock()), "hold WandbLogger, whose save_model needs .*'valid_loss'"),
    ],
)
def test_callbacks_that_cannot_work_are_refused(callback, match, domains):
    with pytest.raises(ValueError, match=match):
        DANNClassifier(callbacks=[callback], **QUICK).fit(*domains[:3])


class Rates(Callback):
    """Notes the learning rate of each step."""

    def on_train_begin(self, net, **kwargs):
        self.rates_ = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.rates_.append(net.optimizer_.param_groups[0]["lr"])


FALLING = [1e-3 * cooldown(epoch, 6) for epoch in range(6)]


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        (None, FALLING),
        (LRScheduler("StepLR", step_size=1, gamma=0.5), [1e-3 / 2**e for e in range(6)]),
        (LRScheduler("CosineAnnealingLR", T_max=6), 5e-4 * (1 + np.cos(np.arange(6) * np.pi / 6))),
        (LRScheduler("ReduceLROnPlateau", monitor="train_loss"), [1e-3] * 6),
        (
            LRScheduler(torch.optim.lr_scheduler.ExponentialLR, gamma=0.5, step_every="batch"),
            [1e-3 / 2 ** (6 * e) for e in range(6)],
        ),
    ],
)
def test_the_history_holds_the_learning_rate_of_the_steps(scheduler, expected, domains):
    """A scheduler takes the place of the falling rate; an epoch has six steps."""
    rates = Rates()
    callbacks = [rates] if scheduler is None else [rates, ("mine", scheduler)]
    history = DIDANClassifier(callbacks=callbacks, **QUICK).fit(*domains[:3]).history_
    np.testing.assert_allclose([epoch["lr"] for epoch in history], expected)
    np.testing.assert_allclose(rates.rates_[::6], expected)


class Crash(Callback):
    """Ends the third epoch with an error."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 3:
            raise RuntimeError("power cut")


def resumed(make, folder, domains, *callbacks, **params):
    """Train up to the third epoch, and then the rest."""
    checkpoint = Checkpoint(dirname=folder, monitor=None, f_penalties="penalties.pt")
    with pytest.raises(RuntimeError, match="power cut"):
        make(callbacks=[checkpoint, *callbacks, Crash()], **params).fit(*domains[:3])
    callbacks = [checkpoint, LoadInitState(checkpoint), *callbacks]
    return make(callbacks=callbacks, **params).fit(*domains[:3])


@pytest.mark.parametrize("make", [DIDANClassifier, DANNClassifier, SourceOnlyClassifier])
def test_a_resumed_training_ends_with_the_epochs_that_were_missing(make, domains, tmp_path):
    without_dropout = {"dropout": 0.0, "input_dropout": 0.0}
    params = {"network_params": without_dropout, **QUICK}
    history = resumed(make, tmp_path, domains, **params).history_
    whole = make(**params).fit(*domains[:3]).history_
    assert [epoch["epoch"] for epoch in history] == [1, 2, 3, 4, 5, 6]
    np.testing.assert_allclose([epoch["lr"] for epoch in history], FALLING)
    scale = make().trade_off
    trade_offs = [scale * ramp(epoch / 6) for epoch in range(1, 7)]
    np.testing.assert_allclose([epoch["trade_off"] for epoch in history], trade_offs)
    losses = [[epoch["train_loss"] for epoch in epochs] for epochs in (history, whole)]
    assert losses[0][:3] == losses[1][:3]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.2)  # in another order of the rows


def test_a_scheduler_goes_on_in_a_resumed_training(domains, tmp_path):
    scheduler = LRScheduler("StepLR", step_size=1, gamma=0.5)
    history = resumed(DIDANClassifier, tmp_path, domains, scheduler, **QUICK).history_
    np.testing.assert_allclose([epoch["lr"] for epoch in history], [1e-3 / 2**e for e in range(6)])


def test_resuming_a_finished_training_trains_nothing(domains, tmp_path):
    params = {**QUICK, "monitor": "information"}
    checkpoint = Checkpoint(dirname=tmp_path, monitor=None)
    trained = DIDANClassifier(callbacks=[checkpoint], **{**params, "monitor": None})
    trained.fit(*domains[:3])
    callbacks = [checkpoint, LoadInitState(checkpoint)]
    again = DIDANClassifier(callbacks=callbacks, **params).fit(*domains[:3])
    X_tgt = domains[2]
    assert np.array_equal(again.decision_function(X_tgt), trained.decision_function(X_tgt))
    assert len(again.history_) == again.best_epoch_ == 6


@pytest.mark.parametrize(
    "make", [partial(DIDANClassifier, n_networks=3), partial(DANNClassifier, n_networks=2)]
)
@pytest.mark.parametrize("kind", [Checkpoint, TrainEndCheckpoint])
def test_checkpoints_of_several_networks_are_refused(make, kind, domains, tmp_path):
    checkpoint = kind(dirname=tmp_path)
    match = "would keep the last of . networks only. Set n_networks=1"
    for callbacks in ([checkpoint], [("name", LoadInitState(checkpoint))]):
        with pytest.raises(ValueError, match=match):
            make(callbacks=callbacks).fit(*domains[:3])
    assert not list(tmp_path.iterdir())
