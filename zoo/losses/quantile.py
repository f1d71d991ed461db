"""The quantile loss, whose minimum is not the mean but the quantiles of what is forecast.

Roger Koenker, Gilbert Bassett, "Regression Quantiles", Econometrica 46, 1978.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn


class QuantileLoss(nn.Module):
    """The mean over quantiles of q (y - f) where a value y lies above a forecast f, and (1 - q) (f - y) where below.

    Twice this mean over evenly spread quantiles comes close to the continuous ranked probability score (CRPS).

    Args:
        quantiles: Q numbers between 0 and 1, ascending.
    """

    quantiles: Tensor

    def __init__(self, quantiles: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("quantiles", torch.tensor(list(quantiles), dtype=torch.float32), persistent=False)

    def forward(self, forecasts: Float[Tensor, "*B Q"], targets: Float[Tensor, "*B"]) -> Float[Tensor, ""]:
        """Average over quantiles and values."""
        return pinball(forecasts, targets, self.quantiles).mean()


def pinball(
    forecasts: Float[Tensor, "*B Q"], targets: Float[Tensor, "*B"], quantiles: Float[Tensor, " Q"]
) -> Float[Tensor, "*B Q"]:
    """The loss of each quantile of each value."""
    above = targets.unsqueeze(-1) - forecasts
    return torch.maximum(quantiles * above, (quantiles - 1) * above)
