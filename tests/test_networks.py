"""Networks: shapes, where gradients go, and inputs of awkward sizes."""

import pytest
import torch

from skdidan.networks import CNN, MLP, NETWORKS, VGG11, Outputs

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
