"""What TensorBoard shows of the doctor's record: few curves, a few histograms, and pictures of layers over time.

Curves and pictures have the prefix `doctor`, histograms `weights` and `gradients`, the gap to validation
`generalisation`, and verdicts are the text `diagnosis`.
"""

import math
import time
from collections.abc import Mapping, Sequence
from statistics import median

from lightning.pytorch import Trainer
from torch import Tensor

from zoo.callbacks import doctor_pictures
from zoo.callbacks.examples import shows
from zoo.callbacks.step_recorder import Recorded
from zoo.callbacks.tensorboard import TensorBoard
from zoo.diagnosis.recorded import History, Validation, known

_FIRST_PICTURES = 120.0  # seconds of a run; the next ones come after twice the time, and so on
_MOST_PENDING = 32  # steps that are kept until they are written


class DoctorPage:
    """Writes to the TensorBoard of a run, where it has one."""

    def __init__(self) -> None:
        self._started, self._wait = time.monotonic(), _FIRST_PICTURES
        self._pending: list[Recorded] = []

    def add_step(self, trainer: Trainer, recorded: Recorded) -> None:
        """Takes in what a step has shown, which is written when training pauses: no step waits for it."""
        self._pending.append(recorded)
        if len(self._pending) >= _MOST_PENDING:
            self._write_steps(trainer)

    def _write_steps(self, trainer: Trainer) -> None:
        for recorded in self._pending:
            self._write_step(trainer, recorded)
        self._pending = []

    def _write_step(self, trainer: Trainer, recorded: Recorded) -> None:
        """Adds the points of a step to the curves, and its histograms."""
        step = recorded.step.step
        norms, ratios = (known(recorded.step, figure) for figure in ("gradient_norm", "update_ratio"))
        for logger in _pages(trainer):
            if norms:
                logger.log_metrics({"doctor/gradient_norm": math.hypot(*norms)}, step)
            if ratios:
                logger.log_metrics({"doctor/update_to_weight_ratio": median(ratios)}, step)
            for prefix, values in (("weights", recorded.weights), ("gradients", recorded.gradients)):
                for name, some in values.items():
                    logger.log_histogram(f"{prefix}/{name}", some.numpy(), step)

    def add_validation(self, trainer: Trainer, seen: Validation) -> None:
        """Adds the gap between training and validation, and the share of time spent waiting for data."""
        self._write_steps(trainer)
        points = {"generalisation/loss_gap": seen.val_loss - seen.train_loss, "doctor/waiting_for_data": seen.waiting}
        for logger in _pages(trainer):
            logger.log_metrics({name: value for name, value in points.items() if not math.isnan(value)}, seen.step)

    def is_due(self) -> bool:
        """Whether it is time for pictures while training goes on."""
        if time.monotonic() - self._started < self._wait:
            return False
        self._wait *= 2
        return True

    def draw(
        self,
        trainer: Trainer,
        history: History,
        confusions: Sequence[tuple[int, Tensor]],
        *,
        ranks: Mapping[str, float] | None = None,
    ) -> None:
        """Draws all there is to draw.

        Args:
            trainer: whose loggers the pictures go to.
            history: what was recorded.
            confusions: how often each class was taken for each, (K, K), with the step it was.
            ranks: effective ranks by layer; None before training has ended.
        """
        self._write_steps(trainer)
        if not shows(trainer):
            return
        names = [str(name) for name in getattr(trainer.datamodule, "class_names", ())]  # type: ignore[attr-defined]
        pictures = {
            "gradient_flow": doctor_pictures.gradient_flow(history.steps),
            "activations": doctor_pictures.activations(history.steps),
            "confusion_over_time": doctor_pictures.confusion_over_time(confusions, names),
            "effective_rank": doctor_pictures.effective_rank(ranks or {}),
        }
        for logger in _pages(trainer):
            for name, picture in pictures.items():
                if picture is not None:
                    logger.log_image(f"train/doctor/{name}", picture, trainer.global_step)

    def say_nothing(self, trainer: Trainer) -> None:
        """Says that nothing was found."""
        for logger in _pages(trainer):
            logger.log_text("diagnosis", "Nothing was found to be wrong.", trainer.global_step)


def _pages(trainer: Trainer) -> list[TensorBoard]:
    return [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
