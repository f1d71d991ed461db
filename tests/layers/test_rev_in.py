import pytest
import torch
from torch import nn

from zoo.layers.rev_in import RevIN


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e4])
def test_what_is_taken_out_is_put_back(affine: bool, scale: float) -> None:
    layer = RevIN(3, affine=affine)
    if affine:
        nn.init.uniform_(layer.weight, 0.5, 2.0)
        nn.init.normal_(layer.bias)
    series = scale * torch.randn(4, 20, 3, generator=torch.Generator().manual_seed(0)) + 5 * scale
    normal, level = layer(series)
    torch.testing.assert_close(layer.inverse(normal, level), series, rtol=1e-4, atol=1e-4 * scale)


def test_windows_have_mean_zero_and_deviation_one() -> None:
    normal, _ = RevIN(2)(7 * torch.randn(4, 50, 2) + 3)
    torch.testing.assert_close(normal.mean(1), torch.zeros(4, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std(1, correction=0), torch.ones(4, 2), atol=1e-4, rtol=0)


def test_quantiles_are_put_back_like_points() -> None:
    layer = RevIN(2, affine=True)
    _, level = layer(torch.randn(3, 10, 2))
    points = torch.randn(3, 5, 2)
    stacked = layer.inverse(torch.stack([points, points + 1], dim=3), level)
    torch.testing.assert_close(stacked[..., 0], layer.inverse(points, level))
    torch.testing.assert_close(stacked[..., 1], layer.inverse(points + 1, level))


def test_a_constant_window_stays_finite() -> None:
    layer = RevIN(1)
    normal, level = layer(torch.full((2, 5, 1), 3.0))
    assert normal.isfinite().all()
    torch.testing.assert_close(layer.inverse(normal, level), torch.full((2, 5, 1), 3.0))
