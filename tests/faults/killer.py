"""Ends a run at one chosen moment, as a machine that loses its power would; or does something else to it there."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import lightning
import torch


class Killer(lightning.Callback):
    """Sends this process a signal the first time that a hook is reached; a file remembers that it was done.

    Args:
        done: the file.
        hook: name of the hook.
        count: which call of it, counted from 1.
        number: of the signal.
    """

    def __init__(self, done: str, *, hook: str, count: int = 1, number: int = signal.SIGKILL) -> None:
        self.done, self.left, self.number = Path(done), count, number
        if not self.done.exists():
            setattr(self, hook, self._strike)

    def _strike(self, *_: Any, **__: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.done.touch()
            os.kill(os.getpid(), self.number)


class Poison(lightning.Callback):
    """Puts NaN where it is told to.

    Args:
        what: "input" or "loss" of a batch, "gradient", or "validation" metrics.
        step: number of the batch, counted from 1 over all epochs, or of the validation.
        length: how many in a row.
    """

    def __init__(self, what: str, *, step: int = 1, length: int = 1) -> None:
        self.what, self.step, self.length, self.count = what, step, length, 0

    def _now(self) -> bool:
        self.count += 1
        return self.step <= self.count < self.step + self.length

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.what == "input" and self._now():
            batch["input"][3, 0] = float("nan")

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        if self.what == "gradient" and self._now():
            next(iter(pl_module.model.parameters())).grad.view(-1)[0] = float("inf")

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        if self.what == "loss":
            pl_module.criterion.register_forward_hook(self._spoil)

    def _spoil(self, module: torch.nn.Module, inputs: Any, loss: torch.Tensor) -> torch.Tensor:
        return loss * float("inf") if torch.is_grad_enabled() and self._now() else loss

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.what == "validation" and batch_idx == 0 and self._now():
            batch["input"].fill_(float("nan"))


class Slow(lightning.Callback):
    """Takes its time after each batch, so that a process outside can act within it."""

    def on_train_batch_end(self, *_: Any) -> None:
        time.sleep(0.15)


class Sleeper(lightning.Callback):
    """Says so and sleeps in the middle of a batch."""

    def on_train_batch_end(self, *_: Any) -> None:
        print("asleep", flush=True)
        time.sleep(30)
