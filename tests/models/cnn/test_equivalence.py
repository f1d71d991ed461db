"""What we write ourselves gives what torchvision's gives with the same weights."""

import pytest
import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.models.convnext import CNBlock

from zoo.models.cnn.convnext import ConvNeXt, ConvNeXtBlock
from zoo.models.cnn.resnet_small import ResNetSmall
from zoo.models.cnn.vgg import VGG


def _copy_in_order(source: nn.Module, target: nn.Module) -> None:
    """Pair the layers by their order; a bias that the source lacks becomes zero."""
    kinds = nn.Conv2d | nn.Linear | nn.BatchNorm2d | nn.LayerNorm
    ours = [module for module in source.modules() if isinstance(module, kinds)]
    theirs = [module for module in target.modules() if isinstance(module, kinds)]
    # Our blocks register their norms first; by kind the order is the same.
    for module, twin in zip(sorted(ours, key=_kind), sorted(theirs, key=_kind), strict=True):
        state = module.state_dict()
        if getattr(twin, "bias", None) is not None and "bias" not in state:
            state["bias"] = torch.zeros_like(twin.bias)
        twin.load_state_dict(state)


def _kind(module: nn.Module) -> str:
    return next(
        kind.__name__ for kind in (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm) if isinstance(module, kind)
    )


def _randomize_norms(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)


@pytest.mark.parametrize("depth", [11, 16])
def test_the_stages_of_vgg_are_torchvisions_features(depth: int) -> None:
    torch.manual_seed(0)
    ours = VGG(10, 3, depth=depth)
    _randomize_norms(ours)
    theirs = getattr(models, f"vgg{depth}_bn")(init_weights=False).features
    _copy_in_order(ours.stages, theirs)
    x = torch.randn(2, 3, 32, 64)
    expected = theirs(x)
    for stage in ours.stages:
        x = stage(x)
    torch.testing.assert_close(x, expected, atol=1e-4, rtol=1e-4)


def test_the_stages_of_resnet_small_are_those_of_torchvisions_resnet18() -> None:
    torch.manual_seed(0)
    ours = ResNetSmall(10, 3)
    _randomize_norms(ours)
    theirs = models.resnet18()
    x: Tensor = torch.randn(2, 64, 8, 8)
    expected = x
    for index, stage in enumerate(ours.stages, start=1):
        twin = getattr(theirs, f"layer{index}")
        _copy_in_order(stage, twin)
        x, expected = stage(x), twin(expected)
    torch.testing.assert_close(x, expected, atol=1e-4, rtol=1e-4)


def test_the_convnext_block_is_torchvisions() -> None:
    torch.manual_seed(0)
    ours = ConvNeXtBlock(12, layer_scale=0.5)
    theirs = CNBlock(12, layer_scale=0.5, stochastic_depth_prob=0.0)
    _copy_in_order(ours, theirs)
    x = torch.randn(2, 12, 9, 7)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_convnext_t_is_torchvisions_convnext_tiny() -> None:
    torch.manual_seed(0)
    ours = ConvNeXt(1000, 3, image_size=224, layer_scale=1.0).eval()
    theirs = models.convnext_tiny(layer_scale=1.0).eval()
    _copy_in_order(ours, theirs)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), atol=1e-4, rtol=1e-4)
