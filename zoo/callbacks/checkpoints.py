"""The checkpoints of a run: the last states of it, and the best weights by a monitored metric.

Both are saved only where a run can go on exactly: between two batches, before a validation, or at the end. So they are
no Lightning ModelCheckpoint, which saves in the middle of the hooks of an epoch's end. Both come before all other
callbacks, since an average of weights takes the place of the raw ones at the end.
"""

import math
import shutil
import time
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from zoo.checkpoint import UnreadableFileError, verify
from zoo.errors import OptionError, StorageError, TrainingStopped
from zoo.files import remove_leftovers
from zoo.optim.finite_guard import not_finite
from zoo.ranges import AtLeastTwo, PositiveFloat, PositiveInt


class BestCheckpoint(Callback):
    """Keeps `best.ckpt`, the weights of the best validation.

    Among equals the later one is kept: small validation splits often tie, and later epochs have a lower learning rate.
    A validation in which any metric is not finite is never the best.
    A metric of validation that is not logged ends the run, where its name could not be judged before.

    Args:
        dirpath: folder of the checkpoints.
        monitor: logged name of the metric.
        mode: whether more (`max`) or less (`min`) is better.
    """

    def __init__(self, dirpath: str | Path, *, monitor: str, mode: Literal["min", "max"]) -> None:
        self.path, self.monitor, self.mode = Path(dirpath) / "best.ckpt", monitor, mode
        self.best_model_path = ""
        self.best_model_score: float | None = None
        self._switch_off()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes that this validation is the best, if it is; its weights are saved before they change."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        value = trainer.callback_metrics.get(self.monitor)
        if value is None and metrics and self.monitor.startswith("val/"):
            problem = f"{self.monitor} is logged by nothing"
            raise OptionError("task.monitor", problem, f"set one of {', '.join(metrics)}")
        if value is None or not all(math.isfinite(number) for number in (*metrics.values(), float(value))):
            return
        score, best = float(value), self.best_model_score
        if best is None or (score >= best if self.mode == "max" else score <= best):
            self.best_model_score, self.best_model_path = score, str(self.path)
            # Lightning skips a hook that is not callable: only now does a step pay for it.
            self.__dict__.pop("on_train_batch_start", None)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forgets, where a run is resumed, a best checkpoint that is damaged or gone."""
        if not self.best_model_path:
            return
        try:
            verify(self.path)
        except (OSError, UnreadableFileError) as error:
            print(f"{self.path}: {error}; the best from here on takes its place")
            self.best_model_path, self.best_model_score = "", None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what the validation at the end of the last epoch found best."""
        self._save(trainer)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """Saves what a validation within an epoch found best."""
        self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves what the last validation found best."""
        self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if self.on_train_batch_start is not None:
            self._switch_off()
            trainer.save_checkpoint(self.path)

    def _switch_off(self) -> None:
        self.on_train_batch_start = None  # type: ignore[assignment,method-assign]

    def state_dict(self) -> dict[str, Any]:
        """Returns the best score so far."""
        return {"best_model_score": self.best_model_score, "best_model_path": self.best_model_path}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the best score of a run that is resumed; the file lies in its own folder."""
        self.best_model_score = state_dict["best_model_score"]
        self.best_model_path = str(self.path) if state_dict["best_model_path"] else ""


