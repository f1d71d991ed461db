"""What shows a few samples, as training goes on or of a final judgement: when it keeps, when it draws, and where to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.callbacks import figures
from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt


class Examples(Callback):
    """Keeps samples, and draws them after validations 1, 2, 4, 8 ... of a fit, or after a final judgement.

    A concrete callback gives `keep` and `draw`, and leaves batches alone that are not of its kind.

    Args:
        directory: where pictures are written after a test, or a validation that is not part of a fit; None for
            TensorBoard alone, during a fit.
        every_n_epochs: epochs of a fit between two pictures; None for validations 1, 2, 4, 8 ...
    """

    def __init__(self, directory: str | Path | None = None, *, every_n_epochs: PositiveInt | None = None) -> None:
        self.directory = None if directory is None else Path(directory)
        self.every_n_epochs = every_n_epochs

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Takes in what the step has returned for a batch of `stage`, which is "test" or "val"."""
        raise NotImplementedError

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws what was kept, if anything was, and forgets it."""
        raise NotImplementedError

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Takes the batch in where this validation is one to draw."""
        if self._is_due(trainer):
            self.keep(trainer, pl_module, outputs, batch, "val")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        """Takes the batch in where a report is written."""
        if self.directory is not None and trainer.is_global_zero:
            self.keep(trainer, pl_module, outputs, batch, "test")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws."""
        self.draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draws."""
        self.draw(trainer, pl_module, "test")

    def _is_due(self, trainer: Trainer) -> bool:
        """Whether this validation is one to draw."""
        if self.directory is None:
            return is_due(trainer, self.every_n_epochs)
        return trainer.is_global_zero and trainer.state.fn == "validate"


def is_due(trainer: Trainer, every_n_epochs: int | None = None) -> bool:
    """Whether this validation is one of a fit whose pictures TensorBoard shows.

    Args:
        trainer: what validates.
        every_n_epochs: epochs between two of them; None for powers of two, so that nothing is remembered.
    """
    epoch = trainer.current_epoch + 1
    is_time = epoch % every_n_epochs == 0 if every_n_epochs else epoch & (epoch - 1) == 0
    return is_time and trainer.state.fn == "fit" and not trainer.sanity_checking and shows(trainer)


def shows(trainer: Trainer) -> bool:
    """Whether this process has a TensorBoard to show pictures in."""
    return trainer.is_global_zero and any(isinstance(logger, TensorBoard) for logger in trainer.loggers)


def show(
    trainer: Trainer,
    stage: str,
    pictures: Mapping[str, np.ndarray],
    *,
    directory: Path | None = None,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Shows pictures in TensorBoard as `report/NAME`, and writes them as files.

    Args:
        trainer: whose loggers they go to.
        stage: "val" or "test".
        pictures: 8-bit, (H, W, 3), by name.
        directory: where `NAME.png` are written, made if need be; None for nowhere.
        texts: Markdown by name, for TensorBoard.
    """
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            figures.save_png(picture, directory / f"{name}.png")
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoard):
            for name, text in (texts or {}).items():
                logger.log_text(f"{stage}/report/{name}", text, trainer.global_step)
            for name, picture in pictures.items():
                logger.log_image(f"{stage}/report/{name}", picture, trainer.global_step)
