"""Where one of several processes is killed, the others say so and end."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from zoo.callbacks import watch_ranks
from zoo.callbacks.watch_ranks import WatchRanks, is_of_another


class Left(BaseException):
    """In place of the end of this process."""


@pytest.fixture(autouse=True)
def leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise Left(code)

    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(watch_ranks, "_SECONDS", 0.01)


def process(program: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", program])


def watched(*programs: str) -> int:
    """The code that the first process ends with."""
    others: list[Any] = [process(program) for program in programs]
    try:
        with pytest.raises(Left) as left:
            WatchRanks(lambda: "python train.py resume=run")._watch_children(others)
        return int(left.value.args[0])
    finally:
        for other in others:
            other.kill()
            other.wait()


KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def test_one_that_was_killed_is_named_with_the_command_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched("import time; time.sleep(60)", KILL) == 3
    said = capsys.readouterr().err
    assert said.startswith("error: trainer.devices: process 2 of 3 was killed by SIGKILL, ")
    assert said.endswith("; go on with: python train.py resume=run\n") and said.count("\n") == 1


def test_one_that_has_said_why_gives_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert watched("raise SystemExit(2)") == 2
    assert not capsys.readouterr().err


def test_where_nothing_can_be_printed_the_process_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(flush=full))
    assert watched(KILL) == 3


def test_those_that_end_well_are_no_matter_and_the_watch_has_an_end() -> None:
    done: Any = process("")
    done.wait()
    watch = WatchRanks(lambda: "")
    polls = []

    class Other:
        def poll(self) -> int | None:
            polls.append(1)
            if len(polls) == 3:
                watch.on_train_end(None, None)  # type: ignore[arg-type]
            return done.poll()  # type: ignore[no-any-return]

    watch._watch_children([Other()])
    assert len(polls) == 3


def test_a_first_process_that_is_gone_is_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Left, match="3"):
        WatchRanks(lambda: "resume")._watch_parent(os.getppid() + 1)
    assert "the first process was killed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "of_another"),
    [
        (RuntimeError("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:2"), True),
        (RuntimeError("NCCL error: remote process exited or there was a network error"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("Connection reset by peer"), False),
        (KeyboardInterrupt(), False),
        (SystemExit(128 + signal.SIGTERM), False),
    ],
)
def test_the_error_of_a_process_whose_other_side_is_gone_is_known(error: BaseException, of_another: bool) -> None:
    assert is_of_another(error) is of_another


def test_a_process_alone_watches_nobody() -> None:
    import threading

    before = threading.active_count()
    trainer: Any = SimpleNamespace(world_size=1, strategy=SimpleNamespace(launcher=None))
    WatchRanks(lambda: "").on_train_start(trainer, None)  # type: ignore[arg-type]
    assert threading.active_count() == before
