"""SNGAN: what its options do, and that each layer of its discriminator is held to a slope of 1."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from zoo.layers.minibatch_std import MinibatchStd
from zoo.layers.self_attention_2d import SelfAttention2d
from zoo.models.gan.sngan import SNGANDiscriminator, SNGANGenerator

IMAGES = {"image_size": 28, "mean": [0.5], "std": [0.5]}


def test_no_layer_of_the_discriminator_has_a_slope_above_one() -> None:
    torch.manual_seed(0)
    discriminator = SNGANDiscriminator(1, image_size=8, width=4, num_classes=3)
    for parameter in discriminator.parameters():
        nn.init.normal_(parameter, 0.0, 2.0)
    for _ in range(100):
        discriminator(torch.randn(2, 1, 8, 8), torch.tensor([0, 2]))
    layers = [module for module in discriminator.modules() if parametrize.is_parametrized(module)]
    slopes = [float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) for layer in layers]
    assert len(slopes) == 7
    assert slopes == pytest.approx([1.0] * len(slopes), rel=1e-2)


def test_attention_lies_within_images_of_its_side() -> None:
    sides = []
    networks = (
        SNGANGenerator(1, **IMAGES, width=4, latent_dim=8, attention=14, spectral=True, num_classes=2),
        SNGANDiscriminator(1, image_size=28, width=4, attention=14),
    )
    for network in networks:
        (attention,) = (module for module in network.modules() if isinstance(module, SelfAttention2d))
        attention.register_forward_hook(lambda _, inputs, out: sides.append(out.shape[2]))
    images = networks[0](torch.randn(2, 8), torch.tensor([0, 1]))
    assert networks[1](images).isfinite().all()
    assert sides == [14, 14]


@pytest.mark.parametrize("side", [28, 10])
def test_attention_where_there_is_no_such_image_is_refused_with_the_sides_there_are(side: int) -> None:
    message = f"attention {side}: no image within it has that side; choose 7, 14 or null"
    with pytest.raises(ValueError, match=message):
        SNGANGenerator(1, **IMAGES, attention=side)
    with pytest.raises(ValueError, match=message):
        SNGANDiscriminator(1, image_size=28, attention=side)


def test_the_discriminator_may_be_told_how_much_images_differ() -> None:
    discriminator = SNGANDiscriminator(1, image_size=8, width=4, minibatch_std=True, num_last_blocks=2).eval()
    assert sum(isinstance(module, MinibatchStd) for module in discriminator.modules()) == 1
    images = torch.randn(4, 1, 8, 8)
    alone = torch.cat([discriminator(image.expand(4, -1, -1, -1))[:1] for image in images])
    assert not torch.allclose(discriminator(images), alone, atol=1e-3)


def test_a_narrow_limit_keeps_the_channels_the_same() -> None:
    generator = SNGANGenerator(1, **IMAGES, width=6, max_width=6, latent_dim=8)
    widths = {module.out_channels for module in generator.blocks.modules() if isinstance(module, nn.Conv2d)}
    assert widths == {6}
