"""What every report of a final judgement shares: when it gathers, when it writes, and how processes are joined."""

from typing import Any, TypeVar

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

Local = TypeVar("Local")


class FinalReport(Callback):
    """Gathers batches of a test, or of a validation that is not part of a fit, and then writes.

    A concrete report gives `keep` and `report`, and leaves batches alone that are not of its kind.
    """

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Takes in what the step has returned for a batch of `stage`, which is "test" or "val"."""
        raise NotImplementedError

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes what was gathered, and forgets it."""
        raise NotImplementedError

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Takes the batch in."""
        self.keep(trainer, pl_module, outputs, batch, "test")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """As in a test, unless training goes on."""
        if trainer.state.fn == "validate":
            self.keep(trainer, pl_module, outputs, batch, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the report."""
        self.report(trainer, pl_module, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Writes the report, unless training goes on."""
        if trainer.state.fn == "validate":
            self.report(trainer, pl_module, "val")


def gather(local: Local, world_size: int) -> list[Local]:
    """The objects of all processes, by rank."""
    if world_size == 1:
        return [local]
    shards = [local] * world_size
    torch.distributed.all_gather_object(shards, local)
    return shards
