"""Lightning's loop over the batches of an epoch, which goes on exactly where a checkpoint was saved.

Lightning restores counters from which it has to guess where it was: a checkpoint at the end of an epoch skips the
validation that was still to come, one within an epoch leaves out the hooks of its start, and the first epoch after it
does not step a plateau schedule. Here the position is one triple - epoch, batches of it that are done, whether a
validation is due - and all counters follow from it. An epoch that is resumed starts as any other does.
"""

import time
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loops.loop import _Loop
from lightning.pytorch.loops.training_epoch_loop import _TrainingEpochLoop
from lightning.pytorch.trainer.states import RunningStage


def batches_done(trainer: Trainer, *, in_all: bool = False) -> int:
    """Returns how many batches of the epoch, or of all epochs, the run has trained on."""
    progress = trainer.fit_loop.epoch_loop.batch_progress
    counters: Any = progress.total if in_all else progress.current
    return int(counters.processed)


class EpochLoop(_TrainingEpochLoop):
    """The batches of an epoch, between any two of which a run can be saved and resumed.

    Args:
        trainer: the trainer whose loop it replaces, by `EpochLoop.install`.

    Attributes:
        asked: `time.perf_counter()` when the loader was asked for the last batch.
    """

    def __init__(self, trainer: Trainer) -> None:
        replaced = trainer.fit_loop.epoch_loop
        self.resumed: dict[str, Any] | None = None
        self._is_validation_due = False
        self.asked = 0.0
        super().__init__(trainer, replaced.min_steps, replaced.max_steps)

    @property
    def max_steps(self) -> int:
        """The limit of steps, which holds only when a validation that was due has run: Lightning asks before it."""
        is_due = self.resumed is not None and self.resumed["validation_due"]
        return -1 if is_due else self._max_steps

    @max_steps.setter
    def max_steps(self, value: int) -> None:
        self._max_steps = value

    @classmethod
    def install(cls, trainer: Trainer) -> None:
        """Puts this loop in place of Lightning's."""
        trainer.fit_loop.epoch_loop = cls(trainer)

    def position(self) -> dict[str, Any]:
        """Returns where the run is: epochs done, batches of the next one done, and whether their validation is due."""
        epoch: Any = self.trainer.fit_loop.epoch_progress.current
        ended = epoch.started == epoch.processed
        done = batches_done(self.trainer)
        batches = 0 if ended else done
        epochs = epoch.processed
        if ended and 0 < self.max_steps <= self.global_step and 0 < done < self.trainer.num_training_batches:
            epochs, batches = epochs - 1, done  # the steps of the run ended within the epoch
        return {
            "epoch": epochs,
            "batch": batches,
            "validation_due": self.trainer.state.stage is RunningStage.VALIDATING and batches > 0,
            "should_stop": bool(self.trainer.should_stop),
        }

    def on_save_checkpoint(self) -> dict[str, Any]:
        """Adds the position to Lightning's counters."""
        return {**super().on_save_checkpoint(), "position": self.position()}

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        """Sets the counters to what the position says."""
        super().on_load_checkpoint(state_dict)
        self.resumed = position = state_dict["position"]
        epochs = self.trainer.fit_loop.epoch_progress
        for progress, count in (
            (epochs.total, position["epoch"]),
            (epochs.current, position["epoch"]),
            (self.batch_progress.current, position["batch"]),
            (self.batch_progress.total, batches_done(self.trainer, in_all=True)),
        ):
            counters: Any = progress
            counters.ready = counters.started = counters.processed = counters.completed = count
        self.batch_progress.is_last_batch = False
        self.trainer.should_stop = position["should_stop"] and not position["validation_due"]

    def reset(self) -> None:
        """Starts the counters of an epoch anew, unless they stand where the position says."""
        if self.resumed is None:
            super().reset()

    def advance(self, data_fetcher: Any) -> None:
        """Takes a batch and trains on it."""
        self.asked = time.perf_counter()
        super().advance(data_fetcher)

    def on_run_start(self, data_fetcher: Any) -> None:
        """Runs the validation that was due when the checkpoint was saved."""
        super().on_run_start(data_fetcher)
        position, self.resumed = self.resumed, None
        if position is None:
            return
        # Lightning's own way of restarting is over; the fit loop's setter would say True wherever max_steps is set.
        _Loop.restarting.fset(self.trainer.fit_loop, False)  # type: ignore[attr-defined]
        self.val_loop.batch_progress.reset()
        if position["validation_due"]:
            self._is_validation_due = True
            self.on_advance_end(data_fetcher)
            self._is_validation_due = False
            self.trainer.should_stop |= position["should_stop"]

    def _should_check_val_fx(self, data_fetcher: Any) -> bool:
        return self._is_validation_due or super()._should_check_val_fx(data_fetcher)
