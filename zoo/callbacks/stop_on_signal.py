"""A signal ends training between two batches, when its state is on the disk."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from zoo import signals
from zoo.callbacks.checkpoints import LastCheckpoint, wait_for_checkpoints


class StopOnSignal(Callback):
    """Asks between batches whether a signal has come, and saves before it obeys.

    Args:
        last: what saves the state; None where the run keeps no checkpoints.
    """

    def __init__(self, last: LastCheckpoint | None) -> None:
        self.last = last

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the signals back from Lightning, which exits with code 0 on SIGTERM."""
        signals.install()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Saves and stops, if a signal has come.

        Raises:
            StoppedBySignal: one has.
        """
        if (number := self._received(trainer)) is not None:
            if self.last is not None:
                self.last.save(trainer, pl_module, wait=True)
            raise signals.StoppedBySignal(number)

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Stops, if a signal has come; the state was saved when the validation began.

        Raises:
            StoppedBySignal: one has.
        """
        if trainer.state.fn == TrainerFn.FITTING and (number := self._received(trainer)) is not None:
            wait_for_checkpoints(trainer)
            raise signals.StoppedBySignal(number)

    def _received(self, trainer: Trainer) -> int | None:
        """Returns the signal; of several processes all stop at the same batch, whichever of them was sent it."""
        number = signals.received()
        if trainer.world_size == 1:
            return number
        agreed = torch.tensor(number or 0, device=trainer.strategy.root_device)
        torch.distributed.all_reduce(agreed, torch.distributed.ReduceOp.MAX)
        return int(agreed) or None
