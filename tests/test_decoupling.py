"""Contrastive decoupling and adaptive thresholds against plain NumPy, and Emo-DNA."""

import numpy as np
import pytest
import torch
from references import features, one_hot, shifted_blobs
from torch import nn

from skdidan import (
    LMMD,
    MLP,
    MMD,
    ContrastiveDecoupling,
    DSANClassifier,
    EmoDNAClassifier,
    Outputs,
    load,
    save,
)
from skdidan.penalties.thresholds import AdaptiveThreshold

QUICK = {"max_epochs": 3, "batch_size": 16, "random_state": 0, "n_networks": 1}
WEIGHTS = ("corpus_weight", "contrast_weight", "class_weight", "marginal_weight")


def running_thresholds(batches, decay=0.99):
    """Return the thresholds after each batch."""
    largest, mean = 1 / batches[0].shape[1], np.full(batches[0].shape[1], 1 / batches[0].shape[1])
    for batch in batches:
        largest = decay * largest + (1 - decay) * batch.max(axis=1).mean()
        mean = decay * mean + (1 - decay) * batch.mean(axis=0)
        yield largest * mean / mean.max()


class TestAdaptiveThreshold:
    """Thresholds that rise with the confidence of the predictions."""

    batches = tuple(features(8, d=3, seed=seed).mul(3).softmax(dim=1) for seed in range(4))

    @pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
    def test_they_follow_running_means(self, decay):
        threshold = AdaptiveThreshold(decay)
        arrays = [batch.numpy() for batch in self.batches]
        for batch, expected in zip(self.batches, running_thresholds(arrays, decay), strict=True):
            np.testing.assert_allclose(threshold(batch), expected)

    def test_they_stay_in_evaluation_and_are_kept_in_a_state(self):
        threshold, other = AdaptiveThreshold(0.5), AdaptiveThreshold(0.5)
        np.testing.assert_allclose(threshold.eval()(self.batches[0]), 1 / 3)
        threshold.train()(self.batches[0])
        other.load_state_dict(threshold.state_dict())
        assert torch.equal(other.eval()(self.batches[1]), threshold.eval()(self.batches[2]))

    def test_lmmd_leaves_out_what_is_below(self):
        source, target = features(12), features(8, seed=1)
        labels = one_hot(torch.arange(12) % 3)
        lmmd, plain = LMMD(threshold="adaptive"), LMMD()
        arrays = [batch.numpy() for batch in self.batches]
        for batch, least in zip(self.batches, running_thresholds(arrays), strict=True):
            counted = batch * (batch >= torch.tensor(least))
            assert (counted == 0).any()
            value = lmmd(source, target, labels, batch)
            assert float(value) == pytest.approx(float(plain(source, target, labels, counted)))

    def test_wrong_parameters_are_refused(self):
        with pytest.raises(ValueError, match=r'threshold must be "adaptive" or None; got 0\.9'):
            LMMD(threshold=0.9)
        with pytest.raises(ValueError, match="decay must be a number from 0 to 1; got 2"):
            AdaptiveThreshold(2)

    def test_dsan_takes_it_and_goes_on_with_it(self, tmp_path):
        X_src, y_src, X_tgt, _ = shifted_blobs(60, 40)
        params = {"penalty_params": {"threshold": "adaptive"}, **QUICK}
        whole = DSANClassifier(**params).fit(X_src, y_src, X_tgt)
        plain = DSANClassifier(**QUICK).fit(X_src, y_src, X_tgt)
        assert not np.array_equal(whole.decision_function(X_tgt), plain.decision_function(X_tgt))
        kept = DSANClassifier(checkpoint=tmp_path / "file", **params).fit(X_src, y_src, X_tgt)
        assert np.array_equal(kept.decision_function(X_tgt), whole.decision_function(X_tgt))


