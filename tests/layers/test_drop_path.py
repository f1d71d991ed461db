import pytest
import torch
from torchvision.ops import StochasticDepth

from zoo.layers.drop_path import DropPath, drop_path_rates


def test_a_sample_is_dropped_whole_or_scaled_whole() -> None:
    torch.manual_seed(0)
    y = DropPath(0.25)(torch.ones(64, 3, 4, 4)).flatten(start_dim=1)
    assert all(sample.unique().numel() == 1 for sample in y)
    torch.testing.assert_close(y.unique(), torch.tensor([0, 1 / 0.75]))


def test_it_drops_as_often_as_torchvisions() -> None:
    torch.manual_seed(0)
    x = torch.ones(100_000, 1)
    ours, theirs = DropPath(0.3)(x), StochasticDepth(0.3, mode="row")(x)
    # The standard error of either mean is 0.002.
    assert ours.mean().item() == pytest.approx(theirs.mean().item(), abs=0.01)
    assert ours.std().item() == pytest.approx(theirs.std().item(), abs=0.01)


def test_in_evaluation_nothing_is_dropped() -> None:
    x = torch.randn(8, 4)
    assert torch.equal(DropPath(0.9).eval()(x), x)


def test_with_probability_zero_nothing_is_dropped() -> None:
    x = torch.randn(8, 4)
    assert torch.equal(DropPath(0.0)(x), x)


def test_rates_rise_linearly_from_zero() -> None:
    assert drop_path_rates(0.2, 3) == pytest.approx([0, 0.1, 0.2])


def test_a_single_block_is_never_dropped() -> None:
    assert drop_path_rates(0.2, 1) == [0]
