"""Networks: shapes, where gradients go, and spectrograms of different lengths."""

import pytest
import torch

from skdidan.neural.factory import NETWORKS
from skdidan.neural.networks import CNN, MLP, frame_mask
from skdidan.neural.outputs import Outputs

CONVOLUTIONAL = ["cnn", "vgg11"]
SPECTROGRAM_NETWORKS = [*CONVOLUTIONAL, "nested_transformer"]


def build(name, input_shape=(16, 20), n_classes=3, **params):
    torch.manual_seed(0)
    return NETWORKS[name](input_shape, n_classes, **params)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_each_layer_follows_from_the_one_before(name):
    """From the first hidden layer to the features, and from the features to the logits."""
    network = build(name, n_classes=4, hidden=(9, 8, 7)).eval()
    outputs = network(torch.randn(5, 16, 20))
    fully_connected = [n for n in outputs.layers if n.startswith("fc")]
    assert fully_connected == ["fc1", "fc2", "fc3"]
    assert [outputs.layer(n).shape for n in fully_connected] == [(5, 9), (5, 8), (5, 7)]
    linear = network.embedding["fc2"][0]
    torch.testing.assert_close(outputs.layer("fc2"), linear(outputs.layer("fc1")).relu())
    assert torch.equal(outputs.layer("fc3"), outputs.features)
    assert outputs.logits.shape == (5, 4)
    torch.testing.assert_close(network.output(outputs.features), outputs.logits)


class TestLocalLayers:
    """Layers whose gradient stops below the fully connected ones."""

    def moved(self, layer, *, local):
        """Name the parts of a network that the gradient of a layer reaches."""
        network = build("cnn", hidden=(9, 8)).train()
        network(torch.randn(5, 16, 20)).layer(layer, local=local).sum().backward()
        keys = [key for key, p in network.named_parameters() if p.grad is not None]
        return {key.rsplit(".", 2)[0] if "fc" in key else key.split(".")[0] for key in keys}

    def test_have_the_same_values(self):
        outputs = build("cnn", hidden=(9, 8)).train()(torch.randn(5, 16, 20))
        for layer in ("fc1", "fc2", "features", "pooled"):
            assert torch.equal(outputs.layer(layer, local=True), outputs.layer(layer))

    def test_move_only_the_fully_connected_layers(self):
        assert self.moved("features", local=True) == {"embedding.fc1", "embedding.fc2"}
        assert self.moved("fc2", local=True) == {"embedding.fc1", "embedding.fc2"}
        assert self.moved("fc1", local=True) == {"embedding.fc1"}

    def test_other_layers_move_the_convolutions_too(self):
        assert self.moved("fc1", local=False) == {"embedding.fc1", "encoder"}
        assert self.moved("pooled", local=True) == {"encoder"}

    def test_all_layers_of_an_mlp_are_local(self):
        outputs = MLP((6,), 3)(torch.randn(2, 6))
        assert outputs.layer("fc1", local=True) is outputs.layer("fc1")


def test_unknown_layers_are_refused():
    outputs = MLP((6,), 3)(torch.randn(2, 6))
    assert outputs.layer("logits") is outputs.logits
    message = r"layers of the network, \['fc1', 'fc2', 'features', 'logits'\]; got 'fc9'"
    with pytest.raises(ValueError, match=message):
        outputs.layer("fc9")


@pytest.mark.parametrize("name", SPECTROGRAM_NETWORKS)
def test_spectrograms_of_any_size(name):
    for shape in [(1, 1), (3, 200), (65, 33), (64, 7)]:
        network = build(name, input_shape=shape).eval()
        assert network(torch.randn(2, *shape)).logits.isfinite().all()


def test_vgg11_has_eight_convolutions_of_the_published_sizes():
    convolutions = [m for m in build("vgg11").modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 256, 512, 512, 512, 512]
    assert sum(isinstance(m, torch.nn.MaxPool2d) for m in build("vgg11").modules()) == 5


def test_channels_set_the_sizes_of_a_cnn():
    outputs = CNN((16, 20), 3, channels=(4, 8))(torch.randn(2, 16, 20))
    assert outputs.layer("pooled").shape == (2, 8)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_hidden_layers_have_units(name):
    with pytest.raises(ValueError, match="hidden must hold at least one layer"):
        build(name, hidden=())
    with pytest.raises(ValueError, match="hidden must be a whole number of at least 1; got 0"):
        build(name, hidden=(8, 0))


@pytest.mark.parametrize("layer", [torch.zeros(4, 5, 2), torch.zeros(3, 5)])
def test_layers_must_be_matrices_with_a_row_for_each_sample(layer):
    outputs = Outputs(torch.zeros(4, 2), torch.zeros(4, 3), {"conv": layer})
    with pytest.raises(ValueError, match=r"Layer 'conv' must be of shape \(4, n_units\); got"):
        outputs.layer("conv")


@pytest.mark.parametrize("layers", [None, {"fc1": torch.zeros(4, 5), "fc2": torch.zeros(4, 3)}])
def test_local_layers_must_hold_the_last_layer(layers):
    outputs = Outputs(torch.zeros(4, 2), torch.zeros(4, 3), layers, {"fc1": torch.zeros(4, 5)})
    with pytest.raises(ValueError, match=r"local_layers must hold the last .*; got \['fc1'\]"):
        outputs.layer(local=True)


