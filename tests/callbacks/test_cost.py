"""What a run says of its cost, and that it leaves the run as it was."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.build import build
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.run import train

TINY = ["data=digits", "data.train_samples=200", "trainer=cpu", "callbacks.model_graph=null", "callbacks.console=null"]
TINY += ["explanations=false", "logger.tensorboard=null", "trainer.max_epochs=2", "data.batch_size=16"]


def run(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, f"output_dir={directory}", *overrides]))
    record: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return record


def test_it_changes_no_weight_and_says_in_three_lines_what_the_run_costs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path / "without", "callbacks.cost=null")
    capsys.readouterr()
    record = run(tmp_path / "with", "callbacks.cost.seconds=0.01")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("cost: ")]
    assert "parameters (all trained); 4.76 MFLOP a sample forward" in said[0]
    assert said[1].startswith("cost: memory: weights 1.1 MB") and "(16 samples)" in said[1]
    assert "an epoch" in said[2] and "for 2 epochs" in said[2]
    weights = [
        load_checkpoint(tmp_path / name / "checkpoints" / "last.ckpt", option="ckpt")["state_dict"]
        for name in ("without", "with")
    ]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert record["flops_per_sample"] == pytest.approx(4758016 + 9479168)
    assert record["flops_per_second"] == pytest.approx(record["flops_per_sample"] * record["samples_per_second"])
    assert 0 <= record["waiting_share"] < 1 and "mfu" not in record
    assert 0 <= record["cost/waiting_share"] < 1 and record["cost/flops_per_second"] > 0


def test_forecast_and_measurement_stand_side_by_side(tmp_path: Path) -> None:
    run(tmp_path, "trainer.accumulate_grad_batches=2", "callbacks.cost.seconds=0.01")
    cost = json.loads((tmp_path / "cost.json").read_text())
    for part in ("weights", "gradients", "optimizer", "activations"):
        assert cost[f"memory_{part}_mb"] == pytest.approx(cost[f"measured_memory_{part}_mb"], rel=0.15)
    assert cost["memory_peak_mb"] > cost["memory_weights_mb"] + cost["memory_optimizer_mb"]
    assert cost["parameters"] == cost["trainable_parameters"] > 0
    assert cost["seconds_in_all"] == pytest.approx(2 * cost["seconds_per_epoch"])
    assert cost["measured_seconds_in_all"] > cost["measured_seconds_per_epoch"] > 0
    assert cost["energy_wh"] is None and cost["notes"] == []


class SlowOnce(Callback):
    """A first validation that takes a second more than those after it."""

    is_over = False

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        time.sleep(0.0 if self.is_over else 1.0)
        self.is_over = True


def test_what_the_first_validation_does_once_is_not_forecast_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two batches of the first epoch are timed, which are too few; the second epoch has the others.
    short = ["data.train_samples=96", "callbacks.cost.seconds=0.001", "trainer.max_epochs=3"]
    built = build(compose([*TINY, *short, f"output_dir={tmp_path}"]), started=time.perf_counter())
    built.trainer.callbacks.append(SlowOnce())
    built.trainer.fit(built.task, datamodule=built.data)
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["seconds_per_batch"] is not None and 0 < cost["seconds_per_validation"] < 0.9
    said = [line for line in capsys.readouterr().err.splitlines() if "an epoch (" in line]
    assert len(said) == 1 and "of it validation" in said[0]


def test_two_networks_cost_what_both_do(tmp_path: Path) -> None:
    run(tmp_path, "experiment=digits_dcgan", "metric.features=null", "trainer.max_epochs=1", "data.batch_size=16")
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert cost["notes"] == [] and cost["flops_backward_per_sample"] > cost["flops_forward_per_sample"] > 0
    # The gradients of a network are freed before those of the other are made.
    assert cost["memory_gradients_mb"] == pytest.approx(cost["measured_memory_gradients_mb"], rel=0.15)
    assert cost["memory_optimizer_mb"] > 2 * cost["memory_gradients_mb"]


def test_memory_is_that_of_the_longest_samples(tmp_path: Path) -> None:
    text = ["data=python_lines", "data.source.num_lines=300", "trainer.max_epochs=1", *TINY[2:-2]]
    train(compose([*text, "callbacks.cost.seconds=0.01", f"output_dir={tmp_path}"]))
    cost = json.loads((tmp_path / "cost.json").read_text())
    assert any("the longest samples" in note for note in cost["notes"])
    parts = sum(cost[f"memory_{part}_mb"] for part in ("weights", "optimizer", "activations", "batch"))
    assert cost["memory_peak_mb"] > parts
