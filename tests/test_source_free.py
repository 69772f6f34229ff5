"""Adaptation without the source: its losses, what is kept, and what is not."""

import gc
import pickle
import re
import types
import warnings
import zipfile

import numpy as np
import pytest
import torch
from references import shifted_blobs
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, GradientNormClipping
from torch import nn

from skdidan import (
    LAME,
    TCA,
    AnchoredEM,
    CorpusScaler,
    ECANClassifier,
    ECANObjective,
    NoTargetWarning,
    Outputs,
    SHOTClassifier,
    SHOTObjective,
    SourceFreeClassifier,
    SourceOnlyClassifier,
    SpeakerScaler,
    TargetBank,
    TargetObjective,
    WindowedClassifier,
    load,
    make_adaptation_pipeline,
    make_adaptation_union,
    save,
)
from skdidan.neural.losses import classification_loss
from skdidan.neural.shot import centroid_labels
from skdidan.neural.target_losses import diversity, mean_entropy, neighbour_contrast
from skdidan.neural.target_training import TargetNet, find_output
from skdidan.penalties.contrast import supervised_contrast

RNG = np.random.default_rng(0)
F, G = RNG.normal(size=(12, 5)), 3 * RNG.normal(size=(12, 4))
P = softmax(G, axis=1)
X_SRC, Y_SRC, X_TGT, Y_TGT = shifted_blobs(60, 50)
QUICK = {"max_epochs": 5, "adaptation_epochs": 3, "batch_size": 16, "random_state": 0}
BOTH = pytest.mark.parametrize("cls", [SHOTClassifier, ECANClassifier])


def tensor(values):
    return torch.tensor(values, dtype=torch.float32)


def scores(classifier, X=X_TGT):
    return classifier.decision_function(X)


# Losses, against loops in NumPy


def test_entropy_and_diversity():
    expected = -np.mean([sum(p * np.log(p) for p in row) for row in P])
    assert float(mean_entropy(tensor(G))) == pytest.approx(expected, rel=1e-5)
    shares, mean = np.array([0.1, 0.2, 0.3, 0.4]), P.mean(axis=0)
    expected = sum(m * np.log(m / share) for m, share in zip(mean, shares, strict=True))
    assert float(diversity(tensor(G), tensor(shares))) == pytest.approx(expected, rel=1e-5)
    uniform = float(diversity(tensor(G), torch.full((4,), 0.25)))
    assert uniform == pytest.approx((mean * np.log(mean)).sum() + np.log(4), rel=1e-5)
    assert float(diversity(tensor(G), tensor(mean))) == pytest.approx(0, abs=1e-6)


def test_losses_of_certain_predictions_and_shares_of_zero_are_finite():
    logits = tensor([[200.0, 0, 0], [200.0, 0, 0]]).requires_grad_()
    loss = mean_entropy(logits) + diversity(logits, tensor([0.0, 0.5, 0.5]))
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()


@pytest.mark.parametrize("n_neighbours", [1, 3, 50])
def test_neighbour_contrast(n_neighbours):
    bank = F / np.linalg.norm(F, axis=1, keepdims=True)
    rows, tau, total = [4, 7, 0], 0.3, 0.0
    features = F[rows] + 0.1
    for row, feature in zip(rows, features, strict=True):
        similarities = bank @ feature / np.linalg.norm(feature)
        others = [j for j in range(12) if j != row]
        nearest = sorted(others, key=lambda j: -similarities[j])[:n_neighbours]
        log_sum = np.log(sum(np.exp(similarities[m] / tau) for m in others))
        total -= np.mean([similarities[j] / tau - log_sum for j in nearest]) / 3
    found = neighbour_contrast(
        tensor(features), torch.tensor(rows), tensor(bank), n_neighbours, tau
    )
    assert float(found) == pytest.approx(total, rel=1e-4)
    small = neighbour_contrast(
        tensor(1e-9 * features), torch.tensor(rows), tensor(bank), n_neighbours, tau
    )
    assert float(small) == pytest.approx(total, rel=1e-4)


def test_supervised_contrast():
    labels, tau, total = np.array([0, 1, 0, 2, 1, 0]), 0.5, 0.0
    directions = F[:6] / np.linalg.norm(F[:6], axis=1, keepdims=True)
    for i in range(6):
        others = [b for b in range(6) if b != i]
        log_p = log_softmax([directions[i] @ directions[b] / tau for b in others])
        alike = [p for p, b in zip(log_p, others, strict=True) if labels[b] == labels[i]]
        total -= np.mean(alike) / 5 if alike else 0  # the fourth row has no partner
    members = tensor(np.eye(3)[labels])
    found = supervised_contrast(tensor(directions), tensor(directions[:0]), members, tau)
    assert float(found) == pytest.approx(total, rel=1e-4)


