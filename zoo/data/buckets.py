"""Batches of texts of like length, so that little of a batch is padding."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, SequentialOrder, ShuffledOrder, generator, rank_and_world_size
from zoo.data.token_lists import TokenLists

_POOL = 32  # batches that are sorted together: more leave less padding, but fewer ways in which batches can be put up


class BucketedOrder(ShuffledOrder):
    """A permutation that is a function of (seed, epoch), in which samples of like length make up a batch.

    The shuffled samples are cut into pools, each pool is sorted by length and cut into batches, and the batches of all
    pools are shuffled. What does not fill a batch comes last, which is left out as of any shuffled order.

    Args:
        lengths: of each sample, (N,).
        batch_size: samples in a batch of one process.
        seed: what a run draws its permutations from.
    """

    def __init__(self, lengths: Tensor, batch_size: int, *, seed: int) -> None:
        super().__init__(len(lengths), seed)
        self.lengths, self.batch_size = lengths, batch_size

    def rows(self) -> Tensor:
        """Returns the rows of the epoch in their order, (N,)."""
        rows = super().rows()
        size = self.batch_size * rank_and_world_size()[1]
        whole = len(rows) // size * size
        pools = [pool[self.lengths[pool].argsort(stable=True)] for pool in torch.split(rows[:whole], _POOL * size)]
        batches = torch.cat(pools).view(-1, size) if pools else rows[:0].view(0, size)
        order = torch.randperm(len(batches), generator=generator("order of batches", self.seed, self.epoch))
        return torch.cat([batches[order].flatten(), rows[whole:]])


class SortedOrder(SequentialOrder):
    """Samples by length, those of one length as they lie, in every epoch.

    Args:
        lengths: of each sample, (N,).
    """

    def __init__(self, lengths: Tensor) -> None:
        super().__init__(len(lengths))
        self.lengths = lengths

    def rows(self) -> Tensor:
        """Returns the rows of the epoch in their order, (N,)."""
        return self.lengths.argsort(stable=True)


class TextLoader(EpochLoader[Batch]):
    """Batches of token lists, each filled up to its own longest.

    Args:
        texts: all samples.
        targets: their classes, (N,).
        order: order of the samples.
        batch_size: samples in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
    """

    def __init__(
        self,
        texts: TokenLists,
        targets: Tensor,
        *,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.texts, self.targets = texts, targets

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batch_rows():
            yield {"input": self.texts.padded(rows), "target": self.targets[rows], "index": rows}