class TestContrastiveDecoupling:
    """Its four terms, each by its formula."""

    source, target, aside = features(9), features(7, seed=1), features(16, seed=2)
    labels, domains = torch.arange(9) % 3, torch.tensor([0, 0, 1, 1, 1, 0, 1, 0, 1])
    predictions = features(7, d=3, seed=3).softmax(dim=1)
    decay = 0.1

    def terms(self, penalty, **changed):
        penalty.threshold.decay = self.decay  # or one batch would leave all thresholds low
        known = {
            "labels": one_hot(self.labels),
            "predictions": self.predictions,
            "source_domains": self.domains,
            "corpus_features": self.aside,
        }
        return penalty.terms(self.source, self.target, **{**known, **changed})

    def confident(self):
        """Return the label of each row, or -1, and all rows scaled to length one."""
        p = self.predictions.numpy()
        (least,) = running_thresholds([p], self.decay)
        predicted = p.argmax(axis=1)
        labels = np.where(p.max(axis=1) >= least[predicted], predicted, -1)
        assert 0 < (labels < 0).sum() < 7
        rows = np.concatenate([self.source, self.target])
        return np.concatenate([self.labels, labels]), rows / np.linalg.norm(rows, axis=1)[:, None]

    def test_contrast(self):
        labels, rows = self.confident()
        aside = self.aside.numpy() / np.linalg.norm(self.aside, axis=1)[:, None]
        losses = []
        for i in np.flatnonzero(labels >= 0):
            partners = [j for j in np.flatnonzero(labels == labels[i]) if j != i]
            others = [rows[j] for j in np.flatnonzero(labels >= 0) if j != i]
            total = sum(np.exp(rows[i] @ other / 0.2) for other in [*others, *aside])
            losses.append(
                -np.mean([np.log(np.exp(rows[i] @ rows[a] / 0.2) / total) for a in partners])
            )
        penalty = ContrastiveDecoupling(temperature=0.2, contrast_weight=3)
        assert float(self.terms(penalty)["contrast"]) == pytest.approx(3 * np.mean(losses))

    def test_classes(self):
        labels, rows = self.confident()
        expected = 0
        for k in set(labels[9:].tolist()) - {-1}:
            means = [
                rows[part][labels[part] == k].mean(axis=0) for part in (slice(9), slice(9, 16))
            ]
            expected += np.sum((means[0] - means[1]) ** 2)
        penalty = ContrastiveDecoupling(class_weight=3)
        assert float(self.terms(penalty)["classes"]) == pytest.approx(3 * expected)

    def test_corpora(self):
        penalty = ContrastiveDecoupling(corpus_weight=3)
        value = self.terms(penalty)["corpora"].detach()
        logits = (self.aside @ penalty.corpus_output.weight.T + penalty.corpus_output.bias).detach()
        assert logits.shape == (16, 3)
        numbers = np.concatenate([self.domains + 1, np.zeros(7, dtype=int)])
        losses = -logits.log_softmax(dim=1).numpy()[np.arange(16), numbers]
        expected = np.mean([losses[numbers == number].mean() for number in range(3)])
        assert float(value) == pytest.approx(3 * expected)
        with pytest.raises(ValueError, match="source corpora 0 to 1; got the number 2"):
            self.terms(penalty, source_domains=self.domains + 1)

    def test_marginal_and_sum(self):
        penalty = ContrastiveDecoupling(marginal_weight=3).eval()
        terms = self.terms(penalty)
        assert float(terms["marginal"]) == pytest.approx(3 * float(MMD()(self.source, self.target)))
        assert list(terms) == penalty.parts == ["corpora", "contrast", "classes", "marginal"]

    @pytest.mark.parametrize("weight", WEIGHTS)
    def test_terms_without_weight_are_left_out(self, weight):
        penalty = ContrastiveDecoupling(**{weight: 0})
        assert len(self.terms(penalty)) == len(penalty.parts) == 3

    def test_no_confident_row_and_no_partner(self):
        penalty = ContrastiveDecoupling().eval()
        alone = penalty.terms(self.source[:1], self.target[:1], *torch.eye(2).split(1))
        assert float(alone["contrast"]) == float(alone["classes"]) == 0

    def test_wrong_parameters_and_features_are_refused(self):
        for weight in WEIGHTS:
            with pytest.raises(ValueError, match=f"{weight} must be a finite number of at least 0"):
                ContrastiveDecoupling(**{weight: -1})
        with pytest.raises(ValueError, match="temperature must be a finite number above 0; got 0"):
            ContrastiveDecoupling(temperature=0)
        with pytest.raises(ValueError, match="must not all be 0"):
            ContrastiveDecoupling(**dict.fromkeys(WEIGHTS, 0))
        with pytest.raises(
            ValueError, match=r"corpus_features must be a tensor of shape \(16, 4\)"
        ):
            self.terms(ContrastiveDecoupling(), corpus_features=self.aside[:, :2])


