"""What holds for every YAML file in configs/model that can forecast."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import Tensor, nn

CONFIGS = Path(__file__).parents[3] / "configs" / "model"
FILES = {
    **{path.stem: path for path in CONFIGS.glob("*.yaml") if "${data.horizon}" in path.read_text()},
    **{path.parent.stem.strip("_"): path for path in CONFIGS.glob("_*/forecasting.yaml")},
}
B, L, H, N = 4, 40, 6, 3
LEVELS = [0.1, 0.5, 0.9]
SHAPES = [(None, 0), (LEVELS, 0), (None, 2), (LEVELS, 2)]


def _build(name: str, quantiles: list[float] | None = None, covariates: int = 0, **overrides: Any) -> nn.Module:
    facts = {"num_targets": N, "num_covariates": covariates, "lookback": L, "horizon": H}
    model = OmegaConf.merge(OmegaConf.load(FILES[name]), overrides)
    config = OmegaConf.create({"data": facts, "task": {"quantiles": quantiles}, "model": model})
    torch.manual_seed(0)
    return instantiate(config.model, _convert_="all")


@cache
def _model(name: str, quantiles: bool = False, covariates: int = 0) -> nn.Module:
    """Built once; no test may change it."""
    model = _build(name, LEVELS if quantiles else None, covariates)
    with torch.no_grad():  # what begins at zero must not hide what it does
        for parameter in model.parameters():
            if not parameter.any():
                nn.init.normal_(parameter, std=0.1)
    return model.eval()


def _series(covariates: int = 0, *, windows: int = B) -> Tensor:
    return torch.randn(windows, L, N + covariates, generator=torch.Generator().manual_seed(0))


every_model = pytest.mark.parametrize("name", sorted(FILES))


def test_the_models_of_the_issue_are_there() -> None:
    assert {"dlinear", "nlinear", "patchtst", "nhits", "recurrent", "transformer", "tcn"} <= FILES.keys()


@pytest.mark.parametrize(("quantiles", "covariates"), SHAPES)
@every_model
def test_it_gives_points_or_quantiles_of_each_step_and_target(
    name: str, quantiles: list[float] | None, covariates: int
) -> None:
    expected = (B, H, N) if quantiles is None else (B, H, N, 3)
    assert _model(name, quantiles is not None, covariates)(_series(covariates)).shape == expected


@pytest.mark.parametrize(("quantiles", "covariates"), SHAPES)
@every_model
def test_a_gradient_reaches_every_parameter(name: str, quantiles: list[float] | None, covariates: int) -> None:
    model = _build(name, quantiles, covariates)
    draw = torch.Generator().manual_seed(1)
    outputs = model(_series(covariates, windows=16))
    (outputs * torch.randn(outputs.shape, generator=draw)).sum().backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert not without


@every_model
def test_in_evaluation_a_window_does_not_depend_on_its_batch(name: str) -> None:
    model, series = _model(name), _series()
    torch.testing.assert_close(model(series)[:1], model(series[:1]), atol=1e-5, rtol=1e-4)
    assert torch.equal(model(series), model(series))


@every_model
def test_covariates_are_read(name: str) -> None:
    model, series = _model(name, covariates=2), _series(2)
    changed = series.clone()
    changed[..., N:] += 1
    assert not torch.allclose(model(series), model(changed))


@every_model
def test_a_saved_state_restores_the_forecasts(name: str) -> None:
    saved = _model(name)
    with torch.random.fork_rng():
        restored = _build(name)
    restored.load_state_dict(saved.state_dict())
    assert torch.equal(saved(_series()), restored.eval()(_series()))


@every_model
def test_layer_groups_hold_every_parameter_once(name: str) -> None:
    model = _model(name, covariates=2)
    grouped = [id(parameter) for group in model.layer_groups() for module in group for parameter in module.parameters()]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())


@every_model
def test_with_rev_in_forecasts_move_and_grow_with_the_series(name: str) -> None:
    model = _build(name, LEVELS, rev_in=True).eval()
    series = _series()
    torch.testing.assert_close(model(3 * series + 7), 3 * model(series) + 7, atol=1e-3, rtol=1e-3)


@every_model
def test_a_window_of_another_length_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a window of 39 steps: must have 40, as in training"):
        _model(name)(_series()[:, 1:])


@every_model
def test_two_steps_are_enough_to_see_and_one_to_forecast(name: str) -> None:
    facts = {"num_targets": 1, "num_covariates": 0, "lookback": 2, "horizon": 1}
    config = {"data": facts, "task": {"quantiles": None}, "model": OmegaConf.load(FILES[name])}
    model = instantiate(OmegaConf.create(config).model, _convert_="all").eval()
    assert model(torch.randn(3, 2, 1)).shape == (3, 1, 1)
