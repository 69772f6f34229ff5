"""Networks: shapes, where gradients go, and inputs of awkward sizes."""

import pytest
import torch

from skdidan.neural.networks import CNN, MLP, NETWORKS, VGG11, Outputs, frame_mask

SPECTROGRAM_NETWORKS = {"cnn": CNN, "vgg11": VGG11}


def build(name, input_shape=(16, 20), n_classes=3, **params):
    torch.manual_seed(0)
    return NETWORKS[name](input_shape, n_classes, **params)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_outputs_have_the_promised_shapes(name):
    network = build(name, n_classes=4).eval()
    outputs = network(torch.randn(5, 16, 20))
    assert isinstance(outputs, Outputs)
    assert outputs.logits.shape == (5, 4)
    assert outputs.features.ndim == 2
    assert (outputs.features >= 0).all()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_logits_are_a_linear_function_of_the_features(name):
    network = build(name).eval()
    outputs = network(torch.randn(5, 16, 20))
    torch.testing.assert_close(network.output[-1](outputs.features), outputs.logits)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_layers_follow_from_one_another_and_end_in_the_features(name):
    network = build(name, hidden=(9, 8, 7)).eval()
    outputs = network(torch.randn(5, 16, 20))
    fully_connected = [n for n in outputs.layers if n.startswith("fc")]
    assert fully_connected == ["fc1", "fc2", "fc3"]
    assert [outputs.layer(n).shape for n in fully_connected] == [(5, 9), (5, 8), (5, 7)]
    assert torch.equal(outputs.layer("fc3"), outputs.layer("features"))
    linear = network.embedding["fc2"][0]
    torch.testing.assert_close(outputs.layer("fc2"), linear(outputs.layer("fc1")).relu())


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
class TestLocalLayers:
    """The layers whose gradient stops below the fully connected ones."""

    def moved(self, name, layer, *, local):
        network = build(name, hidden=(9, 8)).train()
        network(torch.randn(5, 16, 20)).layer(layer, local=local).sum().backward()
        keys = [key for key, p in network.named_parameters() if p.grad is not None]
        return {key.rsplit(".", 2)[0] if "fc" in key else key.split(".")[0] for key in keys}

    @pytest.mark.parametrize("layer", ["fc1", "fc2", "features", "pooled"])
    def test_are_equal_in_value(self, name, layer):
        outputs = build(name, hidden=(9, 8)).train()(torch.randn(5, 16, 20))
        assert torch.equal(outputs.layer(layer, local=True), outputs.layer(layer))

    def test_move_the_fully_connected_layers_only(self, name):
        both = {"embedding.fc1", "embedding.fc2"}
        assert self.moved(name, "features", local=True) == both
        assert self.moved(name, "fc2", local=True) == both
        assert self.moved(name, "fc1", local=True) == {"embedding.fc1"}

    def test_otherwise_the_convolutions_move_too(self, name):
        assert self.moved(name, "fc1", local=False) == {"embedding.fc1", "encoder"}
        assert self.moved(name, "pooled", local=True) == {"encoder"}


def test_all_layers_of_an_mlp_are_local_already():
    outputs = MLP((6,), 3)(torch.randn(2, 6))
    assert outputs.layer("fc1", local=True) is outputs.layer("fc1")


def test_the_outputs_are_a_layer_too():
    outputs = MLP((6,), 3)(torch.randn(2, 6))
    assert outputs.layer("logits") is outputs.logits
    assert outputs.layer("features") is outputs.features


def test_unknown_layers_are_refused():
    outputs = MLP((6,), 3)(torch.randn(2, 6))
    message = r"layers of the network, \['fc1', 'fc2', 'features', 'logits'\]; got 'fc9'"
    with pytest.raises(ValueError, match=message):
        outputs.layer("fc9")


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (65, 33), (64, 7)])
def test_spectrograms_of_any_size(name, shape):
    network = build(name, input_shape=shape).eval()
    assert network(torch.randn(2, *shape)).logits.isfinite().all()


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
def test_rows_do_not_see_each_other_in_evaluation(name):
    network, X = build(name).eval(), torch.randn(4, 16, 20)
    together = network(X).logits
    alone = torch.cat([network(row[None]).logits for row in X])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_vgg11_has_eight_convolutions_of_the_published_sizes():
    convolutions = [m for m in build("vgg11").modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.out_channels for c in convolutions] == [64, 128, 256, 256, 512, 512, 512, 512]
    assert sum(isinstance(m, torch.nn.MaxPool2d) for m in build("vgg11").modules()) == 5


def test_parameters_set_the_sizes():
    mlp = MLP((6,), 3, hidden=(10, 7))
    assert mlp(torch.randn(2, 6)).features.shape == (2, 7)
    cnn = CNN((16, 20), 3, channels=(4, 8), hidden=(9,))
    assert cnn(torch.randn(2, 16, 20)).features.shape == (2, 9)


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        ((), "hidden must hold at least one layer"),
        (5, "hidden must be a list or tuple of whole numbers; got 5"),
        ((8, 0), "hidden must be a whole number of at least 1; got 0"),
        ((8.5,), "hidden must be a whole number of at least 1; got 8.5"),
    ],
)
def test_hidden_layers_have_units(name, hidden, message):
    with pytest.raises(ValueError, match=message):
        NETWORKS[name]((16, 20), 3, hidden=hidden)


