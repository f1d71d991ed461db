"""Whatever happens to the disk, a checkpoint that was good stays good, and what is damaged is named and passed over."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.processes import TINY, Run, run
from tests.faults.recorder import steps
from zoo.checkpoint import UnreadableFileError, load_checkpoint, verify, write_checkpoint
from zoo.config.entry import compose
from zoo.errors import OptionError, StorageError
from zoo.run import train

RECIPE = ["model.dropout=0.2", "checkpoint.every_n_steps=2"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, of which a third is still to come."""
    directory = tmp_path_factory.mktemp("finished") / "run"
    train(compose([*TINY, *RECIPE, "trainer.max_epochs=2", "scheduler=constant", f"output_dir={directory}"]))
    return directory


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def go_on(directory: Path, *overrides: str) -> None:
    options = ["trainer.max_epochs=3", "scheduler=constant", "resume=auto", f"output_dir={directory}"]
    train(compose([*TINY, *RECIPE, *options, *overrides]))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 2 // 3)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def replaced_by_text(path: Path) -> None:
    path.write_text("<html>404</html>")


DAMAGES = [flip, cut, empty, replaced_by_text]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_named_and_the_newest_valid_one_taken(
    damage: object, copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(copy / "checkpoints" / "last.ckpt")  # type: ignore[operator]
    go_on(copy)
    shown = capsys.readouterr().err
    assert "last.ckpt: " in shown and "going on from" in shown


def test_a_sound_checkpoint_is_not_complained_of(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go_on(copy)
    assert "last" not in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_none_is_valid_storage_is_at_fault(damage: object, copy: Path) -> None:
    for path in (copy / "checkpoints").glob("*.ckpt"):
        damage(path)  # type: ignore[operator]
    with pytest.raises(StorageError, match="no valid checkpoint") as failed:
        go_on(copy)
    assert failed.value.exit_code == 4


def test_each_bit_of_a_checkpoint_counts(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "some.ckpt"
    write_checkpoint({"zoo": {}, "weights": torch.arange(8.0)}, path)
    content = path.read_bytes()
    assert verify(path)
    for place in range(len(content)):
        spoiled = bytearray(content)
        spoiled[place] ^= 1
        path.write_bytes(spoiled)
        with pytest.raises(UnreadableFileError):
            verify(path)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(UnreadableFileError):
            verify(path)


def test_a_damaged_checkpoint_is_not_evaluated(copy: Path) -> None:
    from zoo.run import evaluate

    flip(copy / "checkpoints" / "best.ckpt")
    with pytest.raises(OptionError, match=r"best\.ckpt: damaged"):
        evaluate(compose([f"ckpt={copy}"], "evaluate"))


def test_the_last_checkpoints_are_kept_and_last_is_the_last(tmp_path: Path) -> None:
    train(compose([*TINY, "checkpoint.every_n_steps=1", "checkpoint.keep=4", f"output_dir={tmp_path / 'run'}"]))
    folder = tmp_path / "run" / "checkpoints"
    names = ["last.ckpt", "last-1.ckpt", "last-2.ckpt", "last-3.ckpt"]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "best.ckpt"])
    numbers = [load_checkpoint(folder / name, option="ckpt")["global_step"] for name in names]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] == 21


@pytest.mark.slow
def test_minutes_count_too(tmp_path: Path) -> None:
    train(compose([*TINY, "checkpoint.every_minutes=1e-9", "trainer.max_steps=6", f"output_dir={tmp_path / 'run'}"]))
    steps_saved = [
        load_checkpoint(tmp_path / "run" / "checkpoints" / name, option="ckpt")["global_step"]
        for name in ("last.ckpt", "last-1.ckpt")
    ]
    assert steps_saved == [6, 5]


def test_one_kept_checkpoint_would_be_too_few(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"checkpoint\.keep|last_checkpoint\.keep"):
        compose([*TINY, "checkpoint.keep=1"])


def fill_after_five() -> None:
    """Lets every write to the disk after the fifth fail, as a full one does."""
    import errno

    sync, count = os.fsync, [0]

    def failing(descriptor: int) -> None:
        count[0] += 1
        if count[0] > 10:  # each checkpoint is synced once, and its folder once
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    os.fsync = failing


def test_a_disk_that_fills_ends_the_run_with_code_4_and_costs_no_checkpoint(tmp_path: Path) -> None:
    directory = tmp_path / "run"
    done = run(*RECIPE, directory=directory, prepare=fill_after_five)
    assert done.process.exitcode == 4, done.output
    assert "No space left on device" in done.last_line and "intact" in done.last_line
    assert all(verify(path) for path in (directory / "checkpoints").glob("*.ckpt"))
    assert not list(directory.rglob("*.tmp"))
    again = run(*RECIPE, "resume=auto", directory=directory)
    assert again.process.exitcode == 0, again.output
    assert steps(again.steps) == steps(run(*RECIPE, directory=tmp_path / "whole").steps)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB; only root can mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int) -> None:
    free = shutil.disk_usage(folder).free
    (folder / "filler").write_bytes(b"x" * (free - leave))


