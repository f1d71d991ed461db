"""Generators and discriminators of images: shapes, gradients and sizes."""

import pytest
import torch
from torch import nn

from zoo.models.gan.dcgan import DCGANDiscriminator, DCGANGenerator


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3), (96, 1)])
def test_images_have_the_size_of_the_data_and_the_range_of_pixels(side: int, channels: int) -> None:
    mean, std = [0.25] * channels, [0.5] * channels
    generator = DCGANGenerator(channels, image_size=side, mean=mean, std=std, latent_dim=7, width=4)
    images = generator(100 * torch.randn(3, 7))
    assert images.shape == (3, channels, side, side)
    assert images.min() >= -0.5 - 1e-6 and images.max() <= 1.5 + 1e-6
    scores = DCGANDiscriminator(channels, image_size=side, width=4)(images)
    assert scores.shape == (3,)
    scores.sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())


def test_a_smaller_start_makes_deeper_networks() -> None:
    shallow, deep = (DCGANDiscriminator(1, image_size=8, width=4, start=start) for start in (None, 2))
    assert [sum(isinstance(layer, nn.Conv2d) for layer in network.modules()) for network in (shallow, deep)] == [1, 2]
    generator = DCGANGenerator(1, image_size=8, mean=[0.5], std=[0.5], latent_dim=7, width=4, start=2)
    assert deep(generator(torch.randn(3, 7))).shape == (3,)
    with pytest.raises(ValueError, match="image_size 8: it makes squares of side 6, 12, 24"):
        DCGANGenerator(1, image_size=8, mean=[0.5], std=[0.5], start=3)


def test_sizes_that_cannot_be_made_are_refused_with_those_that_can() -> None:
    message = r"image_size 30: it makes squares of side 8, 10, 12, 14, 16, .*, 256; set data.image_size to one of them"
    for size in (30, [64, 32]):
        with pytest.raises(ValueError, match=message.replace("30", "30" if size == 30 else r"\[64, 32\]")):
            DCGANGenerator(1, image_size=size, mean=[0.5], std=[0.5])


def test_spectral_norm_holds_each_layer_to_a_slope_of_one() -> None:
    torch.manual_seed(0)
    discriminator = DCGANDiscriminator(1, image_size=8, width=4, norm=None, spectral=True)
    for _ in range(50):
        discriminator(torch.randn(4, 1, 8, 8))
    weights = [layer.weight.detach().flatten(1) for layer in discriminator.layers if isinstance(layer, nn.Conv2d)]
    slopes = [float(torch.linalg.matrix_norm(weight, 2)) for weight in weights]
    assert slopes == pytest.approx([1.0] * len(slopes), rel=1e-3)
