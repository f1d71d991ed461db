"""Classification: one class for each sample, whatever the samples are."""

from torch import Tensor

from zoo.batch import Batch
from zoo.tasks.base import Task


class ClassificationTask(Task):
    """Learns to name the class of a sample.

    The batch holds `target` (B,) class indices and, where labels were mixed, `soft_target` (B, K) probabilities.
    """

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the criterion of the logits (B, K) against the mixed labels, or the true ones."""
        target = batch["soft_target"].to(self.dtype) if "soft_target" in batch else batch["target"]
        return {"loss": self.criterion(outputs, target)}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the logits (B, K) and the true class indices (B,)."""
        return outputs.detach(), batch["target"]

    def finish(self, preds: Tensor) -> Tensor:
        """Returns the probabilities (B, K) of logits."""
        return preds.float().softmax(dim=-1)

    def predict_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """Returns the probabilities (B, K)."""
        return {"probabilities": self.finish(self(batch)), "index": batch["index"]}
