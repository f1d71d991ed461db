"""Random numbers of augmentation: a table an epoch, a row a sample, each number from a stream of its own."""

import torch
from torch import Tensor

from zoo.data.order import generator

Counters = tuple[int | str, ...]


class CountedDraws:
    """What augments by random numbers that are a function of (seed, epoch, sample).

    Switching one option on leaves the draws of the others as they were.

    Attributes:
        names: of the numbers that a sample is given.
    """

    names: list[str]

    def table(self, num_samples: int, seed: int, epoch: int) -> Tensor:
        """Draws the random numbers of an epoch.

        Args:
            num_samples: samples in the training split.
            seed: of the run.
            epoch: counted from 0.

        Returns:
            Numbers from 0 to below 1, unless `column` says otherwise, (N, number of draws).
        """
        columns = [self.column(name, num_samples, ("augment", name, seed, epoch)) for name in self.names]
        return torch.stack(columns, dim=1) if columns else torch.empty(num_samples, 0)

    def column(self, name: str, num_samples: int, counters: Counters) -> Tensor:
        """Draws one number a sample, (N,).

        Args:
            name: of the number.
            num_samples: N.
            counters: what the draw is a function of.
        """
        return torch.rand(num_samples, generator=generator(*counters))
