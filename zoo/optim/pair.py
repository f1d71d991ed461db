"""Recipes for two networks that are trained against each other.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", 2017, arXiv:1706.08500.
"""

from collections.abc import Callable
from typing import Any


class Pair:
    """A factory of optimizers, or of schedules, for each of the two networks.

    Args:
        generator: that of the generator.
        discriminator: that of the discriminator.
    """

    def __init__(self, *, generator: Callable[..., Any], discriminator: Callable[..., Any]) -> None:
        self.generator, self.discriminator = generator, discriminator


def both(factory: Pair | Callable[..., Any]) -> Pair:
    """Returns a pair as it is, and a single factory for both networks."""
    return factory if isinstance(factory, Pair) else Pair(generator=factory, discriminator=factory)
