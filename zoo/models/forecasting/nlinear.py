"""NLinear: one linear layer over a series whose last value is taken out, and put back after.

Ailing Zeng, Muxi Chen, Lei Zhang, Qiang Xu, "Are Transformers Effective for Time Series Forecasting?", 2022,
arXiv:2205.13504. Covariates are ours.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.channel_linear import ChannelLinear
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt


class NLinear(Forecaster):
    """Forecasts how each target moves away from its last value, by a linear layer.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        individual: whether each target has a layer of its own.
        rev_in: whether the level and scale of each window are taken out before, and put back after.
    """

    def __init__(
        self,
        *,
        num_targets: PositiveInt,
        num_covariates: NonNegativeInt = 0,
        lookback: AtLeastTwo,
        horizon: PositiveInt,
        quantiles: Sequence[float] | None = None,
        individual: bool = False,
        rev_in: bool = False,
    ) -> None:
        super().__init__(
            num_targets=num_targets,
            num_covariates=num_covariates,
            lookback=lookback,
            horizon=horizon,
            quantiles=quantiles,
            rev_in=rev_in,
            joins_covariates=True,
        )
        self.linear = ChannelLinear(lookback, self.num_outputs, num_channels=num_targets if individual else None)

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """The last value, and the way from it."""
        series = targets.transpose(1, 2)  # (B, N, L)
        last = series[..., -1:]
        outputs: Tensor = last + self.linear(series - last)
        return outputs

    def layer_groups(self) -> list[list[nn.Module]]:
        """One group: there is one layer."""
        return [[*self.covariate_layers(), self.linear]]
