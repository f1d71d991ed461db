"""Forecasts that need no learning, beside which every model must stand.

Rob J. Hyndman, George Athanasopoulos, "Forecasting: Principles and Practice", third edition, 2021, section 5.2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from zoo.ranges import PositiveInt


def naive(history: Float[Tensor, "B T N"], horizon: PositiveInt) -> Float[Tensor, "B H N"]:
    """The last value goes on."""
    return history[:, -1:].expand(-1, horizon, -1)


def seasonal_naive(
    history: Float[Tensor, "B T N"], horizon: PositiveInt, *, season_length: PositiveInt
) -> Float[Tensor, "B H N"]:
    """The last season goes on.

    Args:
        history: at least a season.
        horizon: H, steps to forecast.
        season_length: steps in a season; 1 gives the naive forecast.
    """
    season = history[:, history.shape[1] - season_length :]
    return season[:, torch.arange(horizon, device=history.device) % season_length]


def drift(history: Float[Tensor, "B T N"], horizon: PositiveInt) -> Float[Tensor, "B H N"]:
    """The line from the first to the last value goes on."""
    first, last = history[:, :1], history[:, -1:]
    slope = (last - first) / max(history.shape[1] - 1, 1)
    steps = torch.arange(1, horizon + 1, device=history.device, dtype=history.dtype)
    return last + slope * steps[:, None]
