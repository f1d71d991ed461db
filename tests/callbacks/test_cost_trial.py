"""How long validation is going to take, from a few of its batches."""

import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from zoo.callbacks.cost_trial import CostTrial
from zoo.costs.forecast import Forecast, Length


@pytest.mark.parametrize(("total", "taken"), [(2, 2), (8, 8), (16, 8), (400, 8)])
def test_processes_share_the_batches_of_validation(total: int, taken: int) -> None:
    def seconds(processes: int) -> float:
        trial: Any = CostTrial(processes=processes)
        trial.forecast = Forecast(1, 1, Length(10, 4, 1.0))
        now = time.perf_counter()
        trial._validation_started = now - taken
        trial._ends = [now - taken + batch for batch in range(1, taken + 1)]
        trial.on_validation_end(
            SimpleNamespace(val_dataloaders=range(total)), SimpleNamespace(device=torch.device("cpu"))
        )
        return float(trial.forecast.seconds_per_validation)

    assert seconds(1) == pytest.approx(total, abs=0.1)
    assert seconds(2) == pytest.approx(total / 2, abs=0.1)
