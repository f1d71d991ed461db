"""A requeued job of SLURM goes on with its own run, and no other job or run is taken for it."""

import os
import signal
from pathlib import Path

import pytest

from zoo.config.requeue import note_job, requeue, with_requeued

OPTIONS = ["model=lenet", "seed=1"]


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")


def test_a_requeued_job_goes_on_with_its_run(tmp_path: Path) -> None:
    note_job("logs", Path("it's my run"), OPTIONS)
    expected = f"output_dir='{tmp_path}/it\\'s my run'"
    assert with_requeued(OPTIONS) == [*OPTIONS, expected, "resume=auto"]
    assert with_requeued(["++seed=1", "++model='lenet'"])[2:] == [expected, "resume=auto"]  # as Hydra was given them


def test_it_does_so_again_and_again() -> None:
    note_job("logs", Path("run"), OPTIONS)
    second = with_requeued(OPTIONS)
    note_job("logs", Path("run"), second)
    assert with_requeued(OPTIONS) == second != OPTIONS


def test_each_run_of_a_job_is_found_by_its_options() -> None:
    for seed in (1, 2):
        note_job("logs", Path(f"run{seed}"), [f"seed={seed}"])
    assert [with_requeued([f"seed={seed}"])[1][-5:] for seed in (1, 2)] == ["run1'", "run2'"]
    assert with_requeued(["seed=3"]) == ["seed=3"]


@pytest.mark.parametrize("count", [None, "0"])
def test_a_second_run_of_a_job_that_was_not_requeued_is_a_run_of_its_own(
    count: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_RESTART_COUNT")
    if count is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", count)
    note_job("logs", Path("run"), OPTIONS)
    assert with_requeued(OPTIONS) == OPTIONS


@pytest.mark.parametrize("choice", ["resume=auto", "+resume=x", "++output_dir=here", "output_dir=here"])
def test_a_run_that_the_user_chooses_stands(choice: str) -> None:
    note_job("logs", Path("run"), OPTIONS)
    assert with_requeued([*OPTIONS, choice]) == [*OPTIONS, choice]
    note_job("logs", Path("chosen"), ["seed=9", choice])
    assert with_requeued(["seed=9"]) == ["seed=9"]


def test_another_job_and_another_task_of_an_array_have_runs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    note_job("logs", Path("run"), OPTIONS)
    monkeypatch.setenv("SLURM_JOB_ID", "4712")
    assert with_requeued(OPTIONS) == OPTIONS
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "4711")
    for task in ("1", "2"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        assert with_requeued(OPTIONS) == OPTIONS
        note_job("logs", Path(f"run{task}"), OPTIONS)
        assert with_requeued(OPTIONS)[-2].endswith(f"run{task}'")


def test_the_notes_lie_where_the_runs_do(tmp_path: Path) -> None:
    options = ["paths.logs_dir='my logs'"]
    note_job("my logs", Path("run"), options)
    assert [path.parent.name for path in tmp_path.rglob(".slurm-*")] == ["my logs"]
    assert with_requeued(options)[-1] == "resume=auto"


@pytest.mark.parametrize("number", ["", "../../x", "a", "1;2"])
def test_without_a_job_nothing_is_noted(number: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", number)
    note_job("logs", Path("run"), OPTIONS)
    assert not list(tmp_path.iterdir())
    assert with_requeued(OPTIONS) == OPTIONS


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a scontrol that only notes was asked."""
    command = tmp_path / "bin" / "scontrol"
    command.parent.mkdir()
    refuse = '[ "$2" = 4711 ] || { echo no such job >&2; exit 1; }'
    command.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{refuse}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    return tmp_path / "asked"


def test_the_signal_before_the_end_of_a_job_queues_it_again(asked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    requeue(signal.SIGUSR1)
    assert asked.read_text() == "requeue 4711\n"
    assert capsys.readouterr().err == "requeued job 4711\n"


def test_another_signal_does_not(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requeue(signal.SIGTERM)
    monkeypatch.delenv("SLURM_JOB_ID")
    requeue(signal.SIGUSR1)
    assert not asked.exists()


def test_what_slurm_refuses_is_said(
    asked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    requeue(signal.SIGUSR1)
    monkeypatch.setenv("PATH", "")
    requeue(signal.SIGUSR1)
    assert capsys.readouterr().err == "job 1: no such job\nscontrol is not to be found: requeue job 1 by hand\n"
