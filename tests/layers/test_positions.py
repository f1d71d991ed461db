import math
import pickle

import pytest
import torch

from zoo.layers.positions import LearnedPositions, RotaryPositions, SinusoidalPositions


def test_a_learned_vector_is_added_to_each_place() -> None:
    positions = LearnedPositions(4, 6)
    x = torch.zeros(2, 3, 4)
    assert torch.equal(positions(x, 2)[1], positions.embedding[2:5])


def test_more_places_than_learned_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="sequence of 7: must be at most context_length 6"):
        LearnedPositions(4, 6)(torch.zeros(1, 3, 4), 4)


def test_sinusoidal_positions_are_those_of_the_paper() -> None:
    waves = SinusoidalPositions(6)(torch.zeros(1, 200, 6, dtype=torch.float64))[0]
    for place in (0, 1, 150):
        for pair in range(3):
            angle = place / 10_000 ** (2 * pair / 6)
            assert waves[place, 2 * pair].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert waves[place, 2 * pair + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


def test_an_odd_width_has_sinusoidal_positions_too() -> None:
    x = torch.zeros(1, 9, 5)
    assert torch.equal(SinusoidalPositions(5)(x), SinusoidalPositions(5)(x))


def test_rotation_is_multiplication_by_a_complex_number() -> None:
    heads = torch.randn(2, 5, 3, 8, dtype=torch.float64)
    turned = RotaryPositions(8)(heads, start=4)
    places, pairs = torch.arange(4, 9.0, dtype=torch.float64), torch.arange(4.0, dtype=torch.float64)
    angles = torch.outer(places, 10_000 ** (-pairs / 4))[:, None]
    expected = torch.complex(*heads.chunk(2, dim=3)) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(torch.complex(*turned.chunk(2, dim=3)), expected, atol=1e-12, rtol=0)


def test_only_the_distance_of_two_rotated_places_counts() -> None:
    rotary = RotaryPositions(8)
    query, key = torch.randn(2, 1, 1, 1, 8, dtype=torch.float64).unbind()
    scores = [(rotary(query, start) * rotary(key, start + 3)).sum() for start in (0, 5, 70)]
    torch.testing.assert_close(scores[0], scores[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(scores[0], scores[2], atol=1e-12, rtol=0)


def test_an_odd_head_has_no_rotary_positions() -> None:
    with pytest.raises(ValueError, match="head width 5: must be even"):
        RotaryPositions(5)


@pytest.mark.parametrize("positions", [SinusoidalPositions(4), RotaryPositions(4)], ids=["sinusoidal", "rotary"])
def test_what_is_computed_is_no_state_and_serves_training_after_inference(positions: torch.nn.Module) -> None:
    shape = (1, 100, 4) if isinstance(positions, SinusoidalPositions) else (1, 100, 2, 4)
    with torch.inference_mode():
        expected = positions(torch.ones(shape)).clone()
    assert not positions.state_dict()
    x = torch.ones(shape, requires_grad=True)
    y = positions(x)
    (y * y).sum().backward()
    assert torch.equal(y, expected)
    assert x.grad is not None
    assert torch.equal(pickle.loads(pickle.dumps(positions))(x), expected)


@pytest.mark.parametrize("positions", [SinusoidalPositions(4), RotaryPositions(4)], ids=["sinusoidal", "rotary"])
def test_half_precision_rounds_the_wave_not_the_place(positions: torch.nn.Module) -> None:
    shape = (1, 1, 4) if isinstance(positions, SinusoidalPositions) else (1, 1, 1, 4)
    positions.bfloat16()
    exact = positions(torch.ones(shape, dtype=torch.float64), 4001)
    rounded = positions(torch.ones(shape, dtype=torch.bfloat16), 4001)
    torch.testing.assert_close(rounded.double(), exact, atol=0.02, rtol=0)