class TwoHeads(nn.Module):
    """A network of somebody else, with or without a corpus head."""

    def __init__(self, input_shape, n_classes, has_head=True):
        super().__init__()
        self.first, self.second = nn.Linear(*input_shape, 5), nn.Linear(*input_shape, 5)
        self.output, self.has_head = nn.Linear(5, n_classes), has_head

    def forward(self, X):
        features = self.first(X).relu()
        aside = self.second(X) if self.has_head else None
        return Outputs(self.output(features), features, corpus_features=aside)


def test_emo_dna_trains_networks_with_a_corpus_head(tmp_path):
    X_src, y_src, X_tgt, _ = shifted_blobs(60, 40)
    own = EmoDNAClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    head = own.net_.module_.corpus[0].weight
    assert head.shape == (64, 128)
    start = EmoDNAClassifier(**QUICK, lr=1e-30, weight_decay=0).fit(X_src, y_src, X_tgt)
    assert not torch.allclose(head, start.net_.module_.corpus[0].weight)
    save(own, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert torch.equal(loaded.net_.module_.corpus[0].weight, head)
    assert np.array_equal(loaded.predict_proba(X_tgt), own.predict_proba(X_tgt))
    EmoDNAClassifier(TwoHeads, **QUICK).fit(X_src, y_src, X_tgt)
    for network, params in ((MLP, {}), (TwoHeads, {"has_head": False})):
        classifier = EmoDNAClassifier(network, network_params=params, **QUICK)
        with pytest.raises(ValueError, match="needs a network whose Outputs hold corpus_features"):
            classifier.fit(X_src, y_src, X_tgt)
    with pytest.raises(ValueError, match="corpus_head must be True or False; got 1"):
        EmoDNAClassifier(network_params={"corpus_head": 1}, **QUICK).fit(X_src, y_src, X_tgt)


def test_emo_dna_goes_on_after_a_stop(tmp_path):
    """Its thresholds and its corpus classifier are those of a training without a stop."""
    X_src, y_src, X_tgt, _ = shifted_blobs(60, 40)
    file = tmp_path / "training"

    class Stopped(EmoDNAClassifier):
        def _train(self, *args):
            checkpoint = args[-1]
            keep = checkpoint.keep

            def stop(*args):
                keep(*args)
                raise RuntimeError("stop")

            checkpoint.keep = stop
            return super()._train(*args)

    with pytest.raises(RuntimeError, match="stop"):
        Stopped(checkpoint=file, **QUICK).fit(X_src, y_src, X_tgt)
    found = EmoDNAClassifier(checkpoint=file, **QUICK).fit(X_src, y_src, X_tgt)
    expected = EmoDNAClassifier(**QUICK).fit(X_src, y_src, X_tgt)
    assert np.array_equal(found.decision_function(X_tgt), expected.decision_function(X_tgt))
    terms = [
        [epoch["decoupling_contrast"] for epoch in each.history_] for each in (found, expected)
    ]
    assert terms[0] == terms[1]
