"""What one training step takes of a device's memory, measured on copies that leave no trace."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NamedTuple, Protocol

import torch
from lightning.pytorch.plugins.precision import Precision
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor

from zoo.batch import Batch, repeated, tensors_in
from zoo.memory import give_back_memory, peak_resident_memory, reset_peak_memory, resident_memory
from zoo.optim.optimizers import build_optimizer
from zoo.tasks.base import Task

_ROWS = 32  # samples that are loaded; larger batches repeat them
_COPIES_OF_PREDICTIONS = 3  # of a window: as collected, joined, and finished for the metrics
_BATCHES_A_WORKER = 2  # that it has ready, as torch's loader does


class Data(Protocol):
    """What a trial needs of a data module."""

    batch_size: int
    trainer: Any

    def train_dataloader(self) -> Iterable[Any]:
        """Returns the batches of a training epoch."""

    def val_dataloader(self) -> Iterable[Any]:
        """Returns the batches of the validation split."""

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """Moves a batch to the device."""

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Finishes a batch on the device it is on."""


class Taken(NamedTuple):
    """Bytes that a step takes on the device, beyond weights and the optimizer's state.

    Attributes:
        most: at its peak.
        forward: when the forward pass is done, with the batch and what is saved for the backward pass; on the CPU.
    """

    most: int
    forward: int = 0


class TrialStep:
    """A training step (batch, forward, losses, backward, optimizer) at any batch size.

    Task, optimizer and data module are copies; what is cached of the data on the device is loaded as in a run.

    Args:
        task: the task; it stays as it is, on the device it is on.
        data: a data module whose `setup` is done.
        device: where the steps run.
        precision: the trainer's plugin, which casts weights and inputs.
        window: steps whose predictions the metrics collect.
    """

    def __init__(self, task: Task, data: Data, *, device: torch.device, precision: Precision, window: int) -> None:
        self.device, self.precision, self.window = device, precision, window
        self.data = copy.copy(data)  # loaders note their order on it
        self.workers = getattr(data, "num_workers", 0)
        if self.workers:
            self.data.num_workers = 0  # type: ignore[attr-defined]
        strategy = SimpleNamespace(root_device=device)
        self.data.trainer = SimpleNamespace(strategy=strategy, training=False, testing=False, overfit_batches=0)
        self.data.batch_size = 1
        self.samples = len(self.data.train_dataloader())  # type: ignore[arg-type]
        self.data.batch_size = min(self.samples, _ROWS)
        self.loaders = self.data.train_dataloader(), self.data.val_dataloader()
        # Data whose samples are not of one size give the largest ones, since a run meets them, too.
        largest = getattr(self.data, "largest_batch", None)
        self.batch = largest(self.data.batch_size) if largest else next(iter(self.loaders[0]))
        trainer = task._trainer  # which has loops, loggers and callbacks in it
        self.task = copy.deepcopy(task, {id(trainer): None} if trainer is not None else {})
        self.task = precision.convert_module(self.task.to(device)).train()  # type: ignore[assignment]
        self.optimizer = build_optimizer(self.task.make_optimizer, self.task.model)
        self._forward, self._predictions = 0, 0.0

    def kept(self) -> int:
        """Returns the bytes of weights, buffers and, after the first step, the optimizer's state."""
        return _bytes([*self.task.parameters(), *self.task.buffers(), *self.optimizer.state.values()])

    def bytes_at(self, batch_size: int) -> Taken:
        """Takes two steps: the second shows what the first leaves behind, caches and holes between freed blocks."""
        give_back_memory()
        before, self._forward = restart_peak(self.device), 0
        self._step(batch_size)
        loaded, finished = self._step(batch_size)
        most = _peak(self.device) - before
        self.drop_gradients()
        rows = min(self.window * batch_size, self.samples)
        beside = finished + int(rows * self._predictions) * _COPIES_OF_PREDICTIONS  # the guard keeps the last batch
        if self.device.type != "cuda":
            beside += _BATCHES_A_WORKER * self.workers * loaded
        return Taken(max(most, 0) + beside, max(self._forward - before, 0) + beside)

    def _step(self, batch_size: int) -> tuple[int, int]:
        """Takes one step and returns the bytes of the batch, as it was loaded and as it was finished."""
        loaded = repeated(self.batch, batch_size)
        moved = self.data.transfer_batch_to_device(self.precision.convert_input(loaded), self.device, 0)
        batch = self.data.prepare_batch(moved, train=True)

        def loss() -> Tensor:
            self.drop_gradients()
            with torch.enable_grad(), self.precision.forward_context():
                outputs = self.task(batch)
                value = self.task.losses(outputs, batch)["loss"]
                self._predictions = _bytes(self.task.compare(outputs, batch)) / batch_size
            if self.device.type != "cuda":
                self._forward = self._forward or resident_memory()
            value.backward()  # type: ignore[no-untyped-call]
            return value.detach()

        self.optimizer.step(loss)  # type: ignore[arg-type]
        return _bytes(loaded), _bytes(batch)

    def drop_gradients(self) -> None:
        """Frees the gradients."""
        for parameter in self.task.parameters():
            parameter.grad = None


@contextmanager
def without_trace(device: torch.device) -> Iterator[None]:
    """Puts random states back as they were, gives free memory back and counts the peak anew."""
    try:
        with isolate_rng(include_cuda=device.type == "cuda"):
            yield
    finally:
        give_back_memory()
        restart_peak(device)


def restart_peak(device: torch.device) -> int:
    """Counts the peak anew from what is taken now, which is returned."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_reserved(device)
    reset_peak_memory()
    return resident_memory()


def _peak(device: torch.device) -> int:
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else peak_resident_memory()


def _bytes(value: Any) -> int:
    """Returns the bytes of all tensors within, each storage counted once."""
    storages = [tensor.untyped_storage() for tensor in tensors_in(value)]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
