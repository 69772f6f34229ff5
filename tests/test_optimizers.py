"""Optimizers, schedules, initial weights, augmentation and precision of the networks."""

import os
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler

from skdidan import (
    MLP,
    DANNClassifier,
    DIDANClassifier,
    LIDANClassifier,
    Outputs,
    SHOTClassifier,
    SourceOnlyClassifier,
    load,
    save,
)
from skdidan.neural.checkpoints import Checkpoint

QUICK = {"max_epochs": 6, "batch_size": 16, "random_state": 0}
PLAIN = {"dropout": 0.0, "input_dropout": 0.0}


def state_of(classifier):
    state = classifier.net_.module_.state_dict()
    return {name: values.clone() for name, values in state.items()}


def equal(state, other):
    return state.keys() == other.keys() and all(torch.equal(state[k], other[k]) for k in state)


# Optimizers


def test_adamw_is_the_default(domains):
    params = {"betas": (0.9, 0.999), "eps": 1e-8}
    given = DANNClassifier(optimizer=torch.optim.AdamW, optimizer_params=params, **QUICK)
    expected = DANNClassifier(**QUICK).fit(*domains[:3]).decision_function(domains[2])
    np.testing.assert_array_equal(given.fit(*domains[:3]).decision_function(domains[2]), expected)


def test_one_step_of_sgd_by_hand(domains):
    """The weights minus the rate times the gradient of the loss, with its weight decay."""
    X, y = domains[:2]
    classes = torch.tensor(np.unique(y, return_inverse=True)[1])
    begun = SourceOnlyClassifier(
        max_epochs=1, lr=1e-30, weight_decay=0, batch_size=60, network_params=PLAIN, random_state=0
    ).fit(X, y)
    module = begun.net_.module_.train()
    logits = module(torch.tensor(X, dtype=torch.float32))[0]
    loss = (logits - torch.nn.functional.one_hot(classes, 3)).square().sum(dim=1).mean()
    gradients = torch.autograd.grad(loss, list(module.parameters()))
    found = clone(begun).set_params(
        optimizer="SGD", lr=0.01, weight_decay=0.1, optimizer_params={"momentum": 0.9}
    )
    state = state_of(found.fit(X, y))
    for (name, weights), gradient in zip(module.named_parameters(), gradients, strict=True):
        expected = weights - 0.01 * (gradient + 0.1 * weights)
        torch.testing.assert_close(state[name], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["Adam", "Adagrad", "RMSprop", "NAdam", "SGD"])
def test_optimizers_by_name_learn(optimizer, domains):
    X, y = domains[:2]
    classifier = SourceOnlyClassifier(optimizer=optimizer, lr=0.01, max_epochs=40, random_state=0)
    assert classifier.fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize(
    ("optimizer", "params"), [("SGD", {"momentum": 0.9}), ("SGD", None), ("NAdam", None)]
)
def test_a_training_with_another_optimizer_goes_on_from_its_checkpoint(
    optimizer, params, domains, tmp_path, monkeypatch
):
    make = DANNClassifier(optimizer=optimizer, optimizer_params=params, **QUICK)
    expected = state_of(make.fit(*domains[:3]))
    classifier, keep = clone(make).set_params(checkpoint=tmp_path / "training"), Checkpoint.keep

    def interrupted(checkpoint, number, net, batches=None):
        keep(checkpoint, number, net, batches)
        if len(net.history) == 3:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "keep", interrupted)
        classifier.fit(*domains[:3])
    assert equal(state_of(classifier.fit(*domains[:3])), expected)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"optimizer": "Adamw"}, r"optimizer must be one of \['ASGD', .*; got 'Adamw'"),
        ({"optimizer": "LBFGS"}, "that takes lr and weight_decay; got 'LBFGS'"),
        ({"optimizer": torch.optim.LBFGS}, "that takes lr and weight_decay; got <class"),
        ({"optimizer": torch.nn.Linear}, "or a class of optimizers"),
        ({"optimizer": None}, "got None"),
        ({"optimizer_params": {"momentum": 0.9}}, "must be a dict of arguments of AdamW, out of"),
        ({"optimizer_params": 3}, "optimizer_params must be a dict of arguments of AdamW"),
        ({"optimizer_params": {"lr": 0.1}}, r"must not hold \['lr'\]: set lr and weight_decay"),
        ({"optimizer": "SGD", "optimizer_params": {"momentum": -1}}, "Invalid momentum value: -1"),
        ({"optimizer": "Muon"}, "optimizer='Muon' cannot be made with optimizer_params={}: Muon"),
        ({"schedule": "linear"}, r"schedule must be one of \['cooldown'\]; got 'linear'"),
    ],
)
def test_what_is_no_optimizer_or_schedule_is_refused(params, match, domains):
    with pytest.raises(ValueError, match=match):
        DIDANClassifier(**params).fit(*domains[:3])


