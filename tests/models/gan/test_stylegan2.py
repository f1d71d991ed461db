"""StyleGAN2: what its layers compute, and what its generator draws."""

import pytest
import torch
from torch.nn import functional as F

from zoo.models.gan.stylegan2 import StyleGAN2Generator
from zoo.models.gan.styles import SLOWNESS, MappingLayer, StyledConv2d


@pytest.mark.parametrize("doubles", [False, True])
def test_a_styled_convolution_equals_a_loop_over_samples_with_weights_of_their_own(doubles: bool) -> None:
    torch.manual_seed(0)
    layer = StyledConv2d(3, 4, latent_dim=5, doubles=doubles)
    x, style = torch.randn(6, 3, 7, 7), torch.randn(6, 5)
    torch.nn.init.normal_(layer.bias)
    expected = []
    for image, scale in zip(x, layer.style(style), strict=True):
        weight = layer.weight * scale[:, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        image = F.interpolate(image[None], scale_factor=2) if doubles else image[None]
        expected.append(F.leaky_relu(2**0.5 * F.conv2d(image, weight, padding=1) + layer.bias, 0.2))
    torch.testing.assert_close(layer(x, style), torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_a_mapping_layer_is_linear_and_learns_slowly() -> None:
    layer = MappingLayer(200, 100)
    x = torch.randn(500, 200)
    weight = layer.weight * SLOWNESS * 0.1
    torch.testing.assert_close(layer(x), F.leaky_relu(x @ weight.T, 0.2), atol=1e-5, rtol=1e-5)
    assert float(layer(x).detach().square().mean()) == pytest.approx(1, abs=0.1)


def test_noise_of_pixels_is_drawn_by_the_global_generator_once_it_is_given_strength() -> None:
    torch.manual_seed(0)
    generator = StyleGAN2Generator(1, image_size=8, mean=[0.5], std=[0.5], latent_dim=4, width=4)
    noise = torch.randn(2, 4)
    assert torch.equal(generator(noise), generator(noise))
    torch.nn.init.ones_(generator.first.noise_strength)
    seeded = [generator(noise) for _ in range(2) if torch.manual_seed(1)]
    assert torch.equal(*seeded)
    assert not torch.equal(seeded[0], generator(noise))


def test_pixels_that_cannot_be_shown_are_cut_off_in_evaluation() -> None:
    generator = StyleGAN2Generator(1, image_size=8, mean=[0.5], std=[0.25], latent_dim=4, width=4)
    torch.nn.init.constant_(generator.pixels[-1].conv.bias, 9.0)
    assert generator(torch.randn(2, 4)).min() > 2
    assert torch.equal(generator.eval()(torch.randn(2, 4)), torch.full((2, 1, 8, 8), 2.0))
