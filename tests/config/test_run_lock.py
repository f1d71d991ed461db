"""One process at most trains in a directory; the lock of one that is dead is nobody's."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.config.run_lock import NAME, lock, unlock
from zoo.errors import OptionError

HOLD = "import sys; from pathlib import Path; from zoo.config.run_lock import lock\n"
HOLD += "lock(Path(sys.argv[1])); print('locked', flush=True); END"


def holder(directory: Path, end: str) -> subprocess.Popen[str]:
    """A process that has taken the lock of a directory."""
    command = [sys.executable, "-c", HOLD.replace("END", end), str(directory)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "locked\n"
    return process


@pytest.fixture
def living(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    with holder(tmp_path, "input()") as process:
        yield process
        process.kill()


def owner(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / NAME).read_text())
    return found


def change(directory: Path, **values: Any) -> None:
    (directory / NAME).write_text(json.dumps({**owner(directory), **values}))


def is_mine(directory: Path) -> bool:
    lock(directory)
    pid = owner(directory)["pid"]
    unlock(directory)
    return bool(pid == os.getpid())


def test_it_names_its_owner_and_is_gone_when_given_back(tmp_path: Path) -> None:
    lock(tmp_path)
    assert owner(tmp_path).items() >= {"host": socket.gethostname(), "pid": os.getpid()}.items()
    lock(tmp_path)  # its own is no hindrance
    unlock(tmp_path)
    assert not (tmp_path / NAME).exists()
    unlock(tmp_path)


def test_a_living_owner_is_named_and_keeps_it(tmp_path: Path, living: subprocess.Popen[str]) -> None:
    with pytest.raises(OptionError, match=rf"^output_dir: .* is in use by process {living.pid} on .*; wait for it"):
        lock(tmp_path)
    unlock(tmp_path)
    assert owner(tmp_path)["pid"] == living.pid


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, living: subprocess.Popen[str]) -> None:
    living.kill()
    os.waitid(os.P_PID, living.pid, os.WEXITED | os.WNOWAIT)  # dead, though its parent has not taken note of it yet
    assert is_mine(tmp_path)
    living.wait()
    assert is_mine(tmp_path)


def test_it_is_given_back_when_the_process_ends(tmp_path: Path) -> None:
    with holder(tmp_path, "raise SystemExit(3)") as process:
        assert process.wait() == 3
    assert not (tmp_path / NAME).exists()


def test_a_number_that_another_process_has_now_is_no_owner(tmp_path: Path, living: subprocess.Popen[str]) -> None:
    change(tmp_path, started="1")
    assert is_mine(tmp_path)


def test_after_a_boot_no_owner_lives(tmp_path: Path, living: subprocess.Popen[str]) -> None:
    change(tmp_path, boot="another")
    assert is_mine(tmp_path)


def test_the_lock_of_another_host_is_named_with_the_file_to_delete(tmp_path: Path) -> None:
    lock(tmp_path)
    change(tmp_path, host="node7")
    with pytest.raises(OptionError, match=rf"on node7; .*if it is dead, delete {tmp_path / NAME}$"):
        lock(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '"x"', "\x00"])
def test_a_lock_that_says_nothing_is_taken_over(text: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(text)
    assert is_mine(tmp_path)


@pytest.mark.parametrize("pid", [None, "12", 1.5, -1, 0, 2**31 - 1, 2**80])
def test_an_owner_that_can_be_no_process_is_dead(pid: object, tmp_path: Path) -> None:
    lock(tmp_path)
    change(tmp_path, pid=pid)
    assert is_mine(tmp_path)


def test_of_many_at_once_one_gets_it(tmp_path: Path) -> None:
    start = HOLD.replace("END", "input()").replace("lock(", "input(); lock(", 1)
    command = [sys.executable, "-c", start, str(tmp_path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    racers = [subprocess.Popen(command, text=True, **pipes) for _ in range(5)]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    first = [racer.stdout.readline() for racer in racers if racer.stdout is not None]
    for racer in racers:
        racer.communicate("end\n")
    assert sorted(first) == ["", "", "", "", "locked\n"]
