"""What freezing saves: an epoch of a linear probe on cached features, and a step that trains the head alone.

Two runs take turns, epoch by epoch, on one machine and in one process: MobileNetV2 on made-up images of 96x96 pixels.
The first comparison is a linear probe with features that were computed once against one that computes them in each
epoch; validation is in neither. The second is that epoch of a linear probe without a cache against one of full
fine-tuning.

    python benchmarks/finetuning.py [--rounds 3]
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from zoo.build import Run, build
from zoo.config.entry import compose
from zoo.config.run_directory import release_run_directory

OPTIONS = [
    *("data=synthetic_images", "data.source.num_samples=288", "data.source.num_test_samples=16", "data.image_size=96"),
    *("data.batch_size=32", "model=torchvision", "model.name=mobilenet_v2", "trainer=cpu", "trainer.max_epochs=1000"),
]
CASES = {
    "cached": ["finetune=linear_probe"],
    "head only": ["finetune=linear_probe", "finetune.cache_features=false"],
    "full": ["finetune=full"],
}


class Epochs:
    """A run that can be trained epoch by epoch.

    Args:
        folder: where it may write.
        options: beside those of all cases.
    """

    def __init__(self, folder: Path, options: list[str]) -> None:
        cfg = compose([*OPTIONS, *options, f"output_dir={folder}", "trainer.limit_val_batches=0"])
        cfg.callbacks, cfg.logger = {}, {}
        self.run: Run = build(cfg, started=0.0)
        release_run_directory()

    def seconds(self) -> float:
        """Trains one more epoch and returns the time from its first batch to the end of its last."""
        trainer: Any = self.run.trainer
        trainer.fit_loop.max_epochs = trainer.current_epoch + 1
        timer = _Timer()
        trainer.callbacks = [timer]
        trainer.fit(self.run.task, datamodule=self.run.training_data)
        return timer.seconds


class _Timer(Callback):
    """Times an epoch."""

    def __init__(self) -> None:
        self.started, self.seconds = 0.0, 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self.started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stops it."""
        self.seconds = time.perf_counter() - self.started


def main() -> None:
    """Prints the seconds of an epoch of each case, and both ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    quiet = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(quiet),
        contextlib.redirect_stderr(quiet),
    ):
        cases = {name: Epochs(Path(folder, name.replace(" ", "_")), options) for name, options in CASES.items()}
        turns = [{name: case.seconds() for name, case in cases.items()} for _ in range(rounds + 1)][1:]
    for name in CASES:
        print(f"{name}: {statistics.median(turn[name] for turn in turns):.3f} s an epoch")
    faster = statistics.median(turn["head only"] / turn["cached"] for turn in turns)
    share = statistics.median(turn["head only"] / turn["full"] for turn in turns)
    print(f"linear probe, epoch without cache against with: ratio: {faster:.1f} (bar 10)")
    print(f"step of the head alone against full fine-tuning: ratio: {share:.2f} (bar 0.45)")


if __name__ == "__main__":
    main()
