"""Detection: which objects there are in an image, and where."""

from typing import Any

import torch
from torch import Tensor, nn

from zoo.batch import Batch
from zoo.ranges import PositiveInt
from zoo.tasks.base import Task
from zoo.tasks.stage_metrics import StageMetrics


class DetectionTask(Task):
    """Learns to find objects.

    The model gives its raw outputs for `input` (B, C, H, W); its method `losses(outputs, boxes, labels, ignored)` gives
    scalars by name, whose sum is minimised, and `detect(outputs)` detections (B, D, 6), x1 y1 x2 y2 score label, best
    first, filled up with score 0 and label -1. The batch holds `boxes` (B, M, 4) in pixels of the input, `labels`
    (B, M), -1 where there is no object, `ignored` (B, M), `content` (B, 4), the part of the input that is image, and
    `scale` (B,), input pixels by original ones: metrics and reports see boxes in pixels of the original.

    Args:
        model: the network.
        max_detections: at most so many of an image are judged, best first.
        **options: as of every task; the criterion is the model's own.

    Raises:
        ValueError: the model finds no objects.
    """

    def __init__(self, model: nn.Module, *, max_detections: PositiveInt = 100, **options: Any) -> None:
        if not (hasattr(model, "losses") and hasattr(model, "detect")):
            problem = f"model {type(model).__name__}: has no losses and detect, as what finds objects has"
            raise ValueError(f"{problem}; set model=tiny_detector, such as")
        super().__init__(model, criterion=nn.Identity(), **options)
        self.max_detections = max_detections

    def losses(self, outputs: Any, batch: Batch) -> dict[str, Tensor]:
        """Returns the parts of the model's loss, and their sum."""
        parts: dict[str, Tensor] = self.model.losses(outputs, batch["boxes"], batch["labels"], batch["ignored"])  # type: ignore[operator]
        return {"loss": torch.stack(list(parts.values())).sum(), **parts}

    def compare(self, outputs: Any, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns nothing to judge, (B, 0), for each image: to find objects takes too long for a step of training."""
        index = batch["index"]
        return index.new_zeros(len(index), 0), index

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Returns detections (B, D, 6) in pixels of the original."""
        return {"detections": self._detections(self(batch), batch), "index": batch["index"]}

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Tensor]:
        outputs = self(batch)
        detections, objects = self._detections(outputs, batch), objects_of(batch)
        if record.append(self.losses(outputs, batch), detections, objects):
            record.feed()
        return {"detections": detections, "objects": objects, "index": batch["index"]}

    def _detections(self, outputs: Any, batch: Batch) -> Tensor:
        found: Tensor = self.model.detect(outputs)[:, : self.max_detections]  # type: ignore[operator]
        content = batch["content"][:, None].to(found.dtype)  # (B, 1, 4)
        # A box ends where the image does.
        boxes = found[..., :4].clamp(content[..., [0, 1, 0, 1]], content[..., [2, 3, 2, 3]])
        return torch.cat([boxes / batch["scale"][:, None, None], found[..., 4:]], dim=2)


def objects_of(batch: Batch) -> Tensor:
    """Returns the objects of a batch, (B, M, 6): x1 y1 x2 y2 in pixels of the original, label, and whether ignored."""
    boxes = batch["boxes"] / batch["scale"][:, None, None]
    facts = torch.stack([batch["labels"], batch["ignored"].long()], dim=2)
    return torch.cat([boxes, facts.to(boxes.dtype)], dim=2)