def test_contrasts_without_others_are_zero_with_a_gradient():
    one = tensor(F[:1]).requires_grad_()
    number = torch.tensor([0])
    loss = neighbour_contrast(one, number, one.detach(), 3, 0.1)
    loss = loss + supervised_contrast(one, one[:0], torch.ones(1, 1), 0.1)
    loss.backward()
    assert loss.item() == 0 and not one.grad.any()


def test_centroid_labels_by_hand():
    """A row on the border follows its neighbours, against its prediction."""
    features = np.array([[4.0, 0], [3, 1], [2.2, 2.0], [1, 3], [0, 4]])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8], [0.1, 0.9]])
    rows = np.column_stack([features, np.ones(5)])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    weights = p
    for _ in range(2):
        centroids = [
            sum(w * row for w, row in zip(column, rows, strict=True)) for column in weights.T
        ]
        cosines = [[row @ c / np.linalg.norm(c) for c in centroids] for row in rows]
        labels = np.argmax(cosines, axis=1)
        weights = np.eye(2)[labels]
    found = centroid_labels(tensor(features), tensor(p))
    assert found.tolist() == labels.tolist() == [0, 0, 0, 1, 1]
    # A class that is predicted for no row is left out, though its centroid is that of the last row.
    third = np.column_stack([p, [0, 0, 0, 0, 0.4]])
    assert centroid_labels(tensor(features), tensor(third)).tolist() == labels.tolist()


def test_objectives_are_those_of_their_docstrings():
    bank = TargetBank(tensor(F), tensor(G), torch.full((4,), 0.25))
    np.testing.assert_allclose(bank.directions.norm(dim=1), 1, rtol=1e-6)
    np.testing.assert_allclose(bank.probabilities, P, rtol=1e-5)
    rows = torch.tensor([3, 5, 8])
    outputs = Outputs(tensor(G[[3, 5, 8]] + 0.5 * F[:3, :4]), tensor(F[[3, 5, 8]] + 0.1))
    shot = SHOTObjective(0.5)
    shot.begin_epoch(bank)
    labels = centroid_labels(tensor(F), tensor(P))[rows]
    terms = shot.terms(outputs, rows, bank)
    log_p = log_softmax(outputs.logits.numpy(), axis=1)
    assert float(terms["pseudo_label"]) == pytest.approx(-log_p[range(3), labels].mean(), rel=1e-5)
    assert terms["entropy"] == mean_entropy(outputs.logits)
    assert shot.weights == {"entropy": 1.0, "diversity": 1.0, "pseudo_label": 0.5}
    ecan = ECANObjective(2.0, 3.0, n_neighbours=2, temperature=0.2)
    terms = ecan.terms(outputs, rows, bank)
    directions = outputs.features / outputs.features.norm(dim=1, keepdim=True)
    members = np.eye(4)[P.argmax(axis=1)[rows]]
    expected = {
        "diversity": diversity(outputs.logits, bank.shares),
        "neighbour_contrast": neighbour_contrast(outputs.features, rows, bank.directions, 2, 0.2),
        "label_contrast": supervised_contrast(directions, directions[:0], tensor(members), 0.2),
    }
    assert {name: float(term) for name, term in terms.items()} == pytest.approx(
        {name: float(term) for name, term in expected.items()}, rel=1e-5
    )
    assert ecan.weights == {"diversity": 1.0, "neighbour_contrast": 2.0, "label_contrast": 3.0}


def test_smoothed_labels_with_weights_of_rows():
    """Equal weights change nothing; otherwise the formula of torch, row by row."""
    by_class, y = np.array([1.0, 2, 3, 4]), np.arange(12) % 4
    loss = nn.CrossEntropyLoss(tensor(by_class), label_smoothing=0.2)
    args = loss, tensor(G), torch.tensor(y)
    equal = classification_loss(*args, torch.full((12,), 0.7))
    torch.testing.assert_close(equal, classification_loss(*args, None))
    weights = RNG.uniform(size=12)
    log_p, total = log_softmax(G, axis=1), 0.0
    for i in range(12):
        hard, even = by_class[y[i]] * log_p[i, y[i]], (by_class * log_p[i]).sum() / 4
        total -= weights[i] * (0.8 * hard + 0.2 * even)
    found = classification_loss(*args, tensor(weights))
    assert float(found) == pytest.approx(total / (weights * by_class[y]).sum(), rel=1e-5)


