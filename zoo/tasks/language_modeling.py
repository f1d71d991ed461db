"""Language modelling: the next token of a text, at every place of it."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from zoo.batch import NO_TARGET, Batch
from zoo.tasks.base import Task

_NATS_A_BIT = math.log(2)


class LanguageModelingTask(Task):
    """Learns to continue a text.

    The model gives logits (B, T, V) for tokens (B, T); the batch holds `target` (B, T), -100 where there is none.
    Losses are means over tokens. The criterion, called with logits (N, V) and targets (N,), is that of training:
    evaluation takes plain cross-entropy, whatever the criterion smooths or weighs, so that the perplexity of any two
    runs compares. A model may have a method `regularization()`, whose value after a forward pass, where it is not
    None, is added to the loss of training.
    """

    continues_text = True  # what samples of text ask

    def losses(self, outputs: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Returns the mean over the tokens and, in training, the penalty of a model that has one."""
        logits, target = outputs.flatten(0, 1), batch["target"].flatten()
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if not self.training:
            return {"loss": functional.cross_entropy(logits, target, ignore_index=NO_TARGET)}
        loss = self.criterion(logits, target)
        regularization = getattr(self.model, "regularization", None)
        penalty: Tensor | None = regularization() if regularization is not None else None
        if penalty is None:
            return {"loss": loss}
        return {"loss": loss + penalty, "regularization": penalty}

    def compare(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Returns the most probable and the true token of each place that has a target, (N,).

        Their number is what a batch's losses weigh. In training each place has a target, and none is counted, which
        would stop a GPU.
        """
        target = batch["target"].flatten()
        preds = outputs.detach().argmax(-1).flatten() if self._has_metrics() else target
        if self.training:
            return preds, target
        kept = target != NO_TARGET
        return preds[kept], target[kept]

    def _has_metrics(self) -> bool:
        records = self.train_record, self.val_record, self.test_record
        return any(record.metrics is not None for record in records)

    def derived(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Returns the perplexity of a token, and the bits that a character takes."""
        if "loss" not in values:
            return {}
        added = [values[name] for name in ("regularization", "l1") if name in values]
        loss = values["loss"] - sum(added)
        bits = loss / _NATS_A_BIT * self._tokens_per_character()
        return {"perplexity": loss.exp(), "bits_per_character": bits}

    def next_commands(self, directory: str) -> list[str]:
        """Returns the command that lets the model write."""
        return [f'-m zoo generate ckpt={directory} prompt=""']

    def _tokens_per_character(self) -> float:
        """What the data say of the split at hand; 1 where they say nothing."""
        trainer = self._trainer
        if trainer is None:
            return 1.0
        split = "train" if trainer.training else "test" if trainer.testing else "val"
        ratios = getattr(trainer.datamodule, "tokens_per_character", {})  # type: ignore[attr-defined]
        return float(ratios.get(split, 1.0))
