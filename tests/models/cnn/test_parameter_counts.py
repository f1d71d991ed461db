"""Published numbers of parameters, each with its origin."""

import pytest
import torch
from torch import nn

from zoo.models.cnn.convnext import ConvNeXt
from zoo.models.cnn.lenet import LeNet
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.cnn.resnet_small import ResNetSmall
from zoo.models.cnn.wide_resnet import WideResNet


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_lenet_5() -> None:
    # 156 + 2,416 + 48,120 + 10,164 + 850: the usual count where C3 sees all maps and the output is linear.
    assert _count(LeNet(10, 1, image_size=28)) == 61_706


def test_resnet_20_for_cifar() -> None:
    # The published weights for CIFAR-10 hold as many; "0.27M" in He et al. 2015, table 6.
    assert _count(ResNetCIFAR(10, 3, depth=20)) == 269_722


@pytest.mark.parametrize(("depth", "millions"), [(32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)])
def test_deeper_resnets_for_cifar(depth: int, millions: float) -> None:
    # He et al. 2015, table 6.
    with torch.device("meta"):
        assert _count(ResNetCIFAR(10, 3, depth=depth)) / 1e6 == pytest.approx(millions, rel=0.02)


@pytest.mark.parametrize(
    ("depth", "widen_factor", "millions"), [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (16, 8, 11.0), (28, 10, 36.5)]
)
def test_wide_resnets(depth: int, widen_factor: int, millions: float) -> None:
    # Zagoruyko & Komodakis 2016, table 5.
    with torch.device("meta"):
        model = WideResNet(10, 3, depth=depth, widen_factor=widen_factor)
    assert _count(model) / 1e6 == pytest.approx(millions, abs=0.06)


def test_resnet_18_for_small_images() -> None:
    # torchvision's resnet18 has 11,689,512 with a 7x7 stem and 1,000 classes: 64 * 3 * (49 - 9) more in the stem and
    # 513 * 990 more in the head.
    with torch.device("meta"):
        assert _count(ResNetSmall(10, 3)) == 11_689_512 - 64 * 3 * 40 - 513 * 990


def test_convnext_t() -> None:
    # torchvision's convnext_tiny has as many.
    with torch.device("meta"):
        assert _count(ConvNeXt(1000, 3, image_size=224)) == 28_589_128
