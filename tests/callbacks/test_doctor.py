"""The doctor of a real run: what it says once, what it leaves as it was, and the same in a run that was resumed."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from zoo.callbacks.layer_figures import LayerFigures
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.run import train

TINY = ["data=digits", "data.train_samples=200", "trainer=cpu", "callbacks.model_graph=null", "callbacks.console=null"]
TINY += ["explanations=false", "data.augment=null"]
DEEP = ["model=mlp", "optimizer=sgd", "model.activation=sigmoid", "model.hidden_sizes=[16,16,16,16,16,16,16,16]"]
DOCTOR = "callbacks=doctor"


def run(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, *DEEP, f"output_dir={directory}", *overrides]))
    record: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return record


def last(directory: Path) -> Any:
    return load_checkpoint(directory / "checkpoints" / "last.ckpt", option="ckpt")


def test_vanishing_is_said_once_with_what_remedies_it_and_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = run(tmp_path, DOCTOR, "trainer.max_epochs=3")
    assert record["alarms"] == "vanishing gradients"
    said = capsys.readouterr().err
    assert said.count("doctor: vanishing gradients (epoch 1, ") == 1 and "try model.norm=batch or" in said
    events = EventAccumulator(str(tmp_path / "tensorboard" / "train")).Reload()
    assert "diagnosis/text_summary" in events.Tags()["tensors"]
    pictures = {"doctor/gradient_flow", "doctor/activations", "doctor/effective_rank"}
    assert pictures <= set(events.Tags()["images"])
    assert {"doctor/gradient_norm", "generalisation/loss_gap"} <= set(events.Tags()["scalars"])
    assert {"weights/hidden.0.0", "gradients/head"} <= set(events.Tags()["histograms"])
    seen = last(tmp_path)["callbacks"]["Doctor"]["history"]
    assert [step["step"] for step in seen["steps"][:2]] == [0, 1] and seen["facts"]["num_classes"] == 10
    assert seen["steps"][0]["loss"] == pytest.approx(math.log(10), rel=0.2)


def test_it_changes_no_weight_and_a_run_that_is_resumed_has_the_same_figures(tmp_path: Path) -> None:
    options = ["logger.tensorboard=null", "trainer.max_epochs=3", "scheduler=constant"]
    run(tmp_path / "without", *options)
    run(tmp_path / "whole", DOCTOR, *options)
    run(tmp_path / "parts", DOCTOR, *options, "trainer.max_steps=3")
    run(tmp_path / "parts", DOCTOR, *options, "trainer.max_steps=-1", "resume=auto", "allow_changes=true")
    without, whole, parts = (last(tmp_path / name) for name in ("without", "whole", "parts"))
    for name, weights in without["state_dict"].items():
        assert torch.equal(weights, whole["state_dict"][name]) and torch.equal(weights, parts["state_dict"][name])
    one, two = (each["callbacks"]["Doctor"] for each in (whole, parts))
    assert str(one["history"]["steps"]) == str(two["history"]["steps"])
    figures = [each["history"]["layers"]["values"] for each in (one, two)]
    torch.testing.assert_close(*figures, rtol=0, atol=0, equal_nan=True)
    assert one["verdicts"] == two["verdicts"] and one["verdicts"]


def test_figures_are_those_of_the_definition_and_no_hook_stays() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2), nn.Sigmoid())
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([-100.0, 1.0]))
        model[2].bias.copy_(torch.tensor([100.0, 0.0]))
    watching = LayerFigures(model)
    model(torch.randn(8, 3, generator=torch.Generator().manual_seed(0))).sum().backward()
    watching.gradients(torch.optim.SGD(model.parameters()))
    with torch.no_grad():
        model[0].weight.mul_(1.01)
    seen = watching.finish()
    gradient = model[2].weight.grad
    assert gradient is not None
    assert seen["1"].dead == 0.5 and seen["3"].saturated == pytest.approx(0.5, abs=0.2)
    assert seen["2"].gradient_norm == pytest.approx(gradient.norm().item())
    assert seen["2"].gradient_rms == pytest.approx(gradient.square().mean().sqrt().item())
    assert seen["0"].update_ratio == pytest.approx(0.01, rel=1e-3) and seen["2"].update_ratio == 0
    assert list(seen) == ["0", "1", "2", "3"] and not any(module._forward_hooks for module in model)
    assert watching.moving == []  # nor a copy of weights


def test_units_behind_global_pooling_are_not_told_dead() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 2, 1), nn.ReLU())
    for layer in (model[0], model[3]):
        nn.init.constant_(layer.bias, -100.0)
    watching = LayerFigures(model)
    model(torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(0))).sum().backward()
    watching.gradients(torch.optim.SGD(model.parameters()))
    seen = watching.finish()
    assert seen["1"].dead == 1 and math.isnan(seen["4"].dead)


def test_samples_for_histograms_are_those_of_their_step_and_hold_nothing_else() -> None:
    model = nn.Sequential(nn.Linear(4, 300))
    watching = LayerFigures(model)
    model(torch.ones(2, 4)).sum().backward()
    watching.gradients(torch.optim.SGD(model.parameters()))
    weight = model[0].weight.detach().clone()
    weights, gradients = watching.samples({"0"}, limit=8)
    with torch.no_grad():
        model[0].weight.zero_()
    assert torch.equal(weights["0"], weight[:2])
    assert gradients["0"].untyped_storage().nbytes() == 8 * 4