# The routine: fit, adapt, adapt again


@BOTH
def test_fit_and_adapt_are_one_fit_with_a_target(cls):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier = cls(n_networks=2, **QUICK).fit(X_SRC, Y_SRC)
    assert not classifier.adapted_ and not hasattr(classifier, "adaptation_history_")
    before = scores(classifier)
    assert classifier.adapt(X_TGT) is classifier
    assert classifier.adapted_ and not np.array_equal(scores(classifier), before)
    at_once = cls(n_networks=2, **QUICK).fit(X_SRC, Y_SRC, X_TGT)
    assert np.array_equal(scores(at_once), scores(classifier))
    marks = np.repeat([0, -1], [60, 50])
    stacked = cls(n_networks=2, **QUICK).fit(
        np.vstack([X_SRC, X_TGT]), np.append(Y_SRC, ["?"] * 50), sample_domain=marks
    )
    assert np.array_equal(scores(stacked), scores(classifier))


@BOTH
def test_each_adaptation_starts_from_the_source(cls):
    X_other = X_TGT[:30] + 1
    one = cls(**{**QUICK, "random_state": None}).fit(X_SRC, Y_SRC)  # whatever its seed
    first = scores(one.adapt(X_TGT))
    assert np.array_equal(scores(one.adapt(X_TGT)), first)
    assert np.array_equal(scores(one.adapt(X_other).adapt(X_TGT)), first)
    again = scores(one.set_params(warm_start=True).adapt(X_TGT))
    assert not np.array_equal(again, first)
    assert one.adaptation_history_[0]["train_loss"] != pytest.approx(0)
    assert np.array_equal(scores(one.set_params(warm_start=False).adapt(X_TGT)), first)


def test_a_warm_start_of_fit_begins_at_the_source_weights():
    params = {**QUICK, "warm_start": True}
    plain = SHOTClassifier(**params).fit(X_SRC, Y_SRC).fit(X_SRC, Y_SRC)
    adapted = SHOTClassifier(**params).fit(X_SRC, Y_SRC, X_TGT).fit(X_SRC, Y_SRC)
    assert np.array_equal(scores(plain), scores(adapted))
    assert not adapted.adapted_ and not hasattr(adapted, "adaptation_history_")


def test_the_source_is_learnt_as_without_adaptation():
    params = {"max_epochs": 5, "batch_size": 16, "random_state": 0}
    free = SHOTClassifier(label_smoothing=0.0, **params).fit(X_SRC, Y_SRC)
    plain = SourceOnlyClassifier(loss="log_loss", **params).fit(X_SRC, Y_SRC)
    assert np.array_equal(scores(free), scores(plain))
    smoothed = SHOTClassifier(**params).fit(X_SRC, Y_SRC)
    assert smoothed.history_[-1]["train_loss"] > free.history_[-1]["train_loss"]


@BOTH
def test_the_output_layer_is_frozen_bit_for_bit(cls):
    classifier = cls(**{**QUICK, "weight_decay": 0.5}).fit(X_SRC, Y_SRC, X_TGT)
    before, after = (
        nets[0].module_.state_dict() for nets in (classifier.source_nets_, classifier.nets_)
    )
    same = {name for name in before if torch.equal(before[name], after[name])}
    frozen = {"output.weight", "output.bias"} if cls.objective.freezes_output else set()
    assert same == frozen


def test_the_bank_holds_the_whole_target_and_is_overwritten(monkeypatch):
    seen = []

    class Watched(TargetObjective):
        weights = {"term": 1.0}  # noqa: RUF012 # as in the docs

        def begin_epoch(self, bank):
            seen.append((bank.features.clone(), bank.probabilities.clone()))

        def terms(self, outputs, rows, bank):
            assert torch.equal(bank.features[rows], seen[-1][0][rows])  # each row once an epoch
            self.last = rows, outputs, bank
            return {"term": mean_entropy(outputs.logits)}

    class WatchedClassifier(SourceFreeClassifier):
        objective = Watched

        def _make_objective(self):
            self.made = super()._make_objective()
            return self.made

    classifier = WatchedClassifier(**{**QUICK, "adaptation_epochs": 2}).fit(X_SRC, Y_SRC)
    classifier.adapt(X_TGT)
    features = torch.from_numpy(classifier.set_params()._check_new(X_TGT))
    first = classifier.source_nets_[0].outputs(features)
    assert torch.equal(seen[0][0], first.features) and len(seen) == 2
    torch.testing.assert_close(seen[0][1], first.logits.softmax(dim=1))
    rows, outputs, bank = classifier.made.last
    assert torch.equal(bank.features[rows], outputs.features)
    torch.testing.assert_close(bank.probabilities[rows], outputs.logits.softmax(dim=1))


