"""DLinear: one linear layer for the trend of a series, one for what is left of it.

Ailing Zeng, Muxi Chen, Lei Zhang, Qiang Xu, "Are Transformers Effective for Time Series Forecasting?", 2022,
arXiv:2205.13504. Covariates are ours.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.channel_linear import ChannelLinear
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt


class DLinear(Forecaster):
    """Forecasts each target by two linear layers, over its moving average and over the rest.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        kernel_size: steps of the moving average, an odd number.
        individual: whether each target has layers of its own.
        rev_in: whether the level and scale of each window are taken out before, and put back after.

    Raises:
        ValueError: the kernel has no middle.
    """

    def __init__(
        self,
        *,
        num_targets: PositiveInt,
        num_covariates: NonNegativeInt = 0,
        lookback: AtLeastTwo,
        horizon: PositiveInt,
        quantiles: Sequence[float] | None = None,
        kernel_size: PositiveInt = 25,
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
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size}: must be odd; set it to {kernel_size + 1}")
        self.kernel_size = kernel_size
        own = num_targets if individual else None
        self.trend = ChannelLinear(lookback, self.num_outputs, num_channels=own)
        self.rest = ChannelLinear(lookback, self.num_outputs, num_channels=own)

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """What both layers say together."""
        series = targets.transpose(1, 2)  # (B, N, L)
        average = moving_average(series, self.kernel_size)
        outputs: Tensor = self.trend(average) + self.rest(series - average)
        return outputs

    def layer_groups(self) -> list[list[nn.Module]]:
        """One group: the layers lie side by side."""
        return [[*self.covariate_layers(), self.trend, self.rest]]


def moving_average(series: Float[Tensor, "B N L"], kernel_size: int) -> Float[Tensor, "B N L"]:
    """The mean of the steps around each one; before the first and after the last step their values go on."""
    sides = kernel_size // 2
    return F.avg_pool1d(F.pad(series, (sides, sides), mode="replicate"), kernel_size, stride=1)
