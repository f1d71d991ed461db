"""A linear layer over the steps of each channel of a series: one for all channels, or one for each."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.ranges import PositiveInt


class ChannelLinear(nn.Module):
    """Maps the steps of each channel.

    Args:
        in_features: L, steps that come in.
        out_features: O, numbers that go out.
        num_channels: N, how many channels have a layer of their own; None for one layer that all share.
    """

    def __init__(
        self, in_features: PositiveInt, out_features: PositiveInt, *, num_channels: PositiveInt | None = None
    ) -> None:
        super().__init__()
        own = () if num_channels is None else (num_channels,)
        bound = in_features**-0.5  # that of nn.Linear
        self.weight = nn.Parameter(torch.empty(*own, out_features, in_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(*own, out_features).uniform_(-bound, bound))

    def forward(self, series: Float[Tensor, "B N L"]) -> Float[Tensor, "B N O"]:
        """What comes out of each channel."""
        if self.weight.ndim == 2:
            return nn.functional.linear(series, self.weight, self.bias)
        return torch.einsum("bnl,nol->bno", series, self.weight) + self.bias
