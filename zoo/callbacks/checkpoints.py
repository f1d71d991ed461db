"""The two checkpoints of a run: the best by a monitored metric, and the last.

They are two callbacks, because Lightning's `save_last` is not always the last.
"""

from pathlib import Path
from typing import Any, Literal

import torch
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
        if current is not None and self.best_model_score is not None and torch.equal(current, self.best_model_score):
            return True
        return super().check_monitor_top_k(trainer, current)


class LastCheckpoint(ModelCheckpoint):
    """Keeps `last.ckpt`, the newest state of the run.

    Args:
        dirpath: folder of the checkpoints.
        every_n_steps: optimizer steps between two saves within an epoch; None saves at the end of each epoch.
    """

    def __init__(self, dirpath: str | Path, *, every_n_steps: PositiveInt | None = None) -> None:
        options: dict[str, Any] = {"every_n_train_steps": every_n_steps} if every_n_steps else {"every_n_epochs": 1}
        options |= {"enable_version_counter": False, "save_on_train_epoch_end": True}
        super().__init__(dirpath, filename="last", **options)
        if every_n_steps is None:
            self.on_train_batch_end = None  # type: ignore[assignment,method-assign]
