"""The training step of the zoo, all services on, against a bare hand-written loop on the same network.

The sides take turns in two processes. The bare loop is the strongest that is usually written by hand: images
normalised once and held as floats, an epoch's order by `randperm`, batches indexed whole, default memory layout,
default implementation of the optimizer, nothing logged. The zoo's side is `zoo.build` with its default callbacks and
loggers, fed uint8 images that it normalises batch by batch; a step is what passes between the start of an epoch and the
end of its last batch, without validation and the saving of checkpoints, which come once an epoch.

    python benchmarks/training_step.py [--only mlp|mlp-sgd|lenet|resnet] [--rounds 5]
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from hydra.utils import instantiate
from interleaved import compare_chosen, seconds_a_step
from torch import Tensor, nn

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


MLP = ["model=mlp", "model.hidden_sizes=[64,128,64]"]
CASES = {
    "mlp": Case(MLP, (1, 28, 28), 1, time.process_time, 200, 0.80, optimizer="adamw"),
    "mlp-sgd": Case(MLP, (1, 28, 28), 1, time.process_time, 200, 0.80),
    "lenet": Case(["model=lenet"], (1, 28, 28), 2, time.perf_counter, 100, 0.95),
    "resnet": Case(["model=resnet_small"], (3, 32, 32), 2, time.perf_counter, 6, 1.20),
}
BATCH_SIZE = 128
EPOCHS = 2  # counted


def config(case: Case, directory: str) -> Any:
    """The config of both sides."""
    channels, height, width = case.image
    return compose(
        [
            "data=synthetic_images",
            f"data.in_channels={channels}",
            f"data.image_size=[{height},{width}]",
            f"data.source.num_samples={case.batches * BATCH_SIZE * 10 // 9 + 10}",
            f"data.batch_size={BATCH_SIZE}",
            f"optimizer={case.optimizer}",
            f"output_dir={directory}/run",
            f"trainer.max_epochs={EPOCHS + 1}",
            "trainer.limit_val_batches=0",
            f"trainer.limit_train_batches={case.batches}",
            "trainer=cpu",
            *case.model,
        ]
    )


def zoo_seconds(name: str) -> float:
    """Seconds a step of the zoo."""
    case = CASES[name]
    torch.set_num_threads(case.threads)
    with tempfile.TemporaryDirectory() as directory:
        return seconds_a_step(config(case, directory), case.clock)


def bare_seconds(name: str) -> float:
    """Seconds a step of the bare loop."""
    case = CASES[name]
    torch.set_num_threads(case.threads)
    cfg = config(case, "")
    model = instantiate(cfg.model)
    optimizer = instantiate(cfg.optimizer)(model.parameters())
    criterion = nn.CrossEntropyLoss()
    samples = case.batches * BATCH_SIZE
    images = torch.rand(samples, *case.image)
    targets = torch.randint(0, 10, (samples,))
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


if __name__ == "__main__":
    compare_chosen(__doc__, bare_seconds, zoo_seconds, {name: case.bar for name, case in CASES.items()})
