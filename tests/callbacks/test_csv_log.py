"""The logged values as one file, which grows columns and goes on after a resume without a gap or a repetition."""

import csv
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo.callbacks.csv_log import CSVLog


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if value} for row in csv.DictReader(file)]


Open = Callable[[], CSVLog]


@pytest.fixture
def new_log(tmp_path: Path) -> Iterator[Open]:
    """Makes a logger as each start of a run does."""
    made: list[CSVLog] = []

    def make() -> CSVLog:
        made.append(CSVLog(tmp_path))
        return made[-1]

    yield make
    for log in made:
        log.finalize("success")


def log_losses(log: CSVLog, *steps: int) -> None:
    for step in steps:
        log.log_metrics({"loss": step / 3}, step)


def test_each_row_is_in_the_file_at_once(new_log: Open, tmp_path: Path) -> None:
    log = new_log()
    for step in range(3):
        log_losses(log, step)
        assert [row["step"] for row in rows(tmp_path)] == [str(number) for number in range(step + 1)]


def test_values_come_back_to_the_last_bit(new_log: Open, tmp_path: Path) -> None:
    new_log().log_metrics({"loss": 0.1 + 0.2, "lr": torch.tensor(1e-30), "epoch": 2.0, "bad": float("nan")}, 7)  # type: ignore[dict-item]
    (row,) = rows(tmp_path)
    assert float(row["loss"]).hex() == (0.1 + 0.2).hex()
    assert (row["step"], row["epoch"], row["bad"]) == ("7", "2", "nan")
    assert float(row["lr"]) == torch.tensor(1e-30).item()


def test_columns_are_added_without_losing_rows(new_log: Open, tmp_path: Path) -> None:
    log = new_log()
    log_losses(log, 1, 2)
    log.log_metrics({"val/accuracy": 0.5, "epoch": 0}, 2)
    log.log_metrics({'odd, "name"\nü': 1.0}, 3)
    log_losses(log, 4)
    assert (tmp_path / "metrics.csv").read_text().startswith("epoch,step,")
    assert [set(row) for row in rows(tmp_path)] == [
        {"step", "loss"}, {"step", "loss"}, {"step", "epoch", "val/accuracy"}, {"step", 'odd, "name"\nü'},
        {"step", "loss"},
    ]  # fmt: skip
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]


@pytest.mark.parametrize("cut", [0, 7])
def test_a_resumed_run_goes_on_after_the_rows_of_its_checkpoint(cut: int, new_log: Open, tmp_path: Path) -> None:
    log_losses(new_log(), 1, 2, 3, 4)
    path = tmp_path / "metrics.csv"
    path.write_text(path.read_text()[: len(path.read_text()) - cut])  # the last row was being written
    resumed = new_log()
    resumed.resume(2)
    assert resumed.num_rows == 2
    log_losses(resumed, 3)
    resumed.log_metrics({"val/loss": 1.0}, 3)
    log_losses(resumed, 4)
    assert [row["step"] for row in rows(tmp_path)] == ["1", "2", "3", "3", "4"]
    assert rows(tmp_path)[0]["loss"] == str(1 / 3)


def test_where_the_file_is_gone_or_shorter_what_there_is_stays(new_log: Open, tmp_path: Path) -> None:
    log = new_log()
    log.resume(5)
    log_losses(log, 6)
    assert [row["step"] for row in rows(tmp_path)] == ["6"]
    again = new_log()
    again.resume(5)
    log_losses(again, 7)
    assert [row["step"] for row in rows(tmp_path)] == ["6", "7"]


def test_a_new_run_in_the_folder_starts_anew(new_log: Open, tmp_path: Path) -> None:
    log_losses(new_log(), 1, 2)
    log_losses(new_log(), 9)
    assert [row["step"] for row in rows(tmp_path)] == ["9"]


def test_a_row_after_the_end_is_appended(new_log: Open, tmp_path: Path) -> None:
    log = new_log()
    log_losses(log, 1)
    log.finalize("success")
    log.finalize("success")
    log.log_metrics({"test/loss": 0.5}, 1)
    assert [set(row) for row in rows(tmp_path)] == [{"step", "loss"}, {"step", "test/loss"}]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("values", [{"loss": 1.0}, {"new": 1.0}])
def test_a_full_disk_costs_no_row_and_leaves_no_other_file(
    values: dict[str, Any], new_log: Open, tmp_path: Path
) -> None:
    log = new_log()
    log_losses(log, 1, 2)
    with full_disk((tmp_path / "metrics.csv").stat().st_size):
        with pytest.raises(OSError, match="File too large"):
            log.log_metrics(values, 3)
        log.finalize("failed")  # Lightning does so on its way out
    assert [row["step"] for row in rows(tmp_path)] == ["1", "2"]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.csv"]