@BOTH
def test_histories_name_every_term(cls):
    classifier = cls(**QUICK).fit(X_SRC, Y_SRC, X_TGT)
    terms = set(cls.objective().weights)
    assert len(classifier.history_) == 5 and len(classifier.adaptation_history_) == 3
    for epoch in classifier.adaptation_history_:
        assert set(epoch) == {"epoch", "dur", "lr", "train_loss", *terms}
        total = sum(cls.objective().weights[name] * epoch[name] for name in terms)
        assert epoch["train_loss"] == pytest.approx(total, rel=1e-4)
    assert classifier.adaptation_history_[0]["lr"] == classifier.adaptation_lr


@BOTH
def test_adaptation_helps_a_shifted_target(cls):
    X_src, y_src, X_tgt, y_tgt = shifted_blobs(150, 150)
    classifier = cls(random_state=0).fit(X_src, y_src)
    assert classifier.score(X_tgt + 3, y_tgt) < 0.8
    assert classifier.adapt(X_tgt + 3).score(X_tgt + 3, y_tgt) > 0.82


def test_expected_shares_of_the_target():
    y = np.repeat(["anger", "fear"], [45, 15])
    X = RNG.normal(size=(60, 4)) + (y == "anger")[:, np.newaxis]
    means = {}
    for name, prior in {
        "source": "source",
        "given": {"anger": 0.75, "fear": 0.25},
        "even": "uniform",
    }.items():
        classifier = SHOTClassifier(target_prior=prior, **QUICK).fit(X, y)
        assert classifier.source_shares_.tolist() == [0.75, 0.25]
        means[name] = classifier.adapt(X).predict_proba(X)[:, 0].mean()
    assert means["source"] == means["given"] > means["even"]


def test_any_length_of_recordings(spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    params = {**QUICK, "max_epochs": 2, "adaptation_epochs": 1}
    classifier = SHOTClassifier(**params).fit(X_src, y_src)
    with pytest.raises(ValueError, match="was fitted on rows of shape"):
        classifier.adapt(X_tgt[:, :, :-2])
    padded = X_src.copy()
    padded[0, :, -3:] = np.nan
    classifier = ECANClassifier(**params).fit(padded, y_src).adapt(X_tgt[:, :, :-2])
    assert np.isfinite(scores(classifier, X_tgt)).all()
    shorter = X_tgt.copy()
    shorter[0, :, -3:] = np.nan
    classifier = SHOTClassifier(**params).fit(X_src, y_src, shorter)
    assert np.isfinite(scores(classifier, shorter[:, :, :-1])).all()


@BOTH
def test_half_precision(cls):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        classifier = cls(**QUICK).fit(X_SRC, Y_SRC, X_TGT)
    assert np.isfinite(scores(classifier)).all()


# Failures


def test_an_adaptation_that_fails_leaves_the_classifier_as_it_was():
    classifier = SHOTClassifier(**QUICK)
    with pytest.raises(NotFittedError):
        classifier.adapt(X_TGT)
    before = scores(classifier.fit(X_SRC, Y_SRC, X_TGT))
    with pytest.raises(ValueError, match="X has 5 features"):
        classifier.adapt(X_TGT[:, :5])
    with pytest.raises(ValueError, match="adaptation_epochs must be a whole number"):
        classifier.set_params(adaptation_epochs=0).adapt(X_TGT)
    classifier.set_params(adaptation_epochs=3, adaptation_lr=1e30)
    with pytest.raises(FloatingPointError, match=r"Training diverged .* adaptation_lr=1e\+30"):
        classifier.adapt(X_TGT[:16])
    assert np.array_equal(scores(classifier), before)


def test_a_divergence_after_an_epoch_keeps_its_weights(monkeypatch):
    terms, epochs = SHOTObjective.terms, []
    begin = SHOTObjective.begin_epoch

    def count(self, bank):
        epochs.append(1)
        begin(self, bank)

    def diverge(self, outputs, rows, bank):
        found = terms(self, outputs, rows, bank)
        return found if len(epochs) < 3 else {**found, "entropy": found["entropy"] * torch.nan}

    monkeypatch.setattr(SHOTObjective, "begin_epoch", count)
    monkeypatch.setattr(SHOTObjective, "terms", diverge)
    classifier = SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC)
    with pytest.warns(ConvergenceWarning, match="entropy is nan.* weights of epoch 1 are kept"):
        classifier.adapt(X_TGT)
    assert len(classifier.adaptation_history_) == 1


