"""What each forecaster promises by itself: formulas by hand, independence of channels, causality."""

import pytest
import torch
from torch import Tensor, nn

from zoo.models.forecasting.dlinear import DLinear, moving_average
from zoo.models.forecasting.nhits import NHiTS
from zoo.models.forecasting.nlinear import NLinear
from zoo.models.forecasting.patchtst import PatchTST
from zoo.models.forecasting.recurrent import RecurrentForecaster
from zoo.models.forecasting.tcn import TCNForecaster

B, L, H, N = 3, 20, 4, 2


@pytest.fixture
def series() -> Tensor:
    return torch.randn(B, L, N, generator=torch.Generator().manual_seed(0))


def test_dlinear_is_the_sum_of_two_linear_layers_by_hand(series: Tensor) -> None:
    model = DLinear(num_targets=N, lookback=L, horizon=H, kernel_size=5)
    expected = torch.empty(B, H, N)
    for window in range(B):
        for column in range(N):
            values = series[window, :, column]
            padded = [values[0]] * 2 + list(values) + [values[-1]] * 2
            average = torch.stack([sum(padded[place : place + 5]) / 5 for place in range(L)])
            trend = model.trend.weight @ average + model.trend.bias
            expected[window, :, column] = trend + model.rest.weight @ (values - average) + model.rest.bias
    torch.testing.assert_close(model(series), expected)


def test_the_moving_average_of_a_line_is_the_line_but_for_its_ends() -> None:
    line = torch.arange(9.0).view(1, 1, 9)
    average = moving_average(line, 3)
    torch.testing.assert_close(average[..., 1:-1], line[..., 1:-1])
    assert average[0, 0, 0] == pytest.approx(1 / 3)


def test_a_kernel_without_a_middle_is_refused() -> None:
    with pytest.raises(ValueError, match="kernel_size 4: must be odd; set it to 5"):
        DLinear(num_targets=N, lookback=L, horizon=H, kernel_size=4)


def test_individual_layers_are_those_of_each_target(series: Tensor) -> None:
    own = DLinear(num_targets=N, lookback=L, horizon=H, individual=True)
    for column in range(N):
        alone = DLinear(num_targets=1, lookback=L, horizon=H)
        for name in ("trend", "rest"):
            getattr(alone, name).weight.data = getattr(own, name).weight[column].detach()
            getattr(alone, name).bias.data = getattr(own, name).bias[column].detach()
        expected = alone(series[..., column : column + 1])
        torch.testing.assert_close(own(series)[..., column : column + 1], expected)


def test_nlinear_forecasts_the_last_value_and_a_linear_way_from_it(series: Tensor) -> None:
    model = NLinear(num_targets=N, lookback=L, horizon=H)
    last = series[:, -1:]
    expected = torch.einsum("hl,bln->bhn", model.linear.weight, series - last) + model.linear.bias[:, None] + last
    torch.testing.assert_close(model(series), expected)


@pytest.mark.parametrize("kind", [DLinear, NLinear, NHiTS, PatchTST, RecurrentForecaster])
def test_what_reads_each_target_by_itself_does_not_mix_them(kind: type[nn.Module], series: Tensor) -> None:
    torch.manual_seed(0)
    model = kind(num_targets=N, lookback=L, horizon=H).eval()
    changed = series.clone()
    changed[..., 1] += torch.randn(B, L)
    before, after = model(series), model(changed)
    torch.testing.assert_close(before[..., 0], after[..., 0])
    assert not torch.allclose(before[..., 1], after[..., 1])


@pytest.mark.parametrize("kind", [TCNForecaster, RecurrentForecaster])
def test_what_reads_all_series_together_mixes_them(kind: type[nn.Module], series: Tensor) -> None:
    model = kind(num_targets=N, lookback=L, horizon=H, channel_independent=False).eval()
    changed = series.clone()
    changed[..., 1] += torch.randn(B, L)
    assert not torch.allclose(model(series)[..., 0], model(changed)[..., 0])


def test_patchtst_of_the_paper_has_42_patches() -> None:
    model = PatchTST(num_targets=7, lookback=336, horizon=96)
    assert model.positions.shape == (42, 16)
    assert model.head.weight.shape == (96, 42 * 16)


def test_the_last_patch_ends_with_the_last_value_gone_on() -> None:
    model = PatchTST(num_targets=1, lookback=8, horizon=1, patch_size=4, stride=2, rev_in=False)
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    model(torch.arange(8.0).view(1, 8, 1))
    assert seen[0][0].tolist() == [[0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 7, 7]]


def test_a_block_of_nhits_interpolates_what_it_forecasts() -> None:
    model = NHiTS(num_targets=1, lookback=L, horizon=8, pooling=[4], downsampling=[4], hidden_size=8)
    explained, steps = model.blocks[0](torch.randn(2, L))
    assert (explained.shape, steps.shape) == ((2, L), (2, 8))
    knots = model.blocks[0].layers(nn.functional.max_pool1d(torch.ones(1, 1, L), 4).squeeze(1))[:, L:]
    assert knots.shape == (1, 2)
    changes = steps.diff(dim=1).diff(dim=1).abs()
    assert (changes > 1e-5).sum(1).max() <= 4  # a line between two knots, level beyond them


def test_the_blocks_of_nhits_need_a_number_each() -> None:
    with pytest.raises(ValueError, match="one number for each block"):
        NHiTS(num_targets=1, lookback=L, horizon=H, pooling=[2, 1], downsampling=[1])


def test_a_segment_that_is_not_full_begins_with_the_first_value() -> None:
    model = RecurrentForecaster(num_targets=1, lookback=5, horizon=1, segment_size=3, rev_in=False).eval()
    seen: list[Tensor] = []
    model.embedding.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    model(torch.arange(5.0).view(1, 5, 1))
    assert seen[0][0].tolist() == [[0, 0, 1], [2, 3, 4]]


def test_quantiles_of_a_step_stand_side_by_side() -> None:
    model = NLinear(num_targets=N, lookback=L, horizon=H, quantiles=[0.1, 0.5, 0.9])
    nn.init.zeros_(model.linear.weight)
    model.linear.bias.data = torch.arange(H * 3.0)
    steps = model(torch.zeros(1, L, N))
    assert steps[0, :, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert torch.equal(steps[..., 0, :], steps[..., 1, :])