# The learning rate


class Rates(Callback):
    """Notes the learning rate of each step."""

    def on_train_begin(self, net, **kwargs):
        self.rates_ = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.rates_.append(net.optimizer_.param_groups[0]["lr"])


@pytest.mark.parametrize("own", [False, True])
def test_without_a_schedule_the_rate_stays(own, domains):
    """A scheduler of one's own works beside it."""
    rates, steps = Rates(), [1e-3] * 6
    callbacks = [rates]
    if own:
        callbacks.append(LRScheduler("StepLR", step_size=2, gamma=0.1))
        steps = [1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5]
    classifier = DANNClassifier(schedule=None, callbacks=callbacks, **QUICK).fit(*domains[:3])
    np.testing.assert_allclose([epoch["lr"] for epoch in classifier.history_], steps)
    np.testing.assert_allclose(rates.rates_[::6], steps)


# Initial weights


def test_networks_begin_at_the_initial_weights(domains, tmp_path):
    pretrained = state_of(DANNClassifier(**QUICK).fit(*domains[:3]))
    torch.save(pretrained, tmp_path / "weights.pt")
    params = {**QUICK, "lr": 1e-30, "max_epochs": 1, "weight_decay": 0}
    arrays = {name: values.numpy() for name, values in pretrained.items()}
    for given in (pretrained, arrays, tmp_path / "weights.pt", str(tmp_path / "weights.pt")):
        classifier = DIDANClassifier(initial_weights=given, n_networks=2, **params)
        classifier.fit(*domains[:3])
        for net in classifier.nets_:
            assert equal(net.module_.state_dict(), pretrained)


def test_weights_without_an_entry_are_drawn_as_without_initial_weights(domains):
    """For other classes: all but the output layer."""
    params = {**QUICK, "lr": 1e-30, "max_epochs": 1, "weight_decay": 0}
    fresh = state_of(DANNClassifier(**params).fit(*domains[:3]))
    other = state_of(DANNClassifier(**{**QUICK, "random_state": 1}).fit(*domains[:3]))
    front = {name: values for name, values in other.items() if not name.startswith("output")}
    assert 0 < len(front) < len(other)
    found = state_of(DANNClassifier(initial_weights=front, **params).fit(*domains[:3]))
    for name, values in found.items():
        assert torch.equal(values, front.get(name, fresh[name]))


def test_a_warm_start_comes_before_initial_weights(domains):
    pretrained = state_of(DANNClassifier(**QUICK).fit(*domains[:3]))
    classifier = DANNClassifier(initial_weights=pretrained, warm_start=True, **QUICK)
    first = state_of(classifier.fit(*domains[:3]))
    again = DANNClassifier(initial_weights=first, **QUICK).fit(*domains[:3])
    assert equal(state_of(classifier.fit(*domains[:3])), state_of(again))


def test_a_checkpoint_is_of_its_initial_weights(domains, tmp_path):
    pretrained = state_of(DANNClassifier(**QUICK).fit(*domains[:3]))
    torch.save(pretrained, tmp_path / "weights.pt")
    params = {**QUICK, "checkpoint": tmp_path / "training"}
    expected = DANNClassifier(initial_weights=pretrained, **params).fit(*domains[:3])
    same = DANNClassifier(initial_weights=tmp_path / "weights.pt", **params).fit(*domains[:3])
    assert equal(state_of(same), state_of(expected))
    torch.save({name: values + 1 for name, values in pretrained.items()}, tmp_path / "weights.pt")
    for given in (tmp_path / "weights.pt", None):
        with pytest.raises(ValueError, match="holds a training with another start"):
            DANNClassifier(initial_weights=given, **params).fit(*domains[:3])


def test_a_saved_classifier_keeps_its_initial_weights_as_arrays(domains, tmp_path):
    pretrained = DANNClassifier(**QUICK).fit(*domains[:3]).net_.module_.state_dict()
    classifier = DANNClassifier(initial_weights=pretrained, **QUICK).fit(*domains[:3])
    save(classifier, tmp_path / "model.skdidan")
    loaded = load(tmp_path / "model.skdidan")
    expected = classifier.decision_function(domains[2])
    np.testing.assert_array_equal(loaded.decision_function(domains[2]), expected)
    again = clone(loaded).fit(*domains[:3])
    np.testing.assert_array_equal(again.decision_function(domains[2]), expected)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return os.system, ("false",)


