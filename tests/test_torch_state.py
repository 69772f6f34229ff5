"""Devices, modes and generators: what a fit finds, uses and leaves behind."""

import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from io import BytesIO

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from skdidan import DANNClassifier, DIDANClassifier, DomainAdversary, Outputs, SourceOnlyClassifier
from skdidan.neural.factory import NETWORKS
from skdidan.neural.training import AdaptationNet
from skdidan.torch_state import copy_to_cpu, find_device, own_generators

QUICK = {"n_networks": 1, "max_epochs": 3, "batch_size": 16, "random_state": 0}
NOWHERE = "cuda:99"


class Remembering(nn.Module):
    """A recurrent network with tensors of every kind: parameters, buffers and activations."""

    def __init__(self, input_shape, n_classes):
        super().__init__()
        self.gru = nn.GRU(input_shape[0], 3, batch_first=True)
        self.output = nn.Linear(3, n_classes)
        self.register_buffer("scale", torch.ones(1))

    def forward(self, X):
        self.last = self.gru(X.unsqueeze(1))[0][:, 0] * self.scale
        return Outputs(self.output(self.last), self.last)


class KeepsWeights(Callback):
    """A callback that holds tensors of the training device."""

    def on_train_end(self, net, **kwargs):
        self.weights_ = [p.detach() for p in net.module_.parameters()]


def tensors_in_pickle(value):
    """Return the addresses of all tensors that a pickle of the value would store."""
    addresses = set()

    class Pickler(pickle.Pickler):
        def reducer_override(self, part):
            if isinstance(part, torch.Tensor):
                addresses.add(part.data_ptr())
            return NotImplemented

    Pickler(BytesIO()).dump(value)
    return addresses


@pytest.mark.parametrize("make", [DIDANClassifier, DANNClassifier, SourceOnlyClassifier])
def test_a_pickle_holds_no_memory_of_the_device_and_little_beside_the_weights(make, domains):
    X_src, y_src, X_tgt, _ = domains
    classifier = make(Remembering, callbacks=[KeepsWeights()], **QUICK).fit(X_src, y_src, X_tgt)
    trained = []
    for net in classifier.nets_:
        trained += [*net.module_.parameters(), *net.module_.buffers(), *net.criterion_.buffers()]
        trained += [net.module_.last, *net.penalties_.parameters()]
    stored = tensors_in_pickle(classifier)
    assert stored and stored.isdisjoint(tensor.data_ptr() for tensor in trained)
    wide = make(network_params={"hidden": (500, 500, 500)}, **QUICK).fit(X_src, y_src, X_tgt)
    states = [net.module_.state_dict() for net in wide.nets_]
    weights = sum(value.nbytes for state in states for value in state.values())
    assert len(pickle.dumps(wide)) < 1.05 * weights


