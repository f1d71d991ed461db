"""Alarms of a real run: said once, kept in its record, and the same in a run that was resumed."""

import json
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.quiet import NO_REPORT
from zoo.checkpoint import load_checkpoint
from zoo.config.entry import compose
from zoo.errors import TrainingStopped
from zoo.run import train

TINY = ["data=ring", "data.num_samples=300", "data.num_eval_samples=100", "data.batch_size=100", "trainer=cpu"]
TINY += ["data.eval_batch_size=100", "model.generator.hidden_size=8", "model.discriminator.hidden_size=8"]
TINY += [*NO_REPORT, "callbacks.console=null", "callbacks.adversarial_alarms.warm_up=0"]
STANDING = ["optimizer.generator.lr=0", "optimizer.discriminator.lr=0"]  # so that samples stay in one place


def run(directory: Path, *overrides: str) -> dict[str, Any]:
    train(compose([*TINY, f"output_dir={directory}", *overrides]))
    record: dict[str, Any] = json.loads((directory / "metrics.json").read_text())
    return record


def seen(directory: Path) -> Any:
    callbacks = load_checkpoint(directory / "checkpoints" / "last.ckpt", option="ckpt")["callbacks"]
    return callbacks["AdversarialAlarms"]


def test_an_alarm_is_said_once_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run(tmp_path, *STANDING, "trainer.max_epochs=5")
    assert "mode collapse" in record["alarms"].split("; ")
    shown = capsys.readouterr()
    assert shown.err.count("alarm: mode collapse (epoch 3, step 9): generated samples are") == 1
    assert shown.out.count("alarm: mode collapse") == 1  # with the final metrics
    events = EventAccumulator(str(tmp_path / "tensorboard" / "train")).Reload()
    text = events.Tensors("diagnosis/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("**mode collapse** (epoch 3, step 9)") and "- `task.criterion.r1=0.02`" in text
    norms = {"train/generator_gradient_norm", "train/discriminator_gradient_norm"}
    assert norms <= record.keys() and all(record[name] > 0 for name in norms)
    assert len(seen(tmp_path)["history"]) == 5 and seen(tmp_path)["history"][-1]["step"] == 15


def test_a_run_without_alarms_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = run(tmp_path, "trainer.max_epochs=1", "logger.tensorboard=null")
    assert record["alarms"] == "" and "\nno alarms\n" in capsys.readouterr().out


def test_a_run_that_is_resumed_sounds_the_same_alarms_and_none_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*STANDING, "logger.tensorboard=null"]
    whole = run(tmp_path / "whole", *options, "trainer.max_epochs=4")
    run(tmp_path / "parts", *options, "trainer.max_epochs=3")
    capsys.readouterr()
    parts = run(tmp_path / "parts", *options, "trainer.max_epochs=4", "resume=auto", "allow_changes=true")
    assert parts["alarms"] == whole["alarms"] != ""
    assert "alarm: mode collapse" not in capsys.readouterr().err
    assert seen(tmp_path / "parts") == seen(tmp_path / "whole")


def test_what_is_not_finite_is_an_alarm_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"^optimizer.discriminator.lr: .*lower it, or set task.discriminator_cl"):
        run(tmp_path, "logger.tensorboard=null", "trainer.max_epochs=3", "optimizer.discriminator.lr=1e18")
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert (record["status"], record["alarms"]) == ("stopped", "not finite")
