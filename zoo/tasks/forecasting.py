"""Forecasting: the next steps of a series, as points or as quantiles."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from zoo.batch import Batch
from zoo.losses.quantile import QuantileLoss
from zoo.ranges import Fraction
from zoo.tasks.base import Task


class ForecastingTask(Task):
    """Learns to continue a series.

    The model gives (B, H, N), or (B, H, N, Q) where quantiles are asked for; the batch holds `target` (B, H, N). All
    are standardised.

    Args:
        model: the network; called with `batch["input"]` (B, L, C).
        criterion: the loss of points, called with (B, H, N) twice; that of quantiles is the quantile loss.
        quantiles: numbers between 0 and 1, ascending, 0.5 in their middle; None for points.
        metrics: metrics of validation and test by name; those that need quantiles are left out where there are none.
        test_metrics: metrics of test alone, likewise.
        **options: as of every task.

    Raises:
        ValueError: these are no such quantiles.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        criterion: nn.Module,
        quantiles: Sequence[Fraction] | None = None,
        metrics: Mapping[str, Metric] | None = None,
        test_metrics: Mapping[str, Metric] | None = None,
        **options: Any,
    ) -> None:
        if quantiles is not None:
            _check(quantiles)
            criterion = QuantileLoss(quantiles)
        self.quantiles = None if quantiles is None else tuple(quantiles)
        metrics, test_metrics = self._those_that_apply(metrics), self._those_that_apply(test_metrics)
        super().__init__(model, criterion=criterion, metrics=metrics, test_metrics=test_metrics, **options)

    def _those_that_apply(self, metrics: Mapping[str, Metric] | None) -> dict[str, Metric]:
        points = self.quantiles is None
        return {k: v for k, v in (metrics or {}).items() if not (points and getattr(v, "for_quantiles", False))}

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the criterion of the forecasts, averaged over windows, steps and targets."""
        outputs = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
        return {"loss": self.criterion(outputs, batch["target"].to(outputs.dtype))}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns forecasts (B, H, N) or (B, H, N, Q) and the true values (B, H, N)."""
        return outputs.detach(), batch["target"]

    def finish(self, preds: Tensor) -> Tensor:
        """Brings quantiles that cross into their order, which no loss of them is made larger by."""
        return preds.float() if self.quantiles is None else preds.float().sort(dim=3).values

    def next_commands(self, directory: str) -> list[str]:
        """Returns the arguments of commands that go on from a run: a back-test, and a forecast of what is to come."""
        return [f"-m zoo backtest ckpt={directory}", f"-m zoo forecast ckpt={directory} input=FILE.csv"]


def _check(quantiles: Sequence[float]) -> None:
    ascending = all(low < high for low, high in pairwise([0, *quantiles, 1]))
    if not ascending or len(quantiles) % 2 == 0 or quantiles[len(quantiles) // 2] != 0.5:
        problem = f"quantiles {list(quantiles)}: must ascend between 0 and 1, with 0.5 in their middle"
        raise ValueError(f"{problem}; set them to [0.1, 0.5, 0.9], such as")
