"""Checkpoint files: whole or not there at all, sealed, kept in order, and read without running anything."""

import io
import os
import pickle
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.checkpoint import (
    UnreadableFileError,
    find_checkpoint,
    load_checkpoint,
    load_file,
    newest_checkpoint,
    verify,
    write_checkpoint,
)
from zoo.errors import OptionError, StorageError


def content(step: int = 0) -> dict[str, Any]:
    return {"zoo": {}, "step": step, "weights": torch.arange(12.0).view(3, 4) + step}


def steps(folder: Path) -> dict[str, int]:
    return {path.name: load_checkpoint(path, option="ckpt")["step"] for path in sorted(folder.iterdir())}


def spoil(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def set_age(path: Path, seconds: int) -> None:
    os.utime(path, (1e9 - seconds, 1e9 - seconds))


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file can grow beyond a size, which the kernel sees to."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


class Evil:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"empty": torch.zeros(0), "scalar": torch.tensor(1.5, dtype=torch.bfloat16)},
        {"text": "ü" * 1000, "nested": [{"a": (1, None, True)}], "large": torch.zeros(300_000)},
    ],
)
def test_what_was_written_is_read_back_sealed(value: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "folder" / "some.ckpt"
    write_checkpoint(value, path)
    assert verify(path)
    assert repr(load_file(path)) == repr(value)
    assert [file.name for file in path.parent.iterdir()] == ["some.ckpt"]


def test_any_reader_of_zip_files_and_of_torchs_reads_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "some.ckpt"
    write_checkpoint(content(), path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.comment.startswith(b"sha256:")
    assert torch.equal(torch.load(path, weights_only=True)["weights"], content()["weights"])


def test_the_seal_is_the_hash_of_all_that_stands_before_it(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "some.ckpt"
    write_checkpoint(content(), path)
    whole = path.read_bytes()
    assert hashlib.sha256(whole[:-64]).hexdigest().encode() == whole[-64:]


def test_a_file_that_torch_has_saved_is_no_failure_but_not_sealed(tmp_path: Path) -> None:
    torch.save(content(), tmp_path / "plain.ckpt")
    assert not verify(tmp_path / "plain.ckpt")
    assert load_checkpoint(tmp_path / "plain.ckpt", option="ckpt")["step"] == 0


def test_the_newest_are_kept_in_their_order(tmp_path: Path) -> None:
    for step in range(5):
        write_checkpoint(content(step), tmp_path / "last.ckpt", keep=3)
    assert steps(tmp_path) == {"last.ckpt": 4, "last-1.ckpt": 3, "last-2.ckpt": 2}


def test_one_that_is_kept_alone_is_replaced(tmp_path: Path) -> None:
    for step in range(3):
        write_checkpoint(content(step), tmp_path / "best.ckpt")
    assert steps(tmp_path) == {"best.ckpt": 2}


def test_a_file_system_without_links_keeps_as_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for step in range(4):
        write_checkpoint(content(step), tmp_path / "last.ckpt", keep=3)
    assert steps(tmp_path) == {"last.ckpt": 3, "last-1.ckpt": 2, "last-2.ckpt": 1}


def test_a_kill_between_the_two_renames_leaves_nothing_behind_later(tmp_path: Path) -> None:
    write_checkpoint(content(0), tmp_path / "last.ckpt", keep=2)
    os.link(tmp_path / "last.ckpt", tmp_path / "last-1.ckpt")  # as far as the rotation had come
    for step in (1, 2):
        write_checkpoint(content(step), tmp_path / "last.ckpt", keep=2)
        assert steps(tmp_path) == {"last.ckpt": step, "last-1.ckpt": step - 1}


@pytest.mark.parametrize("size", [0, 300, 1500])
def test_a_disk_that_is_full_costs_no_checkpoint_and_leaves_nothing(size: int, tmp_path: Path) -> None:
    for step in range(2):
        write_checkpoint(content(step), tmp_path / "last.ckpt", keep=2)
    with full_disk(size), pytest.raises(StorageError, match=r"last\.ckpt: cannot be written \(File too large\)"):
        write_checkpoint({"zoo": {}, "weights": torch.zeros(5000)}, tmp_path / "last.ckpt", keep=2)
    assert steps(tmp_path) == {"last.ckpt": 1, "last-1.ckpt": 0}


@pytest.mark.parametrize("variable", ["", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"])
@pytest.mark.parametrize("form", ["torch", "pickle", "sealed"])
def test_a_pickle_with_code_is_refused_and_does_not_run(
    form: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if variable:
        monkeypatch.setenv(variable, "1")
    path, evil = tmp_path / "evil.ckpt", {"zoo": {}, "evil": Evil(tmp_path / "mark")}
    if form == "torch":
        torch.save(evil, path)
    elif form == "pickle":
        path.write_bytes(pickle.dumps(evil))
    else:
        write_checkpoint(evil, path)
    with pytest.raises(UnreadableFileError, match="holds more than plain values"):
        load_file(path)
    with pytest.raises(OptionError, match="ckpt: ") as refused:
        load_checkpoint(path, option="ckpt")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "mark").exists()
    pickle.loads(pickle.dumps(Evil(tmp_path / "mark")))
    assert (tmp_path / "mark").exists()  # it would have run


def test_a_plain_file_with_any_byte_changed_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"weights": torch.arange(3.0)}, buffer)
    path = tmp_path / "plain.pt"
    for place in range(0, len(buffer.getvalue()), 5):
        spoiled = bytearray(buffer.getvalue())
        spoiled[place] ^= 0x15
        path.write_bytes(spoiled)
        try:
            load_file(path)
        except UnreadableFileError as error:
            assert str(error) and "\n" not in str(error)


def test_the_file_that_a_path_means_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / "last.ckpt").touch()
    assert find_checkpoint(tmp_path, option="ckpt") == folder / "last.ckpt"
    (folder / "best.ckpt").touch()
    for path in (tmp_path, folder, folder / "best.ckpt", str(tmp_path)):
        assert find_checkpoint(path, option="ckpt") == folder / "best.ckpt"
    assert find_checkpoint(tmp_path, option="resume", prefer="last.ckpt") == folder / "last.ckpt"


def test_where_there_is_no_checkpoint_the_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"^resume: no checkpoint in "):
        find_checkpoint(tmp_path, option="resume")
    with pytest.raises(OptionError, match=r"^ckpt: .*nowhere does not exist"):
        find_checkpoint(tmp_path / "nowhere", option="ckpt")


def test_a_file_of_weights_alone_is_none_of_ours(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    with pytest.raises(OptionError, match="it was not written by zoo; load plain weights with pretrained=PATH"):
        load_checkpoint(tmp_path / "weights.pt", option="ckpt")


def test_last_is_preferred_whatever_the_clock_says(tmp_path: Path) -> None:
    for name, step, age in (("last", 3, 50), ("last-1", 2, 0), ("best", 1, 10)):
        write_checkpoint(content(step), tmp_path / f"{name}.ckpt")
        set_age(tmp_path / f"{name}.ckpt", age)
    found = newest_checkpoint(tmp_path)
    assert found is not None and found[1]["step"] == 3 and found[2] == []
    named = newest_checkpoint(tmp_path, tmp_path / "best.ckpt")
    assert named is not None and named[1]["step"] == 1


def test_damaged_ones_are_named_and_the_newest_of_the_others_taken(tmp_path: Path) -> None:
    for name, step, age in (("last", 4, 0), ("last-1", 3, 1), ("best", 2, 2), ("last-2", 1, 3)):
        write_checkpoint(content(step), tmp_path / f"{name}.ckpt")
        set_age(tmp_path / f"{name}.ckpt", age)
    for name, age in (("last", 0), ("last-1", 1)):
        spoil(tmp_path / f"{name}.ckpt")
        set_age(tmp_path / f"{name}.ckpt", age)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    path, checkpoint, refused = found
    assert (path.name, checkpoint["step"]) == ("best.ckpt", 2)
    assert [line.split(": ")[0] for line in refused] == [str(tmp_path / f"{name}.ckpt") for name in ("last", "last-1")]
    assert all("SHA-256" in line for line in refused)


def test_where_last_is_missing_the_newest_is_taken(tmp_path: Path) -> None:
    for name, step, age in (("last-1", 2, 1), ("best", 1, 2)):
        write_checkpoint(content(step), tmp_path / f"{name}.ckpt")
        set_age(tmp_path / f"{name}.ckpt", age)
    found = newest_checkpoint(tmp_path)
    assert found is not None and found[1]["step"] == 2


def test_no_checkpoints_are_none_and_damaged_ones_an_error(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "nowhere") is None
    (tmp_path / "last-1.ckpt").mkdir()  # whatever it is
    (tmp_path / "last.ckpt").write_bytes(b"")
    with pytest.raises(StorageError, match=r"no valid checkpoint: .*last\.ckpt: .*last-1\.ckpt: "):
        newest_checkpoint(tmp_path)
