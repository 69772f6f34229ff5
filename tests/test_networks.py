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


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
class TestLocalFeatures:
    """The features whose gradient stops below the fully connected layer."""

    def test_equal_the_features(self, name):
        outputs = build(name).train()(torch.randn(5, 16, 20))
        assert torch.equal(outputs.local_features, outputs.features)

    def test_move_the_fully_connected_layer_only(self, name):
        network = build(name).train()
        network(torch.randn(5, 16, 20)).local_features.sum().backward()
        moved = {key.split(".")[0] for key, p in network.named_parameters() if p.grad is not None}
        assert moved == {"embedding"}

    def test_features_move_the_convolutions_too(self, name):
        network = build(name).train()
        network(torch.randn(5, 16, 20)).features.sum().backward()
        moved = {key.split(".")[0] for key, p in network.named_parameters() if p.grad is not None}
        assert moved == {"embedding", "encoder"}


def test_mlp_leaves_its_features_local():
    assert MLP((6,), 3)(torch.randn(2, 6)).local_features is None


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
    cnn = CNN((16, 20), 3, channels=(4, 8), n_features=9)
    assert cnn(torch.randn(2, 16, 20)).features.shape == (2, 9)


def test_mlp_needs_a_hidden_layer():
    with pytest.raises(ValueError, match="hidden must name at least one layer"):
        MLP((6,), 3, hidden=())


@pytest.mark.parametrize("name", sorted(SPECTROGRAM_NETWORKS))
def test_convolutions_need_spectrograms(name):
    with pytest.raises(ValueError, match=r"\(n_bins, n_frames\); got shape \(88,\)"):
        build(name, input_shape=(88,))
