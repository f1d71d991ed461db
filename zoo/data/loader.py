"""Loaders that hand out whole batches: cut from tensors in memory, or decoded by worker processes."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.order import Order, num_batches, split_into_batches

Item = TypeVar("Item", covariant=True)


class EpochLoader(Iterable[Item]):
    """What Lightning needs of a loader, with the order of the samples and the batch to start at.

    Args:
        order: order of the samples; Lightning sets its epoch through the attribute `sampler`.
        batch_size: samples in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: tells, when the first batch of an epoch is asked for, how many batches of it were trained on before.
    """

    def __init__(
        self, order: Order, batch_size: int, *, drop_last: bool = False, start: Callable[[], int] = lambda: 0
    ) -> None:
        self.sampler, self.batch_size, self.drop_last, self.start = order, batch_size, drop_last, start
        self.batch_sampler = None  # Lightning looks for it beside a sampler

    def __len__(self) -> int:
        return num_batches(len(self.sampler), self.batch_size, drop_last=self.drop_last)

    @abstractmethod
    def __iter__(self) -> Iterator[Item]:
        """Yields what is left of the epoch."""

    def batch_rows(self, device: torch.device | str = "cpu") -> Iterator[Tensor]:
        """Yields the rows of each batch that is left of the epoch, (B,).

        A generator on purpose: Lightning asks for the iterator before it has told the epoch, and the first row is only
        computed when the first batch is asked for.
        """
        batches = split_into_batches(self.sampler.rows().to(device), self.batch_size, drop_last=self.drop_last)
        yield from batches[self.start() :]

    def state_dict(self) -> dict[str, Any]:
        """Returns nothing: where to go on is read from the trainer's counters, but Lightning asks for the method."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes nothing back."""


class BatchLoader(EpochLoader[Batch]):
    """Batches cut from tensors with one `index_select` each: no workers, nothing done per sample.

    Args:
        inputs: all samples, (N, ...).
        targets: their targets, (N, ...).
        order: order of the samples.
        batch_size: samples in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
        device: where the tensors are kept and the batches are cut.
    """

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.inputs, self.targets = inputs.to(device), targets.to(device)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batch_rows(self.inputs.device):
            # X.index_select(0, rows) copies whole samples; X[rows] goes element by element and took 20 times as long.
            yield {
                "input": self.inputs.index_select(0, rows),
                "target": self.targets.index_select(0, rows),
                "index": rows,
            }
