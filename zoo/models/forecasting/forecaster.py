"""What every forecaster does around its own idea: RevIN, covariates, and the shape of points and quantiles."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.rev_in import RevIN


class Forecaster(nn.Module):
    """Forecasts the next steps of the targets of a series.

    Args:
        num_targets: N, series to forecast, the first channels of the input.
        num_covariates: V, series that are only read, the channels after them.
        lookback: L, steps that are seen.
        horizon: H, steps that are forecast.
        quantiles: what is forecast of each step; None for one number.
        rev_in: whether the level and scale of each window are taken out before, and put back after.
        joins_covariates: whether a linear layer adds what the covariates say, for models that read each target by
            itself; it begins at zero.
    """

    def __init__(
        self,
        *,
        num_targets: int,
        num_covariates: int,
        lookback: int,
        horizon: int,
        quantiles: Sequence[float] | None,
        rev_in: bool,
        joins_covariates: bool = False,
    ) -> None:
        super().__init__()
        self.num_targets, self.lookback, self.horizon = num_targets, lookback, horizon
        self.num_quantiles = 1 if quantiles is None else len(quantiles)
        self.is_point = quantiles is None
        self.rev_in = RevIN(num_targets) if rev_in else None
        self.from_covariates: nn.Linear | None = None
        if joins_covariates and num_covariates:
            self.from_covariates = nn.Linear(num_covariates * lookback, self.num_outputs * num_targets, bias=False)
            nn.init.zeros_(self.from_covariates.weight)

    @property
    def num_outputs(self) -> int:
        """How many numbers are forecast of each target: H Q."""
        return self.horizon * self.num_quantiles

    def forecast(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B N O"]:
        """The O = H Q numbers of each target, step by step, those of a step side by side."""
        raise NotImplementedError

    def forward(self, series: Float[Tensor, "B L C"]) -> Float[Tensor, "B H N"] | Float[Tensor, "B H N Q"]:
        """The next steps of the targets."""
        if series.shape[1] != self.lookback:
            raise ValueError(f"a window of {series.shape[1]} steps: must have {self.lookback}, as in training; cut it")
        targets, covariates = series[..., : self.num_targets], series[..., self.num_targets :]
        if self.rev_in is None:
            return self._steps(targets, covariates)
        normal, level = self.rev_in(targets)
        restored: Tensor = self.rev_in.inverse(self._steps(normal, covariates), level)
        return restored

    def _steps(self, targets: Tensor, covariates: Tensor) -> Tensor:
        outputs = self.forecast(targets, covariates)  # (B, N, H Q)
        if self.from_covariates is not None:
            outputs = outputs + self.from_covariates(covariates.flatten(1)).reshape(outputs.shape)
        if self.is_point:
            return outputs.transpose(1, 2)  # (B, H, N)
        return outputs.reshape(*outputs.shape[:2], self.horizon, self.num_quantiles).transpose(1, 2)  # (B, H, N, Q)

    def one_by_one(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "M L F"]:
        """Each of the M = B N targets as a series of its own, with the covariates beside it, F = 1 + V."""
        alone = targets.transpose(1, 2).flatten(0, 1).unsqueeze(2)  # (B N, L, 1)
        if not covariates.shape[2]:
            return alone
        return torch.cat([alone, covariates.repeat_interleave(self.num_targets, 0)], dim=2)

    def joined(self, targets: Float[Tensor, "B L N"], covariates: Float[Tensor, "B L V"]) -> Float[Tensor, "B L C"]:
        """All series side by side."""
        return torch.cat([targets, covariates], dim=2) if covariates.shape[2] else targets

    def covariate_layers(self) -> list[nn.Module]:
        """What the covariates go through, a part of the last layer group."""
        return [] if self.from_covariates is None else [self.from_covariates]
