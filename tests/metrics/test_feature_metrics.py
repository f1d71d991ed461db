"""Distances and neighbourhoods of features: against other ways to compute them, and on what is known."""

import math

import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from zoo.metrics.feature_metrics import FeatureMetrics, RealFeatures, spread
from zoo.metrics.frechet import Gaussian, frechet_distance
from zoo.metrics.kernel_distance import kernel_distance
from zoo.metrics.neighbours import are_copies, manifold_scores, nearest


def drawn(count: int, seed: int, features: int = 6) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(features, features, generator=draw)
    return torch.randn(count, features, generator=draw) @ mixed + torch.randn(features, generator=draw)


def test_the_frechet_distance_is_that_of_the_root_of_the_product() -> None:
    first, second = Gaussian(drawn(300, 0)), Gaussian(drawn(200, 1))
    root = sqrtm((first.covariance @ second.covariance).numpy()).real
    expected = (first.mean - second.mean).square().sum() + (first.covariance + second.covariance).trace()
    assert float(frechet_distance(first, second)) == pytest.approx(float(expected) - 2 * root.trace(), rel=1e-9)
    assert float(frechet_distance(first, first)) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_scaled_and_moved_samples_is_known() -> None:
    real = torch.randn(500, 8, generator=torch.Generator().manual_seed(0)).double()
    real = (real - real.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(real.T.cov())).T  # of identity covariance
    expected = 8 * (3 - 1) ** 2 + 8 * 0.5**2
    assert float(frechet_distance(Gaussian(3 * real + 0.5), Gaussian(real))) == pytest.approx(expected, rel=1e-6)


def test_fewer_samples_than_features_have_a_distance() -> None:
    few, many = drawn(5, 0, features=20), drawn(100, 1, features=20)
    assert math.isfinite(float(frechet_distance(Gaussian(few), Gaussian(many))))


def test_the_kernel_distance_is_that_of_all_pairs_without_bias() -> None:
    first, second = drawn(1203, 0).double(), drawn(704, 1).double()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / a.shape[1] + 1) ** 3

    within = [(kernel(x, x).sum() - kernel(x, x).trace()) / (len(x) * (len(x) - 1)) for x in (first, second)]
    expected = sum(within) - 2 * kernel(first, second).mean()
    assert float(kernel_distance(first.float(), second.float())) == pytest.approx(float(expected), rel=1e-5)


def test_the_kernel_distance_of_equal_distributions_is_zero_on_average() -> None:
    values = torch.stack([kernel_distance(*torch.randn(2, 50, 4).unbind()) for _ in range(100)])
    assert abs(float(values.mean())) < 3 * float(values.std()) / 10


def test_neighbourhoods_are_those_of_all_pairs() -> None:
    generated, real = drawn(60, 0, features=3), drawn(80, 0, features=3)
    between = torch.linalg.norm(generated[:, None] - real, dim=2)
    radii = [torch.linalg.norm(x[:, None] - x, dim=2).sort(1).values[:, 5] for x in (generated, real)]
    expected = {
        "precision": (between < radii[1]).any(1).float().mean(),
        "recall": (between < radii[0][:, None]).any(0).float().mean(),
        "density": (between < radii[1]).float().sum() / 5 / len(generated),
        "coverage": (between.amin(0) < radii[1]).float().mean(),
    }
    found = manifold_scores(generated, real)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), abs=1e-6), name


def test_nearest_others_are_found_and_exact_for_the_same() -> None:
    others = drawn(200, 0)
    distances, indices = nearest(others[[17, 3]], others, count=3)
    assert indices[:, 0].tolist() == [17, 3]
    assert distances[:, 0].tolist() == [0, 0]
    left_out = nearest(others[[17, 3]], others, leave_out=torch.tensor([17, 3]))
    torch.testing.assert_close(left_out[0][:, 0], distances[:, 1])
    torch.testing.assert_close(left_out[1][:, 0], indices[:, 1])


def test_training_samples_are_copies_and_new_ones_of_their_distribution_mostly_are_not() -> None:
    training, new = torch.randn(500, 8), torch.randn(300, 8)
    assert are_copies(training[:100] + 1e-4, training)[0].all()
    assert are_copies(new, training)[0].float().mean() < 0.6


def metrics(real: Tensor, **options: object) -> FeatureMetrics:
    found = RealFeatures(real)
    return FeatureMetrics(lambda: found, **options)  # type: ignore[arg-type]


def test_what_a_classifier_sees_is_told_of_all_batches() -> None:
    judged = metrics(drawn(50, 0))
    for label in (0, 1):
        logits = torch.full((10, 4), -20.0)
        logits[:, label] = 20.0
        judged.update(drawn(10, 1), logits, torch.zeros(10, dtype=torch.int64))
    values = judged.compute()
    assert float(values["confidence"]) == pytest.approx(1)
    assert float(values["class_entropy"]) == pytest.approx(math.log(2))
    assert float(values["class_recall"]) == pytest.approx(0.5)
    judged.reset()
    judged.update(drawn(10, 1))
    assert "confidence" not in judged.compute()


def test_the_floor_is_that_of_as_many_real_samples() -> None:
    real, training = torch.randn(400, 4), torch.randn(1000, 4)
    judged = metrics(real, floor=lambda: training)
    judged.update(torch.randn(100, 4) + 2)
    values = judged.compute()
    assert float(values["fid_floor"]) < 0.5 < float(values["fid"])
    assert abs(float(values["kid_floor"])) < 0.5 < float(values["kid"])


def test_samples_that_are_not_finite_are_told_as_such() -> None:
    judged = metrics(drawn(50, 0))
    judged.update(torch.full((20, 6), torch.nan))
    assert judged.compute()["fid"].isnan()


def test_rows_that_are_spread_are_of_each_part_of_a_split() -> None:
    rows = torch.arange(100.0)[:, None]
    assert spread(rows, 5).flatten().tolist() == [0, 25, 50, 74, 99]
    assert len(spread(rows[:3], 5)) == 3
