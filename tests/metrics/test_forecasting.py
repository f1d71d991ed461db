"""Errors of forecasts against values by hand, fed at once or in parts."""

import pytest
import torch
from torch import Tensor

from zoo.losses.quantile import QuantileLoss
from zoo.metrics.baselines import drift, naive, seasonal_naive
from zoo.metrics.forecasting import CRPS, MAE, MASE, MSE, SMAPE, Coverage, ForecastMetric, point

# One window, two steps, two targets.
TARGETS = torch.tensor([[[1.0, 10.0], [3.0, 20.0]]])
POINTS = torch.tensor([[[2.0, 10.0], [1.0, 24.0]]])  # off by 1, 0, 2 and 4
LEVELS = [0.1, 0.5, 0.9]
# Lower, middle and upper quantile: one value in four lies outside.
QUANTILES = torch.stack([POINTS - 3, POINTS, POINTS + 1], dim=3)


def value(metric: ForecastMetric, preds: Tensor, targets: Tensor = TARGETS) -> float:
    metric.update(preds, targets)
    return float(metric.compute())


def test_errors_of_points_have_their_values_by_hand() -> None:
    assert value(MSE(), POINTS) == pytest.approx((1 + 0 + 4 + 16) / 4)
    assert value(MAE(), POINTS) == pytest.approx((1 + 0 + 2 + 4) / 4)
    assert value(MASE([0.5, 4.0]), POINTS) == pytest.approx((1 / 0.5 + 0 + 2 / 0.5 + 4 / 4) / 4)


def test_the_percentage_error_is_that_of_the_units_of_the_data() -> None:
    mean, std = [1.0, 2.0, 99.0], [2.0, 3.0, 99.0]  # a covariate stands behind the targets
    terms = []
    for forecast, true, column in ((2, 1, 0), (10, 10, 1), (1, 3, 0), (24, 20, 1)):
        first, second = (number * std[column] + mean[column] for number in (forecast, true))
        terms.append(2 * abs(first - second) / (abs(first) + abs(second)))
    assert value(SMAPE(mean, std), POINTS) == pytest.approx(sum(terms) / 4)


def test_nothing_forecast_of_nothing_is_no_error() -> None:
    zeros = torch.zeros(1, 2, 1)
    assert value(SMAPE([0.0], [1.0]), zeros, zeros) == 0


def test_the_point_of_quantiles_is_their_middle() -> None:
    assert torch.equal(point(QUANTILES), POINTS)
    assert value(MSE(), QUANTILES) == value(MSE(), POINTS)


def test_coverage_is_the_share_between_the_outer_quantiles() -> None:
    assert value(Coverage(), QUANTILES) == pytest.approx(0.5)  # off by 2 and by -4: one above, one below


def test_crps_is_twice_the_quantile_loss_in_units() -> None:
    expected = 0.0
    for window in range(2):
        for target in range(2):
            true = float(TARGETS[0, window, target])
            for place, level in enumerate(LEVELS):
                above = true - float(QUANTILES[0, window, target, place])
                expected += 2 * max(level * above, (level - 1) * above) * [5.0, 2.0][target] / (4 * len(LEVELS))
    assert value(CRPS([7.0, 7.0], [5.0, 2.0], LEVELS), QUANTILES) == pytest.approx(expected, rel=1e-5)


def test_crps_of_many_quantiles_comes_close_to_that_of_the_distribution() -> None:
    levels = [(number + 0.5) / 399 for number in range(399)]
    normal = torch.distributions.Normal(0.0, 1.0)
    quantiles = normal.icdf(torch.tensor(levels)).view(1, 1, 1, -1)
    # Of a standard normal forecast and the value 0: 2 φ(0) - 1 / √π (Gneiting and Raftery, 2007).
    assert value(CRPS([0.0], [1.0], levels), quantiles, torch.zeros(1, 1, 1)) == pytest.approx(0.2337, abs=2e-3)


def test_the_quantile_loss_is_least_at_the_quantile() -> None:
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(4001, generator=draw)
    loss = QuantileLoss([0.9])
    losses = {shift: float(loss(torch.full((4001, 1), shift), values)) for shift in (1.0, 1.28, 1.6)}
    assert min(losses, key=losses.__getitem__) == 1.28


def test_the_median_loss_is_half_the_absolute_error() -> None:
    forecasts, targets = torch.tensor([[1.0], [5.0]]), torch.tensor([3.0, 4.0])
    assert float(QuantileLoss([0.5])(forecasts, targets)) == pytest.approx((2 + 1) / 2 / 2)


def test_the_mean_is_over_windows_and_not_over_batches() -> None:
    draw = torch.Generator().manual_seed(0)
    preds, targets = torch.randn(7, 3, 2, generator=draw), torch.randn(7, 3, 2, generator=draw)
    for metric in (MSE(), MASE([1.0, 2.0]), SMAPE([0.0, 1.0], [1.0, 2.0])):
        for part in ([0, 1, 2, 3, 4], [5, 6]):
            metric.update(preds[part], targets[part])
        parts = float(metric.compute())
        metric.reset()
        assert parts == pytest.approx(value(metric, preds, targets), rel=1e-5)


def test_half_precision_forecasts_are_judged_in_full() -> None:
    exact = value(MSE(), POINTS.bfloat16(), TARGETS)
    assert exact == pytest.approx(21 / 4)
    assert MSE().bfloat16().total.dtype == torch.float32


def test_the_baselines_go_on_as_they_say() -> None:
    history = torch.tensor([[[0.0], [1.0], [5.0], [3.0], [4.0]]])
    assert naive(history, 3).flatten().tolist() == [4, 4, 4]
    assert seasonal_naive(history, 5, season_length=3).flatten().tolist() == [5, 3, 4, 5, 3]
    assert drift(history, 3).flatten().tolist() == [5, 6, 7]


def test_a_season_of_one_step_is_the_naive_forecast() -> None:
    history = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(seasonal_naive(history, 4, season_length=1), naive(history, 4))
