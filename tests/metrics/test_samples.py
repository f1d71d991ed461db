"""Metrics of generated samples."""

import pytest
import torch

from zoo.metrics.samples import HighQualityShare, NumModes, SlicedWasserstein


def test_equal_sets_have_no_distance_in_any_order_and_in_any_batches() -> None:
    metric, samples = SlicedWasserstein(), torch.randn(40, 1, 4, 4)
    for generated, real in zip(samples.flip(0).split(10), samples.split(10), strict=True):
        metric.update(generated, real)
    assert metric.compute() == 0


def test_the_distance_of_moved_points_is_the_mean_of_the_move_along_all_directions() -> None:
    metric, points = SlicedWasserstein(num_directions=4000), torch.randn(50, 2)
    metric.update(points + torch.tensor([3.0, 0.0]), points)
    assert metric.compute().item() == pytest.approx(3 * 2 / torch.pi, rel=0.03)  # 3 times the mean of |cos|


def test_modes_and_points_near_them_are_counted() -> None:
    centers = [[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]]
    points = torch.cat((torch.zeros(50, 2), torch.tensor([[10.0, 0.3]]).expand(40, 2), torch.full((9, 2), 5.0)))
    points = torch.cat((points, torch.tensor([[0.0, 10.0]])))  # a single point is not a mode that was found
    modes, share = NumModes(centers, 0.1), HighQualityShare(centers, 0.1)
    modes.update(points, points)
    share.update(points, points)
    assert modes.compute() == 2
    assert share.compute().item() == pytest.approx(0.91)
