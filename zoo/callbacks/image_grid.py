"""Batches as pictures: what the network sees, for a person to look at."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt


class AugmentedImages(Callback):
    """Shows the first training batch in TensorBoard, as `report/augmented_inputs`, after the first step.

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
        grid = image_grid(displayable(inputs[: self.num_images], preprocessing_of(trainer)))
        for logger in loggers:
            logger.log_image("train/report/augmented_inputs", grid, trainer.global_step)


def preprocessing_of(trainer: Trainer) -> Mapping[str, Any]:
    """What the trainer's data module does to raw data; nothing where it does not say."""
    described: Mapping[str, Any] = getattr(getattr(trainer, "datamodule", None), "preprocessing", dict)()
    return described


def displayable(images: Tensor, preprocessing: Mapping[str, Any]) -> np.ndarray:
    """Undoes the normalisation of a batch.

    Args:
        images: (B, C, H, W), normalised; of more than three channels the first three are shown, of two the first.
        preprocessing: `mean` and `std`, one value a channel, of images in 0..1; without them, or where they do not fit
            the channels, each image is stretched to its own range. Where it holds `features`, the images are
            spectrograms with one value a row, and are turned so that low frequencies are at the bottom.

    Returns:
        8-bit pictures (B, H, W, 3) or (B, H, W, 1).
    """
    images = images.detach().float().cpu()
    channels = images.shape[1]
    mean, std = preprocessing.get("mean"), preprocessing.get("std")
    if "features" in preprocessing:
        if mean is not None and std is not None and len(mean) == len(std) == images.shape[2]:
            images = images * torch.tensor(std).view(-1, 1) + torch.tensor(mean).view(-1, 1)
        images, mean = images.flip(2), None
    if mean is not None and std is not None and len(mean) == len(std) == channels:
        images = images * torch.tensor(std).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    else:
        low, high = images.amin(dim=(1, 2, 3), keepdim=True), images.amax(dim=(1, 2, 3), keepdim=True)
        images = (images - low) / (high - low).clamp(min=1e-12)
    shown = images[:, : 3 if channels >= 3 else 1]
    return shown.nan_to_num().clamp(0, 1).mul(255).round().byte().permute(0, 2, 3, 1).numpy()


def image_grid(images: np.ndarray, *, columns: int = 8, tile: int = 96, gap: int = 4) -> np.ndarray:
    """Lays pictures out in rows, on white.

    Args:
        images: 8-bit, (B, H, W, C) with C of 1 or 3.
        columns: pictures in a row.
        tile: pictures with smaller sides are enlarged by a whole factor to about this many pixels.
        gap: pixels between pictures.

    Returns:
        8-bit picture (H, W, 3).
    """
    factor = max(1, round(tile / max(images.shape[1:3])))
    images = images.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = images.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    grid = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, dtype=np.uint8)
    for position, image in enumerate(images):
        top = gap + position // columns * (height + gap)
        left = gap + position % columns * (width + gap)
        grid[top : top + height, left : left + width] = image
    return grid


def class_rows(images: np.ndarray, labels: np.ndarray, *, tile: int = 96) -> np.ndarray:
    """Lays pictures out with a row for each class, on white.

    Args:
        images: 8-bit, (B, H, W, C) with C of 1 or 3.
        labels: classes, (B,); those that occur have rows.
        tile: see `image_grid`.

    Returns:
        8-bit picture (H, W, 3).
    """
    rows = [images[labels == label] for label in np.unique(labels)]
    columns = max(map(len, rows))
    filled = np.full((len(rows), columns, *images.shape[1:]), 255, dtype=np.uint8)
    for row, found in zip(filled, rows, strict=True):
        row[: len(found)] = found
    return image_grid(filled.reshape(-1, *images.shape[1:]), columns=columns, tile=tile)
