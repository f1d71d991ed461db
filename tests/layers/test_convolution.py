import pytest
import torch
from torch import nn

from zoo.layers.convolution import ConvNormActivation


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_it_keeps_the_image_size(kernel_size: int) -> None:
    assert ConvNormActivation(3, 8, kernel_size=kernel_size)(torch.randn(2, 3, 7, 9)).shape == (2, 8, 7, 9)


def test_the_convolution_has_a_bias_only_without_norm() -> None:
    assert ConvNormActivation(3, 8, norm="batch").conv.bias is None
    assert ConvNormActivation(3, 8, norm=None).conv.bias is not None


def test_the_activation_works_in_place_only_after_batch_norm() -> None:
    after_batch, after_other = ConvNormActivation(3, 8), ConvNormActivation(3, 8, norm=None)
    assert isinstance(after_batch.activation, nn.ReLU)
    assert isinstance(after_other.activation, nn.ReLU)
    assert after_batch.activation.inplace
    assert not after_other.activation.inplace