class Interrupt(Callback):
    """Ctrl-C in the second epoch of a training."""

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            raise KeyboardInterrupt


def test_an_interrupt_ends_the_training_or_the_adaptation(monkeypatch):
    stopped = SHOTClassifier(on_interrupt="keep", callbacks=[Interrupt()], **QUICK)
    with pytest.warns(UserWarning, match="interrupted, and is kept: 1 of 5 epochs"):
        stopped.fit(X_SRC, Y_SRC, X_TGT)
    assert not stopped.adapted_  # Ctrl-C ends the fit as a whole
    classifier = SHOTClassifier(on_interrupt="keep", **QUICK).fit(X_SRC, Y_SRC)
    step, steps = TargetNet.train_step_single, []

    def interrupted(net, *args, **kwargs):
        steps.append(net)
        if len(steps) == 7:
            raise KeyboardInterrupt
        return step(net, *args, **kwargs)

    monkeypatch.setattr(TargetNet, "train_step_single", interrupted)
    with pytest.warns(UserWarning, match="interrupted, and is kept: 1 of 3 epochs"):
        classifier.adapt(X_TGT)
    assert classifier.adapted_ and len(classifier.adaptation_history_) == 1
    steps.clear()
    with pytest.raises(KeyboardInterrupt):
        classifier.set_params(on_interrupt="raise").adapt(X_TGT)


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing must be a number of at least 0 and below 1"),
        ({"adaptation_epochs": 0}, "adaptation_epochs must be a whole number of at least 1; got 0"),
        ({"adaptation_lr": 0}, "adaptation_lr must be a finite number above 0; got 0"),
        ({"target_prior": None}, 'target_prior must be "uniform", "source".*got None'),
        ({"target_prior": "even"}, "target_prior must be .*got 'even'"),
        (
            {"objective_params": {"weight": 1}},
            r"objective_params must be .*'pseudo_label_weight'\]",
        ),
        ({"objective_params": {"pseudo_label_weight": -1}}, "pseudo_label_weight must be"),
        ({"monitor": "information"}, "monitor='information' needs a target in training"),
    ],
)
def test_parameters_are_checked(params, match):
    with pytest.raises(ValueError, match=match):
        SHOTClassifier(**{**QUICK, **params}).fit(X_SRC, Y_SRC)


@pytest.mark.parametrize(
    ("name", "value"),
    [("neighbour_weight", -1), ("label_weight", -1), ("n_neighbours", 0), ("temperature", 0)],
)
def test_parameters_of_ecan_are_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        ECANClassifier(objective_params={name: value}).fit(X_SRC, Y_SRC)


class Own(nn.Module):
    """A network of one's own whose layers have other names."""

    def __init__(self, input_shape, n_classes, ends=True):
        super().__init__()
        self.head = nn.Linear(6, n_classes) if ends else nn.Bilinear(6, 6, n_classes)
        self.body, self.ends = nn.Linear(input_shape[0], 6), ends

    def forward(self, X):
        features = self.body(X).tanh()
        return (self.head(features) if self.ends else self.head(features, features)), features


def test_networks_of_ones_own():
    classifier = SHOTClassifier(Own, **QUICK).fit(X_SRC, Y_SRC, X_TGT)
    before, after = (nets[0].module_ for nets in (classifier.source_nets_, classifier.nets_))
    assert torch.equal(before.head.weight, after.head.weight)
    assert not torch.equal(before.body.weight, after.body.weight)
    with pytest.raises(TypeError, match=r"Own has no torch.nn.Linear of 3 outputs"):
        SHOTClassifier(Own, network_params={"ends": False}, **QUICK).fit(X_SRC, Y_SRC)
    ECANClassifier(Own, network_params={"ends": False}, **QUICK).fit(X_SRC, Y_SRC, X_TGT)
    named = nn.Module()
    named.output, named.later = nn.Linear(4, 2), nn.Linear(3, 2)
    assert find_output(named, 2) is named.output


# Privacy, and what is kept


