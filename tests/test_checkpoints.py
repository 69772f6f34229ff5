"""Trainings that are killed or interrupted, and those that begin where another one was."""

import copy
import os
import random
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
import torch
from references import shifted_blobs
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback, PrintLog

from skdidan import (
    CNN,
    AdaptationClassifier,
    CDANClassifier,
    DANClassifier,
    DIDANClassifier,
    Outputs,
    SourceOnlyClassifier,
    load,
    save,
)
from skdidan.neural.checkpoints import Checkpoint

X_SRC, Y_SRC, X_TGT, _ = shifted_blobs(60, 90)
FITS = {
    "several networks": (DIDANClassifier, {"n_networks": 2}),
    "a discriminator": (CDANClassifier, {}),
    "the best epoch": (DANClassifier, {"monitor": "information", "n_networks": 2}),
    "held-out rows and a stop": (
        SourceOnlyClassifier,
        {"monitor": "source", "validation_fraction": 0.25, "patience": 2, "lr": 0.01},
    ),
    "a seed drawn": (DIDANClassifier, {"n_networks": 1, "random_state": None}),
}
N_BATCHES = 3  # of an epoch: 90 target rows in batches of 32
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")


class TwoLayers(torch.nn.Module):
    """A network of somebody else, which drops out by torch's global generator."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        n_inputs = int(np.prod(input_shape))
        self.first = torch.nn.Sequential(torch.nn.Linear(n_inputs, 9), torch.nn.Dropout(0.5))
        self.output = torch.nn.Linear(9, n_classes)

    def forward(self, X):
        features = self.first(X.flatten(1)).relu()
        return Outputs(self.output(features), features)


def make(name, **params):
    cls, own = FITS[name]
    return cls(**{"max_epochs": 6, "batch_size": 32, "random_state": 0, **own, **params})


def in_child(function):
    """Run a function in a forked process and return the signal that ended it, if one did."""
    child = os.fork()
    if not child:
        try:
            function()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def assert_same(found, expected):
    assert len(found.nets_) == len(expected.nets_)
    for net, other in zip(found.nets_, expected.nets_, strict=True):
        state = other.module_.state_dict()
        for name, tensor in net.module_.state_dict().items():
            assert np.array_equal(tensor, state[name]), name
    np.testing.assert_array_equal(found.predict_proba(X_TGT), expected.predict_proba(X_TGT))
    columns = [{**epoch, "dur": 0} for epoch in expected.history_]
    assert [{**epoch, "dur": 0} for epoch in found.history_] == columns
    assert getattr(found, "best_epoch_", 0) == getattr(expected, "best_epoch_", 0)


@needs_fork
@pytest.mark.parametrize("name", FITS)
def test_killed_after_each_epoch_it_ends_with_the_same_weights(name, tmp_path, monkeypatch):
    expected = make(name).fit(X_SRC, Y_SRC, X_TGT)
    keep, classifier = Checkpoint.keep, make(name, checkpoint=tmp_path / "training")

    def keep_and_die(*args):
        keep(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    n_kills = 0
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "keep", keep_and_die)
        while in_child(lambda: classifier.fit(X_SRC, Y_SRC, X_TGT)) == signal.SIGKILL:
            n_kills += 1
    assert n_kills >= 4
    found = classifier.fit(X_SRC, Y_SRC, X_TGT)
    if name == "a seed drawn":  # which is in the file
        expected = make(name, checkpoint=tmp_path / "training").fit(X_SRC, Y_SRC, X_TGT)
    assert_same(found, expected)


def interrupted_after(n_epochs, keep=Checkpoint.keep):
    """Make a `Checkpoint.keep` after which the user presses Ctrl-C at the end of an epoch."""

    def interrupted(checkpoint, number, net, batches=None):
        keep(checkpoint, number, net, batches)
        if len(net.history) == n_epochs:
            raise KeyboardInterrupt

    return interrupted


@pytest.mark.parametrize("network", ["cnn", CNN, TwoLayers])
def test_each_network_goes_on_from_its_checkpoint(network, tmp_path, monkeypatch):
    """With means of batches, padding, dropout, and a network of others, with its own dropout."""
    spectra = np.random.default_rng(0).normal(size=(24, 16, 12)).astype(np.float32)
    if network is not TwoLayers:
        spectra[::3, :, 7:] = np.nan  # shorter recordings
    params = {"max_epochs": 3, "batch_size": 8, "random_state": 0, "monitor": "information"}
    data = spectra, np.arange(24) % 2, spectra[:20] + 1
    expected = CDANClassifier(network, **params).fit(*data)
    classifier = CDANClassifier(network, checkpoint=tmp_path / "training", **params)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "keep", interrupted_after(2))
        classifier.fit(*data)
    found = classifier.fit(*data)
    for name, tensor in expected.net_.module_.state_dict().items():
        assert torch.equal(found.net_.module_.state_dict()[name], tensor), name
    assert found.best_epoch_ == expected.best_epoch_
    np.testing.assert_array_equal(found.predict_proba(spectra), expected.predict_proba(spectra))


class Breaks(torch.nn.Module):
    """Distance of the means that is infinite from a batch on."""

    def __init__(self, n_batches):
        super().__init__()
        self.register_buffer("n_left", torch.tensor(n_batches))

    def forward(self, source, target):
        self.n_left -= 1
        scale = 1.0 if self.n_left >= 0 else torch.inf
        return scale * (source.mean(dim=0) - target.mean(dim=0)).square().sum()


class BreakingClassifier(AdaptationClassifier):
    """Trained under a penalty that becomes infinite."""

    penalty = Breaks


def test_a_resumed_training_that_diverges_at_once_keeps_the_weights_of_one_that_was_not(
    tmp_path, monkeypatch
):
    """The weights after the third epoch have an infinite loss, so those of the second are kept."""
    params = {"penalty_params": {"n_batches": 3 * N_BATCHES}, "batch_size": 32, "random_state": 0}
    with pytest.warns(ConvergenceWarning, match="The weights of epoch 2 are kept"):
        expected = BreakingClassifier(**params).fit(X_SRC, Y_SRC, X_TGT)
    classifier = BreakingClassifier(checkpoint=tmp_path / "training", **params)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "keep", interrupted_after(3))
        classifier.fit(X_SRC, Y_SRC, X_TGT)
    with pytest.warns(ConvergenceWarning, match="in epoch 4.*The weights of epoch 2 are kept"):
        assert_same(classifier.fit(X_SRC, Y_SRC, X_TGT), expected)
    assert_same(classifier.fit(X_SRC, Y_SRC, X_TGT), expected)  # done, by the file


@needs_fork
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_it_ends_with_the_same_weights(seed, tmp_path):
    classifier = make("several networks", checkpoint=tmp_path / "training", max_epochs=20)
    rng = random.Random(seed)
    for _ in range(10):
        child = os.fork()
        if not child:
            classifier.fit(X_SRC, Y_SRC, X_TGT)
            os._exit(0)
        time.sleep(rng.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    found = classifier.fit(X_SRC, Y_SRC, X_TGT)
    assert_same(found, make("several networks", max_epochs=20).fit(X_SRC, Y_SRC, X_TGT))


def test_other_parameters_and_data_are_refused(tmp_path):
    path = tmp_path / "training"
    classifier = make("a discriminator", checkpoint=path).fit(X_SRC, Y_SRC, X_TGT)
    assert_same(classifier, make("a discriminator").fit(X_SRC, Y_SRC, X_TGT))
    other = make("a discriminator", checkpoint=path, lr=0.1)
    for match, fit in {
        "another set of parameters, .* code of them": lambda: other.fit(X_SRC, Y_SRC, X_TGT),
        "another source": lambda: classifier.fit(X_SRC, Y_SRC[::-1], X_TGT),
        "another target": lambda: classifier.fit(X_SRC, Y_SRC, X_TGT[:-1]),
    }.items():
        with pytest.raises(ValueError, match=f"{match}. Remove it, or name another file"):
            fit()
    rate = classifier.get_params()["lr"]
    same = make("a discriminator", checkpoint=path, lr=np.float64(rate))
    assert_same(same.fit(X_SRC, Y_SRC, X_TGT), classifier)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is no whole file of a training"):
        classifier.fit(X_SRC, Y_SRC, X_TGT)


@pytest.mark.parametrize("name", ["several networks", "the best epoch"])
def test_ctrl_c_while_the_state_is_kept_ends_no_training(name, tmp_path, monkeypatch):
    """Callbacks of skorch interrupt after an epoch to end a training; a user does not."""
    keep, n_kept = Checkpoint.keep, []
    classifier = make(name, checkpoint=tmp_path / "training")

    def interrupted(*args):
        keep(*args)
        n_kept.append(1)
        if len(n_kept) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "keep", interrupted)
        classifier.fit(X_SRC, Y_SRC, X_TGT)
    found = classifier.fit(X_SRC, Y_SRC, X_TGT)
    assert_same(found, make(name).fit(X_SRC, Y_SRC, X_TGT))


# Ctrl-C and fits that begin at the weights of another


class Interrupt(Callback):
    """Presses Ctrl-C in a batch, counted over all networks."""

    def __init__(self, at):
        self.at = at

    def on_batch_begin(self, net, **kwargs):
        self.at -= 1
        if self.at == 0:
            raise KeyboardInterrupt


class StopAfter(Callback):
    """Ends the training after so many epochs, as early stopping does."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.n_epochs:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("at", "n_networks", "n_epochs"),
    [(2 * N_BATCHES, 1, 1), (2 * N_BATCHES + 1, 1, 2), (6 * N_BATCHES + 2, 1, 6), (24, 2, 1)],
)
def test_ctrl_c_keeps_what_is_trained(at, n_networks, n_epochs):
    """In an epoch, between two, in the first epoch of the second network, and later in it."""
    whole = make("several networks").fit(X_SRC, Y_SRC, X_TGT)
    params = {"callbacks": [Interrupt(at)], "n_networks": 2}
    match = f"kept: {n_epochs} of 6 epochs of network {n_networks} of 2"
    with pytest.warns(UserWarning, match=match):
        found = make("several networks", on_interrupt="keep", **params).fit(X_SRC, Y_SRC, X_TGT)
    assert len(found.nets_) == n_networks and len(found.nets_[-1].history) == n_epochs
    losses = [epoch["train_loss"] for epoch in whole.history_]
    assert [epoch["train_loss"] for epoch in found.history_] == losses[: len(found.history_)]
    stopped = make("several networks", callbacks=[StopAfter(n_epochs)], n_networks=n_networks)
    stopped.fit(X_SRC, Y_SRC, X_TGT)
    for net, other in zip(found.nets_[n_networks - 1 :], stopped.nets_[-1:], strict=True):
        for name, tensor in other.module_.state_dict().items():
            assert np.array_equal(net.module_.state_dict()[name], tensor), name
    for on_interrupt, moment in (("raise", at), ("keep", 2)):  # before an epoch is over
        params["callbacks"] = [Interrupt(moment)]
        classifier = make("several networks", on_interrupt=on_interrupt, **params)
        with pytest.raises(KeyboardInterrupt):
            classifier.fit(X_SRC, Y_SRC, X_TGT)
        assert not hasattr(classifier, "nets_")