def test_initial_weights_that_are_refused(domains, tmp_path):
    pretrained = state_of(DANNClassifier(**QUICK).fit(*domains[:3]))
    name, values = next(iter(pretrained.items()))
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    for given, match in {
        tmp_path / "missing.pt": "missing.pt' is no file of weights that torch.save has written",
        tmp_path / "evil.pt": "evil.pt' is no file of weights that torch.save has written",
        tmp_path / "list.pt": "initial_weights must be a dict of tensors .* got list",
    }.items():
        with pytest.raises(ValueError, match=match):
            DANNClassifier(initial_weights=given).fit(*domains[:3])
    for given, match in (
        ({}, "initial_weights must be a dict of tensors or arrays by the names .* got dict"),
        (3, "initial_weights must be a dict of tensors or arrays by the names .* got int"),
        ({name: "a"}, "initial_weights must be a dict of tensors or arrays by the names"),
        ({name: values * np.nan}, rf"initial_weights hold NaN or infinity in \['{name}'\]"),
        ({"head.weight": values}, "do not fit the network: it has no {'head.weight': "),
        (
            {name: values[:, :2]},
            rf"do not fit the network: it has no {{'{name}': \(\d+, 2\)}}, but",
        ),
    ):
        with pytest.raises(ValueError, match=match):
            DANNClassifier(initial_weights=given).fit(*domains[:3])


# Augmentation


def double(rows):
    return 2 * rows


def add_noise(rows):
    return rows + 0.5 * torch.randn_like(rows)


def test_augmentation_changes_the_rows_of_training_alone(domains):
    X, y, X_tgt = domains[:3]
    changed = DIDANClassifier(augmentation=double, **QUICK).fit(X, y, X_tgt)
    expected = DIDANClassifier(**QUICK).fit(2 * X, y, 2 * X_tgt)
    assert equal(state_of(changed), state_of(expected))
    np.testing.assert_array_equal(
        changed.decision_function(X_tgt), expected.decision_function(X_tgt)
    )


def test_augmentation_may_return_another_type_of_numbers(domains):
    def doubled(rows):
        return 2 * rows.double()

    changed = DANNClassifier(augmentation=doubled, **QUICK).fit(*domains[:3])
    assert equal(
        state_of(changed), state_of(DANNClassifier(augmentation=double, **QUICK).fit(*domains[:3]))
    )


def test_an_augmentation_that_makes_nan_is_named_as_a_cause(domains):
    with pytest.raises(FloatingPointError, match="or check augmentation"):
        DANNClassifier(augmentation=lambda rows: rows / 0, **QUICK).fit(*domains[:3])


def test_random_augmentation_depends_on_the_seed_alone(domains):
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        classifier = DANNClassifier(augmentation=add_noise, **QUICK).fit(*domains[:3])
        assert torch.equal(torch.get_rng_state(), before)
        states.append(state_of(classifier))
    assert equal(*states)
    assert not equal(states[0], state_of(DANNClassifier(**QUICK).fit(*domains[:3])))


@pytest.mark.parametrize(
    ("augmentation", "error", "message"),
    [
        ("noise", TypeError, "augmentation must be a function .* got 'noise'"),
        (dict, TypeError, "augmentation must be a function .* got <class 'dict'>"),
        (lambda rows: rows[1:], ValueError, r"the shape of its rows, \(30, 6\); got \(29, 6\)"),
        (lambda rows: rows.numpy(), ValueError, "must return a tensor .* got ndarray"),
    ],
)
def test_augmentation_that_is_refused(augmentation, error, message, domains):
    with pytest.raises(error, match=message):
        DANNClassifier(augmentation=augmentation, **QUICK).fit(*domains[:3])


# Precision


class HalfMLP(MLP):
    """Computes all its layers in bfloat16, and returns single precision."""

    def forward(self, X):
        with torch.autocast("cpu", torch.bfloat16):
            logits, features, layers, *rest = super().forward(X)
        layers = {name: layer.float() for name, layer in layers.items()}
        return Outputs(logits.float(), features.float(), layers, *rest)


