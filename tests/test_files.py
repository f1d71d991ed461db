"""Files that are written whole or not at all."""

import json
import resource
from pathlib import Path

import pytest

from zoo.files import remove_leftovers, write_json


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": float("nan"), "nested": [float("inf"), 1.5], "name": "run"})
    assert json.loads(path.read_text()) == {"loss": None, "nested": [None, 1.5], "name": "run"}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_a_full_disk_costs_no_file_and_leaves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": 1.0})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_json(path, {"loss": 2.0, "text": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert json.loads(path.read_text()) == {"loss": 1.0}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_leftovers_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".last.ckpt.12.tmp", "last.ckpt", ".lock", "own.tmp"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "last.ckpt", "own.tmp"]
