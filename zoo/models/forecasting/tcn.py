"""TCN that forecasts: causal convolutions over the series, and a linear layer on what the last step knows.

Shaojie Bai, J. Zico Kolter, Vladlen Koltun, "An Empirical Evaluation of Generic Convolutional and Recurrent Networks
for Sequence Modeling", 2018, arXiv:1803.01271.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.temporal_convolution import TemporalEncoder
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt, Probability


class TCNForecaster(Forecaster):
    """Forecasts by causal convolutions.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        channel_independent: whether each target is read by itself, with the covariates beside it.
        hidden_size: channels of each block.
        num_layers: number of blocks; the gaps double from one to the next.
        kernel_size: steps that a convolution sees.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature.
        weight_norm: whether a filter's length is a number of its own.
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
        channel_independent: bool = False,
        hidden_size: PositiveInt = 64,
        num_layers: PositiveInt = 6,
        kernel_size: PositiveInt = 3,
        activation: str = "relu",
        dropout: Probability = 0.1,
        weight_norm: bool = True,
        rev_in: bool = True,
    ) -> None:
        super().__init__(
            num_targets=num_targets,
            num_covariates=num_covariates,
            lookback=lookback,
            horizon=horizon,
            quantiles=quantiles,
            rev_in=rev_in,
        )
        self.channel_independent = channel_independent
        self.encoder = TemporalEncoder(
            1 + num_covariates if channel_independent else num_targets + num_covariates,
            hidden_size,
            num_layers=num_layers,
            kernel_size=kernel_size,
            activation=activation,
            dropout=dropout,
            weight_norm=weight_norm,
        )
        self.head = nn.Linear(hidden_size, self.num_outputs * (1 if channel_independent else num_targets))

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """What the last step knows."""
        series = self.one_by_one(targets, covariates) if self.channel_independent else self.joined(targets, covariates)
        outputs: Tensor = self.head(self.encoder(series)[:, -1])
        return outputs.view(-1, self.num_targets, self.num_outputs)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The blocks, and the head."""
        return [*self.encoder.layer_groups(), [self.head]]
