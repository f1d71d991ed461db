"""Forecasting: losses by criterion, quantiles by one option, and metrics that fit what is forecast."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.metrics.forecasting import CRPS, MAE, MSE, Coverage
from zoo.models.forecasting.nlinear import NLinear
from zoo.tasks.forecasting import ForecastingTask

L, H, N = 8, 4, 2
LEVELS = [0.1, 0.5, 0.9]


def task(
    quantiles: list[float] | None = None, *, criterion: nn.Module | None = None, **options: Any
) -> ForecastingTask:
    torch.manual_seed(0)
    model = NLinear(num_targets=N, lookback=L, horizon=H, quantiles=quantiles)
    optimizer = partial(torch.optim.Adam, lr=0.05)
    return ForecastingTask(
        model, criterion=criterion or nn.MSELoss(), optimizer=optimizer, quantiles=quantiles, **options
    )


def batch(windows: int = 3) -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(windows)
    series = torch.randn(windows, L + H, N, generator=draw)
    return {"input": series[:, :L], "target": series[:, L:], "index": torch.arange(windows)}


@pytest.mark.parametrize(
    ("criterion", "function"),
    [
        (nn.MSELoss(), nn.functional.mse_loss),
        (nn.L1Loss(), nn.functional.l1_loss),
        (nn.HuberLoss(), nn.functional.huber_loss),
    ],
)
def test_the_criterion_is_that_of_points(criterion: nn.Module, function: Any) -> None:
    learner = task(criterion=criterion)
    outputs = learner(batch())
    assert outputs.shape == (3, H, N)
    torch.testing.assert_close(learner.losses(outputs, batch())["loss"], function(outputs, batch()["target"]))


def test_quantiles_are_learned_by_the_quantile_loss_whatever_the_criterion() -> None:
    learner = task(LEVELS)
    outputs, target = learner(batch()), batch()["target"]
    assert outputs.shape == (3, H, N, 3)
    expected = 0.0
    for place, level in enumerate(LEVELS):
        above = target - outputs[..., place]
        expected += torch.maximum(level * above, (level - 1) * above).mean() / 3
    torch.testing.assert_close(learner.losses(outputs, batch())["loss"], expected)


def test_quantiles_that_cross_are_judged_in_their_order() -> None:
    learner = task(LEVELS)
    crossed = torch.tensor([3.0, 1.0, 2.0]).expand(1, H, N, 3)
    assert learner.finish(crossed)[0, 0, 0].tolist() == [1, 2, 3]
    assert torch.equal(task().finish(batch()["target"]), batch()["target"])


@pytest.mark.parametrize("wrong", [[0.1, 0.9], [0.5, 0.1, 0.9], [0.0, 0.5, 0.9], [0.5, 0.9], [0.1, 0.2, 0.9], []])
def test_quantiles_without_a_middle_are_refused(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=r"quantiles \[.*0\.5 in their middle; set them to"):
        task(wrong)


def test_metrics_of_quantiles_are_left_out_where_points_are_forecast() -> None:
    metrics = {"mse": MSE(), "crps": CRPS([0.0] * N, [1.0] * N, LEVELS), "coverage": Coverage()}
    for quantiles, names in ((None, {"loss", "mse"}), (LEVELS, {"loss", "mse", "crps", "coverage"})):
        learner = task(quantiles, metrics=metrics).eval()
        learner.validation_step(batch(), 0)
        assert learner.val_record.compute().keys() == names


def test_a_stage_weighs_windows_alike() -> None:
    learner = task(metrics={"mse": MSE()}).eval()
    errors = []
    for windows in (5, 2):
        learner.validation_step(batch(windows), 0)
        errors.append((learner(batch(windows)) - batch(windows)["target"]).square().detach().flatten())
    values = learner.val_record.compute()
    expected = float(torch.cat(errors).mean())
    assert float(values["mse"]) == pytest.approx(expected, rel=1e-5)
    assert float(values["loss"]) == pytest.approx(expected, rel=1e-5)


def test_half_precision_outputs_are_judged_in_full() -> None:
    learner = task().to(torch.bfloat16)
    assert learner.losses(learner(batch()), batch())["loss"].dtype == torch.float32


def test_one_batch_is_learned_by_heart() -> None:
    learner, each = task(metrics={"mae": MAE()}), batch(2)  # four series, for eight numbers to learn
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        learner.losses(learner(each), each)["loss"].backward()
        optimizer.step()
    assert float(learner.losses(learner(each), each)["loss"].detach()) < 1e-3


def test_the_learned_quantiles_cover_as_much_as_they_say() -> None:
    learner, draw = task(LEVELS), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.02)
    noise = torch.randn(2000, L + H, N, generator=draw)
    each = {"input": torch.zeros(2000, L, N), "target": noise[:, L:], "index": torch.arange(2000)}
    for _ in range(200):
        optimizer.zero_grad()
        learner.losses(learner(each), each)["loss"].backward()
        optimizer.step()
    coverage = Coverage()
    coverage.update(learner.finish(learner(each).detach()), each["target"])
    assert float(coverage.compute()) == pytest.approx(0.8, abs=0.02)