def test_a_fit_that_was_interrupted_and_kept_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    classifier = make("the best epoch", checkpoint=tmp_path / "training", on_interrupt="keep")
    keep, n_kept = Checkpoint.keep, []

    def interrupted(*args):
        keep(*args)
        n_kept.append(1)
        if len(n_kept) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.warns(UserWarning, match="kept: 3 of 6 epochs"):
        patch.setattr(Checkpoint, "keep", interrupted)
        classifier.fit(X_SRC, Y_SRC, X_TGT)
    assert classifier.best_epoch_ <= 3
    assert_same(
        classifier.fit(X_SRC, Y_SRC, X_TGT), make("the best epoch").fit(X_SRC, Y_SRC, X_TGT)
    )


@pytest.mark.parametrize("name", ["several networks", "a discriminator"])
def test_a_warm_start_begins_at_the_weights_of_the_fit_before(name):
    expected = make(name).fit(X_SRC, Y_SRC, X_TGT)
    still = clone(expected).set_params(warm_start=True).fit(X_SRC, Y_SRC, X_TGT)
    assert_same(still, expected)  # nothing to begin with
    still.set_params(lr=1e-30, weight_decay=0).fit(X_SRC, Y_SRC, X_TGT + 1)
    np.testing.assert_array_equal(still.predict_proba(X_TGT), expected.predict_proba(X_TGT))
    cold = clone(still).set_params(warm_start=False).fit(X_SRC, Y_SRC, X_TGT)
    assert np.abs(cold.predict_proba(X_TGT) - expected.predict_proba(X_TGT)).max() > 0.01


