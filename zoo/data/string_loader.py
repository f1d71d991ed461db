"""Batches of strings of sounds, put together anew in each epoch."""

from collections.abc import Callable, Iterator

from torch import Tensor

from zoo.batch import Batch
from zoo.data.buckets import BucketedOrder
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, ShuffledOrder


class StringOrder(BucketedOrder):
    """Strings of like length make up a batch, where the lengths are other ones in each epoch.

    Args:
        lengths_of: the length of each sample in an epoch, (N,).
        batch_size: samples in a batch of one process.
        seed: what a run draws its permutations from.
    """

    def __init__(self, lengths_of: Callable[[int], Tensor], batch_size: int, *, seed: int) -> None:
        super().__init__(lengths_of(0), batch_size, seed=seed)
        self.lengths_of = lengths_of

    def rows(self) -> Tensor:
        """Returns the rows of the epoch in their order, (N,)."""
        self.lengths = self.lengths_of(self.epoch)
        return super().rows()


class StringLoader(EpochLoader[Batch]):
    """Batches of strings of sounds.

    Args:
        batch_of: puts a batch together, of an epoch and of rows (B,).
        order: order of the samples; only where it is shuffled is an epoch not like the first one.
        batch_size: samples in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
    """

    def __init__(
        self,
        batch_of: Callable[[int, Tensor], Batch],
        *,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.batch_of = batch_of

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batch_rows():  # only now is the epoch known
            yield self.batch_of(epoch_of(self.sampler), rows)


def epoch_of(order: Order | None) -> int:
    """Returns the epoch whose strings are drawn: the first one always, where the order is not shuffled."""
    return order.epoch if isinstance(order, ShuffledOrder) else 0