def reachable(root):
    """Yield all objects that can be reached, but for modules and classes."""
    seen, waiting = {}, [root]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, type | types.ModuleType):
            continue
        seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            waiting += [value.__closure__, value.__defaults__, value.__kwdefaults__]
        else:
            waiting += gc.get_referents(value)
        if isinstance(value, torch.Tensor) and value.is_leaf:
            waiting.append(value.grad)
        if isinstance(value, np.ndarray):
            waiting.append(value.base)
    return list(seen.values())


def hold_rows(contents, rows):
    """Tell whether any of the bytes hold the numbers of a row, in single or double precision."""
    wanted = [row.astype(kind).tobytes() for row in rows for kind in (np.float32, np.float64)]
    return any(row in content for content in contents for row in wanted)


def bytes_of(root):
    """Return the bytes of all arrays and tensors that can be reached."""
    found = []
    for value in reachable(root):
        if isinstance(value, torch.Tensor):
            found.append(bytes(value.detach().cpu().contiguous().untyped_storage()))
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f":
            found.append(value.tobytes())
        elif isinstance(value, bytes | bytearray):
            found.append(bytes(value))
    return found


def test_no_row_of_the_source_is_left(tmp_path):
    """Neither in memory nor in files, whatever watched or weighed the training."""
    checkpoint, path = tmp_path / "checkpoint", tmp_path / "model.skdidan"
    plain = {**QUICK, "validation_fraction": 0.2, "monitor": "source", "calibration": "temperature"}
    groups, weights = np.arange(60) % 6, np.linspace(0.5, 1, 60)
    models = [
        SHOTClassifier(**plain, checkpoint=str(checkpoint), n_networks=2),
        SHOTClassifier(**plain, callbacks=[("clip", GradientNormClipping(1.0))]),
    ]
    for model in models:
        model.fit(X_SRC, Y_SRC, groups=groups, sample_weight=weights)
        last = AnchoredEM(clone(model).set_params(checkpoint=None))
        pipeline = make_adaptation_pipeline(CorpusScaler(), SpeakerScaler(), last)
        pipeline.fit(X_SRC, Y_SRC)
        for fitted in (model, pipeline, model.adapt(X_TGT), pipeline.adapt(X_TGT)):
            assert not hold_rows([*bytes_of(fitted), pickle.dumps(fitted)], X_SRC)
            if model.callbacks is None:
                save(fitted, path)
                with zipfile.ZipFile(path) as archive:
                    contents = [archive.read(name) for name in archive.namelist()]
                assert not hold_rows([path.read_bytes(), *contents], X_SRC)
    with zipfile.ZipFile(checkpoint) as archive:
        contents = [archive.read(name) for name in archive.namelist()]
    assert not hold_rows([checkpoint.read_bytes(), *contents], X_SRC)
    # The search finds rows where they are.
    models[0].note = {"batches": [iter([torch.tensor(X_SRC)[3:5]])]}
    assert hold_rows(bytes_of(models[0]), X_SRC)
    assert hold_rows([pickle.dumps(X_SRC[:1])], X_SRC)


def test_networks_keep_neither_gradients_nor_the_optimizer():
    classifier = SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC)
    for _ in range(2):
        for net in classifier.nets_:
            assert all(weight.grad is None for weight in net.module_.parameters())
            assert not net.optimizer_.state
        classifier.adapt(X_TGT)


@BOTH
@pytest.mark.parametrize("is_adapted", [False, True])
def test_files_keep_the_weights_of_the_source_and_of_the_target(cls, is_adapted, tmp_path):
    here = cls(n_networks=2, **QUICK).fit(X_SRC, Y_SRC, X_TGT if is_adapted else None)
    save(here, tmp_path / "model")
    copies = [load(tmp_path / "model"), pickle.loads(pickle.dumps(here))]
    expected = scores(here)
    other = scores(here.adapt(X_TGT[:20]))
    for there in copies:
        assert there.adapted_ == is_adapted
        assert np.array_equal(scores(there), expected)
        assert np.array_equal(scores(there.adapt(X_TGT[:20])), other)


def test_weights_that_are_those_of_the_source_are_written_once(tmp_path):
    classifier, sizes = SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC), []
    for adapt in (lambda: None, lambda: classifier.adapt(X_TGT)):
        adapt()
        save(classifier, tmp_path / "model")
        sizes.append((tmp_path / "model").stat().st_size)
    assert sizes[1] > 1.7 * sizes[0]


# Pipelines


def chain(last, *front):
    return make_adaptation_pipeline(*front, CorpusScaler(), last)


