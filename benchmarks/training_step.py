"""The training step of the zoo, all services on, against a bare hand-written loop on the same network.

Both sides take turns in one process, so that a machine whose speed drifts slows both. The bare loop is the strongest
that is usually written by hand: images normalised once and held as floats, an epoch's order by `randperm`, batches
indexed whole, default memory layout, the same optimizer class with its default implementation, nothing logged. The zoo's
side is `zoo.build` with its default callbacks and loggers, fed uint8 images that it normalises batch by batch.

    python benchmarks/training_step.py [--only mlp|lenet|resnet] [--rounds 5]
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from zoo.build import build
from zoo.config.entry import compose


@dataclass
class Case:
    """One comparison.

    Attributes:
        model: overrides that choose the network.
        image: channels, height and width.
        threads: threads of torch.
        clock: what is measured.
        batches: batches an epoch; the zoo's first epoch is not counted.
        bar: the ratio to reach.
        optimizer: the optimizer of both sides.
    """

    model: list[str]
    image: tuple[int, int, int]
    threads: int
    clock: Callable[[], float]
    batches: int
    bar: float
    optimizer: str = "sgd"


CASES = {
    "mlp": Case(["model=mlp", "model.hidden_sizes=[64,128,64]"], (1, 28, 28), 1, time.process_time, 200, 0.80),
    "lenet": Case(["model=lenet"], (1, 28, 28), 2, time.perf_counter, 100, 0.95),
    "resnet": Case(["model=resnet_small"], (3, 32, 32), 2, time.perf_counter, 4, 1.20),
}
BATCH_SIZE = 128
EPOCHS = 2  # counted


class Timer(Callback):
    """Seconds a step from the start of an epoch to the end of its last batch, without the first epoch."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self.seconds, self.steps, self.started = clock, 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Starts the clock."""
        self.started = self.clock()

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Stops the clock."""
        if trainer.current_epoch > 0:
            self.seconds += self.clock() - self.started
            self.steps += trainer.num_training_batches


def zoo_seconds(case: Case) -> tuple[float, nn.Module, dict[str, Any]]:
    """Seconds a step of the zoo, the network it trained (for the other side to copy) and its optimizer's settings."""
    channels, height, width = case.image
    with tempfile.TemporaryDirectory() as directory:
        samples = case.batches * BATCH_SIZE
        cfg = compose(
            [
                "data=synthetic_images",
                f"data.in_channels={channels}",
                f"data.image_size=[{height},{width}]",
                f"data.source.num_samples={samples * 10 // 9 + 10}",
                f"data.batch_size={BATCH_SIZE}",
                f"optimizer={case.optimizer}",
                f"output_dir={directory}/run",
                f"trainer.max_epochs={EPOCHS + 1}",
                "trainer.limit_val_batches=0",
                f"trainer.limit_train_batches={case.batches}",
                "callbacks.console=null",
                "trainer=cpu",
                *case.model,
            ]
        )
        run = build(cfg, started=time.perf_counter())
        timer = Timer(case.clock)
        run.trainer.callbacks.append(timer)  # type: ignore[attr-defined]
        run.trainer.fit(run.task, datamodule=run.data)
        settings = dict(run.task.make_optimizer.keywords)  # type: ignore[attr-defined]
    return timer.seconds / timer.steps, run.task.model, settings


def bare_seconds(case: Case, model: nn.Module, make_optimizer: Callable[..., Any]) -> float:
    """Seconds a step of the bare loop."""
    channels, height, width = case.image
    samples = case.batches * BATCH_SIZE
    images = torch.rand(samples, channels, height, width)
    targets = torch.randint(0, 10, (samples,))
    model = model.to(memory_format=torch.contiguous_format).train()
    optimizer = make_optimizer(model.parameters())
    criterion = nn.CrossEntropyLoss()
    started = 0.0
    for epoch in range(EPOCHS + 1):
        if epoch == 1:
            started = case.clock()
        order: Tensor = torch.randperm(samples)
        for indices in order.split(BATCH_SIZE):
            loss = criterion(model(images[indices]), targets[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return (case.clock() - started) / (EPOCHS * case.batches)


def main() -> None:
    """Prints microseconds a step of both sides and their ratio for each case."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for name in [arguments.only] if arguments.only else CASES:
        case = CASES[name]
        torch.set_num_threads(case.threads)
        zoo, bare = [], []
        for _ in range(arguments.rounds):
            seconds, model, settings = zoo_seconds(case)
            zoo.append(seconds)
            bare.append(bare_seconds(case, model, lambda parameters, s=settings: torch.optim.SGD(parameters, **s)))
        ratios = [b / z for b, z in zip(bare, zoo, strict=True)]
        print(
            f"{name}: zoo {statistics.median(zoo) * 1e6:.0f} us, bare {statistics.median(bare) * 1e6:.0f} us a step, "
            f"ratio: {statistics.median(ratios):.2f} (from {min(ratios):.2f} to {max(ratios):.2f}; bar {case.bar})"
        )


if __name__ == "__main__":
    main()
