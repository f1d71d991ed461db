"""Layers of StyleGAN2: noise becomes a style, and a style scales what a convolution takes in.

Karras, Laine, Aittala, Hellsten, Lehtinen, Aila, "Analyzing and Improving the Image Quality of StyleGAN", 2020,
arXiv:1912.04958; the slow layers of the mapping network: Karras, Laine, Aila, 2019, arXiv:1812.04948.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.init import initialize
from zoo.layers.resampled_convolution import doubling_kernel

SLOWNESS = 0.01


class StyledConv2d(nn.Module):
    """A 3x3 convolution whose inputs are scaled by a style and whose outputs are scaled back, noise and activation.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        latent_dim: Z, numbers of a style.
        doubles: whether the image is doubled before.

    Attributes:
        draws_noise: whether noise is added to the image, which an exported program cannot draw as we do.
    """

    draws_noise = True

    def __init__(self, in_channels: int, out_channels: int, *, latent_dim: int, doubles: bool = False) -> None:
        super().__init__()
        self.doubles = doubles
        self.style = _style_layer(latent_dim, in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) / math.sqrt(9 * in_channels))
        self.bias = nn.Parameter(torch.zeros(out_channels, 1, 1))
        self.noise_strength = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Float[Tensor, "B C_in H W"], style: Float[Tensor, "B Z"]
    ) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, twice as high and as wide where that is asked for."""
        scale: Tensor = self.style(style)  # (B, C_in)
        # To scale what goes in and what comes out is to scale the weights for each sample, which would be slower.
        x = x * scale[..., None, None]
        if self.doubles:
            x = F.conv_transpose2d(x, doubling_kernel(self.weight), stride=2, padding=1)
        else:
            x = F.conv2d(x, self.weight, padding=1)
        norms = scale.square() @ self.weight.square().sum((2, 3)).T + 1e-8  # (B, C_out)
        # The root of 2 is the activation's gain, before it.
        x = torch.addcmul(self.bias, x, (math.sqrt(2) * norms.rsqrt())[..., None, None])
        if self.draws_noise:
            x += self.noise_strength * torch.randn_like(x[:, :1])
        return F.leaky_relu(x, 0.2, inplace=True)


class StyledPixels(nn.Module):
    """A 1x1 convolution to pixels, whose inputs are scaled by a style.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels of the pixels.
        latent_dim: Z, numbers of a style.
    """

    def __init__(self, in_channels: int, out_channels: int, *, latent_dim: int) -> None:
        super().__init__()
        self.style = _style_layer(latent_dim, in_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 1)
        initialize(self.conv, "xavier")

    def forward(self, x: Float[Tensor, "B C_in H W"], style: Float[Tensor, "B Z"]) -> Float[Tensor, "B C H W"]:
        """Pixels, as they add up to an image of -1..1."""
        pixels: Tensor = self.conv(x * self.style(style)[..., None, None])
        return pixels


class MappingLayer(nn.Module):
    """A linear layer that learns a hundred times slower than others, and an activation.

    Args:
        in_features: numbers in, at least 1.
        out_features: numbers out, at least 1.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / SLOWNESS)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.gain = SLOWNESS * math.sqrt(2 / in_features)

    def forward(self, x: Float[Tensor, "B D_in"]) -> Float[Tensor, "B D_out"]:
        """The layer's output, activated."""
        return F.leaky_relu(F.linear(x, self.weight * self.gain, self.bias * SLOWNESS), 0.2)


def _style_layer(latent_dim: int, channels: int) -> nn.Linear:
    """Returns a layer that scales channels by 1 at the start, more or less."""
    layer = nn.Linear(latent_dim, channels)
    nn.init.normal_(layer.weight, 0.0, 1 / math.sqrt(latent_dim))
    nn.init.ones_(layer.bias)
    return layer