@pytest.mark.parametrize("make", [DANNClassifier, DIDANClassifier, SHOTClassifier])
def test_bf16_trains_the_network_in_half_precision_and_nothing_else(make, domains):
    X, y, X_tgt = domains[:3]
    params = {**QUICK, "n_networks": 1}
    fitted = make(precision="bf16", **params).fit(X, y, X_tgt)
    assert equal(state_of(fitted), state_of(make(HalfMLP, **params).fit(X, y, X_tgt)))
    assert not equal(state_of(fitted), state_of(make(**params).fit(X, y, X_tgt)))
    module = fitted.net_.module_.eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(np.float32(X_tgt))).logits
    np.testing.assert_array_equal(fitted.decision_function(X_tgt), expected.numpy())


def test_bf16_takes_padded_spectrograms(spectrogram_domains):
    X, y, X_tgt = spectrogram_domains[:3]
    X_tgt = np.array(X_tgt)
    X_tgt[::2, :, -1] = np.nan
    plain, half = (
        LIDANClassifier(precision=precision, **QUICK).fit(X, y, X_tgt).decision_function(X_tgt)
        for precision in ("float32", "bf16")
    )
    np.testing.assert_allclose(half, plain, atol=0.05)
    assert (half != plain).any()


def test_a_precision_that_is_unknown_is_refused(domains):
    with pytest.raises(ValueError, match=r"precision must be one of .*'bf16'.*; got 'fp16'"):
        DANNClassifier(precision="fp16", **QUICK).fit(*domains[:3])


@pytest.fixture
def compilations(monkeypatch):
    """Let torch.compile trace the network without the compiler of its default backend."""
    found, compile_ = [], torch.compile

    def trace(module, **options):
        compiled = compile_(module, backend="eager", **options)
        found.append(compiled)
        return compiled

    monkeypatch.setattr(torch, "compile", trace)
    return found


# Torch imports a module of its own that it calls outdated.
OUTDATED = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")


@OUTDATED
@pytest.mark.parametrize(
    "make, network",
    [
        (DIDANClassifier, "cnn"),
        pytest.param(SHOTClassifier, "mlp", marks=pytest.mark.slow),
        pytest.param(SHOTClassifier, "nested_transformer", marks=pytest.mark.slow),
    ],
)
def test_a_compiled_network_is_trained_to_the_same_weights(
    make, network, domains, spectrogram_domains, compilations
):
    X, y, X_tgt = (domains if network == "mlp" else spectrogram_domains)[:3]
    params = {**QUICK, "n_networks": 2}
    plain = make(network, **params).fit(X, y, X_tgt)
    assert not compilations
    fitted = make(network, compile=True, **params).fit(X, y, X_tgt)
    assert equal(state_of(fitted), state_of(plain))
    # Each training has its own; none is left to predict with, or to keep.
    assert len(compilations) == (4 if make is SHOTClassifier else 2)
    again = pickle.loads(pickle.dumps(clone(fitted).fit(X, y, X_tgt)))
    np.testing.assert_array_equal(again.predict_proba(X_tgt), fitted.predict_proba(X_tgt))


def test_prediction_is_not_compiled(domains, monkeypatch):
    def refuse(module, **options):
        raise AssertionError("compiled")

    X, y, X_tgt = domains[:3]
    fitted = DANNClassifier(**QUICK).fit(X, y, X_tgt).set_params(compile=True)
    monkeypatch.setattr(torch, "compile", refuse)
    assert fitted.predict(X_tgt).shape == (len(X_tgt),)
    with pytest.raises(AssertionError, match="compiled"):
        fitted.fit(X, y, X_tgt)


def test_an_error_of_a_compiled_network_says_that_it_is_compiled(domains, monkeypatch):
    class Failed:
        def __call__(self, rows):
            raise RuntimeError("no compiler")

    monkeypatch.setattr(torch, "compile", lambda module, **options: Failed())
    with pytest.raises(RuntimeError, match="no compiler") as caught:
        DANNClassifier(compile=True, **QUICK).fit(*domains[:3])
    assert caught.value.__notes__ == [
        "The network was to be compiled for training: else set compile=False."
    ]


@OUTDATED
@pytest.mark.slow
def test_the_compiler_of_torch_changes_rounding_alone(spectrogram_domains):
    """Needs a C++ compiler, as the option does on a CPU."""
    X, y, X_tgt = spectrogram_domains[:3]
    plain, compiled = (
        DANNClassifier(compile=chosen, **QUICK).fit(X, y, X_tgt).decision_function(X_tgt)
        for chosen in (False, True)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-3)


def test_compile_must_be_true_or_false(domains):
    with pytest.raises(ValueError, match="compile must be True or False; got 'inductor'"):
        DANNClassifier(compile="inductor", **QUICK).fit(*domains[:3])