def test_a_disk_that_is_full_from_the_start_is_found_before_the_first_step(disk: Path) -> None:
    fill(disk, 60_000)
    done = run(*RECIPE, "model.hidden_sizes=[256]", directory=disk / "run", record=False)
    assert done.process.exitcode == 4, done.output
    assert "MB are free" in done.last_line


@pytest.mark.slow
def test_a_real_disk_that_fills_costs_no_checkpoint(disk: Path, tmp_path: Path) -> None:
    directory = disk / "run"
    started = Run(*RECIPE, "trainer.max_epochs=400", directory=directory, record=False)
    started.until(lambda: (directory / "checkpoints" / "last-1.ckpt").exists())
    fill(disk, 0)
    assert started.wait() == 4, started.output
    kept = list((directory / "checkpoints").glob("last*.ckpt"))
    assert len(kept) == 2 and all(verify(path) for path in kept)
    (disk / "filler").unlink()
    again = run("resume=" + str(directory), "trainer.max_epochs=3", directory=directory, record=False, tiny=False)
    assert again.process.exitcode in (0, 2), again.output


@pytest.mark.slow
def test_a_disk_that_becomes_read_only_costs_no_checkpoint(disk: Path) -> None:
    directory = disk / "run"
    started = Run(*RECIPE, "trainer.max_epochs=400", directory=directory, record=False)
    started.until(lambda: (directory / "checkpoints" / "last-1.ckpt").exists())
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False, capture_output=True)
    if os.access(disk, os.W_OK):
        started.kill()
        pytest.skip("it cannot be made read-only while it is written to")
    assert started.wait() == 4, started.output
    assert all(verify(path) for path in (directory / "checkpoints").glob("*.ckpt"))


def test_a_folder_that_cannot_be_written_is_named_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError, match="output_dir") as failed:
        train(compose([*TINY, f"output_dir={tmp_path / 'file' / 'run'}"]))
    assert failed.value.exit_code == 4


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["/nonexistent/folder", "/proc"])
def test_a_foreign_folder_for_temporary_files_does_not_matter(folder: str, tmp_path: Path) -> None:
    done = run(*RECIPE, directory=tmp_path / "run", environment={"TMPDIR": folder}, record=False)
    assert done.process.exitcode == 0, done.output


@pytest.mark.slow
def test_a_full_folder_for_temporary_files_does_not_matter(disk: Path, tmp_path: Path) -> None:
    fill(disk, 0)
    done = run(*RECIPE, directory=tmp_path / "run", environment={"TMPDIR": str(disk)}, record=False)
    assert done.process.exitcode == 0, done.output


def test_two_runs_at_once_in_one_directory_are_one_too_many(tmp_path: Path) -> None:
    first = Run("trainer.max_epochs=500", directory=tmp_path / "run", record=False)
    first.until(lambda: (tmp_path / "run" / "checkpoints" / "last.ckpt").exists())
    same = f"output_dir={tmp_path / 'run'}"
    second = run("resume=auto", same, directory=tmp_path / "second", output_dir=False, record=False)
    assert second.process.exitcode == 2
    assert f"is in use by process {first.process.pid}" in second.last_line
    first.kill()
    options = ["resume=auto", same, "trainer.max_epochs=500", "trainer.max_steps=1"]
    third = run(*options, directory=tmp_path / "third", output_dir=False, record=False)
    assert third.process.exitcode == 0, third.output  # a dead owner's lock is taken over


@pytest.mark.slow
def test_runs_started_in_the_same_second_have_directories_of_their_own(tmp_path: Path) -> None:
    options = [f"paths.logs_dir={tmp_path / 'logs'}", "trainer.max_epochs=1"]
    both = [Run(*options, directory=tmp_path / name, output_dir=False, record=False) for name in ("a", "b")]
    assert [started.wait() for started in both] == [0, 0]
    assert len(list((tmp_path / "logs").glob("*/*/*/metrics.json"))) == 2


def test_a_finished_run_is_not_overwritten(finished: Path) -> None:
    before = (finished / "checkpoints" / "last.ckpt").read_bytes()
    with pytest.raises(OptionError, match="holds a run; go on with resume=auto, or choose another directory"):
        train(compose([*TINY, f"output_dir={finished}"]))
    assert (finished / "checkpoints" / "last.ckpt").read_bytes() == before
