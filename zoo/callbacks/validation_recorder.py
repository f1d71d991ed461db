"""What is recorded of a validation, and of the training before it: losses, classes, time and memory."""

import math
import time
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from zoo.callbacks.loss_course import LossCourse
from zoo.diagnosis.recorded import Validation

_FEWEST_MISTAKES = 20  # whose sureness tells anything
_MOST_CLASSES = 100  # whose confusions are kept over time
_MOST_FRAMES = 24


def sure_mistakes(probabilities: Tensor, is_right: Tensor) -> float:
    """Returns in what share of all pairs of a mistake and a right prediction the mistake is the surer one.

    Mistakes of a model are less sure than what it gets right; where labels are wrong by chance, it is as sure of them.

    Args:
        probabilities: of the class that each sample was taken for, float (N,).
        is_right: whether it is labelled as that class, bool (N,).

    Returns:
        The share, equals counted half, which is the area under the ROC curve of mistakes; NaN of fewer than 20 of them.
    """
    right, wrong = probabilities[is_right].sort().values, probabilities[~is_right]
    if len(wrong) < _FEWEST_MISTAKES or not len(right):
        return math.nan
    below = torch.searchsorted(right, wrong) + torch.searchsorted(right, wrong, right=True)
    return int(below.sum()) / (2 * len(right) * len(wrong))


class ValidationRecorder:
    """Gathers batch by batch, and stays on the device until a validation ends.

    Attributes:
        course: of the training loss.
        confusions: how often each class (row) was taken for each, int32 (K, K), and the step it was, over time.
    """

    def __init__(self) -> None:
        self.course = LossCourse()
        self.confusions: list[tuple[int, Tensor]] = []
        self._waited, self._since, self._batches, self._waiting = 0.0, math.nan, 0, math.nan
        self._batch_ended: float | None = None
        self._counts: list[Tensor] = []
        self._surest: list[tuple[Tensor, Tensor]] = []

    def start_clocks(self) -> None:
        """Begins to measure how long batches are waited for."""
        self._batch_ended, self._waited, self._since, self._batches = None, 0.0, time.perf_counter(), 0

    def stop_clocks(self) -> None:
        """Ends measuring, and forgets the classes of a validation before."""
        seconds = time.perf_counter() - self._since
        self._waiting = self._waited / seconds if seconds > 0 else math.nan
        self._waited /= max(self._batches, 1)
        self._batch_ended, self._counts, self._surest = None, [], []

    def begin_batch(self) -> None:
        """Notes how long the batch was waited for."""
        if self._batch_ended is not None:
            self._waited += time.perf_counter() - self._batch_ended

    def end_batch(self, outputs: Any) -> None:
        """Notes the loss of a batch."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor):
            self.course.add(loss)
        self._batches += 1
        self._batch_ended = time.perf_counter()

    def add(self, outputs: Any) -> None:
        """Keeps which classes a batch of validation was taken for, and how surely."""
        found = [outputs.get(name) for name in ("preds", "targets")] if isinstance(outputs, Mapping) else []
        values = [value for value in found if isinstance(value, Tensor)]
        if [value.ndim for value in values] != [2, 1] or values[1].is_floating_point():
            return
        num_classes = values[0].shape[1]
        surest, classes = values[0].max(1)
        self._surest.append((surest.float(), classes == values[1]))
        if num_classes <= _MOST_CLASSES:
            pairs = torch.bincount(values[1] * num_classes + classes, minlength=num_classes**2)
            self._counts.append(pairs.view(num_classes, num_classes))
        else:
            both = [torch.bincount(each, minlength=num_classes) for each in (values[1], classes)]
            self._counts.append(torch.stack(both))

    def losses(self, trainer: Trainer) -> list[float]:
        """Returns the course of the training loss since it was asked for before."""
        return [loss * trainer.accumulate_grad_batches for loss in self.course.take()]

    def finish(self, trainer: Trainer, task: Any) -> Validation:
        """Returns what the validation that ends has shown."""
        logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
        return Validation(
            step=trainer.global_step,
            epoch=trainer.current_epoch + 1,
            train_loss=task.train_record.so_far().get("loss", math.nan),
            val_loss=logged.get("val/loss", math.nan),
            train_accuracy=logged.get("train/accuracy", math.nan),
            val_accuracy=logged.get("val/accuracy", math.nan),
            losses=self.losses(trainer),
            waiting=self._waiting,
            waited=self._waited,
            memory=_memory(task.device),
            **self._of_classes(trainer.global_step),
        )

    def state(self) -> dict[str, Any]:
        """Returns what goes on after a checkpoint, as plain values and tensors."""
        return {"course": self.course.state(), "confusions": [list(frame) for frame in self.confusions]}

    def load(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state` has returned."""
        self.course.load(state["course"])
        self.confusions = [(step, counts) for step, counts in state["confusions"]]

    def _of_classes(self, step: int) -> dict[str, Any]:
        if not self._counts:
            return {}
        counts = torch.stack(self._counts).sum(0)
        shares = counts
        if len(counts) == counts.shape[1] and counts.shape[1] <= _MOST_CLASSES:
            shares = torch.stack([counts.sum(1), counts.sum(0)])
            self.confusions.append((step, counts.int().cpu()))
            if len(self.confusions) > _MOST_FRAMES:
                del self.confusions[1:-1:2]
        surest, is_right = map(torch.cat, zip(*self._surest, strict=True))
        self._counts, self._surest = [], []
        true, predicted = (shares / shares.sum(1, keepdim=True)).tolist()
        mistakes = {"mistakes": int((~is_right).sum()), "sure_mistakes": sure_mistakes(surest, is_right)}
        return {"true_shares": true, "predicted_shares": predicted, **mistakes}


def _memory(device: torch.device) -> float:
    if device.type != "cuda":
        return math.nan
    return torch.cuda.max_memory_reserved(device) / torch.cuda.get_device_properties(device).total_memory
