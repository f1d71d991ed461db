"""A shuffled order without memory is a permutation, and looks drawn."""

import numpy as np
import pytest

from zoo.data.permutation import permuted


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 16, 17, 1000, 4097])
def test_every_number_comes_once(size: int) -> None:
    assert sorted(permuted(np.arange(size), size, 0)) == list(range(size))


def test_a_part_is_the_part_of_the_whole() -> None:
    whole = permuted(np.arange(1000), 1000, "seed", 3)
    assert np.array_equal(permuted(np.arange(300, 310), 1000, "seed", 3), whole[300:310])


def test_other_counters_give_another_order() -> None:
    first, second = (permuted(np.arange(1000), 1000, seed) for seed in (0, 1))
    assert (first == second).mean() < 0.01


def test_neighbours_lie_anywhere() -> None:
    drawn = permuted(np.arange(100_000), 100_000, 0)
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.02
    assert abs(np.corrcoef(drawn, np.arange(100_000))[0, 1]) < 0.02


def test_a_few_of_a_trillion_cost_nothing() -> None:
    drawn = permuted(np.arange(100), 10**12, 0)
    assert len(set(drawn.tolist())) == 100 and drawn.min() >= 0 and drawn.max() < 10**12
