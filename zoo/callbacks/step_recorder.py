"""Which steps of training are looked at, and what is recorded of one."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from zoo.callbacks.layer_figures import LayerFigures
from zoo.diagnosis.recorded import Step

_HISTOGRAMS = 12  # layers that have them
_VALUES = 2**11  # of a layer, that they are made of


class Recorded(NamedTuple):
    """What a step has shown.

    Attributes:
        step: its figures.
        weights: some values of each of a few layers, where histograms are due; empty otherwise.
        gradients: of the same layers.
    """

    step: Step
    weights: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]


def is_due(step: int, *, every: int) -> bool:
    """Whether a step is looked at: each `every`th, and before the first of these steps 0, 1, 2, 4, 8, 16 ...

    Args:
        step: optimizer steps of the run before it.
        every: steps from one that is looked at to the next.
    """
    return step % every == 0 or (step < every and step & (step - 1) == 0)


def has_histograms(step: int, *, every: int) -> bool:
    """Whether a step that is looked at has histograms: as 0, `every`, twice, four times, eight times `every`."""
    count, rest = divmod(step, every)
    return rest == 0 and count & (count - 1) == 0


class StepRecorder:
    """Looks at one step of training.

    Args:
        trainer: what trains.
        task: what is trained; its `model` is looked at.
        every: steps from one that is looked at to the next.
    """

    def __init__(self, trainer: Trainer, task: LightningModule, *, every: int) -> None:
        self._figures = LayerFigures(task.model)  # type: ignore[arg-type]
        self._histograms = has_histograms(trainer.global_step, every=every)
        self._step, self._scaler = trainer.global_step, getattr(trainer.precision_plugin, "scaler", None)
        self._samples: tuple[dict[str, Tensor], dict[str, Tensor]] = {}, {}

    def gradients(self, optimizer: Optimizer) -> None:
        """Looks at the gradients that an optimizer is about to follow."""
        own = getattr(optimizer, "_step_supports_amp_scaling", False)  # then it takes the scale out itself, later
        scale = self._scaler.get_scale() if self._scaler is not None and own else 1.0
        self._figures.gradients(optimizer, scale=scale)
        if self._histograms:
            self._samples = self._figures.samples(_spread(self._figures.moving), limit=_VALUES)

    def finish(self, trainer: Trainer, outputs: Any) -> Recorded | None:
        """Takes the hooks off and reads what was seen; None where the step had no loss."""
        layers = self._figures.finish()
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is None:
            return None
        lr = max(group["lr"] for optimizer in trainer.optimizers for group in optimizer.param_groups)
        value = float(loss) * trainer.accumulate_grad_batches
        step = Step(self._step, trainer.current_epoch + 1, value, float(lr), layers)
        return Recorded(step, *self._samples)

    def remove(self) -> None:
        """Takes the hooks off."""
        self._figures.remove()


def _spread(names: list[str]) -> set[str]:
    places = torch.linspace(0, len(names) - 1, min(_HISTOGRAMS, len(names))).round().long().tolist()
    return {names[place] for place in places}
