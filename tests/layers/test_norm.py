import pytest
import torch
from torch import nn
from torchvision.models.convnext import LayerNorm2d

from zoo.layers.norm import NORMS, ChannelLayerNorm, make_norm


@pytest.mark.parametrize("name", [*NORMS[2], None, "torch.nn.InstanceNorm2d"])
def test_every_image_norm_keeps_the_shape(name: str | None) -> None:
    x = torch.randn(4, 24, 5, 6)
    assert make_norm(name, 24)(x).shape == x.shape


@pytest.mark.parametrize("name", [*NORMS[1], None])
def test_every_vector_norm_keeps_the_shape(name: str | None) -> None:
    x = torch.randn(4, 24)
    assert make_norm(name, 24, dims=1)(x).shape == x.shape


def test_layer_norm_normalises_the_channels_of_each_pixel() -> None:
    y = ChannelLayerNorm(16)(3 + 5 * torch.randn(2, 16, 4, 4))
    torch.testing.assert_close(y.mean(dim=1), torch.zeros(2, 4, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(y.var(dim=1, correction=0), torch.ones(2, 4, 4), atol=1e-4, rtol=0)


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_layer_norm_equals_torchvisions_in_either_memory_format(memory_format: torch.memory_format) -> None:
    x = torch.randn(2, 16, 4, 5).to(memory_format=memory_format)
    torch.testing.assert_close(ChannelLayerNorm(16)(x), LayerNorm2d(16, eps=1e-6)(x), atol=1e-6, rtol=0)


def test_layer_norm_keeps_channels_last() -> None:
    x = torch.randn(2, 16, 4, 5).to(memory_format=torch.channels_last)
    assert ChannelLayerNorm(16)(x).is_contiguous(memory_format=torch.channels_last)


def test_group_norm_takes_channels_that_32_does_not_divide() -> None:
    norm = make_norm("group", 40)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == 8


def test_a_misspelt_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"unknown norm 'bach'; did you mean batch\?"):
        make_norm("bach", 8)
