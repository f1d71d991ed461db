"""A few images of validation with their true boxes and those that were found, as training goes on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.box_pictures import comparison
from zoo.callbacks.examples import Examples, show
from zoo.callbacks.image_grid import displayable, preprocessing_of
from zoo.ranges import PositiveInt


class Detected(NamedTuple):
    """An image with its true boxes and those that were found, in its pixels, as `zoo.metrics.detection` lays them out.

    Attributes:
        sample: its place in the split.
        image: 8-bit, without the padding.
        truth: (M, 6), x1 y1 x2 y2 label ignored.
        found: (D, 6), x1 y1 x2 y2 score label.
    """

    sample: int
    image: np.ndarray
    truth: np.ndarray
    found: np.ndarray


class DetectionExamples(Examples):
    """Shows the same images in TensorBoard, as `report/detections`, after validations 1, 2, 4, 8 ... of a fit.

    A task takes part by returning `{"detections": (B, D, 6), "objects": (B, M, 6), "index": (B,)}` from its step.

    Args:
        num_images: how many, spread over the split.
    """

    def __init__(self, num_images: PositiveInt = 6) -> None:
        super().__init__()
        self.num_images = num_images
        self._kept: list[Detected] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps the images that are shown."""
        if not is_detection(outputs):
            return
        size = trainer.datamodule.sizes[stage]  # type: ignore[attr-defined]
        shown = torch.linspace(0, size - 1, min(self.num_images, size)).long()
        rows = torch.isin(outputs["index"].cpu(), shown).nonzero().flatten()
        self._kept += detected(outputs, batch, rows, preprocessing_of(trainer))

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Shows them."""
        kept, self._kept = sorted(self._kept, key=lambda each: each.sample), []
        if not kept:
            return
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        names = [str(name) for name in data.class_names]
        captions = [f"{Path(data.sample_name(stage, each.sample)).name} (true, found)" for each in kept]
        _, images, truth, found = zip(*kept, strict=True)
        picture = comparison(images, truth, found, class_names=names, captions=captions)
        show(trainer, stage, {"detections": picture})


def is_detection(outputs: Any) -> bool:
    """Whether a step has returned detections and the objects that are there."""
    found = [outputs.get(name) for name in ("detections", "objects", "index")] if isinstance(outputs, Mapping) else []
    return [value.ndim for value in found if isinstance(value, Tensor)] == [3, 3, 1]


def detected(outputs: Any, batch: Any, rows: Tensor, preprocessing: Mapping[str, Any]) -> list[Detected]:
    """Returns some images of a batch, with what is true and what was found."""
    if not len(rows):
        return []
    rows = rows.to(batch["input"].device)
    images = displayable(batch["input"][rows], preprocessing)
    kept = []
    for image, row in zip(images, rows.tolist(), strict=True):
        left, top, right, bottom = batch["content"][row].tolist()
        found, truth = (outputs[name][row].float().cpu().numpy() for name in ("detections", "objects"))
        found, truth = found[found[:, 5] >= 0], truth[truth[:, 4] >= 0]
        for boxes in (found, truth):
            boxes[:, :4] = boxes[:, :4] * float(batch["scale"][row]) - (left, top, left, top)
        sample = int(outputs["index"][row])
        kept.append(Detected(sample, np.ascontiguousarray(image[top:bottom, left:right]), truth, found))
    return kept
