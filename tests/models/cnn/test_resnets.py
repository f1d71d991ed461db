import pytest
import torch
from torch import nn

from zoo.layers.residual import PreActivationBlock
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.resnet_small import ResNetSmall
from zoo.models.cnn.wide_resnet import WideResNet


def test_the_number_of_layers_of_a_resnet_for_cifar_is_its_depth() -> None:
    model = ResNetCIFAR(10, 3, depth=32)
    assert sum(isinstance(module, nn.Conv2d | nn.Linear) for module in model.modules()) == 32


def test_a_depth_that_is_not_6n_plus_2_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth 18: must be 6n \+ 2; choose 20"):
        ResNetCIFAR(10, 3, depth=18)


def test_a_depth_that_is_not_6n_plus_4_is_refused() -> None:
    with pytest.raises(ValueError, match=r"depth 20: must be 6n \+ 4; choose 10, 16"):
        WideResNet(10, 3, depth=20)


def test_depths_and_widths_must_name_the_same_stages() -> None:
    with pytest.raises(ValueError, match=r"depths \[2, 2\], widths \[8, 16, 32\]: must name the same stages"):
        ResNetSmall(10, 3, depths=[2, 2], widths=[8, 16, 32])


@pytest.mark.parametrize("norm", ["batch", None])
def test_pre_activation_blocks_train_end_to_end(norm: str | None) -> None:
    model = ResNetSmall(10, 3, depths=[1, 2], widths=[8, 16], block="preactivation", norm=norm)
    assert sum(isinstance(module, PreActivationBlock) for module in model.modules()) == 3
    model(torch.randn(4, 3, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_dropout_of_a_wide_resnet_lies_between_the_convolutions() -> None:
    model = WideResNet(10, 3, depth=10, widen_factor=1, dropout=0.3)
    blocks = [module for module in model.modules() if isinstance(module, PreActivationBlock)]
    assert [block.dropout.p for block in blocks] == [0.3, 0.3, 0.3]
