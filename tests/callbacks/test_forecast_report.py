"""How windows are scored, and how the scores of several processes become one."""

import numpy as np
import torch

from zoo.callbacks.forecast_figures import Window, forecast_windows
from zoo.callbacks.forecast_scores import SCORES, Units, WindowScores, all_forecasts, best_median_worst, table

UNITS = Units(np.array([1.0, 2.0]), np.array([2.0, 3.0]), np.array([0.5, 4.0]))


def windows(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 2, generator=draw), torch.randn(count, 3, 2, generator=draw)


def test_a_window_has_its_scores_by_hand() -> None:
    scores = WindowScores()
    forecast = torch.tensor([[[2.0, 10.0], [1.0, 24.0]]])
    true = torch.tensor([[[1.0, 10.0], [3.0, 20.0]]])
    scores.add({"model": forecast}, true, torch.tensor([7]), UNITS)
    index, found, by_step = scores.joined()
    terms = [abs(2 * 2 - 2 * 1) / (5 + 3), 0, abs(2 * 1 - 2 * 3) / (3 + 7), 3 * 4 / (74 + 62)]
    assert index.tolist() == [7]
    np.testing.assert_allclose(found["model"][0], [21 / 4, 7 / 4, (2 + 4 + 1) / 4, 2 * sum(terms) / 4])
    np.testing.assert_allclose(by_step["model"], [[1, 0], [2, 4]])


def test_processes_that_saw_parts_know_together_what_one_would() -> None:
    preds, targets = windows(7)
    whole = WindowScores()
    whole.add({"model": preds}, targets, torch.arange(7), UNITS)
    parts = [WindowScores(), WindowScores()]
    for rank, part in enumerate(parts):
        rows = torch.arange(rank, 7, 2)
        part.add({"model": preds[rows]}, targets[rows], rows, UNITS)
    for one, other in zip(whole.joined(), WindowScores.merged(parts).joined(), strict=True):
        if isinstance(one, dict):
            one, other = one["model"], other["model"]
        np.testing.assert_allclose(one, other)


def test_the_best_the_median_and_the_worst_window_are_those_of_the_squared_error() -> None:
    scores = np.zeros((5, len(SCORES)))
    scores[:, 0] = [3, 1, 5, 2, 4]
    assert best_median_worst(scores) == {"best": 1, "median": 0, "worst": 2}


def test_the_table_has_a_line_for_each_forecaster() -> None:
    lines = table({"model": np.ones((2000, 4)), "naive": np.full((2000, 4), 2.0)})
    assert lines[0].split() == ["2,000", "windows", *SCORES]
    assert lines[1].split() == ["model", *["1.0000"] * 4]


def test_without_a_season_in_reach_there_is_no_seasonal_forecast() -> None:
    class Source:
        targets, lookback, horizon, season_length = ["a", "b"], 4, 3, 9

        def history(self, split: str, index: torch.Tensor, length: int) -> torch.Tensor | None:
            return torch.zeros(len(index), length, 2) if length <= 4 else None

    found = all_forecasts(torch.zeros(2, 3, 2), Source(), "test", torch.arange(2))  # type: ignore[arg-type]
    assert list(found) == ["model", "naive", "drift"]


def test_one_step_and_what_is_still_to_come_can_be_drawn() -> None:
    seen, forecast = np.zeros((4, 1)), np.ones((1, 1))
    window = Window("next", list("abcde"), seen, forecast[:0], forecast, np.ones((1, 1, 3)))
    picture = forecast_windows([window], ["load"], levels=[0.1, 0.5, 0.9])
    assert picture.ndim == 3 and picture.dtype == np.uint8
