"""Sounds as the network hears them, for a person to look at and to listen to."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.image_grid import displayable, image_grid
from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt


class SoundExamples(Callback):
    """Offers sounds in TensorBoard after the first step: of the first training batch as augmented, and of validation.

    Each stands there as `report/sounds/<number>_<class>`, and all of them as one picture, `report/spectrograms`. Data
    take part by a method `listen`, which gives their waveforms, and one `spectrograms`.

    Args:
        num_sounds: at most this many of each split.
    """

    def __init__(self, num_sounds: PositiveInt = 8) -> None:
        self.num_sounds = num_sounds

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Offers the sounds, and then takes itself out of the training loop."""
        # Lightning skips what is not callable; a hook that only returned would cost 5 us a step.
        self.on_train_batch_end = None  # type: ignore[assignment,method-assign]
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        data: Any = getattr(trainer, "datamodule", None)
        if not loggers or not trainer.is_global_zero or not hasattr(data, "listen"):
            return
        self._offer(loggers, trainer, "train", batch["index"][: self.num_sounds])
        if size := data.sizes.get("val"):
            self._offer(loggers, trainer, "val", torch.linspace(0, size - 1, min(self.num_sounds, size)).long())

    def _offer(self, loggers: list[TensorBoard], trainer: Trainer, split: str, rows: Tensor) -> None:
        data: Any = getattr(trainer, "datamodule", None)
        waves = data.listen(split, rows, train=split == "train").cpu()
        if len(waves) < len(rows):  # some cannot be read and are left out: which, the loader tells
            return
        picture = image_grid(displayable(data.spectrograms(waves), {"features": "mel"}), columns=4, tile=240)
        classes = [data.class_names[label] for label in data.labels[split][rows.cpu()].tolist()]
        for logger in loggers:
            logger.log_image(f"{split}/report/spectrograms", picture, trainer.global_step)
            for number, (wave, name) in enumerate(zip(waves.numpy(), classes, strict=True)):
                place = f"{split}/report/sounds/{number}_{name}"
                logger.log_audio(place, wave, trainer.global_step, sample_rate=data.sample_rate)
