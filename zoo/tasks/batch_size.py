"""`data.batch_size=auto`: the largest batch whose training step fits into memory with a margin.

A process that takes too much of the main memory is killed, so on the CPU the steps grow only as long as the next one is
sure to fit, and what lies beyond is predicted from them. On CUDA, where taking too much is an error, steps grow until
they do not fit.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.precision import Precision

from zoo.errors import OptionError
from zoo.memory import available_memory, is_out_of_memory, limited_memory, reset_peak_memory
from zoo.tasks.base import Task
from zoo.tasks.trial_step import Data, Taken, TrialStep, without_trace

# The processes that a distributed run starts repeat the command line; they find the number here.
VARIABLE = "ZOO_BATCH_SIZE"
_SHARE = {"cuda": 0.9, "cpu": 0.8}  # of what is free: many steps, validation and checkpoints leave more holes than two
_SECONDS = 2.0  # on the CPU, a trial that takes longer is the last
_GROWTH = 4  # what twice the batch may take, where memory grows with its square
# On the CPU a step took 1.2 (ViT-B/16) to 2.2 times (ResNet-18) what its forward pass alone did.
_STEP_OF_FORWARD = 2.2


class Fit(NamedTuple):
    """A batch size that fits.

    Attributes:
        batch_size: samples in a batch of one process.
        samples: training samples of one process, which no batch can exceed.
        needed: bytes that a run with it takes on the device, as measured or predicted.
        allowed: bytes that it may take, a share of what is free.
    """

    batch_size: int
    samples: int
    needed: int
    allowed: int

    def __str__(self) -> str:
        needed, allowed = self.needed / 1e9, self.allowed / 1e9
        whole = ", all training samples," if self.batch_size == self.samples else ""
        return f"{self.batch_size}{whole} fits (training takes {needed:.2f} GB of the {allowed:.2f} GB it may take)"


def choose_batch_size(task: Task, data: Data, *, trainer: Trainer) -> int:
    """Finds the size that `data.batch_size=auto` stands for, the same in all processes, and says so in a line.

    Args:
        task: the task as it is built.
        data: a data module whose `setup` is done.
        trainer: a trainer with the options of the run.

    Raises:
        OptionError: not even one sample fits, or the processes were not started by this run and cannot agree.
    """
    device, processes = trainer.strategy.root_device, trainer.world_size
    if processes > 1 and os.environ.get("LOCAL_RANK", "0") != "0" and VARIABLE in os.environ:
        return int(os.environ[VARIABLE])
    if trainer.num_nodes > 1 or (processes > 1 and not {"TORCHELASTIC_RUN_ID", "SLURM_NTASKS"}.isdisjoint(os.environ)):
        problem = "auto cannot make processes agree that were started one by one"
        raise OptionError("data.batch_size", problem, "give a number")
    window = max(1, trainer.log_every_n_steps)  # type: ignore[attr-defined]
    fit = largest_batch_size(
        task, data, device=device, precision=trainer.precision_plugin, processes=processes, window=window
    )
    if processes > 1:
        os.environ[VARIABLE] = str(fit.batch_size)
    print(f"data.batch_size: {fit}", flush=True)
    return fit.batch_size


def largest_batch_size(
    task: Task,
    data: Data,
    *,
    device: torch.device,
    precision: Precision,
    processes: int = 1,
    window: int = 50,
    limit: int | None = None,
) -> Fit:
    """Finds the largest training batch that fits into memory, and leaves everything as it was.

    Args:
        task: the task; its weights may still be on another device.
        data: a data module whose `setup` is done.
        device: where the run trains.
        precision: the trainer's plugin.
        processes: processes that train together; on the CPU they share its memory.
        window: steps whose predictions the metrics collect, `log_every_n_steps`.
        limit: no larger size is tried; None for the training samples alone.

    Returns:
        The size, at least 1, and why.

    Raises:
        OptionError: not even one sample fits.
    """
    try:
        with without_trace(device), limited_memory(device):
            fit = _search(task, data, device, precision, processes, window, limit)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        fit = None
    if fit is None:
        problem = f"not even one sample fits into the memory of {device}"
        raise OptionError("data.batch_size", problem, "take a smaller model, or smaller samples")
    return fit


def _search(
    task: Task, data: Data, device: torch.device, precision: Precision, processes: int, window: int, limit: int | None
) -> Fit | None:
    """Finds the size by trials; None where none fits."""
    cpu = device.type == "cpu"
    if cpu and not reset_peak_memory():
        problem = "auto has to measure memory, which this system does not let it"
        raise OptionError("data.batch_size", problem, "give a number")
    trial = TrialStep(task, data, device=device, precision=precision, window=window)
    samples = max(1, trial.samples // processes)
    limit = min(samples, limit or samples)
    trial.bytes_at(min(2, limit))  # loads kernels, and makes the optimizer's state
    kept = trial.kept()
    # On the CPU the task itself lies beside its copy. A GPU needs room for an average, and for gradients to exchange.
    weights = sum(parameter.nbytes for parameter in trial.task.parameters())
    fixed = kept if cpu else kept + weights * (1 + (processes > 1))

    def allowed() -> int:
        return int(_SHARE["cpu" if cpu else "cuda"] * (available_memory(device) // (processes if cpu else 1) + kept))

    search = predict if cpu else bisect
    size, taken = search(trial.bytes_at, budget=lambda: allowed() - fixed, limit=limit)
    return Fit(size, samples, fixed + taken, allowed()) if size else None


def bisect(taken: Callable[[int], Taken], *, budget: Callable[[], int], limit: int) -> tuple[int, int]:
    """Finds the largest size by trying: doubles it until it does not fit, then halves the interval.

    Args:
        taken: what a size takes; an out-of-memory error says that it does not fit.
        budget: tells the bytes that may be taken, which trials change: each compiles kernels of its own.
        limit: the largest size that may be tried.

    Returns:
        The size, less than a sixteenth below the largest that fits, or 0 where none does; and what it takes.
    """

    def attempt(size: int) -> int | None:
        try:
            most = taken(size).most
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None
        return most if most <= budget() else None

    fits, needed, fails = 0, 0, limit + 1
    while fails - fits > max(1, fits // 16):
        size = min(max(2 * fits, 1), limit) if fails > limit else (fits + fails) // 2
        most = attempt(size)
        fits, needed, fails = (fits, needed, size) if most is None else (size, most, fails)
    return fits, needed


def predict(taken: Callable[[int], Taken], *, budget: Callable[[], int], limit: int) -> tuple[int, int]:
    """Finds the largest size without trying any that might not fit: doubles it, then follows the line.

    Args:
        taken: what a size takes.
        budget: tells the bytes that may be taken, which trials change: each compiles kernels of its own.
        limit: the largest size.

    Returns:
        The size, or 0 where none fits; and what it takes.
    """
    trials: dict[int, Taken] = {}
    size = min(2, limit)
    while True:
        started = time.perf_counter()
        trials[size] = taken(size)
        slow = time.perf_counter() - started > _SECONDS
        if size == limit or slow or trials[size].most * _GROWTH > budget():
            return extrapolate(trials, budget=budget(), limit=limit)
        size = min(2 * size, limit)


def extrapolate(trials: Mapping[int, Taken], *, budget: int, limit: int) -> tuple[int, int]:
    """Predicts the largest size that fits from what smaller ones take.

    The peak of a step is no line: with few samples it lies where all gradients are there, with many where the forward
    pass ends. So beyond the last trial it rises as steeply as between any trial and the last, or as the forward pass
    makes it, but no steeper than from nothing; where a sample takes more in the last trial than in the one before, as
    where all samples are compared with all, by the power that the two show.

    Args:
        trials: what sizes take, at least one.
        budget: bytes that may be taken.
        limit: the largest size.

    Returns:
        The size, or 0 where none fits; and what it takes.
    """
    *smaller, last = sorted(trials)
    most = trials[last].most
    steepest = max([(most - trials[size].most) / (last - size) for size in smaller], default=0.0)
    slope = max(1.0, min(most / last, max(steepest, _STEP_OF_FORWARD * trials[last].forward / last)))
    power = math.log(most / max(1, trials[smaller[-1]].most), last / smaller[-1]) if smaller and most else 1.0
    if power > 1.2 and most <= budget:
        size = int(last * (budget / most) ** (1 / power))
        needed = most * (min(size, limit) / last) ** power
    else:
        size = last + math.floor((budget - most) / slope)
        needed = most + (min(size, limit) - last) * slope
    return (min(size, limit), int(needed)) if size >= 1 else (0, 0)