@pytest.mark.parametrize("copy", [deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_a_copy_predicts_alike_where_the_device_is_not_there(copy, loss, domains):
    X_src, y_src, X_tgt, _ = domains
    params = {"monitor": "information", "loss": loss, **QUICK}
    classifier = DANNClassifier(**params).fit(X_src, y_src, X_tgt)
    expected = classifier.predict_proba(X_tgt)
    classifier.net_.device = NOWHERE
    again = copy(copy(classifier))
    assert again.net_.device == "cpu"
    assert np.array_equal(again.predict_proba(X_tgt), expected)
    assert again.history_ == classifier.history_ and again.best_epoch_ == classifier.best_epoch_
    again.fit(X_src, y_src, X_tgt)
    assert np.array_equal(again.predict_proba(X_tgt), expected)


def test_copies_keep_ties_between_tensors():
    network = Remembering((4,), 2)
    network(torch.ones(5, 4))  # whose result deepcopy alone refuses, since it has a gradient
    copied = copy_to_cpu({"network": network, "again": network.scale})
    assert copied["again"] is copied["network"].scale
    assert copied["network"].gru.weight_ih_l0.requires_grad
    torch.testing.assert_close(copied["network"](torch.ones(5, 4)).features, network.last)


@pytest.mark.parametrize("device", ["gpu", None, NOWHERE, "meta", "vulkan"])
def test_a_device_that_is_not_there(device, domains):
    match = (
        rf"device must be one that torch can use here, such as \['auto', 'cpu'.*; got {device!r}"
    )
    with pytest.raises(ValueError, match=match):
        find_device(device)
    with pytest.raises(ValueError, match=match):
        DIDANClassifier(device=device).fit(*domains[:3])


def test_threads_do_not_change_the_result(domains):
    """Each seed has one result, in whichever company, and torch's generator is as before."""
    X_src, y_src, X_tgt, _ = domains

    def scores(make):
        return make(**QUICK).fit(X_src, y_src, X_tgt).decision_function(X_tgt)

    makers = [DIDANClassifier, DANNClassifier, SourceOnlyClassifier] * 2
    alone = [scores(make) for make in makers]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(scores, makers))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("make", [DANNClassifier, DIDANClassifier])
def test_networks_of_ours_leave_the_global_generator_to_others(
    make, network, spectrogram_domains, monkeypatch
):
    """Others seed it and draw from it between the steps of a fit, and neither notices the other."""
    X_src, y_src, X_tgt, _ = (part[::5] for part in spectrogram_domains)
    classifier = make(network, **{**QUICK, "max_epochs": 2})
    expected = classifier.fit(X_src, y_src, X_tgt).decision_function(X_tgt)
    step, states = AdaptationNet.train_step_single, []

    def disturbed(*args, **kwargs):
        torch.manual_seed(len(states))
        torch.rand(7)
        states.append(torch.get_rng_state())
        result = step(*args, **kwargs)
        assert torch.equal(torch.get_rng_state(), states[-1])
        return result

    monkeypatch.setattr(AdaptationNet, "train_step_single", disturbed)
    monkeypatch.setattr(torch.random, "fork_rng", None)  # which would move and restore it
    found = classifier.fit(X_src, y_src, X_tgt).decision_function(X_tgt)
    assert len(states) > 1 and torch.equal(torch.get_rng_state(), states[-1])
    assert np.array_equal(found, expected)


def test_seeded_blocks_may_stand_in_each_other():
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    before = torch.get_rng_state()
    with own_generators(5):
        first = torch.rand(1)
        with own_generators(6):
            torch.rand(7)
        DomainAdversary()(torch.ones(2, 3), torch.ones(2, 3))
        assert torch.equal(torch.cat([first, torch.rand(2)]), expected)
    assert torch.equal(torch.get_rng_state(), before)


def fit_and_draw():
    with own_generators(0):
        SourceOnlyClassifier(**QUICK).fit(np.eye(4), list("abab"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # by Python 3.12, for this reason
def test_a_process_forked_during_a_fit_can_fit():
    """The thread that holds the lock is not in the child, and would never release it there."""
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with own_generators():
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = multiprocessing.get_context("fork").Process(target=fit_and_draw)
    child.start()
    child.join(60)
    child.kill()
    leave.set()
    thread.join()
    assert child.exitcode == 0


@contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default device": lambda: torch.device("meta"),  # on which nothing can be computed
    "bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "float16": lambda: torch.autocast("cpu", torch.float16),
    "double by default": lambda: default_dtype(torch.float64),
    "half by default": lambda: default_dtype(torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("make", "data"), [(DIDANClassifier, "domains"), (DANNClassifier, "spectrogram_domains")]
)
def test_modes_of_torch_around_fit_and_predict(mode, make, data, request):
    """Predictions are those of no mode; so is a fit, but for autocast, which a user may want."""
    X_src, y_src, X_tgt, _ = request.getfixturevalue(data)
    params = {**QUICK, "monitor": "information"}
    plain = make(**params).fit(X_src, y_src, X_tgt)
    with MODES[mode]():
        fitted = make(**params).fit(X_src, y_src, X_tgt)
        within = plain.decision_function(X_tgt), plain.embed(X_tgt)
    outside = plain.decision_function(X_tgt), plain.embed(X_tgt)
    for found, expected in zip(within, outside, strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert np.isfinite(fitted.decision_function(X_tgt)).all()
    if mode not in {"bfloat16", "float16"}:
        assert np.array_equal(fitted.decision_function(X_tgt), outside[0])