@pytest.mark.parametrize("layer", [torch.zeros(4, 5, 2), torch.zeros(3, 5)])
def test_layers_are_matrices_of_a_row_each(layer):
    outputs = Outputs(torch.zeros(4, 2), torch.zeros(4, 3), {"conv": layer})
    with pytest.raises(ValueError, match=r"Layer 'conv' must be of shape \(4, n_units\); got"):
        outputs.layer("conv")


@pytest.mark.parametrize("layers", [None, {"fc1": torch.zeros(4, 5), "fc2": torch.zeros(4, 3)}])
def test_the_last_layer_has_a_local_form(layers):
    outputs = Outputs(torch.zeros(4, 2), torch.zeros(4, 3), layers, {"fc1": torch.zeros(4, 5)})
    with pytest.raises(ValueError, match=r"local_layers must hold the last .*; got \['fc1'\]"):
        outputs.layer(local=True)


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
def test_convolutions_need_spectrograms(name):
    with pytest.raises(ValueError, match=r"\(n_bins, n_frames\); got shape \(88,\)"):
        build(name, input_shape=(88,))


def unsettled(name, **params):
    """Build a network whose batch normalisation moves zeros elsewhere, as a trained one does."""
    network = build(name, **params)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            for values in (layer.running_mean, layer.bias.data, layer.weight.data):
                values.normal_()
            layer.running_var.uniform_(0.5, 2)
    return network


def padded(X, n_frames):
    return torch.nn.functional.pad(X, (0, n_frames - X.shape[2]), value=float("nan"))


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
class TestPadding:
    """Recordings of different lengths, each of which is as if it were alone."""

    @pytest.mark.parametrize("n_frames", [1, 2, 37, 64])
    def test_changes_no_output_in_evaluation(self, name, n_frames):
        network, X = unsettled(name).eval(), torch.randn(1, 16, n_frames)
        alone = network(X)
        for n_more in (0, 10, 200):
            longer = torch.randn(2, 16, n_frames + n_more)
            batch = torch.cat([longer, padded(X, n_frames + n_more)])
            for outputs in (network(batch[2:]), network(batch)):
                torch.testing.assert_close(outputs.logits[-1:], alone.logits, atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(
                    outputs.features[-1:], alone.features, atol=1e-5, rtol=1e-5
                )

    def test_of_a_whole_batch_changes_nothing_in_training(self, name):
        X, answers = torch.randn(6, 16, 33, dtype=torch.float64), []
        for batch in (X, padded(X, 50)):
            network = unsettled(name, dropout=0.0).train().double()
            outputs = network(batch)
            outputs.logits.square().sum().backward()
            gradient = network.encoder[0].weight.grad
            answers.append((outputs.logits, network.encoder[1].running_mean, gradient))
        torch.testing.assert_close(*answers)

    def test_does_not_count_in_batch_normalisation(self, name):
        network = build(name).train()
        clips = [torch.randn(1, 16, n_frames) for n_frames in (20, 9, 32)]
        network(torch.cat([padded(clip, 32) for clip in clips]))
        convolution, normalisation = network.encoder[:2]
        maps = [convolution(clip[:, None])[0].flatten(1) for clip in clips]
        expected = torch.cat(maps, dim=1)
        mean, var = 0.1 * expected.mean(dim=1), 0.9 + 0.1 * expected.var(dim=1)
        torch.testing.assert_close(normalisation.running_mean, mean, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(normalisation.running_var, var, atol=1e-5, rtol=1e-5)

    def test_gets_no_gradient_that_is_nan(self, name):
        network = build(name).train()
        X = torch.cat([torch.randn(3, 16, 30), padded(torch.randn(3, 16, 5), 30)])
        network(X).layer("features", local=True).sum().backward()
        network(X).logits.sum().backward()
        assert all(p.grad.isfinite().all() for p in network.parameters() if p.grad is not None)

    def test_input_is_left_alone(self, name):
        X = padded(torch.randn(2, 16, 5), 30)
        before = X.clone()
        build(name)(X)
        torch.testing.assert_close(X, before, equal_nan=True, rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
def test_batches_without_padding_pass_the_encoder_as_a_whole(name):
    network, X = unsettled(name).eval(), torch.randn(4, 16, 20)
    maps = network.encoder(X[:, None])
    expected = maps.mean(dim=(2, 3)) + maps.amax(dim=(2, 3))
    assert torch.equal(network(X).layer("pooled"), expected)


def test_pooling_of_different_lengths_by_hand():
    network = unsettled("cnn", channels=(4,)).eval()
    clip = torch.randn(1, 16, 21)
    (maps,) = network.encoder(clip[:, None])
    expected = maps.mean(dim=(1, 2)) + maps.amax(dim=(1, 2))
    pooled = network(torch.cat([padded(clip, 40), torch.randn(1, 16, 40)])).layer("pooled")
    torch.testing.assert_close(pooled[0], expected, atol=1e-6, rtol=1e-5)


def test_the_mask_marks_frames():
    X = torch.cat([padded(torch.randn(1, 3, 2), 4), torch.randn(1, 3, 4)])
    assert frame_mask(X).tolist() == [[True, True, False, False], [True] * 4]