def test_a_warm_start_without_the_weights_it_needs(tmp_path):
    fitted = make("several networks", warm_start=True).fit(X_SRC, Y_SRC, X_TGT)
    before = fitted.predict_proba(X_TGT)
    other = np.char.add(Y_SRC.astype(str), "!")
    with pytest.raises(ValueError, match=r"needs the classes of the fit before.*; got \['.*!'\]"):
        fitted.fit(X_SRC, other, X_TGT)
    with pytest.raises(ValueError, match="network and the number of features of the fit before"):
        fitted.fit(X_SRC[:, 1:], Y_SRC, X_TGT[:, 1:])
    np.testing.assert_array_equal(fitted.predict_proba(X_TGT), before)
    save(fitted, tmp_path / "model")
    more = load(tmp_path / "model").set_params(n_networks=3, lr=1e-30, weight_decay=0)
    more.fit(X_SRC, Y_SRC, X_TGT)  # the third begins anew
    kept = [net.outputs(torch.tensor(X_TGT, dtype=torch.float32)).logits for net in more.nets_]
    for net, logits in zip(fitted.nets_, kept, strict=False):
        assert torch.equal(net.outputs(torch.tensor(X_TGT, dtype=torch.float32)).logits, logits)
    again = load(tmp_path / "model").set_params(lr=1e-30, weight_decay=0)
    np.testing.assert_array_equal(again.fit(X_SRC, Y_SRC, X_TGT).predict_proba(X_TGT), before)


