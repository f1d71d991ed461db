"""Metrics that compare generated samples with real ones as they are, without a feature network.

The sliced Wasserstein distance: Rabin, Peyré, Delon, Bernot, "Wasserstein Barycenter and Its Application to Texture
Mixing", 2011. Modes: Srivastava et al., "VEEGAN", 2017, arXiv:1705.07761, who count samples within three standard
deviations; here the limit is an argument.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from zoo.ranges import PositiveFloat, PositiveInt


class SlicedWasserstein(Metric):
    """The mean distance between real and generated samples along random directions.

    It is 0 for equal sets, and grows with what is missing, blurred or moved. Samples are flattened; directions have
    length 1 and are the same in every run, so that values compare between epochs.

    Args:
        num_directions: how many.
    """

    full_state_update = False
    higher_is_better = False
    generated: list[Tensor]
    real: list[Tensor]

    def __init__(self, num_directions: PositiveInt = 128) -> None:
        super().__init__()
        self.num_directions = num_directions
        self._directions: Tensor | None = None
        self.add_state("generated", default=[], dist_reduce_fx="cat")
        self.add_state("real", default=[], dist_reduce_fx="cat")

    def update(self, generated: Float[Tensor, "B *sample"], real: Float[Tensor, "B *sample"]) -> None:
        """Take as many generated as real samples in."""
        if self._directions is None or self._directions.device != real.device:
            draw = torch.Generator().manual_seed(0)
            drawn = torch.randn(real[0].numel(), self.num_directions, generator=draw)
            self._directions = (drawn / drawn.norm(dim=0)).to(real.device)
        self.generated.append(generated.float().flatten(1) @ self._directions)
        self.real.append(real.float().flatten(1) @ self._directions)

    def compute(self) -> Float[Tensor, ""]:
        """The distance, in units of the samples."""
        sides: list[Any] = [dim_zero_cat(side).sort(dim=0).values for side in (self.generated, self.real)]
        distance: Tensor = (sides[0] - sides[1]).abs().mean()
        return distance


class _NearModes(Metric):
    """Counts generated points by their mode.

    Args:
        centers: of the modes, each as long as a point.
        std: standard deviation of a mode.
        within: standard deviations from its center within which a point belongs to a mode.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor
    total: Tensor

    def __init__(self, centers: Sequence[Sequence[float]], std: PositiveFloat, *, within: PositiveFloat = 4.0) -> None:
        super().__init__()
        self.centers, self.limit = torch.tensor(centers), within * std
        self.add_state("counts", torch.zeros(len(centers), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, generated: Float[Tensor, "B F"], real: Float[Tensor, "B F"]) -> None:
        """Take generated points in; the real ones are not looked at."""
        distance, mode = torch.cdist(generated.float(), self.centers.to(generated.device)).min(dim=1)
        self.counts += mode[distance <= self.limit].bincount(minlength=len(self.centers))
        self.total += len(generated)


class NumModes(_NearModes):
    """How many modes have at least a tenth of the points that an equal share would give each."""

    def compute(self) -> Float[Tensor, ""]:
        """The number."""
        return (self.counts >= 0.1 * self.total / len(self.centers)).sum().float()


class HighQualityShare(_NearModes):
    """The share of points that lie near any mode."""

    def compute(self) -> Float[Tensor, ""]:
        """From 0 to 1."""
        return self.counts.sum() / self.total
