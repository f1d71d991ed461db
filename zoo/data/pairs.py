"""Pairs of texts: what is read, and what is to be written for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from zoo.data.order import complement, generator
from zoo.errors import OptionError


@dataclass
class Pairs:
    """Pairs of one split.

    Args:
        sources: what is read.
        targets: what is to be written for each.
        names: what reports call each.
    """

    sources: Sequence[str]
    targets: Sequence[str]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, rows: Tensor) -> "Pairs":
        """Returns some of the pairs, in the order of `rows`."""
        chosen = rows.tolist()
        return Pairs(*([part[row] for row in chosen] for part in (self.sources, self.targets, self.names)))


@runtime_checkable
class PairSource(Protocol):
    """Where pairs come from."""

    def prepare(self) -> None:
        """Downloads what is missing."""

    def load(self) -> Mapping[str, Pairs]:
        """Returns the pairs of "train", "val" and "test", of those that there are."""


def split_off(pairs: Pairs, split: str, fraction: float, *, seed: int) -> tuple[Pairs, Pairs]:
    """Splits pairs off, so that equal sources never stand on both sides.

    Args:
        pairs: all of them.
        split: what is split off, "val" or "test".
        fraction: its share of the distinct sources.
        seed: decides which these are.

    Returns:
        What is left, and what was split off, both in their order.

    Raises:
        OptionError: one of them would be empty.
    """
    numbers: dict[str, int] = {}
    groups = torch.tensor([numbers.setdefault(source, len(numbers)) for source in pairs.sources], dtype=torch.int64)
    count = round(fraction * len(numbers))
    if not 0 < count < len(numbers):
        left = split if count == 0 else "training"
        problem = f"{fraction:g} of {len(numbers)} distinct sources leaves none for {left}"
        raise OptionError(f"data.{split}_fraction", problem, "set it between 0 and 1, such as 0.1")
    drawn = torch.randperm(len(numbers), generator=generator(f"{split} split of pairs", seed))[:count]
    rows = torch.isin(groups, drawn).nonzero().flatten()
    return pairs.select(complement(rows, len(pairs))), pairs.select(rows)
