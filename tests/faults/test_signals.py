"""A signal ends a run within two batches, with its state on the disk and the command to go on."""

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from tests.faults.processes import Run, run
from tests.faults.recorder import steps
from zoo.checkpoint import load_checkpoint

LONG = ["trainer.max_epochs=500", "model.dropout=0.2"]
SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]


def position(directory: Path) -> tuple[int, int]:
    checkpoint = load_checkpoint(directory / "checkpoints" / "last.ckpt", option="ckpt")
    where = checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["position"]
    return where["epoch"], where["batch"]


def stopped(number: int, directory: Path, *overrides: str, after: int = 12) -> Run:
    started = Run(*LONG, *overrides, directory=directory)
    started.until_step(after)
    started.send(number)
    started.wait(30)
    return started


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_saves_the_state_and_says_how_to_go_on(number: int, tmp_path: Path) -> None:
    done = stopped(number, tmp_path / "run")
    assert done.process.exitcode == 128 + number, done.output
    epoch, batch = position(tmp_path / "run")
    lines = [json.loads(line) for line in done.steps.read_text().splitlines()]
    trained = [(line["epoch"], line["batch"] + 1) for line in lines if "loss" in line]
    assert trained[-1] in {(epoch, batch), (epoch - 1, 7)}  # what was saved is what was trained
    assert f"resume={tmp_path / 'run'}" in done.last_line
    assert signal.Signals(number).name in done.output and "Traceback" not in done.output
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["status"] == "interrupted"


def test_the_command_that_a_stopped_run_prints_ends_it_as_if_it_had_not_been_stopped(tmp_path: Path) -> None:
    recipe = ["model.dropout=0.2", "data.augment.crop=1", "trainer.accumulate_grad_batches=3", "trainer.max_epochs=4"]
    whole = run(*recipe, directory=tmp_path / "whole")
    started = Run(*recipe, directory=tmp_path / "run")
    started.until_step(11)  # in the middle of an accumulation
    started.send(signal.SIGTERM)
    started.wait()
    words = shlex.split(started.last_line)
    assert words[:2] == ["python", "train.py"]
    done = run(*words[2:], directory=tmp_path / "run", output_dir=False, tiny=False, record=False)
    assert done.process.exitcode == 0, done.output
    assert steps(done.steps) == steps(whole.steps)


@pytest.mark.slow
def test_a_signal_in_a_validation_loses_nothing(tmp_path: Path) -> None:
    options = ["+callbacks.killer._target_=tests.faults.killer.Killer", f"+callbacks.killer.done={tmp_path}/done"]
    options += ["+callbacks.killer.hook=on_validation_batch_end", "+callbacks.killer.count=4", "callbacks=ema"]
    options += [f"+callbacks.killer.number={int(signal.SIGTERM)}", "trainer.max_epochs=3", "model.dropout=0.2"]
    started = run(*options, directory=tmp_path / "run")
    assert started.process.exitcode == 128 + signal.SIGTERM, started.output
    assert position(tmp_path / "run") == (1, 7)
    done = run(
        f"resume={tmp_path}/run",
        "allow=[tests]",
        directory=tmp_path / "run",
        tiny=False,
        output_dir=False,
        record=False,
    )
    whole = run("callbacks=ema", "trainer.max_epochs=3", "model.dropout=0.2", directory=tmp_path / "whole")
    assert steps(done.steps) == steps(whole.steps)


def test_a_run_without_checkpoints_does_not_say_how_to_go_on(tmp_path: Path) -> None:
    none = ["callbacks.last_checkpoint=null", "callbacks.best_checkpoint=null"]
    done = stopped(signal.SIGTERM, tmp_path / "run", *none)
    assert done.process.exitcode == 128 + signal.SIGTERM, done.output
    assert "stopped by SIGTERM after step" in done.last_line and "resume=" not in done.output


def test_a_second_signal_leaves_at_once(tmp_path: Path) -> None:
    started = Run(*LONG, "+callbacks.sleeper._target_=tests.faults.killer.Sleeper", directory=tmp_path / "run")
    started.until(lambda: "asleep" in started.output)
    started.send(signal.SIGTERM)
    time.sleep(0.5)
    assert started.process.exitcode is None
    before = time.monotonic()
    started.send(signal.SIGTERM)
    assert started.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - before < 2


def ignore_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


@pytest.mark.slow
def test_under_nohup_the_end_of_the_terminal_stops_nothing(tmp_path: Path) -> None:
    started = Run(*LONG, directory=tmp_path / "run", prepare=ignore_hangup)
    started.until_step(10)
    started.send(signal.SIGHUP)
    started.until_step(30)
    assert started.process.exitcode is None
    started.send(signal.SIGTERM)
    assert started.wait() == 128 + signal.SIGTERM


def test_a_signal_before_the_training_stops_with_its_code(tmp_path: Path) -> None:
    started = Run(*LONG, directory=tmp_path / "run", prepare=slow_data)
    started.until(lambda: "looking" in started.output)
    started.send(signal.SIGTERM)
    assert started.wait(10) == 128 + signal.SIGTERM
    assert started.last_line == "stopped by SIGTERM"


def slow_data() -> None:
    import zoo.data.synthetic_images as module

    load = module.SyntheticImages.load

    def slowly(self: module.SyntheticImages) -> object:
        print("looking", flush=True)
        time.sleep(20)
        return load(self)

    module.SyntheticImages.load = slowly  # type: ignore[method-assign]


def slurm(folder: Path) -> dict[str, str]:
    """A scontrol that notes what it is asked."""
    folder.mkdir()
    command = folder / "scontrol"
    command.write_text(f'#!/bin/sh\necho "$@" >> {folder}/asked\n')
    command.chmod(0o755)
    return {"SLURM_JOB_ID": "4711", "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.slow
def test_a_slurm_job_queues_again_and_goes_on_by_the_same_command(tmp_path: Path) -> None:
    environment = slurm(tmp_path / "bin")
    recipe = ["model.dropout=0.2", f"paths.logs_dir={tmp_path}/logs", "trainer.max_epochs=60"]
    options = {"directory": tmp_path / "run", "output_dir": False, "environment": environment}
    started = Run(*recipe, **options)
    started.until_step(10)
    started.send(signal.SIGUSR1)
    assert started.wait() == 128 + signal.SIGUSR1, started.output
    environment["SLURM_RESTART_COUNT"] = "1"
    assert (tmp_path / "bin" / "asked").read_text() == "requeue 4711\n"
    done = run(*recipe, **options)
    assert done.process.exitcode == 0, done.output
    runs = list((tmp_path / "logs").glob("*/*/*/metrics.json"))
    assert len(runs) == 1 and json.loads(runs[0].read_text())["epochs"] == 60
    assert len(steps(done.steps)) == 60 * 8 + 1
