"""Files that a run leaves are whole, and valid JSON whatever the numbers."""

import json
import time
from pathlib import Path

import pytest

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.csv_log import CSVLog
from zoo.callbacks.run_record import RunRecord, git_state
from zoo.checkpoint import load_file


def test_outside_a_checkout_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path))
    assert git_state() == {}


class RecordedData(TinyData):
    fingerprint, batch_size = "f" * 64, 16


class TokenData(RecordedData):
    tokens_per_sample = 64


def record(
    folder: Path, log: CSVLog, epochs: int, checkpoint: Path | None = None, data: type[TinyData] = RecordedData
) -> RunRecord:
    """Trains with a record, and saves after it."""
    kept = RunRecord(folder, config={"seed": 3}, started=time.perf_counter())
    trainer = tiny_trainer(folder, callbacks=[kept], logger=[log], max_epochs=epochs, num_sanity_val_steps=0)
    trainer.fit(TinyTask(), datamodule=data(), ckpt_path=checkpoint, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    kept.write(trainer, {"train/loss": 0.5}, status="completed")
    return kept


def test_a_run_that_goes_on_keeps_its_rows_and_its_seconds(tmp_path: Path) -> None:
    first = CSVLog(tmp_path)
    record(tmp_path, first, 1)
    saved = load_file(tmp_path / "last.ckpt")["zoo"]
    assert saved["logged_rows"] == first.num_rows > 0
    assert saved["class_names"] == list(TinyData.class_names) and saved["data_fingerprint"] == "f" * 64
    first.log_metrics({"lost": 99.5}, 9)  # after the checkpoint, by a run that was then killed
    first.finalize("failed")
    second = CSVLog(tmp_path)
    again = record(tmp_path, second, 2, tmp_path / "last.ckpt")
    assert again.seconds_before == saved["seconds"] > 0
    text = (tmp_path / "metrics.csv").read_text()
    assert "99.5" not in text and text.count("\n") == second.num_rows + 1 > saved["logged_rows"] + 1
    values = json.loads((tmp_path / "metrics.json").read_text())
    assert values["seconds_total"] > saved["seconds"] and values["seed"] == 3
    assert values["samples_per_second"] > 0 and values["peak_memory_mb"] > 1


def test_tokens_a_second_stand_beside_samples_where_each_has_so_many(tmp_path: Path) -> None:
    record(tmp_path, CSVLog(tmp_path), 1, data=TokenData)
    values = json.loads((tmp_path / "metrics.json").read_text())
    assert values["tokens_per_second"] == pytest.approx(64 * values["samples_per_second"])
    assert "throughput/tokens_per_second" in (tmp_path / "metrics.csv").read_text()
