"""Reversible instance normalisation of series: what a window's own level and scale are is taken out and put back.

Taesung Kim et al., "Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution Shift",
ICLR 2022.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveFloat, PositiveInt


class Level(NamedTuple):
    """What was taken out of each window and channel.

    Attributes:
        mean: (B, 1, C).
        std: (B, 1, C), standard deviation.
    """

    mean: Tensor
    std: Tensor


class RevIN(nn.Module):
    """Brings each channel of each window to mean 0 and deviation 1, and forecasts of it back.

    Args:
        num_channels: C, channels of the series.
        affine: whether each channel is then scaled and shifted by numbers that are learned, undone on the way back.
        eps: added to the variance, so that a constant window stays finite.
    """

    def __init__(self, num_channels: PositiveInt, *, affine: bool = False, eps: PositiveFloat = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_channels)) if affine else None

    def forward(self, series: Float[Tensor, "B L C"]) -> tuple[Float[Tensor, "B L C"], Level]:
        """The normalised windows, and what was taken out of them."""
        mean = series.mean(1, keepdim=True)
        std = (series.var(1, keepdim=True, correction=0) + self.eps).sqrt()
        normal = (series - mean) / std
        if self.weight is not None and self.bias is not None:
            normal = normal * self.weight + self.bias
        return normal, Level(mean, std)

    def inverse(self, forecasts: Float[Tensor, "B H C *Q"], level: Level) -> Float[Tensor, "B H C *Q"]:
        """Forecasts, of points or of quantiles, with the level and the scale of their windows."""
        is_point = forecasts.ndim == 3
        mean, std = level if is_point else (part.unsqueeze(3) for part in level)
        if self.weight is not None and self.bias is not None:
            weight, bias = (part if is_point else part.unsqueeze(1) for part in (self.weight, self.bias))
            forecasts = (forecasts - bias) / (
                weight + self.eps * self.eps
            )  # as the authors, who so never divide by zero
        return forecasts * std + mean
