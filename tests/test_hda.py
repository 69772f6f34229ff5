"""Nested Transformers, and the alignment of their levels."""

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from skdidan import (
    CNN,
    LMMD,
    MMD,
    AdaptationClassifier,
    DANClassifier,
    HDAClassifier,
    NestedTransformer,
)
from skdidan.neural.networks import Dropout
from skdidan.tables import CLASSIFIERS

QUICK = {"max_epochs": 2, "batch_size": 16, "random_state": 0}
LEVELS = ["frame", "segment", "utterance"]


def build(input_shape=(6, 20), **params):
    torch.manual_seed(0)
    params = {"patch_frames": 2, "segment_frames": 8, "width": 8, "n_heads": 2, **params}
    return NestedTransformer(input_shape, 3, **params)


def padded(X, n_frames):
    return pad(X, (0, n_frames - X.shape[2]), value=float("nan"))


def attend(layer, tokens):
    """Attention, entry by entry, and the perceptron of one layer on one sequence of tokens."""
    width, rows = tokens.shape[1], layer.norms[0](tokens)
    projected = layer.inputs(rows).split(width, dim=1)
    size, heads = width // layer.n_heads, []
    for start in range(0, width, size):
        queries, keys, values = (part[:, start : start + size] for part in projected)
        scores = (queries @ keys.T / size**0.5).exp()
        heads.append(scores / scores.sum(dim=1, keepdim=True) @ values)
    tokens = tokens + layer.output(torch.cat(heads, dim=1))
    return tokens + layer.perceptron(layer.norms[1](tokens))


def relate(transformer, tokens):
    for layer in transformer.layers:
        tokens = attend(layer, tokens)
    return transformer.norm(tokens)


def reference(network, clip):
    """Levels of one recording (n_bins, n_frames), segment by segment, without any padding."""
    frames, segments = [], []
    for segment in clip.split(network.segment_frames, dim=1):
        patches = [
            pad(patch, (0, network.patch_frames - patch.shape[1])).T.flatten()
            for patch in segment.split(network.patch_frames, dim=1)
        ]
        tokens = network.patch_embedding(torch.stack(patches)) + network.positions[: len(patches)]
        frames.append(relate(network.frame_transformer, tokens))
        segments.append(network.segment_embedding(frames[-1].mean(dim=0)))
    vectors = torch.stack(segments)
    angles = torch.arange(len(vectors))[:, None] / 100 ** (torch.arange(0, 8, 2) / 8)
    positioned = vectors + torch.cat([angles.sin(), angles.cos()], dim=1)
    utterance = relate(network.segment_transformer, positioned).mean(dim=0)
    return torch.cat(frames).mean(dim=0), vectors.mean(dim=0), utterance


class TestNetwork:
    """The network alone."""

    def test_levels_equal_those_of_each_recording_by_itself(self):
        """Attention by its formula; with patches, segments and whole segments of padding."""
        network = build().eval()
        clips = [torch.randn(6, n_frames) for n_frames in (20, 1, 7, 8, 16)]
        outputs = network(torch.cat([padded(clip[None], 40) for clip in clips]))
        for row, clip in enumerate(clips):
            for name, expected in zip(LEVELS, reference(network, clip), strict=True):
                torch.testing.assert_close(outputs.layer(name)[row], expected, atol=1e-5, rtol=1e-5)

    def test_order_of_recordings_is_kept(self):
        network, X = build().eval(), torch.randn(5, 6, 20)
        X[2, :, 9:] = float("nan")
        order = torch.tensor([3, 1, 4, 0, 2])
        for turned, outputs in zip(network(X[order])[:2], network(X)[:2], strict=True):
            torch.testing.assert_close(turned, outputs[order])

    def test_gradients_reach_all_weights_and_stay_finite_behind_padding(self):
        network = build().train()
        X = torch.cat([torch.randn(3, 6, 30), padded(torch.randn(3, 6, 5), 30)])
        outputs = network(X)
        (outputs.logits.square().sum() + outputs.layer("frame").sum()).backward()
        for name, weights in network.named_parameters():
            assert weights.grad.isfinite().all() and weights.grad.abs().sum() > 0, name

    def test_order_of_frames_matters(self):
        network, X = build().eval(), torch.randn(1, 6, 32)
        assert not torch.allclose(network(X).logits, network(X.flip(2)).logits, atol=1e-4)

    def test_dropout_is_in_both_transformers(self):
        drops = [name for name, m in build().named_modules() if isinstance(m, Dropout)]
        assert len(drops) == 5  # 2 + 2 layers, and the fully connected ones

    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"segment_frames": 9}, "segment_frames must be a multiple of patch_frames=2; got 9"),
            ({"width": 9}, "width must be a multiple of n_heads=2; got 9"),
            ({"n_layers": (2,)}, r"n_layers must be a pair of counts; got \(2,\)"),
            ({"n_layers": 2}, "n_layers must be a list or tuple of whole numbers; got 2"),
            ({"patch_frames": 0}, "patch_frames must be a whole number of at least 1; got 0"),
        ],
    )
    def test_parameters_are_checked(self, params, match):
        with pytest.raises(ValueError, match=match):
            build(**params)


def factory(input_shape, n_classes):
    return NestedTransformer(input_shape, n_classes)


