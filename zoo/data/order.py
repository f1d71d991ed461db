"""Which samples come, and in which order: functions of seeds and counters, never of time, workers or devices."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor
from torch.utils.data import Sampler, SequentialSampler

from zoo.seeds import counted_seed


def generator(*counters: int | str) -> torch.Generator:
    """Returns a generator on the CPU, seeded by `counted_seed(*counters)`."""
    return torch.Generator().manual_seed(counted_seed(*counters))


def stratified(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draws rows so that every class keeps its share.

    Each class is shuffled and its rows are placed evenly on the interval from 0 to 1; the `count` lowest are taken, so
    the number drawn is exact and no class is off by more than one row.

    Args:
        labels: class of each row, (N,).
        count: how many rows to draw, at most N.
        generator: the source of randomness.

    Returns:
        The rows drawn, ascending, (count,).
    """
    shuffled = torch.randperm(len(labels), generator=generator)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    sizes = labels.bincount()
    classes = labels[by_class]
    position = torch.arange(len(labels)) - (sizes.cumsum(0) - sizes)[classes]
    place = (position + 0.5) / sizes[classes]
    return by_class[place.argsort(stable=True)[:count]].sort().values


def complement(rows: Tensor, num_samples: int) -> Tensor:
    """Returns those of `num_samples` rows that are not among `rows`, ascending."""
    rest = torch.ones(num_samples, dtype=torch.bool)
    rest[rows] = False
    return rest.nonzero().flatten()


class SequentialOrder(SequentialSampler):
    """Samples as they lie, in every epoch; Lightning knows by the base class that nothing is shuffled.

    Args:
        num_samples: how many samples there are.
    """

    def __init__(self, num_samples: int) -> None:
        super().__init__(range(num_samples))
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Notes the epoch, which Lightning tells before its first batch."""
        self.epoch = epoch

    def rows(self) -> Tensor:
        """Returns the rows of the epoch in their order, (N,)."""
        return torch.arange(len(self))


class ShuffledOrder(Sampler[int]):
    """A permutation that is a function of (seed, epoch).

    Args:
        num_samples: how many samples there are.
        seed: what a run draws its permutations from.
    """

    def __init__(self, num_samples: int, seed: int) -> None:
        self.num_samples, self.seed, self.epoch = num_samples, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Notes the epoch, which Lightning tells before its first batch."""
        self.epoch = epoch

    def rows(self) -> Tensor:
        """Returns the rows of the epoch in their order, (N,)."""
        return torch.randperm(self.num_samples, generator=generator("order", self.seed, self.epoch))

    def __len__(self) -> int:
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows().tolist())


Order = SequentialOrder | ShuffledOrder


_alone = ContextVar("alone", default=False)


@contextmanager
def whole_splits() -> Iterator[None]:
    """Lets loaders give each process all samples within the block, not a part of them."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def rank_and_world_size() -> tuple[int, int]:
    """Returns the number of this process and the number of processes that train together."""
    if _alone.get():
        return 0, 1
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


def num_batches(num_samples: int, batch_size: int, *, drop_last: bool) -> int:
    """Returns how many batches this process, like every other, gets out of an epoch."""
    world_size = rank_and_world_size()[1]
    whole, rest = divmod(num_samples, batch_size * world_size)
    return whole + (rest > 0 and not drop_last)


def split_into_batches(rows: Tensor, batch_size: int, *, drop_last: bool) -> Sequence[Tensor]:
    """Cuts the rows of an epoch into the batches of this process.

    Every process gets as many batches as the others, which collective operations wait for. In training these are
    slices of the global batches, and what does not fill one is left out. In evaluation every row comes exactly once, in
    batches that differ by one row at most.

    Args:
        rows: the rows of the epoch in their order, (N,).
        batch_size: rows in a batch of one process.
        drop_last: whether an incomplete global batch is left out.

    Returns:
        Rows of each batch, (B,).
    """
    rank, world_size = rank_and_world_size()
    count = num_batches(len(rows), batch_size, drop_last=drop_last)
    if not drop_last:
        return rows[rank::world_size].tensor_split(max(count, 1))
    return rows[: count * world_size * batch_size].view(count, world_size, batch_size)[:, rank].unbind()
