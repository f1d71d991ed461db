"""What is recorded of the mistakes of a validation."""

import math

import pytest
import torch
from torchmetrics.functional.classification import binary_auroc

from zoo.callbacks.validation_recorder import sure_mistakes


@pytest.mark.parametrize("digits", [1, 6])  # with many equals, and without
def test_how_sure_mistakes_are_is_the_area_under_the_curve_that_tells_them_from_the_rest(digits: int) -> None:
    numbers = torch.Generator().manual_seed(0)
    probabilities = torch.rand(500, generator=numbers).round(decimals=digits)
    is_right = torch.rand(500, generator=numbers) < probabilities
    assert sure_mistakes(probabilities, is_right) == pytest.approx(
        binary_auroc(probabilities, (~is_right).long()).item(), abs=1e-6
    )


def test_mistakes_as_sure_as_the_rest_are_surer_in_half_of_the_pairs_and_few_mistakes_tell_nothing() -> None:
    probabilities = torch.full((40,), 0.9)
    assert sure_mistakes(probabilities, torch.arange(40) < 20) == 0.5
    assert math.isnan(sure_mistakes(probabilities, torch.arange(40) < 21))
    assert math.isnan(sure_mistakes(probabilities, torch.zeros(40, dtype=torch.bool)))
