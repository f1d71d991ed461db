"""Checkpoints are copied when they are saved and written in a thread, whose failures are not lost."""

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from zoo.callbacks import checkpoint_io
from zoo.callbacks.checkpoint_io import BackgroundCheckpointIO
from zoo.checkpoint import load_checkpoint, verify, write_checkpoint
from zoo.errors import OptionError, StorageError


def content(**values: Any) -> dict[str, Any]:
    return {"zoo": {}, **values}


def test_what_is_saved_is_the_state_of_that_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slowly(*arguments: Any, **options: Any) -> None:
        time.sleep(0.2)
        assert threading.current_thread() is not threading.main_thread()
        write_checkpoint(*arguments, **options)

    monkeypatch.setattr(checkpoint_io, "write_checkpoint", slowly)
    storage, weights = BackgroundCheckpointIO(), torch.zeros(3)
    listed = [weights]
    storage.save_checkpoint(
        content(weights=weights, nested={"list": listed, "tuple": (weights, 1)}), tmp_path / "a.ckpt"
    )
    assert not (tmp_path / "a.ckpt").exists()
    weights += 1
    listed.append(weights)
    storage.wait()
    saved = load_checkpoint(tmp_path / "a.ckpt", option="ckpt")
    assert saved["weights"].tolist() == [0, 0, 0]
    assert saved["nested"]["tuple"][0].tolist() == [0, 0, 0] and len(saved["nested"]["list"]) == 1


def test_tensors_of_every_kind_are_copied_as_they_are(tmp_path: Path) -> None:
    shared = nn.Parameter(torch.randn(3, 4))
    values = {
        "first": shared, "second": shared, "view": torch.arange(100)[::7], "empty": torch.zeros(0, 2),
        "half": torch.ones(2, dtype=torch.bfloat16), "complex": torch.ones(2) * 1j, "image": torch.rand(1, 3, 4, 4),
    }  # fmt: skip
    values["image"] = values["image"].contiguous(memory_format=torch.channels_last)
    storage = BackgroundCheckpointIO()
    storage.save_checkpoint(content(**values), tmp_path / "a.ckpt")
    storage.teardown()
    saved = load_checkpoint(tmp_path / "a.ckpt", option="ckpt")
    assert all(torch.equal(saved[name], value) and saved[name].dtype == value.dtype for name, value in values.items())
    assert saved["first"].data_ptr() == saved["second"].data_ptr()
    assert saved["image"].stride() == values["image"].stride()
    assert saved["view"].untyped_storage().nbytes() == 15 * 8  # not all hundred


def test_as_many_are_kept_as_is_said_and_of_others_one(tmp_path: Path) -> None:
    storage = BackgroundCheckpointIO()
    storage.keep["last.ckpt"] = 3
    for step in range(5):
        storage.save_checkpoint(content(step=step), tmp_path / "last.ckpt")
        storage.save_checkpoint(content(step=step), tmp_path / "best.ckpt")
    storage.wait()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last-1.ckpt", "last-2.ckpt", "last.ckpt"]
    assert load_checkpoint(tmp_path / "last-2.ckpt", option="ckpt")["step"] == 2


@pytest.mark.parametrize("then", ["wait", "teardown", "save"])
def test_a_failure_comes_with_the_next_call_and_only_once(then: str, tmp_path: Path) -> None:
    storage = BackgroundCheckpointIO()
    (tmp_path / "file").touch()
    storage.save_checkpoint(content(), tmp_path / "file" / "a.ckpt")
    with pytest.raises(StorageError, match="cannot be written"):
        storage.save_checkpoint(content(), tmp_path / "b.ckpt") if then == "save" else getattr(storage, then)()
    storage.save_checkpoint(content(), tmp_path / "c.ckpt")
    storage.wait()
    assert verify(tmp_path / "c.ckpt")


def test_one_that_was_read_already_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    write_checkpoint(content(step=1), path)
    storage = BackgroundCheckpointIO({str(path): content(step=2)})
    assert storage.load_checkpoint(path)["step"] == 2
    assert storage.load_checkpoint(path)["step"] == 1
    os.truncate(path, 100)
    with pytest.raises(OptionError, match=r"^resume: "):
        storage.load_checkpoint(path, weights_only=False)


def test_one_that_is_being_written_can_be_removed(tmp_path: Path) -> None:
    storage = BackgroundCheckpointIO()
    storage.save_checkpoint(content(), tmp_path / "a.ckpt")
    storage.remove_checkpoint(tmp_path / "a.ckpt")
    storage.remove_checkpoint(tmp_path / "a.ckpt")
    assert not list(tmp_path.iterdir())
