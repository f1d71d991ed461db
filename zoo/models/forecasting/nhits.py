"""N-HiTS: perceptrons that look at a series coarsely first and finely last, each at what the ones before have left.

Cristian Challu, Kin G. Olivares, Boris N. Oreshkin, Federico Garza, Max Mergenthaler-Canseco, Artur Dubrawski, "N-HiTS:
Neural Hierarchical Interpolation for Time Series Forecasting", 2022, arXiv:2201.12886. As the authors' program does, a
block says what it has explained step by step, and only what it forecasts by interpolation. Covariates are ours.
"""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.activation import make_activation
from zoo.models.forecasting.forecaster import Forecaster
from zoo.ranges import AtLeastTwo, NonNegativeInt, PositiveInt, Probability


class NHiTSBlock(nn.Module):
    """A perceptron over the largest values of neighbouring steps, which says what it explains and what will be.

    Args:
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        num_quantiles: Q, numbers of each step.
        pooling: steps of which the largest is seen.
        knots: K, how many steps are forecast; lines between them give the others.
        hidden_size: width of the two hidden layers.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature of the hidden layers.
    """

    def __init__(
        self,
        *,
        lookback: int,
        horizon: int,
        num_quantiles: int,
        pooling: int,
        knots: int,
        hidden_size: int,
        activation: str,
        dropout: float,
    ) -> None:
        super().__init__()
        self.lookback, self.horizon, self.num_quantiles, self.pooling = lookback, horizon, num_quantiles, pooling
        self.layers = nn.Sequential(
            nn.Linear(-(-lookback // pooling), hidden_size),
            make_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, hidden_size),
            make_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(hidden_size, lookback + knots * num_quantiles),
        )

    def forward(self, series: Float[Tensor, "M L"]) -> tuple[Float[Tensor, "M L"], Float[Tensor, "M O"]]:
        """What it explains of the steps that are seen, and the O = H Q numbers that it forecasts."""
        pooled = F.max_pool1d(series.unsqueeze(1), self.pooling, ceil_mode=True).squeeze(1)
        outputs = self.layers(pooled)  # (M, L + K Q)
        knots = outputs[:, self.lookback :].reshape(series.shape[0], self.num_quantiles, -1)
        steps = F.interpolate(knots, size=self.horizon, mode="linear")  # (M, Q, H)
        return outputs[:, : self.lookback], steps.transpose(1, 2).flatten(1)


class NHiTS(Forecaster):
    """Forecasts each target by the last value and what every block adds.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        pooling: of each block, steps of which the largest is seen.
        downsampling: of each block, steps for which one is forecast.
        hidden_size: width of the hidden layers of a block.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature of the hidden layers.
        rev_in: whether the level and scale of each window are taken out before, and put back after.

    Raises:
        ValueError: the lists are not equally long.
    """

    def __init__(
        self,
        *,
        num_targets: PositiveInt,
        num_covariates: NonNegativeInt = 0,
        lookback: AtLeastTwo,
        horizon: PositiveInt,
        quantiles: Sequence[float] | None = None,
        pooling: Sequence[PositiveInt] = (16, 8, 1),
        downsampling: Sequence[PositiveInt] = (24, 12, 1),
        hidden_size: PositiveInt = 512,
        activation: str = "relu",
        dropout: Probability = 0.0,
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
        if len(pooling) != len(downsampling) or not pooling:
            problem = f"pooling {list(pooling)} and downsampling {list(downsampling)}"
            raise ValueError(f"{problem}: must have one number for each block; make them equally long")
        self.blocks = nn.ModuleList(
            NHiTSBlock(
                lookback=lookback,
                horizon=horizon,
                num_quantiles=self.num_quantiles,
                pooling=min(pool, lookback),
                knots=max(horizon // step, 1),
                hidden_size=hidden_size,
                activation=activation,
                dropout=dropout,
            )
            for pool, step in zip(pooling, downsampling, strict=True)
        )

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """The last value, and what every block adds."""
        left = targets.transpose(1, 2).flatten(0, 1)  # (B N, L)
        outputs = left[:, -1:].expand(-1, self.num_outputs)
        for block in self.blocks:
            explained, added = block(left)
            left, outputs = left - explained, outputs + added
        return outputs.view(-1, self.num_targets, self.num_outputs)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The blocks, coarse to fine."""
        *blocks, last = self.blocks
        return [*([block] for block in blocks), [*self.covariate_layers(), last]]
