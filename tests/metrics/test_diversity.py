"""Variety of generated samples: what collapses is told, for points and images alike."""

import math

import pytest
import torch
from torch import Tensor

from zoo.metrics.diversity import Coverage, Diversity, Likeness


def ring(modes: int, count: int = 512, *, seed: int, std: float = 0.05) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    angle = torch.randint(modes, (count,), generator=draw) * (2 * math.pi / 8)
    return 2 * torch.stack([angle.cos(), angle.sin()], 1) + std * torch.randn(count, 2, generator=draw)


def images(count: int, *, seed: int, kinds: int | None = None) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    basis = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(9))
    weights = torch.randn(kinds or count, 12, generator=draw)
    if kinds is not None:
        weights = weights.repeat(count // kinds, 1)
    return torch.einsum("bk,kchw->bchw", weights, basis) + 0.1 * torch.randn(count, 1, 8, 8, generator=draw)


def judged(generated: Tensor, real: Tensor) -> tuple[float, float, float]:
    metrics = Diversity(), Coverage(), Likeness()
    for metric in metrics:
        for parts in zip(generated.split(100), real.split(100), strict=True):
            metric.update(*parts)
    return tuple(float(metric.compute()) for metric in metrics)  # type: ignore[return-value]


@pytest.mark.parametrize("std", [0.02, 0.05, 0.1])
def test_modes_that_are_missing_are_told_whatever_their_width(std: float) -> None:
    for modes in (1, 2, 4, 8):
        diversity, coverage, likeness = judged(ring(modes, seed=1, std=std), ring(8, seed=2))
        assert diversity == pytest.approx(modes / 8, abs=0.05)
        assert coverage == pytest.approx(modes / 8, abs=0.06)
        assert likeness == 1


def test_images_that_repeat_themselves_are_told() -> None:
    real = images(256, seed=0)
    assert judged(images(256, seed=1), real) == pytest.approx((1, 1, 1), abs=0.25)
    assert judged(images(256, seed=1, kinds=1), real)[0] < 0.05
    assert judged(images(256, seed=1, kinds=8), real)[0] < 0.2


def test_samples_like_no_real_ones_are_told_from_few_modes() -> None:
    diversity, coverage, likeness = judged(ring(8, seed=1) / 3, ring(8, seed=2))
    assert coverage == 0 and likeness == 0 and diversity < 1


def test_large_images_and_few_samples_are_judged_too() -> None:
    draw = torch.Generator().manual_seed(0)
    large = torch.randn(20, 3, 80, 40, generator=draw)
    assert judged(large, large)[0] == pytest.approx(1)
    assert all(math.isnan(value) for value in judged(large[:1], large[:1]))
