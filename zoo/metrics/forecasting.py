"""Errors of forecasts, as means over all windows, steps and targets.

Forecasts (B, H, N) are points, or (B, H, N, Q) quantiles, whose middle one is the point. MASE: Rob J. Hyndman, Anne B.
Koehler, "Another Look at Measures of Forecast Accuracy", 2006; CRPS: Tilmann Gneiting, Adrian E. Raftery, "Strictly
Proper Scoring Rules, Prediction, and Estimation", 2007.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

Forecasts = Float[Tensor, "B H N"] | Float[Tensor, "B H N Q"]
Targets = Float[Tensor, "B H N"]


def point(forecasts: Forecasts) -> Float[Tensor, "B H N"]:
    """The forecasts themselves, or the middle one of their quantiles."""
    return forecasts[..., forecasts.shape[3] // 2] if forecasts.ndim == 4 else forecasts


class ForecastMetric(Metric):
    """The mean of a term over windows, steps and targets, gathered over all processes."""

    full_state_update = False
    higher_is_better: bool | None = False
    for_quantiles = False  # whether it needs forecasts of quantiles
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Not of the precision that a step under bf16-true makes tensors with.
        self.add_state("total", torch.tensor(0.0, dtype=torch.float32), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0.0, dtype=torch.float32), dist_reduce_fx="sum")

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """What is averaged."""
        raise NotImplementedError

    def update(self, forecasts: Forecasts, targets: Targets) -> None:
        """Take windows in."""
        terms = self.terms(forecasts.float(), targets.float())
        self.total += terms.sum()
        self.count += terms.numel()

    def compute(self) -> Tensor:
        """Return the mean."""
        return self.total / self.count


class MSE(ForecastMetric):
    """Mean squared error, in the units of the forecasts."""

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """Squared errors."""
        return (point(forecasts) - targets).square()


class MAE(ForecastMetric):
    """Mean absolute error, in the units of the forecasts."""

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """Absolute errors."""
        return (point(forecasts) - targets).abs()


class MASE(ForecastMetric):
    """Mean absolute scaled error: below 1, better than the seasonal naive forecast was on the training rows.

    Args:
        naive_error: mean absolute error of that forecast, of each target, in the units of the forecasts.
    """

    def __init__(self, naive_error: Sequence[float]) -> None:
        super().__init__()
        self.naive_error = list(naive_error)  # no tensor, which precision=bf16-true would round

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """Absolute errors by the scale of their target."""
        return (point(forecasts) - targets).abs() / targets.new_tensor(self.naive_error)


class InUnits(ForecastMetric):
    """A metric in the units of the data: standardised numbers are brought back.

    Args:
        mean: of each target, by which it was standardised; numbers of further columns are left aside.
        std: standard deviation, likewise.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = list(mean), list(std)

    def update(self, forecasts: Forecasts, targets: Targets) -> None:
        """Take standardised windows in."""
        targets = targets.float()
        mean, std = (targets.new_tensor(values[: targets.shape[2]]) for values in (self.mean, self.std))
        of_forecasts = (mean, std) if forecasts.ndim == 3 else (mean[:, None], std[:, None])
        super().update(forecasts.float() * of_forecasts[1] + of_forecasts[0], targets * std + mean)


class SMAPE(InUnits):
    """Symmetric mean absolute percentage error: 2 |f - y| / (|f| + |y|), from 0 to 2, and 0 where both are 0."""

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """Relative errors."""
        forecasts = point(forecasts)
        return 2 * (forecasts - targets).abs() / (forecasts.abs() + targets.abs()).clamp(min=1e-12)


class CRPS(InUnits):
    """Continuous ranked probability score by its quantiles: twice their mean quantile loss, in the units of the data.

    Args:
        mean: of each target, by which it was standardised; numbers of further columns are left aside.
        std: standard deviation, likewise.
        quantiles: Q numbers between 0 and 1, ascending; None where points are forecast, and this is not asked for.
    """

    for_quantiles = True

    def __init__(self, mean: Sequence[float], std: Sequence[float], quantiles: Sequence[float] | None = None) -> None:
        super().__init__(mean, std)
        self.quantiles = list(quantiles or ())

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """Twice the mean over quantiles."""
        above, quantiles = targets.unsqueeze(3) - forecasts, targets.new_tensor(self.quantiles)
        return 2 * torch.maximum(quantiles * above, (quantiles - 1) * above).mean(3)


class Coverage(ForecastMetric):
    """Share of the values that lie between the first and the last quantile; 0.8 is right of those from 0.1 to 0.9."""

    for_quantiles = True
    higher_is_better = None

    def terms(self, forecasts: Forecasts, targets: Targets) -> Float[Tensor, "B H N"]:
        """1 for a value within, 0 for one outside."""
        return ((forecasts[..., 0] <= targets) & (targets <= forecasts[..., -1])).float()
