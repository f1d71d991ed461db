"""Each run has a directory of its own, which holds no other run."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.config.run_directory import VARIABLE, make_directory, release_run_directory, run_directory
from zoo.config.run_lock import NAME
from zoo.errors import OptionError, StorageError


@pytest.fixture(autouse=True)
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in (VARIABLE, "LOCAL_RANK", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    yield
    release_run_directory()


def directory(folder: Path, **options: Any) -> Path:
    defaults = {"logs_dir": str(folder), "task": "task", "name": "name", "chosen": None, "resuming": False}
    return run_directory(**{**defaults, **options})


def test_runs_of_the_same_second_have_directories_of_their_own(tmp_path: Path) -> None:
    found = []
    for _ in range(5):
        found.append(directory(tmp_path))
        release_run_directory()
    assert len(set(found)) == 5
    assert {path.parent for path in found} == {tmp_path / "task" / "name"}


def test_a_chosen_one_is_taken_as_it_is_and_locked_until_the_end(tmp_path: Path) -> None:
    chosen = directory(tmp_path, chosen=str(tmp_path / "a" / "b"))
    assert chosen == tmp_path / "a" / "b" and (chosen / NAME).exists()
    release_run_directory()
    assert not list(chosen.iterdir()) and VARIABLE not in os.environ


def test_one_that_holds_a_run_is_for_going_on_only(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").touch()
    with pytest.raises(OptionError, match="holds a run; go on with resume=auto, or choose another directory"):
        directory(tmp_path, chosen=str(tmp_path))
    assert not (tmp_path / NAME).exists()
    assert directory(tmp_path, chosen=str(tmp_path), resuming=True) == tmp_path


def test_the_other_processes_of_a_run_find_its_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = directory(tmp_path)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert directory(tmp_path) == first


def test_processes_that_cannot_agree_are_told_to_choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    with pytest.raises(OptionError, match=r"^output_dir: torchrun's processes .*; add output_dir=PATH"):
        directory(tmp_path)


@pytest.mark.parametrize(("options", "option"), [({"chosen": "file/run"}, "output_dir"), ({}, "paths.logs_dir")])
def test_where_none_can_be_made_storage_is_at_fault(
    options: dict[str, str], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=rf"^{option}: cannot create the directory .*; choose another one"):
        directory(tmp_path / "file", **options)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever runs the tests may write everywhere
    with pytest.raises(StorageError, match="is not writable"):
        make_directory(tmp_path / "new", option="output_dir")


def test_a_disk_too_full_for_the_lock_is_storage_and_leaves_no_lock(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"output_dir: .*File too large"):
            directory(tmp_path, chosen=str(tmp_path / "run"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "run" / NAME).exists()
