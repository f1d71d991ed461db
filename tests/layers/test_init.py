import math

import pytest
import torch
from torch import nn

from zoo.layers.activation import ACTIVATIONS, make_activation
from zoo.layers.init import SCHEMES, activation_gain, initialize
from zoo.layers.residual import BasicBlock, PreActivationBlock


def test_the_gain_of_relu_is_the_square_root_of_two() -> None:
    assert activation_gain("relu") == pytest.approx(math.sqrt(2), abs=1e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_gain_keeps_the_second_moment_of_random_signals(name: str) -> None:
    z = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    signal = activation_gain(name) * make_activation(name)(z)
    assert signal.square().mean().item() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_kaiming_keeps_the_scale_of_signals_through_twenty_layers(activation: str) -> None:
    torch.manual_seed(0)
    layers = [module for _ in range(20) for module in (nn.Linear(512, 512), make_activation(activation))]
    model = nn.Sequential(*layers)
    initialize(model, "kaiming", activation)
    with torch.no_grad():
        scale = model(torch.randn(64, 512)).square().mean().item()
    assert 0.2 < scale * activation_gain(activation) ** 2 < 5


def test_orthogonal_weights_are_orthogonal_up_to_the_gain() -> None:
    layer = nn.Linear(8, 8)
    initialize(layer, "orthogonal", "relu")
    torch.testing.assert_close(layer.weight @ layer.weight.T, 2 * torch.eye(8), atol=1e-3, rtol=0)


def test_xavier_follows_both_fans() -> None:
    layer = nn.Linear(300, 500)
    initialize(layer, "xavier", "relu")
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2) * math.sqrt(2 / 800), rel=0.02)


def test_default_leaves_the_weights_as_torch_made_them() -> None:
    layer = nn.Linear(4, 4)
    before = layer.weight.detach().clone()
    initialize(layer, "default", "relu")
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme not in ("default", "zero_residual")])
def test_biases_start_at_zero(scheme: str) -> None:
    conv = nn.Conv2d(3, 8, 3)
    initialize(conv, scheme, "relu")
    assert conv.bias is not None
    assert not conv.bias.any()


@pytest.mark.parametrize("norm", ["batch", None])
@pytest.mark.parametrize("block_class", [BasicBlock, PreActivationBlock])
def test_zero_residual_makes_a_block_its_shortcut(block_class: type[nn.Module], norm: str | None) -> None:
    block = nn.Sequential(block_class(8, 8, norm=norm))
    initialize(block, "zero_residual", "relu")
    x = torch.rand(4, 8, 6, 6)  # not negative, as relu would change it
    torch.testing.assert_close(block(x), x)


@pytest.mark.parametrize("block_class", [BasicBlock, PreActivationBlock])
def test_a_block_that_starts_as_its_shortcut_can_still_learn(block_class: type[nn.Module]) -> None:
    block = block_class(8, 8)
    initialize(block, "zero_residual", "relu")
    block(torch.rand(4, 8, 6, 6)).square().sum().backward()
    assert any(parameter.grad is not None and parameter.grad.any() for parameter in block.parameters())


def test_zero_residual_is_refused_without_residual_blocks() -> None:
    with pytest.raises(ValueError, match="Linear has no residual blocks; choose kaiming"):
        initialize(nn.Linear(2, 2), "zero_residual", "relu")


def test_a_misspelt_scheme_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"unknown init 'kaming'; did you mean kaiming\?"):
        initialize(nn.Linear(2, 2), "kaming", "relu")
