"""Recurrent forecaster: reads a series segment by segment, and says all steps at once from what it remembers.

The segments are of Shengsheng Lin et al., "SegRNN: Segment Recurrent Neural Network for Long-Term Time Series
Forecasting", 2023, arXiv:2308.11200, whose forecasts go on segment by segment, too.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.recurrent import Cell, RecurrentEncoder
from zoo.layers.recurrent_init import RecurrentInit
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt, Probability


class RecurrentForecaster(Forecaster):
    """Forecasts by recurrent layers.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        cell: a name that `RecurrentEncoder` knows.
        segment_size: steps that are read at once; what is missing to the first segment is the first value.
        channel_independent: whether each target is read by itself, with the covariates beside it.
        embed_dim: width of a segment as it is read; None for `hidden_size`.
        hidden_size: width of a layer.
        num_layers: number of recurrent layers.
        dropout: probability to drop a feature of what is read, between the layers, and before the head.
        init: a scheme that `initialize_recurrent` knows.
        forget_bias: start value of an LSTM's forget gates; None for that of `init`.
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
        cell: Cell = "lstm",
        segment_size: PositiveInt = 12,
        channel_independent: bool = True,
        embed_dim: PositiveInt | None = None,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 1,
        dropout: Probability = 0.2,
        init: RecurrentInit = "orthogonal",
        forget_bias: float | None = 1.0,
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
        self.channel_independent, self.segment_size = channel_independent, min(segment_size, lookback)
        width = 1 + num_covariates if channel_independent else num_targets + num_covariates
        embed_dim = embed_dim or hidden_size
        self.embedding = nn.Linear(self.segment_size * width, embed_dim)
        self.encoder = RecurrentEncoder(
            embed_dim,
            hidden_size,
            cell=cell,
            num_layers=num_layers,
            dropout=dropout,
            init=init,
            forget_bias=forget_bias,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_size, self.num_outputs * (1 if channel_independent else num_targets))

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """What is remembered when all was read."""
        series = self.one_by_one(targets, covariates) if self.channel_independent else self.joined(targets, covariates)
        missing = -self.lookback % self.segment_size
        series = F.pad(series.transpose(1, 2), (missing, 0), mode="replicate").transpose(1, 2)
        segments = series.reshape(series.shape[0], -1, self.segment_size * series.shape[2])  # (M, S, segment_size F)
        features = self.encoder(self.dropout(self.embedding(segments)))  # (M, S, hidden_size)
        outputs: Tensor = self.head(self.dropout(features[:, -1]))
        return outputs.view(-1, self.num_targets, self.num_outputs)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The segments, each recurrent layer, and the head."""
        return [[self.embedding], *self.encoder.layer_groups(), [self.head]]
