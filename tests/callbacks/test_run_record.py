"""Files that a run leaves are whole, and valid JSON whatever the numbers."""

import json
from pathlib import Path

import pytest

from zoo.callbacks.run_record import git_state, write_json


def test_numbers_that_are_not_finite_become_null(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": float("nan"), "nested": [float("inf"), 1.5], "name": "run"})
    assert json.loads(path.read_text()) == {"loss": None, "nested": [None, 1.5], "name": "run"}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert git_state() == {}
