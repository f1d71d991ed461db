"""A run whose worker process is killed ends within 30 s, in one line, and leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.data import images_on_disk

ROOT = Path(__file__).parents[2]


def children(pid: int) -> dict[int, str]:
    """The processes that a process has started, with their command lines."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid:
                found[int(entry.name)] = (entry / "cmdline").read_text()
        except (OSError, ValueError):
            continue
    return found


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A run that trains for long."""
    photos = images_on_disk.folder(tmp_path / "photos", 40)
    options = [f"data.root={photos}", "data.num_workers=2", "data.image_size=16", "data.batch_size=4", "model=mlp"]
    options += ["data=image_folder", "trainer=cpu", "trainer.max_epochs=10000", f"output_dir={tmp_path / 'run'}"]
    process = subprocess.Popen(
        [sys.executable, "train.py", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def workers_of(process: subprocess.Popen[str], directory: Path) -> set[int]:
    """The workers of a run that has saved, and so has them all."""
    until = time.monotonic() + 90
    while not (directory / "run" / "checkpoints" / "last.ckpt").exists() and time.monotonic() < until:
        time.sleep(0.2)
    workers = {pid for pid, command in children(process.pid).items() if "train.py" in command}
    assert len(workers) >= 2
    return workers


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_run_whose_worker_is_killed_ends_in_one_line(process: subprocess.Popen[str], tmp_path: Path) -> None:
    workers = workers_of(process, tmp_path)
    killed = time.monotonic()
    os.kill(min(workers), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - killed < 30
    assert process.returncode == 3
    assert err.splitlines()[-1].startswith(
        f"error: data.num_workers: worker process {min(workers)} was killed by SIGKILL"
    )
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_group_stops_the_run_as_one_to_the_parent_does(
    process: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    workers = workers_of(process, tmp_path)
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "stopped by SIG" in err and "error:" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
