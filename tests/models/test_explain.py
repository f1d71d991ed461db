"""The heat of an explanation lies where the evidence lies, on any classifier of images, however it is run."""

import pytest
import torch
from torch import Tensor, nn

from zoo.models.cnn.convnet import ConvNet
from zoo.models.cnn.resnet_cifar import ResNetCIFAR
from zoo.models.explain import explain
from zoo.models.mlp import MLP
from zoo.models.transformer.vit import ViT

SIDE, PATCH = 16, 8


def corners(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Noise; of class 1 with a bright pattern in the upper left corner, of class 0 with one of its opposite."""
    generator = torch.Generator().manual_seed(seed)
    images, classes = 0.5 * torch.randn(count, 1, SIDE, SIDE, generator=generator), torch.arange(count) % 2
    stripes = torch.ones(PATCH, PATCH)
    stripes[::2] = -1
    images[:, 0, :PATCH, :PATCH] += torch.where(classes[:, None, None] == 1, 2 * stripes, 2 * stripes.T)
    return images, classes


def trained(model: nn.Module, steps: int = 60, lr: float = 5e-3) -> nn.Module:
    images, classes = corners(64)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), classes).backward()
        optimizer.step()
    assert (model.eval()(images).argmax(1) == classes).all()
    return model


@pytest.fixture(scope="module")
def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return trained(ConvNet(2, 1, image_size=SIDE, depth=2, width=8))


@pytest.fixture(scope="module")
def transformer() -> nn.Module:
    torch.manual_seed(0)
    return trained(ViT(2, in_channels=1, image_size=SIDE, patch_size=4, embed_dim=32, num_layers=2, num_heads=2))


def share_in_corner(heat: Tensor) -> float:
    return float(heat[:, :PATCH, :PATCH].sum() / heat.sum())


@pytest.mark.parametrize(("name", "method"), [("convolutional", "Grad-CAM"), ("transformer", "Attention rollout")])
def test_the_heat_lies_where_the_evidence_lies(name, method, request):
    model, (images, classes) = request.getfixturevalue(name), corners(16, seed=1)
    heat, found = explain(model, images, classes)
    assert found == method
    assert heat.shape == (16, SIDE, SIDE) and heat.min() >= 0 and heat.max() == 1
    assert share_in_corner(heat) > 0.5  # of a quarter of the pixels


def test_without_classes_the_likeliest_one_is_explained(convolutional):
    images, classes = corners(4, seed=1)
    assert torch.equal(explain(convolutional, images).heat, explain(convolutional, images, classes).heat)
    assert not torch.equal(explain(convolutional, images, 1 - classes).heat, explain(convolutional, images).heat)


def test_frozen_weights_inference_mode_and_the_layout_change_nothing(convolutional):
    images, _ = corners(4, seed=1)
    expected = explain(convolutional, images).heat
    convolutional.requires_grad_(False)
    with torch.inference_mode():
        frozen = explain(convolutional, images.clone(), convolutional(images).argmax(1))
    convolutional.requires_grad_(True)
    torch.testing.assert_close(frozen.heat, expected)
    laid_out = explain(convolutional, images.to(memory_format=torch.channels_last)).heat
    torch.testing.assert_close(laid_out, expected, atol=1e-4, rtol=1e-4)


def test_the_model_is_left_as_it_was(convolutional):
    images, _ = corners(4, seed=1)
    convolutional.train()
    convolutional.blocks[0].eval()
    before = {name: value.clone() for name, value in convolutional.state_dict().items()}
    explain(convolutional, images)
    assert convolutional.training and not convolutional.blocks[0].training
    assert all(torch.equal(value, before[name]) for name, value in convolutional.state_dict().items())
    assert not any(part._forward_hooks for part in convolutional.modules())
    convolutional.eval()


def test_a_compiled_model_is_explained_as_it_was_written(convolutional):
    images, _ = corners(4, seed=1)
    expected = explain(convolutional, images).heat
    convolutional._compiled_call_impl = lambda *_: pytest.fail("the compiled model was run")
    try:
        assert torch.equal(explain(convolutional, images).heat, expected)
    finally:
        convolutional._compiled_call_impl = None


def test_networks_of_torchvision_are_explained():
    from torchvision import models

    images = torch.randn(2, 3, 64, 64)
    for name in ("mobilenet_v2", "squeezenet1_1", "densenet121"):
        assert explain(models.get_model(name, weights=None, num_classes=3), images).method == "Grad-CAM", name
    vit = models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=32, num_classes=3
    )
    assert explain(vit, images).method == "Attention rollout"


def test_networks_of_timm_are_explained():
    timm = pytest.importorskip("timm", reason="timm is an extra")
    images = torch.randn(2, 3, 64, 64)
    assert explain(timm.create_model("resnet10t", num_classes=3), images).method == "Grad-CAM"
    vit = timm.create_model("vit_tiny_patch16_224", img_size=64, num_classes=3)
    assert explain(vit, images).method == "Attention rollout"


def test_a_residual_network_and_a_map_of_one_place_are_explained():
    images = torch.randn(2, 3, 8, 8)
    assert explain(ResNetCIFAR(3, 3, depth=8), images).heat.shape == (2, 8, 8)
    assert explain(ConvNet(3, 3, image_size=8, depth=4, width=4), images).heat.shape == (2, 8, 8)


def test_what_has_no_places_is_not_explained():
    assert explain(MLP(3, 1, image_size=8), torch.randn(2, 1, 8, 8)) is None
