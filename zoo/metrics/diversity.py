"""How varied generated samples are beside real ones, without a feature network: what betrays a mode collapse.

Two samples are alike where they are as near to each other as few real ones are. Counting pairs that are alike measures
diversity as ecologists do (Leinster, Cobbold, "Measuring diversity: the importance of species similarity", 2012), and
tells a generator that repeats itself as the birthday test does (Arora, Zhang, "Do GANs actually learn the
distribution?", 2017, arXiv:1706.08224).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from zoo.ranges import PositiveInt, Probability

_SIDE = 32  # pixels to which images are averaged: finer detail is no variety


class _Alike(Metric):
    """Gathers samples of both kinds, and says how far apart two samples are that are still alike.

    They are alike below a quarter of the mean distance of real samples, or the distance that `share` of the pairs of
    real ones come below, whichever is more: the first parts modes of points, the second serves images, of which hardly
    two are that near.

    Args:
        num_samples: how many of each kind are compared, the first of each process.
        share: of the pairs of real samples.
    """

    full_state_update = False
    higher_is_better = True
    generated: list[Tensor]
    real: list[Tensor]

    def __init__(self, *, num_samples: PositiveInt = 512, share: Probability = 0.02) -> None:
        super().__init__()
        self.num_samples, self.share = num_samples, share
        self.add_state("generated", default=[], dist_reduce_fx="cat")
        self.add_state("real", default=[], dist_reduce_fx="cat")

    def update(self, generated: Float[Tensor, "B *sample"], real: Float[Tensor, "B *sample"]) -> None:
        """Take as many generated as real samples in."""
        missing = self.num_samples - sum(map(len, self.real))
        if missing > 0:
            self.generated.append(_reduced(generated[:missing]))
            self.real.append(_reduced(real[:missing]))

    def compute(self) -> Float[Tensor, ""]:
        """The measure, 1 where generated samples are like real ones; NaN of fewer than two."""
        generated, real = dim_zero_cat(self.generated), dim_zero_cat(self.real)
        among_real = _without_self(torch.cdist(real, real))
        if not among_real.numel():
            return real.new_tensor(float("nan"))
        rank = max(1, round(self.share * among_real.numel()))
        limit = torch.maximum(among_real.mean() / 4, among_real.flatten().kthvalue(rank).values)
        return self._compare(generated, real, among_real, limit)

    def _compare(self, generated: Tensor, real: Tensor, among_real: Tensor, limit: Tensor) -> Tensor:
        raise NotImplementedError


class Diversity(_Alike):
    """How many times rarer two generated samples are alike than they would be, were they as varied as real ones.

    One of N modes that are equally frequent gives 1 / N; a single sample gives `share` or less.
    """

    def _compare(self, generated: Tensor, real: Tensor, among_real: Tensor, limit: Tensor) -> Tensor:
        alike = (_without_self(torch.cdist(generated, generated)) <= limit).float().mean()
        # Of pairs that are alike at least one is counted, so that the measure stays finite.
        return (among_real <= limit).float().mean() / alike.clamp(min=2 / among_real.numel())


class Coverage(_Alike):
    """The share of real samples that a generated one is alike to, beside the share that another real one is."""

    def _compare(self, generated: Tensor, real: Tensor, among_real: Tensor, limit: Tensor) -> Tensor:
        reached = (torch.cdist(real, generated).amin(dim=1) <= limit).float().mean()
        return reached / (among_real.amin(dim=1) <= limit).float().mean()


class Likeness(_Alike):
    """The share of generated samples that a real one is alike to, beside the share of real ones."""

    def _compare(self, generated: Tensor, real: Tensor, among_real: Tensor, limit: Tensor) -> Tensor:
        near = (torch.cdist(generated, real).amin(dim=1) <= limit).float().mean()
        return near / (among_real.amin(dim=1) <= limit).float().mean()


def _reduced(samples: Tensor) -> Tensor:
    """Returns samples as rows, large images averaged to what is seen from afar."""
    samples = samples.detach().float()
    if samples.ndim == 4 and max(samples.shape[2:]) > _SIDE:
        height, width = (min(side, _SIDE) for side in samples.shape[2:])
        samples = functional.adaptive_avg_pool2d(samples, (height, width))
    return samples.flatten(1)


def _without_self(distances: Float[Tensor, "B B"]) -> Float[Tensor, "B A"]:
    """Returns the distances of each sample to all others."""
    count = len(distances)
    others = ~torch.eye(count, dtype=torch.bool, device=distances.device)
    return distances[others].view(count, count - 1)
