"""Noise that is numbered, and the way from one draw to another."""

import pytest
import torch

from zoo.models.gan.latent import numbered_noise, way


def test_each_row_of_noise_depends_on_seed_and_number_alone() -> None:
    few, many, later = (numbered_noise(numbers, 5, seed=3) for numbers in (range(4), range(20), range(2, 4)))
    assert torch.equal(few, many[:4]) and torch.equal(later, few[2:])
    assert not torch.equal(few, numbered_noise(range(4), 5, seed=4))


def test_noise_on_the_way_is_distributed_as_noise_is() -> None:
    start, end = numbered_noise(range(4000), 3, seed=0).split(2000)
    ways = way(start, end, 4)
    assert ways.shape == (2000, 4, 3) and torch.equal(ways[:, 0], start)
    assert ways.std(dim=0) == pytest.approx(torch.ones(4, 3), abs=0.06)
