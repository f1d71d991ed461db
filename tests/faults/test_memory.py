"""Runs whose memory ends: one line with a batch size that fits, and a batch size that is found.

The limit is one of the process, which leaves the machine and the other tests alone.
"""

import hashlib
import re
import resource
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.faults.processes import Run, run
from zoo.memory import _status

# A sample takes some 2 MB of a step.
WIDE = [
    "data=synthetic_images",
    "data.source.num_samples=3000",
    "data.source.num_test_samples=20",
    "model=convnet",
    "model.width=64",
    "trainer=cpu",
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=3",
    "logger.tensorboard=null",
    "callbacks.augmented_images=null",
    "callbacks.model_graph=null",
]
ROOM = 1_000_000_000


def leave_little_room() -> None:
    """Leaves the process a gigabyte beyond what its imports have taken."""
    most = (_status("VmSize") or 0) + ROOM
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def wide(*overrides: str, **options: Any) -> Run:
    return run(*WIDE, *overrides, tiny=False, **options)


def offered(line: str, option: str = "data.batch_size") -> int:
    match = re.fullmatch(
        rf"error: {option}: out of memory with \d+ samples in a batch .*; set {option}=(\d+), .*", line
    )
    assert match, line
    return int(match[1])


@pytest.mark.slow
def test_without_a_limit_the_batch_trains(tmp_path: Path) -> None:
    done = wide("data.batch_size=1000", "trainer.limit_train_batches=1", directory=tmp_path / "run")
    assert done.process.exitcode == 0, done.output


@pytest.mark.slow
def test_memory_that_ends_in_training_ends_the_run_with_a_size_that_fits(tmp_path: Path) -> None:
    done = wide("data.batch_size=1000", directory=tmp_path / "run", prepare=leave_little_room)
    assert done.process.exitcode == 3, done.output
    assert "Traceback" not in done.output
    size = offered(done.last_line)
    assert 16 <= size < 1000
    again = wide(f"data.batch_size={size}", directory=tmp_path / "again", prepare=leave_little_room)
    assert again.process.exitcode == 0, again.output


@pytest.mark.slow
def test_memory_that_ends_in_validation_costs_no_checkpoint(tmp_path: Path) -> None:
    options = ["data.batch_size=50", "data.val_fraction=0.8"]
    whole = wide(*options, "data.eval_batch_size=50", directory=tmp_path / "run")
    assert whole.process.exitcode == 0, whole.output
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    kept = hashlib.sha256(best.read_bytes()).hexdigest()
    more = ["trainer.max_epochs=2", "resume=auto", "allow_changes=true"]
    failed = wide(*options, *more, "data.eval_batch_size=2400", directory=tmp_path / "run", prepare=leave_little_room)
    assert failed.process.exitcode == 3, failed.output
    size = offered(failed.last_line, "data.eval_batch_size")
    assert 16 <= size < 2400
    assert hashlib.sha256(best.read_bytes()).hexdigest() == kept
    again = wide(*options, *more, f"data.eval_batch_size={size}", directory=tmp_path / "run", prepare=leave_little_room)
    assert again.process.exitcode == 0, again.output


@pytest.mark.slow
def test_auto_finds_a_size_that_trains_in_little_room(tmp_path: Path) -> None:
    done = wide("data.batch_size=auto", directory=tmp_path / "run", prepare=leave_little_room)
    assert done.process.exitcode == 0, done.output
    told = re.search(r"^data\.batch_size: (\d+) fits \(training takes", done.output, re.MULTILINE)
    assert told, done.output
    assert 50 <= int(told[1]) < 1000
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").data.batch_size == int(told[1])


@pytest.mark.slow
def test_auto_is_the_run_with_the_number_it_finds(tmp_path: Path) -> None:
    found = run("data.batch_size=auto", directory=tmp_path / "found")
    given = run("data.batch_size=120", directory=tmp_path / "given")
    assert found.process.exitcode == given.process.exitcode == 0, found.output
    assert found.steps.read_text() == given.steps.read_text() != ""


@pytest.mark.slow
def test_a_resumed_run_keeps_the_size_that_was_found(tmp_path: Path) -> None:
    whole = run("data.batch_size=auto", "data.source.num_samples=400", directory=tmp_path / "whole")
    options = ["data.batch_size=auto", "data.source.num_samples=400"]
    part = run(*options, "trainer.max_epochs=1", directory=tmp_path / "part")
    assert part.process.exitcode == 0, part.output
    part = run(*options, "resume=auto", directory=tmp_path / "part")
    assert part.process.exitcode == 0, part.output
    assert "data.batch_size:" not in part.output
    sizes = [OmegaConf.load(tmp_path / name / "config.yaml").data.batch_size for name in ("whole", "part")]
    assert sizes == [300, 300]
    assert whole.process.exitcode == 0


@pytest.mark.parametrize("option", ["task.monitor", "callbacks.best_checkpoint.monitor"])
def test_a_name_that_nothing_logs_is_refused_before_the_first_step(tmp_path: Path, option: str) -> None:
    done = run(f"{option}=val/acc", directory=tmp_path / "run", record=False)
    assert done.process.exitcode == 2, done.output
    assert done.last_line.startswith(f"error: {option}: val/acc is logged by nothing; did you mean val/accuracy?")
    assert not (tmp_path / "run").exists()
