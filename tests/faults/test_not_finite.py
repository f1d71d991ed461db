"""NaN and infinity end a run before they reach the weights, or are left out and counted."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.faults.processes import TINY, run
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.errors import TrainingStopped
from zoo.run import train


def poison(what: str, **options: Any) -> list[str]:
    given = [f"+callbacks.poison.{name}={value}" for name, value in options.items()]
    return [
        "allow=[tests]",
        "+callbacks.poison._target_=tests.faults.killer.Poison",
        f"+callbacks.poison.what={what}",
        *given,
    ]


def start(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, f"output_dir={directory}", *overrides]))
    values: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return values


def weights(path: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_checkpoint(path, option="ckpt")["state_dict"]
    return state


@pytest.mark.slow
def test_a_loss_that_is_nan_ends_the_run_with_code_3_in_one_line(tmp_path: Path) -> None:
    done = run(*poison("input", step=10), "data.source.noise=0.1", directory=tmp_path / "run", record=False)
    assert done.process.exitcode == 3, done.output
    assert done.last_line.startswith("error: ") and "Traceback" not in done.output
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "stopped"


@pytest.mark.parametrize("what", ["input", "loss", "gradient"])
def test_the_report_names_step_rate_place_samples_and_last_losses(what: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped) as stopped:
        start(tmp_path / "run", *poison(what, step=10))
    text = str(stopped.value)
    assert "step 10 (epoch 2)" in text and "lr 0.00" in text and "samples train[" in text and "last losses" in text
    place = {"input": 'the batch itself ("input")', "gradient": "the gradient of layers", "loss": "the loss itself"}
    assert place[what].split()[1] in text
    everything = json.loads((tmp_path / "run" / "not_finite.json").read_text())
    assert len(everything["samples"]) == 16 and everything["step"] == 10


def test_the_weights_that_are_left_are_those_from_before(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped):
        start(tmp_path / "bad", *poison("gradient", step=8), "checkpoint.every_n_steps=1")
    start(tmp_path / "good", "checkpoint.every_n_steps=1", "trainer.max_epochs=1")
    bad, good = (weights(tmp_path / name / "checkpoints" / "last.ckpt") for name in ("bad", "good"))
    # The eighth step is the first of the second epoch; both saw seven.
    assert bad.keys() == good.keys()
    assert all(tensor.isfinite().all() for tensor in bad.values())


@pytest.mark.parametrize("options", [[], ["trainer.gradient_clip_val=1.0"], ["optimizer=sgd"], ["model.norm=batch"]])
def test_an_absurd_learning_rate_is_found_and_nothing_absurd_is_kept(options: list[str], tmp_path: Path) -> None:
    rate = ["scheduler=constant", "checkpoint.every_n_steps=1", *options, "optimizer.lr=1e30"]
    with pytest.raises(TrainingStopped, match=r"optimizer\.lr: .*lower it"):
        start(tmp_path / "run", *rate)
    kept = list((tmp_path / "run" / "checkpoints").glob("*.ckpt"))
    assert all(tensor.isfinite().all() for path in kept for tensor in weights(path).values())


def test_a_layer_that_overflows_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"first in the output of \S+ \(Linear\)"):
        start(tmp_path / "run", "scheduler=constant", "optimizer=sgd", "optimizer.lr=1e36", "optimizer.weight_decay=0")


def test_files_of_the_samples_are_named(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(24):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (number * 9, 0, 0)).save(path)
    options = ["data=image_folder", f"data.root={tmp_path / 'photos'}", "data.num_workers=0", "data.batch_size=4"]
    options += ["data.image_size=8", "model=mlp", "trainer=cpu", f"output_dir={tmp_path / 'run'}"]
    with pytest.raises(TrainingStopped, match=r"train\[\d+\] \S*class\d/\d+\.png"):
        train(compose([*options, *poison("gradient", step=2)]))


def test_steps_that_are_not_finite_can_be_left_out_and_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["task.on_nonfinite=skip", "model.norm=batch"]
    values = start(tmp_path / "run", *poison("input", step=4, length=3), *options)
    assert values["status"] == "completed"
    assert values["train/skipped_steps"] == 3
    assert all(math.isfinite(value) for name, value in values.items() if name.startswith(("train/", "val/", "test/")))
    assert all(t.isfinite().all() for t in weights(tmp_path / "run" / "checkpoints" / "last.ckpt").values())
    assert "left out (3 of at most 20)" in capsys.readouterr().err


def test_a_healthy_run_leaves_nothing_out_whatever_the_option_says(tmp_path: Path) -> None:
    stop, skip = start(tmp_path / "a"), start(tmp_path / "b", "task.on_nonfinite=skip")
    assert stop["train/loss"].hex() == skip["train/loss"].hex() and stop["val/loss"].hex() == skip["val/loss"].hex()


def test_leaving_out_has_a_limit(tmp_path: Path) -> None:
    options = ["task.on_nonfinite=skip", "+task.max_skipped=4"]
    with pytest.raises(TrainingStopped, match=r"task\.on_nonfinite: 5 steps .* more than task\.max_skipped"):
        start(tmp_path / "run", *poison("loss", step=3, length=9), *options)


def test_a_validation_with_nan_is_never_the_best(tmp_path: Path) -> None:
    values = start(tmp_path / "run", *poison("validation", step=1, length=2))
    best = load_checkpoint(Path(values["best_checkpoint"]), option="ckpt")
    position = best["loops"]["fit_loop"]["epoch_loop.state_dict"]["position"]
    assert position["epoch"] == 3  # the first two were poisoned


def test_without_nan_an_earlier_validation_can_be_the_best(tmp_path: Path) -> None:
    values = start(tmp_path / "run", "optimizer.lr=0", "task.monitor=val/loss", "task.monitor_mode=max")
    assert values["best_checkpoint"] is not None


def test_where_every_validation_is_nan_there_is_no_best(tmp_path: Path) -> None:
    values = start(tmp_path / "run", *poison("validation", step=1, length=9))
    assert values["best_checkpoint"] is None
