"""Watches two networks that are trained against each other, and says at once where that goes wrong."""

import dataclasses
import math
import sys
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

from zoo.callbacks.run_record import config_of
from zoo.callbacks.verdict_text import log_verdict, plain_verdict
from zoo.diagnosis.adversarial import Observation, diagnose
from zoo.diagnosis.verdict import Verdict
from zoo.errors import TrainingStopped
from zoo.models.gan.pair import GAN
from zoo.ranges import NonNegativeInt

# Of validation, and of the batches of the epoch so far: what the figures of an observation are logged as.
_OF_VALIDATION = {"diversity": "val/diversity", "coverage": "val/reached", "likeness": "val/likeness"}
_OF_TRAINING = {
    "accuracy": "discriminator_accuracy",
    **{name: name for name in ("real_score", "fake_score", "generator_loss", "generator_gradient_norm")},
}


class AdversarialAlarms(Callback):
    """Sounds an alarm on the console, and in TensorBoard as `diagnosis`, where training goes wrong; each once in a run.

    Tasks that train one network are left alone.

    Args:
        warm_up: optimizer steps within which nothing is judged.

    Attributes:
        verdicts: the alarms so far; None before there was anything to judge.
    """

    def __init__(self, warm_up: NonNegativeInt = 500) -> None:
        self.warm_up = warm_up
        self.history: list[Observation] = []
        self.verdicts: list[Verdict] | None = None

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Looks at what the validation and the batches before it have shown."""
        if trainer.sanity_checking or trainer.state.fn != "fit" or not _is_watched(trainer, pl_module):
            return
        trained = pl_module.train_record.so_far()  # type: ignore[operator,union-attr]
        self.history.append(_observation(trainer, pl_module, trained))
        self.verdicts = self.verdicts or []
        known = {verdict.name for verdict in self.verdicts}
        for verdict in diagnose(self.history, config_of(trainer), warm_up=self.warm_up):
            if verdict.name not in known:
                self._sound(trainer, verdict)
                # A bar may stand in the line.
                tqdm.write(f"alarm: {verdict}", file=sys.stderr)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Keeps that the run was stopped where a number was not finite; its last line says so."""
        if not isinstance(exception, TrainingStopped) or not _is_watched(trainer, pl_module):
            return
        if "not finite" in exception.problem:
            step, epoch = trainer.global_step, trainer.current_epoch + 1
            self._sound(trainer, Verdict("not finite", exception.problem, (exception.remedy,), step, epoch))

    def _sound(self, trainer: Trainer, verdict: Verdict) -> None:
        self.verdicts = [*(self.verdicts or ()), verdict]
        log_verdict(trainer, verdict)

    def state_dict(self) -> dict[str, Any]:
        """Returns what was seen and said so far, as plain values."""
        said = None if self.verdicts is None else [plain_verdict(verdict) for verdict in self.verdicts]
        return {"history": [dataclasses.asdict(seen) for seen in self.history], "verdicts": said}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes back what was seen and said, so that a run that is resumed neither forgets nor repeats."""
        self.history = [Observation(**seen) for seen in state_dict["history"]]
        said = state_dict["verdicts"]
        self.verdicts = None if said is None else [Verdict(**verdict) for verdict in said]


def _is_watched(trainer: Trainer, task: LightningModule) -> bool:
    return trainer.is_global_zero and isinstance(getattr(task, "model", None), GAN)


def _observation(trainer: Trainer, task: Any, trained: Mapping[str, float]) -> Observation:
    logged = {name: float(value) for name, value in trainer.callback_metrics.items()}
    distance = logged.get(task.monitor, math.nan)
    return Observation(
        step=trainer.global_step,
        epoch=trainer.current_epoch + 1,
        distance=distance if task.monitor_mode == "min" else -distance,
        **{name: logged.get(key, math.nan) for name, key in _OF_VALIDATION.items()},
        **{name: trained.get(key, math.nan) for name, key in _OF_TRAINING.items()},
    )
