"""What is read from a range test."""

import math

import numpy as np
import pytest

from zoo.callbacks.learning_rate_range import draw, smoothed, suggest

RATES = np.geomspace(1e-6, 1, 100).tolist()


def valley(noise: float = 0.0) -> list[float]:
    """A loss that falls fastest at 1e-3, is lowest near 1e-1.8, and explodes after that."""
    logs = np.log10(RATES)
    curve = 2 - 1.5 / (1 + np.exp(-4 * (logs + 3))) + 3 * np.exp(6 * (logs + 0.8))
    return (curve + noise * np.random.default_rng(0).normal(size=100)).tolist()


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_steepest_fall_is_found_in_noise(noise: float) -> None:
    suggestion = suggest(RATES, valley(noise))
    assert suggestion is not None
    assert 10**-3.4 < suggestion.steepest < 10**-2.6
    assert suggestion.steepest < suggestion.lowest < 10**-1


def test_a_loss_that_never_falls_suggests_nothing() -> None:
    assert suggest(RATES, np.linspace(1, 2, 100).tolist()) is None


def test_what_is_not_finite_is_left_out() -> None:
    losses = [*valley()[:-3], math.inf, math.nan, math.nan]
    assert suggest(RATES, losses) == suggest(RATES[:-3], losses[:-3])
    assert draw(RATES, losses, suggest(RATES, losses)).shape[2] == 3


def test_smoothing_shifts_nothing() -> None:
    spike = [0.0] * 50 + [1.0] + [0.0] * 49
    assert int(smoothed(spike).argmax()) == 50
