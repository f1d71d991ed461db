"""How a model and the baselines do on each window of a split, gathered batch by batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.metrics.baselines import drift, naive, seasonal_naive
from zoo.metrics.forecasting import point

MODEL = "model"
SCORES = ("mse", "mae", "mase", "smape")


class ScaleOfSeries(Protocol):
    """What the columns of a series were measured by, targets first."""

    @property
    def mean(self) -> Sequence[float] | None:
        """Of each column."""

    @property
    def std(self) -> Sequence[float] | None:
        """Standard deviation of each column."""

    @property
    def naive_error(self) -> Sequence[float] | None:
        """Of each target, in deviations."""


class SeriesSource(Protocol):
    """What a report asks of the data."""

    targets: Sequence[str] | None
    scale: ScaleOfSeries
    lookback: int
    horizon: int
    season_length: int | None

    def batch(self, split: str, index: Tensor) -> Batch:
        """Returns windows by number."""

    def history(self, split: str, index: Tensor, length: int) -> Tensor | None:
        """Returns the targets of the rows before each forecast begins."""

    def times(self, split: str, index: int) -> list[str]:
        """Returns when each row of a window is."""


@dataclass
class Units:
    """From standard deviations to the units of the data.

    Attributes:
        mean: of each target, (N,).
        std: standard deviation of each target, (N,).
        naive_error: of each target, in deviations, (N,).
    """

    mean: np.ndarray
    std: np.ndarray
    naive_error: np.ndarray

    @staticmethod
    def of(source: SeriesSource) -> "Units":
        """Returns those of the targets of a series."""
        count = len(source.targets or ())
        parts = source.scale.mean, source.scale.std, source.scale.naive_error
        return Units(*(np.asarray(part or (), dtype=np.float64)[:count] for part in parts))

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Returns standardised numbers (..., N) as they were."""
        result: np.ndarray = values * self.std + self.mean
        return result


@dataclass
class WindowScores:
    """The scores of each window, by forecaster.

    Attributes:
        index: numbers of the windows, (W,) in all.
        scores: (W, 4) in all, as `SCORES` names them, by forecaster.
        by_step: sums over windows of the absolute errors, (H, N), in deviations, by forecaster.
    """

    index: list[np.ndarray] = field(default_factory=list)
    scores: dict[str, list[np.ndarray]] = field(default_factory=dict)
    by_step: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, forecasts: Mapping[str, Tensor], targets: Tensor, index: Tensor, units: Units) -> None:
        """Takes a batch in.

        Args:
            forecasts: (B, H, N) by forecaster, standardised.
            targets: (B, H, N), likewise.
            index: numbers of the windows, (B,).
            units: those of the series.
        """
        self.index.append(index.cpu().numpy())
        true = targets.cpu().double().numpy()
        for name, forecast in forecasts.items():
            found = forecast.cpu().double().numpy()
            error = np.abs(found - true)
            both = np.abs(units.restored(found)) + np.abs(units.restored(true))
            relative = 2 * error * units.std / np.maximum(both, 1e-12)
            parts = (error**2, error, error / units.naive_error, relative)
            scores = np.stack([part.mean((1, 2)) for part in parts], axis=1)
            self.scores.setdefault(name, []).append(scores)
            self.by_step[name] = self.by_step.get(name, 0) + error.sum(0)

    def joined(self) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns numbers (W,), scores (W, 4) and mean absolute errors (H, N) of all windows in their order."""
        index = np.concatenate(self.index)
        order = np.argsort(index, kind="stable")
        scores = {name: np.concatenate(parts)[order] for name, parts in self.scores.items()}
        return index[order], scores, {name: total / len(index) for name, total in self.by_step.items()}

    @staticmethod
    def merged(parts: Sequence["WindowScores"]) -> "WindowScores":
        """Returns the scores of several processes as one."""
        whole = WindowScores()
        for part in parts:
            whole.index += part.index
            for name, scores in part.scores.items():
                whole.scores.setdefault(name, []).extend(scores)
                whole.by_step[name] = whole.by_step.get(name, 0) + part.by_step[name]
        return whole


def all_forecasts(preds: Tensor, source: SeriesSource, split: str, index: Tensor) -> dict[str, Tensor]:
    """Returns the model's points and those of the baselines, (B, H, N) each.

    Args:
        preds: of the model, points or quantiles.
        source: the data.
        split: where the windows are.
        index: their numbers, (B,).
    """
    season = source.season_length or 1
    forecasts = {MODEL: point(preds)}
    seen = source.history(split, index, source.lookback)
    assert seen is not None, "a window has its lookback"
    with_season = seen if season <= source.lookback else source.history(split, index, season)
    if with_season is not None and season > 1:
        forecasts["seasonal naive"] = seasonal_naive(with_season, source.horizon, season_length=season)
    forecasts |= {"naive": naive(seen, source.horizon), "drift": drift(seen, source.horizon)}
    return {name: forecast.to(preds.device) for name, forecast in forecasts.items()}


def best_median_worst(scores: np.ndarray) -> dict[str, int]:
    """Returns the places of three windows by their squared error.

    Args:
        scores: (W, 4), as `SCORES` names them.
    """
    order = np.argsort(scores[:, 0], kind="stable")
    return {"best": int(order[0]), "median": int(order[len(order) // 2]), "worst": int(order[-1])}


def table(scores: Mapping[str, np.ndarray]) -> list[str]:
    """Returns a table of the mean scores, a line a forecaster."""
    windows = len(next(iter(scores.values())))
    lines = [f"{f'{windows:,} windows':<16}" + "".join(f"{name:>10}" for name in SCORES)]
    for name, values in scores.items():
        lines.append(f"{name:<16}" + "".join(f"{value:>10.4f}" for value in values.mean(0)))
    return lines


def as_windows(index: np.ndarray) -> Tensor:
    """Returns numbers of windows as data modules take them."""
    return torch.from_numpy(np.ascontiguousarray(index, dtype=np.int64))
