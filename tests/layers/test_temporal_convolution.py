import pytest
import torch
from torch import nn

from zoo.layers.temporal_convolution import CausalConv1d, TemporalEncoder


def test_a_place_sees_itself_and_its_receptive_field_and_no_more() -> None:
    torch.manual_seed(0)
    encoder = TemporalEncoder(2, 4, num_layers=3, kernel_size=3)
    inputs = torch.randn(1, 60, 2, requires_grad=True)
    encoder(inputs)[0, 50].sum().backward()
    seen = inputs.grad.abs().sum((0, 2)).nonzero().flatten()  # type: ignore[union-attr]
    assert encoder.receptive_field == 1 + 2 * 2 * 7
    assert seen.max() == 50
    assert 50 - seen.min() < encoder.receptive_field
    assert 50 - seen.min() > encoder.receptive_field // 2


def test_a_convolution_is_that_of_torch_with_zeros_before() -> None:
    layer = CausalConv1d(3, 5, kernel_size=4, dilation=2)
    reference = nn.Conv1d(3, 5, 4, dilation=2)
    reference.weight.data, reference.bias.data = layer.weight.detach(), layer.bias.detach()  # type: ignore[union-attr]
    inputs = torch.randn(2, 3, 17)
    expected = reference(nn.functional.pad(inputs, (6, 0)))
    torch.testing.assert_close(layer(inputs), expected)


def test_weight_norm_is_that_of_torch() -> None:
    layer = CausalConv1d(3, 5)
    assert layer.length is not None
    with torch.no_grad():
        layer.length.mul_(torch.tensor([1.0, 2.0, 0.5, 3.0, 1.5]))
    reference = nn.utils.parametrizations.weight_norm(nn.Conv1d(3, 5, 3))
    reference.parametrizations.weight.original0.data = layer.length.detach()[:, None, None]
    reference.parametrizations.weight.original1.data = layer.weight.detach()
    reference.bias.data = layer.bias.detach()  # type: ignore[union-attr]
    inputs = torch.randn(2, 3, 17)
    torch.testing.assert_close(layer(inputs), reference(nn.functional.pad(inputs, (2, 0))))


@pytest.mark.parametrize("weight_norm", [True, False])
def test_a_gradient_reaches_every_parameter(weight_norm: bool) -> None:
    encoder = TemporalEncoder(2, 4, num_layers=2, weight_norm=weight_norm)
    encoder(torch.randn(3, 20, 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_features_keep_their_size_through_untrained_blocks() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(8, 100, 64)
    features = TemporalEncoder(64, 64, num_layers=8)(inputs)
    assert 0.5 < features.square().mean().sqrt() / inputs.square().mean().sqrt() < 2
