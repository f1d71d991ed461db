"""What a run costs, found by its first steps alone: `python -m zoo cost`."""

import statistics
import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from zoo.callbacks.cost import Cost
from zoo.costs.forecast import Forecast
from zoo.ranges import PositiveFloat, PositiveInt


class CostTrial(Cost):
    """Stops a run when its steps have been timed, and times a few batches of validation.

    Args:
        seconds: for how long steps are timed at least.
        processes: that the run is going to have; this is one of them.
        every_n_epochs: epochs from one validation to the next, as the run is going to have them.

    Attributes:
        waiting: share of the time that was spent waiting for data.
    """

    def __init__(
        self, seconds: PositiveFloat = 3.0, *, processes: PositiveInt = 1, every_n_epochs: PositiveInt = 1
    ) -> None:
        super().__init__(seconds)
        self.processes, self.every_n_epochs = processes, every_n_epochs
        self.waiting: float | None = None
        self._ends: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts for all processes."""
        super().on_train_start(trainer, pl_module)
        assert self.forecast is not None
        length = self.forecast.length
        length.batches, length.processes = -(-length.batches // self.processes), self.processes
        length.validations /= self.every_n_epochs

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes how long data were waited for."""
        super().on_train_epoch_end(trainer, pl_module)
        share = trainer.callback_metrics.get("cost/waiting_share")
        self.waiting = None if share is None else float(share)

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """Notes when a batch of validation was done."""
        self._ends.append(time.perf_counter())

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock of validation."""
        super().on_validation_start(trainer, pl_module)
        self._ends = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Follows the few batches to all of them; the first has what happens once, and what ends it is not repeated."""
        super().on_validation_end(trainer, pl_module)
        assert self.forecast is not None
        loader: Any = trainer.val_dataloaders
        total, taken = -(-len(loader) // self.processes), len(self._ends)
        if total <= taken or taken < 3:
            self.forecast.seconds_per_validation = self._validation[-1] * total / max(taken, 1)
            return
        each = statistics.median(later - earlier for earlier, later in zip(self._ends, self._ends[1:], strict=False))
        rest = self._validation[-1] - (self._ends[-1] - self._validation_started)
        self.forecast.seconds_per_validation = each * total + rest

    def _correct(self, trainer: Trainer, forecast: Forecast) -> None:
        """Nothing is to be corrected before it was said."""

    def _say(self, trainer: Trainer, *lines: str) -> None:
        """Says nothing: the command does."""

    def _tell_time(self, trainer: Trainer) -> None:
        super()._tell_time(trainer)
        trainer.should_stop = True