def history(classifier):
    return [{k: v for k, v in epoch.items() if k != "dur"} for epoch in classifier.history_]


NEURAL = [name for name, cls in CLASSIFIERS.items() if issubclass(cls, AdaptationClassifier)]


@pytest.mark.parametrize("name", NEURAL)
def test_every_neural_classifier_takes_the_network(name, spectrogram_domains):
    X_src, y_src, X_tgt, _ = spectrogram_domains
    params = {**QUICK, "max_epochs": 1, "n_networks": 1}
    classifier = CLASSIFIERS[name]("nested_transformer", **params).fit(X_src, y_src, X_tgt)
    assert type(classifier.net_.module_) is NestedTransformer
    assert np.isfinite(classifier.decision_function(X_tgt)).all()


class TestClassifier:
    """The three levels and their weights."""

    def test_equals_an_mmd_on_each_level(self, spectrogram_domains):
        X_src, y_src, X_tgt, _ = spectrogram_domains
        hda = HDAClassifier(**QUICK).fit(X_src, y_src, X_tgt)
        dan = DANClassifier("nested_transformer", align_on=LEVELS, **QUICK)
        dan.fit(X_src, y_src, X_tgt)
        assert history(hda) == history(dan)
        assert np.array_equal(hda.decision_function(X_tgt), dan.decision_function(X_tgt))
        assert hda.predict(X_tgt[:1]) == hda.predict(X_tgt)[:1]

    def test_learns_across_the_shift(self, spectrogram_domains):
        X_src, y_src, X_tgt, y_tgt = spectrogram_domains
        hda = HDAClassifier(max_epochs=15, batch_size=16, random_state=0).fit(X_src, y_src, X_tgt)
        assert (hda.predict(X_tgt) == y_tgt).mean() > 0.9

    def test_padding_changes_no_prediction(self, spectrogram_domains):
        X_src, y_src, X_tgt, _ = spectrogram_domains
        X_src = X_src.copy()
        X_src[0, :, 12:] = np.nan
        hda = HDAClassifier(**QUICK).fit(X_src, y_src, X_tgt)
        scores = hda.decision_function(X_src)
        longer = np.pad(X_src, [(0, 0), (0, 0), (0, 50)], constant_values=np.nan)
        np.testing.assert_allclose(hda.decision_function(longer), scores, atol=1e-5)
        alone = hda.decision_function(X_src[:1, :, :12])
        np.testing.assert_allclose(alone, scores[:1], atol=1e-5)

    def test_weights_of_the_levels(self, spectrogram_domains):
        """Weights are shares of the sum; a level without weight leaves the training alone."""
        X_src, y_src, X_tgt, _ = spectrogram_domains
        weights = {"frame": 0, "segment": 0, "utterance": 3}
        hda = HDAClassifier(penalty_params={"weights": weights}, **QUICK).fit(X_src, y_src, X_tgt)
        one = HDAClassifier(align_on="utterance", **QUICK).fit(X_src, y_src, X_tgt)
        assert [name for name in hda.history_[0] if "mmd" in name] == [
            *("mmd_frame", "mmd_segment", "mmd_utterance")
        ]
        np.testing.assert_allclose(
            hda.decision_function(X_tgt), one.decision_function(X_tgt), atol=1e-5
        )

    def test_class_wise_distances(self, spectrogram_domains):
        X_src, y_src, X_tgt, _ = spectrogram_domains
        params = {"class_wise": True, "widths": [1.0]}
        hda = HDAClassifier(penalty_params=params, **QUICK)
        terms = hda.fit(X_src, y_src, X_tgt)._penalty_terms(hda.classes_)
        assert list(terms) == ["lmmd_frame", "lmmd_segment", "lmmd_utterance"]
        for term in terms.values():
            assert type(term.penalty) is LMMD and term.penalty.widths == (1.0,)
            assert term.weight == pytest.approx(0.2 / 3)

    @pytest.mark.parametrize("network", ["cnn", CNN, factory])
    def test_other_networks_are_aligned_on_their_features(self, network, spectrogram_domains):
        X_src, y_src, X_tgt, _ = spectrogram_domains
        hda = HDAClassifier(network, max_epochs=1).fit(X_src, y_src, X_tgt)
        terms = hda._penalty_terms(hda.classes_)
        assert [(name, term.on, type(term.penalty)) for name, term in terms.items()] == [
            ("mmd", "features", MMD)
        ]

    @pytest.mark.parametrize(
        ("params", "match"),
        [
            ({"weights": {"phone": 1}}, r"aligned, \['frame', .*\]; got \['phone'\]"),
            (
                {"weights": [1, 1, 1]},
                "weights must be a dict of weights by layer; got",
            ),
            (
                {"weights": {"frame": -1}},
                r"weights\['frame'\] must be a finite number of at",
            ),
            ({"class_wise": 1}, "class_wise must be True or False; got 1"),
            ({"width": [1.0]}, r"penalty_params must be a dict of arguments of .*'widths'"),
        ],
    )
    def test_parameters_are_checked(self, params, match, spectrogram_domains):
        with pytest.raises(ValueError, match=match):
            HDAClassifier(penalty_params=params, **QUICK).fit(*spectrogram_domains[:3])
