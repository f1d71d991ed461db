"""Batches of token lists that are read and token lists that are to be written."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.loader import EpochLoader
from zoo.data.order import Order
from zoo.data.token_lists import TokenLists
from zoo.layers.sequence_input import PAD


class PairLoader(EpochLoader[Batch]):
    """Batches of pairs, each filled up to its own longest source and target.

    Args:
        sources: tokens that are read.
        targets: tokens to write, with the token at their end that also begins what the decoder reads.
        boundary: that token.
        order: order of the samples.
        batch_size: samples in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
    """

    def __init__(
        self,
        sources: TokenLists,
        targets: TokenLists,
        *,
        boundary: int,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.sources, self.targets, self.boundary = sources, targets, boundary

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batch_rows():
            yield self.batch(rows)

    def batch(self, rows: Tensor) -> Batch:
        """Returns the batch of some samples, (B,)."""
        target = self.targets.padded(rows)
        return {
            "input": self.sources.padded(rows),
            "decoder_input": decoder_input(target, self.boundary),
            "target": target,
            "index": rows,
        }


def decoder_input(target: Tensor, boundary: int) -> Tensor:
    """Returns what a decoder reads while it writes a text: the token that begins it, then all but the one at its end.

    Args:
        target: tokens with `boundary` at their end, then padding, (B, T).
        boundary: the token that begins and ends a text.
    """
    before = target[:, :-1]
    first = torch.full_like(target[:, :1], boundary)
    return torch.cat([first, before.masked_fill(before == boundary, PAD)], dim=1)
