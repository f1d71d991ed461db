import pytest
import torch
from torch import nn

from zoo.models.cnn.convnet import ConvNet


def test_images_too_small_for_the_depth_are_refused_with_a_remedy() -> None:
    with pytest.raises(
        ValueError, match=r"image 8x12: depth 5 halves them 4 times, .* at least 16; set depth to 4 or less"
    ):
        ConvNet(10, 1, image_size=[8, 12], depth=5)


def test_the_depth_that_the_remedy_names_works() -> None:
    assert ConvNet(10, 1, image_size=8, depth=4, width=4)(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match=r"kernel_size 4: must be odd .*; try 5"):
        ConvNet(10, 1, image_size=8, kernel_size=4)


@pytest.mark.parametrize(("pooling", "kind"), [("max", nn.MaxPool2d), ("avg", nn.AvgPool2d)])
def test_pooling_lies_between_the_blocks(pooling: str, kind: type[nn.Module]) -> None:
    model = ConvNet(10, 1, image_size=8, depth=3, pooling=pooling)
    assert sum(isinstance(module, kind) for module in model.modules()) == 2


def test_each_block_doubles_the_channels() -> None:
    model = ConvNet(10, 1, image_size=28, depth=4, width=8, convs_per_block=2)
    channels = [module.out_channels for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert channels == [8, 8, 16, 16, 32, 32, 64, 64]
