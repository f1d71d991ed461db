"""Shares of texts that were written, from what a task has counted of each: a few numbers a text, however long it is."""

from typing import ClassVar

import torch
from jaxtyping import Int64
from torch import Tensor
from torchmetrics import Metric


class CountRatio(Metric):
    """The sum of one count over all samples, by the sum of another one, gathered over all processes."""

    full_state_update = False
    columns: ClassVar[tuple[int, int]]  # of the count above the line, and of that below it
    counted: Tensor
    total: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counted", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("total", torch.tensor(0, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, counts: Int64[Tensor, "B N"], targets: Tensor) -> None:
        """Take samples in.

        Args:
            counts: what was counted of each.
            targets: nothing that is needed here.
        """
        above, below = self.columns
        self.counted += counts[:, above].sum()
        self.total += counts[:, below].sum()

    def compute(self) -> Tensor:
        """Return the ratio."""
        return self.counted / self.total


class TokenAccuracy(CountRatio):
    """Share of the tokens that are right, where each is told those before it."""

    columns = 0, 1
    higher_is_better = True


class ExactMatch(CountRatio):
    """Share of the texts that are right as a whole."""

    columns = 2, 3
    higher_is_better = True


class WordErrorRate(CountRatio):
    """Words to change, add or leave out, by the words that were said."""

    columns = 0, 1
    higher_is_better = False


class CharacterErrorRate(CountRatio):
    """Characters to change, add or leave out, by those of what was said."""

    columns = 2, 3
    higher_is_better = False