def test_a_checkpoint_knows_the_weights_that_a_fit_begins_with(tmp_path):
    """A warm fit is no other one, and cannot be resumed without its start."""
    expected = make("several networks", warm_start=True).fit(X_SRC, Y_SRC, X_TGT)
    warm = copy.deepcopy(expected).set_params(checkpoint=tmp_path / "training")
    expected.fit(X_SRC, Y_SRC, X_TGT)
    assert_same(copy.deepcopy(warm).fit(X_SRC, Y_SRC, X_TGT), expected)
    assert_same(copy.deepcopy(warm).fit(X_SRC, Y_SRC, X_TGT), expected)  # from the file
    cold = clone(warm)
    with pytest.raises(ValueError, match="a training with another start"):
        cold.fit(X_SRC, Y_SRC, X_TGT)


def test_what_is_no_file_for_a_checkpoint(tmp_path):
    cases = {
        "must be the path of a file, or None; got 3": {"checkpoint": 3},
        "must be a file in a folder that exists": {"checkpoint": tmp_path / "none" / "training"},
        "must be a file in a folder that exists; got ": {"checkpoint": tmp_path},
        "keeps no state of callbacks": {"checkpoint": tmp_path / "x", "callbacks": [PrintLog()]},
        "needs set of parameters that can be pickled": {
            "checkpoint": tmp_path / "x",
            "network": partial(lambda *shape, lock: TwoLayers(*shape), lock=threading.Lock()),
        },
    }
    for match, params in cases.items():
        with pytest.raises(ValueError, match=match):
            make("a discriminator", **params).fit(X_SRC, Y_SRC, X_TGT)
