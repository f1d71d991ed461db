"""A picture of the first training batch as the network sees it, to check augmentation by eye."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.images import displayable, image_grid
from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt


class AugmentedImages(Callback):
    """Shows the first training batch in TensorBoard as `train/augmented_inputs`, after the first step.

    Args:
        num_images: at most this many are shown.
    """

    def __init__(self, num_images: PositiveInt = 32) -> None:
        self.num_images = num_images

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Shows the batch if it holds images, and then takes itself out of the training loop."""
        # Lightning skips what is not callable; a hook that only returned would cost 5 us a step.
        self.on_train_batch_end = None  # type: ignore[assignment,method-assign]
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        inputs = batch.get("input") if isinstance(batch, dict) else None
        if not loggers or not trainer.is_global_zero or not isinstance(inputs, Tensor) or inputs.ndim != 4:
            return
        preprocessing = getattr(getattr(trainer, "datamodule", None), "preprocessing", dict)()
        grid = image_grid(displayable(inputs[: self.num_images], preprocessing))
        for logger in loggers:
            logger.log_image("train/augmented_inputs", grid, trainer.global_step)
