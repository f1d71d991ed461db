"""The two checkpoints of a run: the best by a monitored metric, and the last.

They are two callbacks, because Lightning's `save_last` is not always the last.
"""

from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from zoo.ranges import PositiveInt


class BestCheckpoint(ModelCheckpoint):
    """Keeps `best.ckpt`, the weights of the best validation.

    Among equals the later one is kept: small validation splits often tie, and later epochs have a lower learning rate.

    Args:
        dirpath: folder of the checkpoints.
        monitor: logged name of the metric.
        mode: whether more (`max`) or less (`min`) is better.
    """

    def __init__(self, dirpath: str | Path, *, monitor: str, mode: Literal["min", "max"]) -> None:
        super().__init__(dirpath, filename="best", monitor=monitor, mode=mode, enable_version_counter=False)
        self.on_train_batch_end = None  # type: ignore[assignment,method-assign]  # it saves after validation alone

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether a validation is at least as good as the best so far."""
        best = self.best_model_score
        if current is not None and best is not None and float(current) == float(best):
            return True
        return super().check_monitor_top_k(trainer, current)


class LastCheckpoint(ModelCheckpoint):
    """Keeps `last.ckpt`, the newest state of the run: that of the last epoch's end, or a newer one within an epoch.

    Args:
        dirpath: folder of the checkpoints.
        every_n_steps: optimizer steps between two saves within an epoch; None saves at the end of each epoch alone.
    """

    def __init__(self, dirpath: str | Path, *, every_n_steps: PositiveInt | None = None) -> None:
        super().__init__(
            dirpath, filename="last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False
        )
        self.every_n_steps = every_n_steps
        if every_n_steps is None:
            self.on_train_batch_end = None  # type: ignore[assignment,method-assign]

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Saves where the number of steps says so; Lightning's own trigger would switch the one of epochs off."""
        assert self.every_n_steps is not None
        due = trainer.global_step > 0 and trainer.global_step % self.every_n_steps == 0
        if due and not self._should_skip_saving_checkpoint(trainer):
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))
