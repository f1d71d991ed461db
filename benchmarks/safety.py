"""What it costs that a run cannot be lost: a LeNet step with and without what watches over it.

One run whose epochs take turns, in the order with, without, without, with: the order of samples as a function of (seed,
epoch) against a plain permutation, the guard against NaN, the question whether a signal has come, and the SHA-256 of
the checkpoints (one each 50 steps) are on, then off. Every epoch is timed until its checkpoints are on the disk; the
ratio is that of the medians.

    python benchmarks/safety.py [--epochs 60]
"""

import argparse
import hashlib
import statistics
import tempfile
import time
from typing import Any

import torch
from lightning.pytorch import Callback

import zoo.checkpoint
from zoo.build import build
from zoo.callbacks.checkpoints import wait_for_checkpoints
from zoo.callbacks.stop_on_signal import StopOnSignal
from zoo.config.entry import compose
from zoo.optim.finite_guard import FiniteGuard

BATCHES = 100
BAR = 1.02
OPTIONS = [
    "data=synthetic_images",
    "data.in_channels=1",
    "data.image_size=28",
    f"data.source.num_samples={BATCHES * 128 * 10 // 9 + 10}",
    "data.source.num_test_samples=10",
    "data.batch_size=128",
    "model=lenet",
    "optimizer=sgd",
    "trainer=cpu",
    "trainer.limit_val_batches=0",
    "checkpoint.every_n_steps=50",
    "callbacks.console=null",
]


class NoGuard(FiniteGuard):
    """Looks at nothing."""

    def watch(self, *_: Any) -> None:
        """Does nothing."""

    def add_loss(self, *_: Any) -> None:
        """Does nothing."""

    def check(self, *_: Any, **__: Any) -> str:
        """Finds everything well."""
        return ""


class NoHash:
    """Hashes nothing."""

    def update(self, data: Any) -> None:
        """Does nothing."""

    def hexdigest(self) -> str:
        """Returns what looks like a hash."""
        return "0" * 64


class Turns(Callback):
    """Switches what watches over the run on and off, and times each epoch."""

    def __init__(self) -> None:
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.on, self.started = True, 0.0
        self.parts: tuple[Any, ...] | None = None

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Takes the next turn."""
        if self.parts is None:
            stop = next(callback for callback in trainer.callbacks if isinstance(callback, StopOnSignal))
            order = trainer.datamodule._order
            self.parts = pl_module.guard, stop, order, order.rows, stop.on_train_batch_start
        guard, stop, order, rows, poll = self.parts
        self.on = trainer.current_epoch % 4 in (0, 3)
        pl_module.guard = guard if self.on else NoGuard()
        stop.on_train_batch_start = poll if self.on else None
        order.rows = rows if self.on else lambda: torch.randperm(len(order))
        zoo.checkpoint.hashlib.sha256 = SHA256 if self.on else NoHash  # type: ignore[attr-defined]
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Notes the time."""
        wait_for_checkpoints(trainer)
        if trainer.current_epoch >= 4:
            self.seconds[self.on].append(time.perf_counter() - self.started)


SHA256 = hashlib.sha256


def main() -> None:
    """Prints microseconds a step with and without, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=60)
    arguments = parser.parse_args()
    turns = Turns()
    with tempfile.TemporaryDirectory() as directory:
        options = [*OPTIONS, f"trainer.max_epochs={arguments.epochs}", f"output_dir={directory}/run"]
        run = build(compose(options), started=time.perf_counter())
        run.trainer.callbacks.append(turns)  # type: ignore[attr-defined]
        run.trainer.fit(run.task, datamodule=run.data)
    with_it, without = (statistics.median(turns.seconds[on]) / BATCHES for on in (True, False))
    ratio = with_it / without
    print(f"LeNet: {with_it * 1e6:.0f} us a step with, {without * 1e6:.0f} without, ratio: {ratio:.3f} (bar {BAR})")


if __name__ == "__main__":
    main()
