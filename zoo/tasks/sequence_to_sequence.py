"""Sequence to sequence: a text is read, and another one is written for it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.batch import NO_TARGET, Batch
from zoo.layers.sequence_input import PAD
from zoo.models.decoding import decode_greedily
from zoo.ranges import PositiveInt
from zoo.tasks.base import Task
from zoo.tasks.stage_metrics import StageMetrics

UNKNOWN = 1  # of every tokenizer: to write it is right in no text


class SequenceToSequenceTask(Task):
    """Learns to write a text for one that it has read.

    The model gives logits (B, T, V) for sources (B, S) and `decoder_input` (B, T), and has methods `encode` and
    `decode`, see `zoo.models.decoding`; the batch holds `target` (B, T). In training each token is told the true ones
    before it. In evaluation the loss is likewise, and the text is also written greedily, from what was read alone.
    Losses are means over tokens, padding left out; the criterion, called with logits (N, V) and targets (N,), is that
    of training, and evaluation takes plain cross-entropy.

    Args:
        model: the network; called with `batch["input"]` and `batch["decoder_input"]`.
        max_length: how many tokens are written at most, the one that ends a text among them.
        **options: as of every task.
    """

    def __init__(self, model: nn.Module, *, max_length: PositiveInt, **options: Any) -> None:
        super().__init__(model, **options)
        self.max_length = max_length

    def model_inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Returns what is read, and what the decoder is told."""
        return batch["input"], batch["decoder_input"]

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the mean over the tokens."""
        logits = outputs.flatten(0, 1)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        target = batch["target"].flatten()
        target = target.masked_fill(target == PAD, NO_TARGET)
        if self.training:
            return {"loss": self.criterion(logits, target)}
        return {"loss": functional.cross_entropy(logits, target, ignore_index=NO_TARGET)}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the numbers of right and of all tokens of each text, (B, 2), and a target for each text."""
        target = batch["target"]
        if self.training and self.train_record.metrics is None:
            return target[:, :2], target[:, 0]
        real = target != PAD
        right = (outputs.detach().argmax(-1) == target) & real
        return torch.stack([right.sum(1), real.sum(1)], dim=1), target[:, 0]

    def _evaluation_step(self, batch: Batch, record: StageMetrics) -> dict[str, Any]:
        outputs, target = self(batch), batch["target"]
        counts, _ = self.compare(outputs, batch)
        boundary = batch["decoder_input"][:, 0]
        texts = decode_greedily(self.model, batch["input"], boundary, max_length=self.max_length)  # type: ignore[arg-type]
        matches = equal_texts(texts, target).to(counts.dtype)
        counts = torch.cat([counts, torch.stack([matches, torch.ones_like(matches)], dim=1)], dim=1)
        # Their number is what the batch's losses weigh.
        if record.append(self.losses(outputs, batch), counts, target[target != PAD]):
            record.feed()
        return {"texts": {"prediction": texts}, "index": batch["index"]}


def equal_texts(texts: Tensor, targets: Tensor) -> Tensor:
    """Returns which texts are right as a whole, bool (B,): token by token, the end among them.

    Args:
        texts: what was written, (B, L).
        targets: what was to be written, (B, T); one that holds an unknown token cannot be met.
    """
    length = max(texts.shape[1], targets.shape[1])
    texts, targets = (functional.pad(part, (0, length - part.shape[1]), value=PAD) for part in (texts, targets))
    return ((texts == targets) & (targets != UNKNOWN)).all(1)