@pytest.mark.parametrize("name", SPECTROGRAM_NETWORKS)
def test_spectrograms_are_needed(name):
    with pytest.raises(ValueError, match=r"\(n_bins, n_frames\); got input_shape=.88,"):
        build(name, input_shape=(88,))


def test_an_mlp_needs_features():
    with pytest.raises(ValueError, match=r"input_shape must hold an axis at least; got \(\)"):
        build("mlp", input_shape=())


@pytest.mark.parametrize("name", ["mlp", *SPECTROGRAM_NETWORKS])
def test_shapes_and_numbers_of_classes_without_sense_are_named(name):
    for odd in (None, 3, "ab", [2, "a"], [2, 0], {2, 3}, float("nan")):
        with pytest.raises(ValueError, match=r"input_shape must be a (list|whole)"):
            build(name, input_shape=odd)
    for odd in (None, 0, 2.0, "2", [2], True):
        with pytest.raises(ValueError, match="n_classes must be a whole number of at least 1; got"):
            build(name, n_classes=odd)


def test_channels_without_sense_are_named():
    for odd in (None, 3, b"ab", [2, "a"], []):
        with pytest.raises(ValueError, match="channels must"):
            build("cnn", channels=odd)


def unsettled(name, **params):
    """Make a network whose batch normalisation does not map zero to zero, like a trained one."""
    network = build(name, **params)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.running_mean, layer.bias.data, layer.weight.data):
                values.normal_()
            layer.running_var.uniform_(0.5, 2)
    return network


def pad(X, n_frames):
    return torch.nn.functional.pad(X, (0, n_frames - X.shape[2]), value=float("nan"))


class TestPadding:
    """Recordings of different lengths: each is treated as if it were alone."""

    @pytest.mark.parametrize("name", SPECTROGRAM_NETWORKS)
    def test_changes_no_output_in_evaluation(self, name):
        """Padding of any length, alone or in a batch of longer recordings, at odd lengths too."""
        network = unsettled(name).eval()
        for n_frames in (1, 2, 37, 64):
            X = torch.randn(1, 16, n_frames)
            alone = network(X)
            for n_more in (0, 10, 200):
                longer = torch.randn(2, 16, n_frames + n_more)
                batch = torch.cat([longer, pad(X, n_frames + n_more)])
                for outputs in (network(batch[2:]), network(batch)):
                    for ours, expected in zip(outputs[:2], alone[:2], strict=True):
                        torch.testing.assert_close(ours[-1:], expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("name", CONVOLUTIONAL)
    def test_of_a_whole_batch_changes_nothing_in_training(self, name):
        """Logits, statistics of the batch normalisation and the gradient of the first layer."""
        X, results = torch.randn(6, 16, 33, dtype=torch.float64), []
        for batch in (X, pad(X, 50)):
            network = unsettled(name, dropout=0.0).train().double()
            outputs = network(batch)
            outputs.logits.square().sum().backward()
            gradient = network.encoder[0].weight.grad
            results.append((outputs.logits, network.encoder[1].running_mean, gradient))
        torch.testing.assert_close(*results)

    def test_is_left_out_of_batch_normalisation(self):
        network = build("cnn").train()
        clips = [torch.randn(1, 16, n_frames) for n_frames in (20, 9, 32)]
        network(torch.cat([pad(clip, 32) for clip in clips]))
        convolution, normalisation = network.encoder[:2]
        maps = [convolution(clip[:, None])[0].flatten(1) for clip in clips]
        expected = torch.cat(maps, dim=1)
        mean, var = 0.1 * expected.mean(dim=1), 0.9 + 0.1 * expected.var(dim=1)
        torch.testing.assert_close(normalisation.running_mean, mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(normalisation.running_var, var, atol=1e-5, rtol=1e-5)

    def test_leaves_gradients_finite_and_the_input_unchanged(self):
        network = build("cnn").train()
        X = torch.cat([torch.randn(3, 16, 30), pad(torch.randn(3, 16, 5), 30)])
        before = X.clone()
        network(X).layer("features", local=True).sum().backward()
        network(X).logits.sum().backward()
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)
        torch.testing.assert_close(X, before, equal_nan=True, rtol=0, atol=0)


def test_batches_without_padding_pass_the_encoder_as_a_whole():
    network, X = unsettled("cnn").eval(), torch.randn(4, 16, 20)
    maps = network.encoder(X[:, None])
    expected = maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))
    assert torch.equal(network(X).layer("pooled"), expected)


def test_frame_mask_marks_the_frames():
    X = torch.cat([pad(torch.randn(1, 3, 2), 4), torch.randn(1, 3, 4)])
    assert frame_mask(X).tolist() == [[True, True, False, False], [True] * 4]


@pytest.mark.parametrize("value", [1.0, -0.1, "x", float("nan")])
@pytest.mark.parametrize("name", ["dropout", "input_dropout"])
def test_dropout_is_checked(name, value):
    with pytest.raises(ValueError, match=f"{name} must be at least 0 and below 1; got {value!r}"):
        MLP((4,), 3, **{name: value})
