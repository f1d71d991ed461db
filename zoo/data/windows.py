"""Batches of windows of a text, each cut from its tokens at once."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from zoo.batch import NO_TARGET, Batch
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, ShuffledOrder, rank_and_world_size
from zoo.data.permutation import permuted
from zoo.data.token_file import Tokens
from zoo.seeds import counted_seed

_BLOCK = 64  # batches whose windows are chosen at once
Starts = np.ndarray[Any, np.dtype[np.int64]]


def num_training_windows(num_tokens: int, context_length: int) -> int:
    """Returns how many windows one pass through the tokens has, wherever in the first window it begins."""
    return max((num_tokens - context_length) // context_length, 1)


def training_starts(places: Starts, *, num_tokens: int, context_length: int, seed: int) -> Starts:
    """Returns where the windows begin that training sees, at some places of an endless row of windows.

    The row goes through the tokens pass after pass. A pass has each window once, in an order of its own, and cuts them
    from another token on, so that over the passes any token comes at any place of a window.

    Args:
        places: places in the row, (N,).
        num_tokens: of the split, more than `context_length`.
        context_length: tokens in a window.
        seed: what the run draws from.
    """
    windows = num_training_windows(num_tokens, context_length)
    starts = np.empty_like(places)
    passes, within = np.divmod(places, windows)
    for number in np.unique(passes).tolist():
        chosen = passes == number
        phase = counted_seed("phase", seed, number) % (num_tokens - windows * context_length)
        starts[chosen] = phase + context_length * permuted(within[chosen], windows, seed, number)
    return starts


class WindowLoader(EpochLoader[Batch]):
    """Windows of a text as "input" and, one token further, "target" (B, T), int64, and where they begin as "index".

    Args:
        tokens: of the split, (N,).
        context_length: tokens in a window.
        order: how many windows an epoch has, and which epoch it is.
        batch_size: windows in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
    """

    def __init__(
        self,
        tokens: Tokens,
        *,
        context_length: int,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.num_tokens, self.context_length = len(tokens), context_length
        self.windows = np.lib.stride_tricks.sliding_window_view(tokens, context_length + 1)

    def batch(self, starts: Starts) -> Batch:
        """Returns the windows that begin at some tokens, (B,)."""
        windows = self.windows[starts]  # (B, T + 1)
        return {
            "input": torch.from_numpy(windows[:, :-1].astype(np.int64)),
            "target": torch.from_numpy(windows[:, 1:].astype(np.int64)),
            "index": torch.from_numpy(starts),
        }


class TrainingWindows(WindowLoader):
    """Windows in an order that is a function of (seed, epoch); epoch after epoch go on through the text."""

    def __iter__(self) -> Iterator[Batch]:
        # A generator, as everywhere: Lightning tells the epoch between asking for the iterator and for a batch.
        order, (rank, world_size) = self.sampler, rank_and_world_size()
        epoch, seed = (order.epoch, order.seed) if isinstance(order, ShuffledOrder) else (0, 0)
        numbers = range(self.start(), len(self))
        for first in numbers[::_BLOCK]:
            batches = np.arange(first, min(first + _BLOCK, len(self)))
            rows = ((batches * world_size + rank) * self.batch_size)[:, None] + np.arange(self.batch_size)
            places = epoch * len(order) + rows.ravel()
            starts = training_starts(places, num_tokens=self.num_tokens, context_length=self.context_length, seed=seed)
            for chosen in starts.reshape(rows.shape):
                yield self.batch(chosen)


class EvaluationWindows(WindowLoader):
    """Windows in order, in which each token but the first is a target once.

    Args:
        tokens: of the split, (N,).
        stride: tokens from one window to the next; what windows share is the target of the first of them alone.
        **options: as of every loader of windows.
    """

    def __init__(self, tokens: Tokens, *, stride: int, **options: Any) -> None:
        super().__init__(tokens, **options)
        self.stride = stride

    @staticmethod
    def count(num_tokens: int, *, context_length: int, stride: int) -> int:
        """Returns how many windows there are."""
        return 1 + max(0, -(-(num_tokens - 1 - context_length) // stride))

    def __iter__(self) -> Iterator[Batch]:
        rank, world_size = rank_and_world_size()
        own = len(range(rank, len(self.sampler), world_size))
        for number in range(len(self)):
            first, last = own * number // len(self), own * (number + 1) // len(self)
            yield self._numbered(rank + world_size * np.arange(first, last))

    def _numbered(self, numbers: Starts) -> Batch:
        last = self.num_tokens - 1 - self.context_length  # where the last window begins, so that it is whole
        starts = np.minimum(numbers * self.stride, last)
        batch = self.batch(starts)
        before = np.where(numbers > 0, (numbers - 1) * self.stride + self.context_length - starts, 0)
        batch["target"][torch.arange(self.context_length) < torch.from_numpy(before)[:, None]] = NO_TARGET
        return batch
