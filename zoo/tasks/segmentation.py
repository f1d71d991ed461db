"""Segmentation: one class for each pixel of an image."""

from typing import Any

from torch import Tensor, nn

from zoo.batch import Batch
from zoo.metrics.segmentation import count_pixels
from zoo.ranges import NonNegativeFloat
from zoo.tasks.base import Task
from zoo.tasks.stage_metrics import StageMetrics


class SegmentationTask(Task):
    """Learns to name the class of each pixel.

    The model gives logits (B, K, H, W) for `input` (B, C, H, W); while it trains it may give those of an auxiliary head
    as well, (2, B, K, H, W). The batch holds `target` (B, H, W), class indices and -100 where there is none.

    Args:
        model: the network.
        criterion: the loss, called with logits and targets.
        auxiliary: weight of the loss of an auxiliary head.
        **options: as of every task.
    """

    def __init__(
        self, model: nn.Module, *, criterion: nn.Module, auxiliary: NonNegativeFloat = 0.4, **options: Any
    ) -> None:
        super().__init__(model, criterion=criterion, **options)
        self.auxiliary = auxiliary

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the criterion of the logits against the targets, and that of an auxiliary head added to it."""
        if outputs.ndim == 4:
            return {"loss": self.criterion(outputs, batch["target"])}
        main, auxiliary = (self.criterion(logits, batch["target"]) for logits in outputs)
        return {"loss": main + self.auxiliary * auxiliary, "auxiliary": auxiliary}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns how many pixels of each class are right, predicted and there, (B, 3, K), and the rows (B,)."""
        return self._compare(outputs, _classes(outputs), batch)

    def _compare(self, outputs: Tensor, classes: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        return count_pixels(classes, batch["target"], outputs.size(-3)), batch["index"]

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Returns the class of each pixel, (B, H, W)."""
        return {"masks": _classes(self(batch)), "index": batch["index"]}

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Tensor]:
        outputs = self(batch)
        classes = _classes(outputs)
        if record.append(self.losses(outputs, batch), *self._compare(outputs, classes, batch)):
            record.feed()
        return {"masks": classes, "targets": batch["target"], "index": batch["index"]}


def _classes(outputs: Tensor) -> Tensor:
    """Returns the likeliest class of each pixel, (B, H, W)."""
    logits = outputs.detach() if outputs.ndim == 4 else outputs[0].detach()
    return logits.argmax(dim=1)
