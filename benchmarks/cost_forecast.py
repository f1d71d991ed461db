"""How well a run's cost is forecast: the peak of memory and the time of an epoch of ten models, against what they take.

Memory is measured on the CPU by the profiler's record of every allocation in 198 real steps at most, beside what was
there before: weights, averages and optimizer state. Time is the median epoch after the first, with validation. Each
case runs in a process of its own, on one thread, first for time and then for memory; all ten take six minutes.

    PYTHONPATH=. python benchmarks/cost_forecast.py [--only vit] [--rounds 1]
"""

import argparse
import io
import json
import multiprocessing
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from zoo.batch import tensors_in
from zoo.build import build
from zoo.config.entry import compose
from zoo.run import train

CASES = {  # epochs of some seconds
    "mlp": ["data=synthetic_images", "model=mlp", "data.source.num_samples=30000"],
    "convnet": ["data=synthetic_images", "data.source.num_samples=2000"],
    "resnet_small": ["data=synthetic_images", "model=resnet_small", "data.source.num_samples=500"],
    "convnext": ["data=synthetic_images", "model=convnext", "data.source.num_samples=1500"],
    "vit": ["data=synthetic_images", "model=vit", "data.source.num_samples=1500"],
    "lstm": ["data=python_lines", "model=lstm"],
    "gpt": ["data=stdlib_source", "data.source.max_megabytes=0.08"],
    "patchtst": ["data=co2", "model=patchtst", "data.batch_size=8"],
    "tiny_detector": ["data=digits_detection", "data.source.num_train=300", "data.source.num_val=64"],
    "dcgan": ["experiment=digits_dcgan", "trainer.check_val_every_n_epoch=1", "data.batch_size=16"],
}
EPOCHS = 4
STEPS = range(2, 200)  # whose memory is measured: after the first ones, so that all state is there
BARS = {"memory": 0.15, "time": 0.20}
_QUIET = ["trainer=cpu", "callbacks.console=null", "callbacks.model_graph=null", "explanations=false", "report=false"]


class Pair(NamedTuple):
    """What was forecast, and what it was."""

    forecast: float
    measured: float

    @property
    def error(self) -> float:
        """How far off the forecast was; positive where it was too high."""
        return self.forecast / self.measured - 1


class AllocationPeak(Callback):
    """The most bytes that were taken at once in some steps of a run.

    The profiler does not know the size of what was there before it; so the gradients of the step before are dropped,
    which the next one would do, and batches are seen from the next one on.

    Attributes:
        peak: in MB.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._before = 0
        self._profiler = profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Records from the end of one step to the end of another, and adds up what was taken and freed."""
        if batch_idx + 1 == STEPS.start:
            pl_module.zero_grad(set_to_none=True)
            self._before = _bytes(_there(trainer, pl_module))
            self._profiler.start()
        elif batch_idx + 1 == min(STEPS.stop, trainer.num_training_batches):
            self._profiler.stop()
            self._add_up()

    def _add_up(self) -> None:
        events: Any = self._profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
        taken = self._before
        for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda event: event.start_ns()):
            taken += event.nbytes()
            self.peak = max(self.peak, taken / 2**20)


def _there(trainer: Any, task: Any) -> Iterator[Tensor]:
    averages = [getattr(callback, "_average_model", None) for callback in trainer.callbacks]
    for module in [task, *(average for average in averages if average is not None)]:
        yield from module.parameters()
        yield from module.buffers()
    for optimizer in trainer.optimizers:
        yield from tensors_in(list(optimizer.state.values()))


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = [tensor.untyped_storage() for tensor in tensors]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def cost_of_run(name: str) -> dict[str, float]:
    """Returns the `cost.json` of a run."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        train(compose([*CASES[name], *_QUIET, f"trainer.max_epochs={EPOCHS}", f"output_dir={directory}/run"]))
        cost: dict[str, float] = json.loads((Path(directory) / "run" / "cost.json").read_text())
    return cost


def memory_of_steps(name: str) -> float:
    """Returns the peak of a few steps in MB."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as directory:
        short = ["trainer.max_epochs=1", f"trainer.limit_train_batches={STEPS.stop}", "trainer.limit_val_batches=0"]
        cfg = compose([*CASES[name], *_QUIET, *short, "callbacks.cost=null", f"output_dir={directory}/run"])
        run, meter = build(cfg, started=time.perf_counter()), AllocationPeak()
        run.trainer.callbacks.append(meter)  # type: ignore[attr-defined]
        run.trainer.fit(run.task, datamodule=run.data)
    return meter.peak


def measure(name: str) -> dict[str, Pair]:
    """Returns forecast and measurement of a case: `memory` in MB, `time` in seconds an epoch."""
    with redirect_stdout(io.StringIO()):
        cost, memory = cost_of_run(name), memory_of_steps(name)
    return {
        "memory": Pair(cost["memory_peak_mb"], memory),
        "time": Pair(cost["seconds_per_epoch"], cost["measured_seconds_per_epoch"]),
    }


def main() -> None:
    """Prints a line for each case, and how many are within the bars."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=CASES)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    chosen = [arguments.only] if arguments.only else list(CASES)
    context = multiprocessing.get_context("spawn")
    within = dict.fromkeys(BARS, 0)
    heads = "memory: forecast", "measured", "error", "epoch: forecast", "measured", "error"
    lines = [f"{'':<14}" + "".join(f"{head:>{width}}" for head, width in zip(heads, (18, 10, 8) * 2, strict=True))]
    for name in chosen:
        with context.Pool(1) as pool:
            found = pool.map(measure, [name] * arguments.rounds)
        line = f"{name:<14}"
        for what, bar in BARS.items():
            pair = sorted((pairs[what] for pairs in found), key=lambda pair: pair.error)[len(found) // 2]
            within[what] += abs(pair.error) <= bar
            line += f" {pair.forecast:17.2f} {pair.measured:9.2f} {pair.error:+7.1%}"
        lines.append(line)
    lines.append(", ".join(f"{what}: {within[what]} of {len(chosen)} within {bar:.0%}" for what, bar in BARS.items()))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