class LastCheckpoint(Callback):
    """Keeps `last.ckpt`, the newest state of the run, and the ones before it as `last-1.ckpt` and so on.

    A state is saved before each validation, at the end of an epoch without one, at the end of the run, and as often
    within an epoch as is asked.

    Args:
        dirpath: folder of the checkpoints.
        every_n_steps: optimizer steps between two saves within an epoch; None for none.
        every_minutes: minutes between two saves within an epoch; None for none.
        keep: how many states are kept.
    """

    def __init__(
        self,
        dirpath: str | Path,
        *,
        every_n_steps: PositiveInt | None = None,
        every_minutes: PositiveFloat | None = None,
        keep: AtLeastTwo = 2,
    ) -> None:
        self.path, self.keep = Path(dirpath) / "last.ckpt", keep
        self.every_n_steps, self.every_minutes = every_n_steps, every_minutes
        self._step = self._batches = 0  # of the newest save
        self._time = 0.0
        self._constants: set[str] = set()  # that are not finite, such as masks of minus infinity
        if every_n_steps is None and every_minutes is None:
            self.on_train_batch_start = None  # type: ignore[assignment,method-assign]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Says how many files are kept."""
        if hasattr(trainer.strategy.checkpoint_io, "keep"):
            trainer.strategy.checkpoint_io.keep[self.path.name] = self.keep

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cleans up after a run that was killed, and looks for the room that checkpoints take.

        Raises:
            StorageError: there is too little.
        """
        self._note(trainer)
        self._constants = {name for name, _ in pl_module.named_buffers()}.intersection(not_finite(pl_module))
        if trainer.is_global_zero:
            remove_leftovers(self.path.parent)
            self._check_free_space(trainer, pl_module)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the state after an epoch that had no validation."""
        self._save_if_new(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Saves where steps or minutes say so, just after an optimizer step."""
        if trainer.global_step == self._step:
            return
        due = self.every_n_steps is not None and trainer.global_step % self.every_n_steps == 0
        if not due and self.every_minutes is not None:
            due = time.monotonic() - self._time >= 60 * self.every_minutes
            if trainer.world_size > 1:
                due = trainer.strategy.reduce_boolean_decision(due, all=False)
        if due:
            self.save(trainer, pl_module)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the state that is validated, so that neither a kill nor a signal in a long validation loses it."""
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._save_if_new(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves the end of the run, and waits until it is on the disk."""
        self.save(trainer, pl_module, wait=True)

    def save(self, trainer: Trainer, pl_module: LightningModule, *, wait: bool = False) -> Path:
        """Saves the state of the run now.

        Args:
            trainer: the trainer, between two batches.
            pl_module: the task.
            wait: whether to wait until it is on the disk.

        Raises:
            TrainingStopped: the weights are not finite; what was saved before stays.
            StorageError: it could not be written; what was saved before stays.
        """
        if bad := [name for name in not_finite(pl_module) if name not in self._constants]:
            problem = f"the weights ({bad[0]}) are no longer finite after step {trainer.global_step}, and are not saved"
            raise TrainingStopped("optimizer.lr", problem, "lower it, or set trainer.gradient_clip_val=1")
        trainer.save_checkpoint(self.path)
        self._note(trainer)
        if wait:
            wait_for_checkpoints(trainer)
        return self.path

    def _save_if_new(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if _batches(trainer) != self._batches:
            self.save(trainer, pl_module)

    def _note(self, trainer: Trainer) -> None:
        self._step, self._batches, self._time = trainer.global_step, _batches(trainer), time.monotonic()

    def _check_free_space(self, trainer: Trainer, pl_module: LightningModule) -> None:
        weights = sum(t.numel() * t.element_size() for t in pl_module.state_dict().values())
        copies = 1 + max((_states(optimizer.defaults) for optimizer in trainer.optimizers), default=0)
        there = [path.stat().st_size for path in self.path.parent.glob("*.ckpt")]
        needed = (self.keep + 2) * copies * weights - sum(there)  # with the best, and one that is being written
        free = shutil.disk_usage(_existing(self.path.parent)).free
        if free < needed:
            problem = f"{free / 2**20:.0f} MB are free, but its checkpoints take about {needed / 2**20:.0f} MB more"
            raise StorageError(str(self.path.parent), problem, "make room, or choose another output_dir")


def wait_for_checkpoints(trainer: Trainer) -> None:
    """Waits until what was saved is on the disk.

    Raises:
        StorageError: it could not be written.
    """
    wait = getattr(trainer.strategy.checkpoint_io, "wait", None)
    if wait is not None:
        wait()


def _batches(trainer: Trainer) -> int:
    """Batches that the run has trained on."""
    counters: Any = trainer.fit_loop.epoch_loop.batch_progress.total
    return int(counters.processed)


def _states(defaults: dict[str, Any]) -> int:
    """Numbers that an optimizer keeps for each weight, as far as its options tell."""
    return 2 if "betas" in defaults else int(bool(defaults.get("momentum")))


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
