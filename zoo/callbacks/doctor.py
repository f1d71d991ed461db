"""Looks at a run while it trains, and says in words what goes wrong: `zoo.diagnosis.recorded` tells how."""

import dataclasses
import sys
from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from tqdm import tqdm

from zoo.callbacks.doctor_page import DoctorPage
from zoo.callbacks.effective_rank import effective_ranks
from zoo.callbacks.history_state import packed, unpacked
from zoo.callbacks.run_record import config_of
from zoo.callbacks.step_recorder import StepRecorder, is_due
from zoo.callbacks.validation_recorder import ValidationRecorder
from zoo.callbacks.verdict_text import log_verdict, plain_verdict
from zoo.diagnosis.doctor import diagnose
from zoo.diagnosis.recorded import LATEST, Facts, History, Validation
from zoo.diagnosis.verdict import Verdict
from zoo.errors import TrainingStopped
from zoo.models.gan.pair import GAN
from zoo.ranges import PositiveInt


class Doctor(Callback):
    """Says on the console, and in TensorBoard as `diagnosis`, what goes wrong; each once in a run.

    Layers are looked at in few steps, which follow from their number alone, so that a resumed run looks at the same
    ones. Left alone are two networks that are trained against each other, which have alarms of their own, a network
    that lies in parts on several devices, and trial runs of one batch.

    Args:
        every_n_steps: optimizer steps from one that is looked at to the next; at the start they come closer.

    Attributes:
        history: what was recorded so far.
        verdicts: what was said so far; None before there was anything to judge.
        effective_ranks: of layers, as shares of the full rank, by name; empty until training has ended.
    """

    def __init__(self, every_n_steps: PositiveInt = 50) -> None:
        self.every_n_steps = every_n_steps
        self.history = History()
        self.verdicts: list[Verdict] | None = None
        self.effective_ranks: dict[str, float] = {}
        self._validation, self._page = ValidationRecorder(), DoctorPage()
        self._watching: StepRecorder | None = None
        self._knows_data = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes what is known before the first step; hooks of runs that are not watched switch themselves off."""
        if not _is_watched(trainer, pl_module):
            self.on_train_batch_start = self.on_train_batch_end = None  # type: ignore[assignment,method-assign]
            return
        if not self.history.steps:
            self.history.facts = _facts(trainer)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clocks."""
        self._validation.start_clocks()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Notes how long the batch was waited for, and puts hooks on the model where its step is looked at."""
        self._validation.begin_batch()
        if is_due(trainer.global_step, every=self.every_n_steps) and _ends_step(trainer, batch_idx):
            self._watching = StepRecorder(trainer, pl_module, every=self.every_n_steps)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """Looks at the gradients."""
        if self._watching is not None:
            self._watching.gradients(optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss, and reads the figures of a step that was looked at."""
        if self._watching is not None:
            recorded, self._watching = self._watching.finish(trainer, outputs), None
            if recorded is not None:
                self.history.add(recorded.step)
                self._page.add_step(trainer, recorded)
        self._validation.end_batch(outputs)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stops the clocks."""
        self._validation.stop_clocks()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, *_: Any, **__: Any
    ) -> None:
        """Keeps what a batch was taken for."""
        if _is_watched(trainer, pl_module):
            self._validation.add(outputs)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Asks what the run so far tells, and says what it did not say before."""
        if trainer.sanity_checking or not _is_watched(trainer, pl_module):
            return
        if not self._knows_data:
            self._look_at_data(trainer)
        self._add(self._validation.finish(trainer, pl_module))
        self._page.add_validation(trainer, self.history.validations[-1])
        self._judge(trainer)
        if self._page.is_due():
            self._page.draw(trainer, self.history, self._validation.confusions)
        self._validation.start_clocks()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measures the rank of the weights, and draws what was recorded."""
        if _is_watched(trainer, pl_module) and self.history.steps:
            self.effective_ranks = effective_ranks(pl_module.model)  # type: ignore[arg-type]
            self._page.draw(trainer, self.history, self._validation.confusions, ranks=self.effective_ranks)
            if self.verdicts == []:
                self._page.say_nothing(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Takes the hooks off, and says why a loss was not finite, where the data are not to blame."""
        if self._watching is not None:
            self._watching.remove()
            self._watching = None
        where = getattr(pl_module, "lr_option", None)
        if isinstance(exception, TrainingStopped) and exception.where == where and _is_watched(trainer, pl_module):
            self.history.not_finite = exception.problem
            losses = self._validation.losses(trainer)
            self._add(Validation(trainer.global_step, trainer.current_epoch + 1, losses=losses))
            self._judge(trainer)

    def _add(self, validation: Validation) -> None:
        """Takes a validation in; shares of classes are kept of the latest alone, which verdicts read."""
        seen = self.history.validations
        seen.append(validation)
        if len(seen) > LATEST:
            seen[-LATEST - 1] = dataclasses.replace(seen[-LATEST - 1], true_shares=(), predicted_shares=(), losses=())

    def _judge(self, trainer: Trainer) -> None:
        self.verdicts = self.verdicts or []
        known = [verdict.name for verdict in self.verdicts]
        for verdict in diagnose(self.history, config_of(trainer), known=known):
            self.verdicts.append(verdict)
            tqdm.write(f"doctor: {verdict}", file=sys.stderr)  # a bar may stand in the line
            log_verdict(trainer, verdict)

    def _look_at_data(self, trainer: Trainer) -> None:
        """Looks for samples that are in two splits; after the first validation, as no step waits for it there."""
        found, sizes = trainer.datamodule.duplicates()  # type: ignore[attr-defined]
        self.history.facts = dataclasses.replace(self.history.facts, duplicates=found, sizes=sizes)
        self._knows_data = True

    def state_dict(self) -> dict[str, Any]:
        """Returns what was recorded and said so far, as plain values and tensors."""
        said = None if self.verdicts is None else [plain_verdict(verdict) for verdict in self.verdicts]
        state = {"history": packed(self.history), "verdicts": said, "knows_data": self._knows_data}
        return {**state, "validation": self._validation.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what was recorded and said, so that a run that is resumed neither forgets nor repeats."""
        self.history, self._knows_data = unpacked(state_dict["history"]), state_dict["knows_data"]
        self._validation.load(state_dict["validation"])
        said = state_dict["verdicts"]
        self.verdicts = None if said is None else [Verdict(**verdict) for verdict in said]


def _is_watched(trainer: Trainer, task: LightningModule) -> bool:
    model = getattr(task, "model", None)
    is_one = isinstance(model, torch.nn.Module) and not isinstance(model, GAN)
    whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)  # the others have it in parts
    fits = trainer.state.fn == "fit" and not trainer.fast_dev_run  # type: ignore[attr-defined]
    return trainer.is_global_zero and is_one and whole and fits


def _ends_step(trainer: Trainer, batch_idx: int) -> bool:
    """Whether the optimizer takes a step after the batch."""
    batch, batches = batch_idx + 1, trainer.num_training_batches
    return batch % trainer.accumulate_grad_batches == 0 or batch == batches


def _facts(trainer: Trainer) -> Facts:
    config = config_of(trainer)
    starts_anew = not any(config.get(name) for name in ("pretrained", "init_from", "resume"))
    classes = config.get("data", {}).get("num_classes")
    criterion: Mapping[str, Any] = config.get("task", {}).get("criterion") or {}
    plain = str(criterion.get("_target_", "")).endswith(".CrossEntropy")
    return Facts(
        num_classes=classes if isinstance(classes, int) and plain else 0,
        untrained=starts_anew,
        overfits_batches=bool(getattr(trainer, "overfit_batches", 0)),
    )
