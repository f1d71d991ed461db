"""Layers of generators and discriminators equal the formulas that they are short for."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zoo.layers.conditional_batch_norm import ConditionalBatchNorm2d
from zoo.layers.minibatch_std import MinibatchStd
from zoo.layers.normalized_pixels import NormalizedPixels
from zoo.layers.projection_score import ProjectionScore
from zoo.layers.resampled_convolution import DownConv2d, UpConv2d
from zoo.layers.self_attention_2d import SelfAttention2d


@pytest.mark.parametrize("side", [5, 8])
def test_a_doubling_convolution_is_nearest_neighbours_and_a_convolution(side: int) -> None:
    layer, x = UpConv2d(3, 5), torch.randn(2, 3, side, side)
    expected = F.conv2d(F.interpolate(x, scale_factor=2), layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_a_halving_convolution_is_a_convolution_and_the_mean_of_four_pixels() -> None:
    layer, x = DownConv2d(3, 5), torch.randn(2, 3, 14, 14)
    expected = F.avg_pool2d(F.conv2d(x, layer.weight, layer.bias, padding=1), 2)
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_conditional_batch_norm_scales_and_shifts_by_the_class() -> None:
    layer, x, labels = ConditionalBatchNorm2d(3, 4), torch.randn(6, 3, 5, 5), torch.tensor([0, 3, 1, 1, 2, 0])
    plain = nn.BatchNorm2d(3)(x)
    torch.testing.assert_close(layer(x, labels), plain)
    assert layer.scale is not None and layer.shift is not None
    nn.init.normal_(layer.scale)
    nn.init.normal_(layer.shift)
    scale, shift = layer.scale[labels], layer.shift[labels]
    torch.testing.assert_close(layer(x, labels), plain * scale[:, :, None, None] + shift[:, :, None, None])


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (6, 6)])
def test_minibatch_std_is_the_mean_deviation_within_a_group(batch: int, group: int) -> None:
    x = torch.randn(batch, 3, 2, 2)
    out = MinibatchStd(4)(x)
    assert torch.equal(out[:, :3], x)
    for first in range(batch // group):
        members = list(range(first, batch, batch // group))
        expected = x[members].std(0, correction=0).mean()
        torch.testing.assert_close(out[members, 3], expected.expand(group, 2, 2))


def test_minibatch_std_of_equal_images_has_a_finite_slope() -> None:
    x = torch.ones(4, 2, 3, 3, requires_grad=True)
    MinibatchStd()(x).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_projection_adds_the_product_of_features_and_class() -> None:
    layer, features, labels = ProjectionScore(5, 3), torch.randn(4, 5), torch.tensor([2, 0, 1, 2])
    assert layer.embedding is not None
    expected = [layer.linear(x) + layer.embedding.weight[y] @ x for x, y in zip(features, labels, strict=True)]
    torch.testing.assert_close(layer(features, labels), torch.cat(expected))


def test_self_attention_starts_as_nothing_and_weighs_values_by_their_keys() -> None:
    layer, x = SelfAttention2d(16), torch.randn(2, 16, 6, 6)
    assert torch.equal(layer(x), x)
    nn.init.ones_(layer.gain)
    keys, values = (F.max_pool2d(part(x), 2).flatten(2).transpose(1, 2) for part in (layer.key, layer.value))
    queries = layer.query(x).flatten(2).transpose(1, 2)
    attended = F.scaled_dot_product_attention(queries, keys, values, scale=1).transpose(1, 2).unflatten(2, (6, 6))
    torch.testing.assert_close(layer(x), x + layer.out(attended), atol=1e-5, rtol=1e-5)


def test_pixels_are_normalised_as_those_of_the_data() -> None:
    pixels = torch.rand(2, 3, 4, 4)
    mean, std = torch.tensor([0.1, 0.5, 0.4]), torch.tensor([0.2, 0.3, 0.25])
    expected = (pixels - mean[:, None, None]) / std[:, None, None]
    torch.testing.assert_close(NormalizedPixels(mean.tolist(), std.tolist())(2 * pixels - 1), expected)