def test_a_pipeline_adapts_each_step_on_its_turn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipeline = chain(SHOTClassifier(**QUICK), PCA(4), "passthrough").fit(X_SRC, Y_SRC)
        before = pipeline.steps_
        assert pipeline.adapt(X_TGT) is pipeline
    pipeline.set_params(shotclassifier__adaptation_epochs=1).adapt(X_TGT)
    assert len(pipeline[-1].adaptation_history_) == 1
    pipeline.set_params(shotclassifier__adaptation_epochs=3).adapt(X_TGT)
    at_once = chain(SHOTClassifier(**QUICK), PCA(4), "passthrough").fit(X_SRC, Y_SRC, X_TGT)
    assert np.array_equal(scores(pipeline), scores(at_once))
    assert pipeline.adapt(X_TGT + 1) and np.allclose(
        scores(pipeline, X_TGT + 1), scores(at_once), atol=1e-3
    )
    assert set(before[2][1].scalers_) == {(0, None)}  # a copy has been adapted


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnchoredEM(SHOTClassifier(**QUICK)),
        lambda: LAME(SHOTClassifier(**QUICK)),
        lambda: chain(AnchoredEM(chain(SHOTClassifier(**QUICK))), SpeakerScaler([2, 3])),
        lambda: chain(SHOTClassifier(**QUICK), make_adaptation_union(CorpusScaler(), PCA(2))),
        lambda: chain(SHOTClassifier(**QUICK), make_adaptation_pipeline(CorpusScaler(), PCA(2))),
    ],
    ids=["refined", "neighbours", "nested", "union", "chain"],
)
def test_whatever_holds_a_source_free_classifier_adapts(make):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        later = make().fit(X_SRC, Y_SRC).adapt(X_TGT)
    at_once = make().fit(X_SRC, Y_SRC, X_TGT)
    assert np.array_equal(later.predict_proba(X_TGT), at_once.predict_proba(X_TGT))
    with pytest.raises(ValueError, match="5 features"):
        later.adapt(X_TGT[:, :5])
    assert np.array_equal(later.predict_proba(X_TGT), at_once.predict_proba(X_TGT))


def test_windows_adapt():
    from skdidan import Functionals

    waveforms = [0.1 * RNG.normal(size=4000) for _ in range(12)]
    labels = np.array(["anger", "fear"] * 6)

    def make():
        return WindowedClassifier(
            chain(SHOTClassifier(**QUICK), Functionals()), window=0.2, hop=0.1
        )

    later = make().fit(waveforms[:8], labels[:8]).adapt(waveforms[8:])
    at_once = make().fit(waveforms[:8], labels[:8], waveforms[8:])
    np.testing.assert_array_equal(
        later.predict_proba(waveforms[8:]), at_once.predict_proba(waveforms[8:])
    )


def test_steps_that_need_the_source_are_named():
    pipeline = chain(SHOTClassifier(**QUICK), TCA(2)).fit(X_SRC, Y_SRC, X_TGT)
    before = scores(pipeline)
    with pytest.raises(TypeError, match="Step 'tca', a TCA, cannot adapt without the source"):
        pipeline.adapt(X_TGT)
    assert np.array_equal(scores(pipeline), before)
    for other in (
        chain(SourceOnlyClassifier()),
        chain(LogisticRegression()),
        AnchoredEM(),
        WindowedClassifier(chain(LogisticRegression())),
    ):
        assert not hasattr(other, "adapt")
    with pytest.warns(NoTargetWarning):
        chain(LogisticRegression()).fit(X_SRC, Y_SRC)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (
            chain(AnchoredEM(SourceOnlyClassifier())),
            "SourceOnlyClassifier needs the source to adapt, so the AdaptationPipeline around it",
        ),
        (AnchoredEM(SourceOnlyClassifier()), "SourceOnlyClassifier needs the source to adapt, so"),
        (AnchoredEM(), "AnchoredEM needs the source to adapt. Fit again to the source and"),
        (WindowedClassifier(chain(LogisticRegression())), "so the WindowedClassifier around it"),
    ],
)
def test_the_error_itself_says_who_needs_the_source_and_what_to_do(estimator, message):
    with pytest.raises(AttributeError, match=re.escape(message)) as caught:
        estimator.adapt(X_TGT)
    text = str(caught.value)
    assert "warm_start=True" in text and text.endswith("such as SHOTClassifier.")
    assert callable(type(estimator).adapt) and type(estimator).adapt.__doc__


