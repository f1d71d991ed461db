"""A few images of validation, what is true of them and what is predicted, as training goes on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.examples import Examples, show
from zoo.callbacks.image_grid import displayable, preprocessing_of
from zoo.callbacks.mask_pictures import comparison
from zoo.ranges import PositiveInt


class Segmented(NamedTuple):
    """An image with its true and its predicted classes."""

    sample: int
    image: np.ndarray
    target: np.ndarray
    pred: np.ndarray


class SegmentationExamples(Examples):
    """Shows the same images in TensorBoard, as `report/segmentation`, after validations 1, 2, 4, 8 ... of a fit.

    A task takes part by returning `{"masks": (B, H, W), "targets": (B, H, W), "index": (B,)}` from its step.

    Args:
        num_images: how many, spread over the split.
    """

    def __init__(self, num_images: PositiveInt = 6) -> None:
        super().__init__()
        self.num_images = num_images
        self._kept: list[Segmented] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps the images that are shown."""
        if not is_segmentation(outputs):
            return
        size = trainer.datamodule.sizes[stage]  # type: ignore[attr-defined]
        shown = torch.linspace(0, size - 1, min(self.num_images, size)).long()
        rows = torch.isin(outputs["index"].cpu(), shown).nonzero().flatten()
        self._kept += segmented(outputs, batch, rows, preprocessing_of(trainer))

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Shows them."""
        kept, self._kept = sorted(self._kept, key=lambda each: each.sample), []
        if not kept:
            return
        _, images, targets, preds = zip(*kept, strict=True)
        names = [str(name) for name in trainer.datamodule.class_names]  # type: ignore[attr-defined]
        title = f"Validation, epoch {trainer.current_epoch + 1}"
        picture = comparison(images, targets, preds, names, captions=["predicted"] * len(kept), title=title)
        show(trainer, stage, {"segmentation": picture})


def is_segmentation(outputs: Any) -> bool:
    """Whether a step has returned masks and their targets."""
    found = [outputs.get(name) for name in ("masks", "targets", "index")] if isinstance(outputs, Mapping) else []
    return [value.ndim for value in found if isinstance(value, Tensor)] == [3, 3, 1]


def segmented(outputs: Any, batch: Any, rows: Tensor, preprocessing: Mapping[str, Any]) -> list[Segmented]:
    """Returns some images of a batch, with what is true and what was predicted."""
    if not len(rows):
        return []
    rows = rows.to(batch["input"].device)
    images = displayable(batch["input"][rows], preprocessing)
    parts = [outputs[name][rows].cpu().numpy() for name in ("targets", "masks")]
    return [Segmented(*each) for each in zip(outputs["index"][rows].tolist(), images, *parts, strict=True)]
