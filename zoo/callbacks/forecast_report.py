"""What a forecaster said, beside what came and what needs no learning: tables, pictures and a table for the console."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.examples import show
from zoo.callbacks.final_report import FinalReport, gather
from zoo.callbacks.forecast_figures import Window, errors, forecast_windows
from zoo.callbacks.forecast_scores import (
    MODEL,
    SCORES,
    SeriesSource,
    Units,
    WindowScores,
    all_forecasts,
    as_windows,
    best_median_worst,
    table,
)
from zoo.files import replacing
from zoo.metrics.forecasting import point
from zoo.ranges import PositiveInt

_MOST_ORIGINS = 1000
_BATCH = 128


class Said(NamedTuple):
    """Windows in the units of the data.

    Attributes:
        seen: (W, L, N).
        true: (W, H, N).
        forecast: (W, H, N).
        quantiles: (W, H, N, Q); None where points are forecast.
    """

    seen: np.ndarray
    true: np.ndarray
    forecast: np.ndarray
    quantiles: np.ndarray | None


class ForecastReport(FinalReport):
    """Writes `baselines.csv`, `backtest.csv`, `errors_by_step.csv`, `forecasts.csv` and pictures after a test.

    It takes part where the step returns forecasts (B, H, N) or (B, H, N, Q) with targets (B, H, N), and the data know
    what came before. `lines` then holds the table of model and baselines. Pictures go to TensorBoard, too.

    Args:
        directory: where the files are written; made if need be.
        stride: windows from one to the next of `forecasts.csv` and `backtest.csv`; None for the horizon, so that each
            step is forecast once, or for more where there would be over a thousand.
        only_backtest: whether the files of the back-test alone are written.
    """

    def __init__(
        self, directory: str | Path, *, stride: PositiveInt | None = None, only_backtest: bool = False
    ) -> None:
        self.directory, self.stride, self.only_backtest = Path(directory), stride, only_backtest
        self.lines: list[str] = []
        self.origins: list[list[str]] = []
        self._scores = WindowScores()

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Scores the batch's forecasts, and those of the baselines."""
        found = [outputs.get(name) for name in ("preds", "targets", "index")] if isinstance(outputs, Mapping) else []
        values = [value for value in found if isinstance(value, Tensor)]
        data = getattr(trainer, "datamodule", None)
        if len(values) != 3 or values[0].shape[:3] != values[1].shape or not hasattr(data, "history"):
            return
        preds, targets, index = values
        source: SeriesSource = data  # type: ignore[assignment]
        self._scores.add(all_forecasts(preds, source, stage, index), targets, index, Units.of(source))

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report."""
        scores = WindowScores.merged(gather(self._scores, trainer.world_size))
        self._scores = WindowScores()
        if not trainer.is_global_zero or not scores.index:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        writer = _Writer(self.directory, trainer, pl_module, stage, scores)
        self.lines = table(writer.scores)
        stride = self.stride or max(writer.source.horizon, -(-len(writer.index) // _MOST_ORIGINS))
        pictures = {"errors": writer.errors()}
        self.origins = writer.backtest(stride)
        if not self.only_backtest:
            writer.baselines()
            writer.errors_by_step()
            writer.forecasts(stride)
            pictures["forecasts"] = writer.forecast_windows()
        show(trainer, stage, pictures, directory=self.directory)


class _Writer:
    """Writes the files of a report."""

    def __init__(
        self, directory: Path, trainer: Trainer, module: LightningModule, stage: str, scores: WindowScores
    ) -> None:
        self.directory, self.trainer, self.module, self.stage = directory, trainer, module, stage
        self.source: SeriesSource = trainer.datamodule  # type: ignore[attr-defined]
        self.targets = list(self.source.targets or ())
        self.units = Units.of(self.source)
        self.levels: Sequence[float] | None = getattr(module, "quantiles", None)
        self.index, self.scores, self.by_step = scores.joined()

    def say(self, index: np.ndarray) -> Said:
        """Lets the model forecast some windows once more, which spares keeping all of them."""
        parts = [self._say(index[start : start + _BATCH]) for start in range(0, len(index), _BATCH)]
        seen, true, forecast, quantiles = zip(*parts, strict=True)
        whole = None if quantiles[0] is None else np.concatenate(quantiles)
        return Said(np.concatenate(seen), np.concatenate(true), np.concatenate(forecast), whole)

    def _say(self, index: np.ndarray) -> tuple[Any, ...]:
        batch = self.source.batch(self.stage, as_windows(index))
        batch = {name: value.to(self.module.device) for name, value in batch.items()}
        training = self.module.training
        self.module.eval()
        with torch.no_grad(), self.trainer.precision_plugin.forward_context():
            preds = self.module.finish(self.module(batch)).cpu()  # type: ignore[operator]
        self.module.train(training)
        seen = batch["input"][..., : len(self.targets)].cpu().numpy()
        parts = (seen, batch["target"].cpu().numpy(), point(preds).numpy())
        restored = [self.units.restored(part) for part in parts]
        if self.levels is None:
            return *restored, None
        return *restored, np.moveaxis(self.units.restored(np.moveaxis(preds.numpy(), 3, 0)), 0, 3)

    def write(self, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Writes a CSV file."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
        with replacing(self.directory / name) as file:
            file.write(text.getvalue().encode())

    def baselines(self) -> None:
        """Writes the mean scores of model and baselines."""
        rows = [[name, *map(_short, values.mean(0))] for name, values in self.scores.items()]
        self.write("baselines.csv", ["forecaster", *SCORES], rows)

    def origin_of(self, number: int) -> str:
        """Returns when the first step that a window forecasts is."""
        return self.source.times(self.stage, number)[self.source.lookback]

    def backtest(self, stride: int) -> list[list[str]]:
        """Writes the scores of windows from origin to origin, and returns the rows."""
        others = [name for name in self.scores if name != MODEL]
        rows = []
        for place in range(0, len(self.index), stride):
            own = [_short(value) for value in self.scores[MODEL][place]]
            theirs = [_short(self.scores[name][place, SCORES.index("mase")]) for name in others]
            rows.append([self.origin_of(int(self.index[place])), *own, *theirs])
        header = ["first_step", *SCORES, *(f"mase_{name.replace(' ', '_')}" for name in others)]
        self.write("backtest.csv", header, rows)
        return [header, *rows]

    def errors_by_step(self) -> None:
        """Writes the mean absolute error of each step and target, in the units of the data."""
        names = list(self.by_step)
        rows = [
            [step + 1, target, *(_short(self.by_step[name][step, column] * self.units.std[column]) for name in names)]
            for step in range(self.source.horizon)
            for column, target in enumerate(self.targets)
        ]
        self.write("errors_by_step.csv", ["step", "target", *(f"mae_{name.replace(' ', '_')}" for name in names)], rows)

    def forecasts(self, stride: int) -> None:
        """Writes what was forecast from origin to origin, in the units of the data."""
        index = self.index[::stride]
        said, rows = self.say(index), []
        for window, number in enumerate(index.tolist()):
            times = self.source.times(self.stage, number)[self.source.lookback :]
            for step, time in enumerate(times):
                for column, target in enumerate(self.targets):
                    place = window, step, column
                    values = [said.true[place], said.forecast[place]]
                    values += [] if said.quantiles is None else said.quantiles[place].tolist()
                    rows.append([times[0], step + 1, time, target, *map(_short, values)])
        levels = [f"q{level:g}" for level in self.levels or ()]
        self.write("forecasts.csv", ["first_step", "step", "time", "target", "came", "forecast", *levels], rows)

    def forecast_windows(self) -> np.ndarray:
        """Draws the best, the median and the worst window."""
        places = best_median_worst(self.scores[MODEL])
        said = self.say(self.index[list(places.values())])
        windows = [
            Window(
                f"{kind} window (MSE {self.scores[MODEL][place, 0]:.3g})",
                self.source.times(self.stage, int(self.index[place])),
                said.seen[row],
                said.true[row],
                said.forecast[row],
                None if said.quantiles is None else said.quantiles[row],
            )
            for row, (kind, place) in enumerate(places.items())
        ]
        return forecast_windows(windows, self.targets, levels=self.levels)

    def errors(self) -> np.ndarray:
        """Draws the errors by step and by origin."""
        by_origin = {name: values[:, SCORES.index("mae")] for name, values in self.scores.items()}
        places = sorted({0, len(self.index) // 2, len(self.index) - 1})
        origins = [""] * len(self.index)
        for place in places:
            origins[place] = self.origin_of(int(self.index[place]))
        return errors({name: values.mean(1) for name, values in self.by_step.items()}, by_origin, origins, model=MODEL)


def _short(value: float) -> str:
    return f"{value:.6g}"
