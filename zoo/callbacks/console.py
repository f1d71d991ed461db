"""What a run shows on the console: a bar while an epoch runs, a line when it is done."""

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from tqdm import tqdm

from zoo.ranges import PositiveInt


class Console(Callback):
    """Shows a progress bar on a terminal, and one line for each epoch everywhere.

    Args:
        every_n_epochs: epochs between two lines; the last one is always shown.
    """

    def __init__(self, every_n_epochs: PositiveInt = 1) -> None:
        self.every_n_epochs = every_n_epochs
        self._bar: Any = None
        self._pending: tuple[int, float] | None = None
        self._best: float | None = None
        self._validated = False
        if not sys.stderr.isatty():
            # Lightning skips a hook that is not callable, so that without a bar a step pays nothing for it.
            self.on_train_batch_end = None  # type: ignore[assignment,method-assign]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the line of the epoch before, whose metrics are complete only now, and starts a bar."""
        self._show_line(trainer, pl_module)
        self._pending = trainer.current_epoch, time.perf_counter()
        if trainer.is_global_zero and self.on_train_batch_end is not None:
            name, total = _epoch_of(trainer, trainer.current_epoch), int(trainer.num_training_batches)
            self._bar = tqdm(total=total, desc=name, unit=" steps", leave=False, mininterval=0.2)

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Moves the bar."""
        if self._bar is not None:
            self._bar.update()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes that the epoch's line has something to say of validation."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the last epoch's line."""
        self.every_n_epochs = 1
        self._show_line(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leaves the terminal clean for the message that follows."""
        self.on_train_epoch_end(trainer, pl_module)

    def _show_line(self, trainer: Trainer, pl_module: Any) -> None:
        if self._pending is None or not trainer.is_global_zero:
            return
        (epoch, started), self._pending = self._pending, None
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        validated, self._validated = self._validated, False
        better = validated and self._is_best(metrics.get(pl_module.monitor), pl_module.monitor_mode)
        if (epoch + 1) % self.every_n_epochs:
            return
        stages = ("train/", "val/") if validated else ("train/",)
        hidden = getattr(pl_module, "not_on_console", ())
        named = {name: value for name, value in metrics.items() if name.partition("/")[2] not in hidden}
        shown = [f"{name} {value:.4f}" for name, value in named.items() if name.startswith(stages)]
        seconds = time.perf_counter() - started
        line = f"{_epoch_of(trainer, epoch)}  {'  '.join(shown)}  {seconds:.1f} s"
        print(line + ("  *" if better else ""), file=sys.stderr, flush=True)

    def _is_best(self, value: float | None, mode: str) -> bool:
        if value is None:
            return False
        better = self._best is None or (value >= self._best if mode == "max" else value <= self._best)
        if better:
            self._best = value
        return better


def _epoch_of(trainer: Trainer, epoch: int) -> str:
    last = trainer.max_epochs or -1
    return f"epoch {epoch + 1:>{len(str(last))}}/{last}" if last > 0 else f"epoch {epoch + 1}"