def test_scalers_adapt_to_a_new_target_alone():
    scaler = CorpusScaler().fit(X_SRC, X_tgt=X_TGT)
    names = np.arange(50) % 3
    fresh = CorpusScaler().fit(X_SRC, X_tgt=X_TGT + 3, groups_tgt=names)
    assert scaler.adapt(X_TGT + 3, groups_tgt=names) is scaler
    assert scaler.scalers_.keys() == fresh.scalers_.keys()
    for X, more in ((X_TGT, {"groups": names}), (X_SRC, {"sample_domain": np.zeros(60)})):
        assert np.array_equal(scaler.transform(X, **more), fresh.transform(X, **more))
    with pytest.raises(ValueError, match="X must have 2 axes, as in fit"):
        scaler.adapt(X_TGT[:, :, np.newaxis])
    speakers = SpeakerScaler().fit(X_SRC, Y_SRC, X_TGT).adapt(X_TGT * 2)
    fresh = SpeakerScaler().fit(X_SRC, Y_SRC, X_TGT * 2)
    assert np.array_equal(speakers.transform(X_TGT), fresh.transform(X_TGT))
    assert np.array_equal(speakers.speakers_, fresh.speakers_)
    with pytest.raises(ValueError, match="5 features"):
        speakers.adapt(X_TGT[:, :5])


def test_an_interrupt_in_the_first_epoch_of_the_adaptation_keeps_the_source(monkeypatch):
    def interrupted(net, *args, **kwargs):
        raise KeyboardInterrupt

    expected = SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC)
    monkeypatch.setattr(TargetNet, "train_step_single", interrupted)
    classifier = SHOTClassifier(on_interrupt="keep", **QUICK)
    with pytest.warns(UserWarning, match="the networks of the source are kept"):
        classifier.fit(X_SRC, Y_SRC, X_TGT)
    assert not classifier.adapted_
    np.testing.assert_array_equal(scores(classifier), scores(expected))
    with pytest.raises(KeyboardInterrupt):
        SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC, X_TGT)


def test_a_warm_start_after_an_interrupt_has_all_networks():
    classifier = SHOTClassifier(n_networks=2, warm_start=True, **QUICK).fit(X_SRC, Y_SRC, X_TGT)
    classifier.nets_ = classifier.nets_[:1]  # as an interrupt leaves them
    assert len(classifier.adapt(X_TGT).nets_) == 2


class FrozenBelow(nn.Module):
    """A network whose lowest layer keeps its weights."""

    def __init__(self, input_shape, n_classes, *, is_deep=True):
        super().__init__()
        self.below, self.output = nn.Linear(*input_shape, 8), nn.Linear(8, n_classes)
        self.middle = nn.Linear(8, 8) if is_deep else nn.Identity()
        self.below.requires_grad_(False)

    def forward(self, X):
        features = self.middle(self.below(X)).relu()
        return self.output(features), features


@BOTH
def test_layers_that_a_network_freezes_stay_frozen(cls):
    classifier = cls(FrozenBelow, **QUICK).fit(X_SRC, Y_SRC, X_TGT)
    before, after = (nets[0].module_ for nets in (classifier.source_nets_, classifier.nets_))
    assert torch.equal(before.below.weight, after.below.weight)


def test_a_repeated_fit_from_a_checkpoint_adapts_alike(tmp_path):
    params = {**QUICK, "random_state": None, "checkpoint": tmp_path / "state"}
    first, again = (SHOTClassifier(**params).fit(X_SRC, Y_SRC, X_TGT) for _ in range(2))
    np.testing.assert_array_equal(scores(first), scores(again))


def test_a_network_that_is_frozen_but_for_its_output_cannot_adapt():
    classifier = SHOTClassifier(FrozenBelow, network_params={"is_deep": False}, **QUICK)
    with pytest.raises(ValueError, match="FrozenBelow has no weights that adapt may train"):
        classifier.fit(X_SRC, Y_SRC, X_TGT)


def test_steps_hidden_in_a_container_cannot_adapt():
    hidden = make_adaptation_pipeline(make_pipeline(CorpusScaler()), SHOTClassifier(**QUICK))
    hidden.fit(X_SRC, Y_SRC)
    with pytest.raises(TypeError, match=r"does not hand the target on to \['CorpusScaler'\]"):
        hidden.adapt(X_TGT)


def test_errors_of_adapt_name_its_argument():
    classifier = SHOTClassifier(**QUICK).fit(X_SRC, Y_SRC)
    broken = X_TGT.copy()
    broken[2, 1] = np.nan
    with pytest.raises(ValueError, match="row 2 of X_tgt"):
        classifier.adapt(broken)
    with pytest.raises(TypeError, match="None holds no rows"):
        classifier.adapt(None)
