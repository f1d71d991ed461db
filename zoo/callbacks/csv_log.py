"""The logged values of a run as one CSV file, which a resumed run continues without a gap or a repetition."""

import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from zoo.files import replacing

_FIRST = ("epoch", "step")


class CSVLog(Logger):
    """Writes `metrics.csv`: a row for each time that values are logged, a column for each name.

    Each row is handed to the operating system at once, so that a process that is killed loses none.

    Args:
        save_dir: directory of the run.
    """

    def __init__(self, save_dir: str | Path) -> None:
        super().__init__()
        self.path = Path(save_dir) / "metrics.csv"
        self.num_rows = 0
        self._names: list[str] = []
        self._file: TextIO | None = None

    @property
    def name(self) -> str:
        """What Lightning calls the logger."""
        return "csv"

    @property
    def version(self) -> str:
        """Empty: a run's directory is its own."""
        return ""

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Writes nothing: `config.yaml` holds them."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Appends a row.

        Args:
            metrics: values by name.
            step: optimizer step that they belong to.
        """
        row = {"step": step, **{name: float(value) for name, value in metrics.items()}}
        if "epoch" in row:
            row["epoch"] = int(row["epoch"])  # type: ignore[arg-type]
        if self._file is None or not row.keys() <= set(self._names):
            rows = self._rows()[: self.num_rows]
            self._rewrite(rows, [*(rows[0] if rows else ()), *row])
        assert self._file is not None
        self._file.write(_line([row.get(name, "") for name in self._names]))
        self._file.flush()
        self.num_rows += 1

    def resume(self, num_rows: int) -> None:
        """Goes on after the rows that a checkpoint had seen; what was logged after it will be logged again.

        Args:
            num_rows: their number.
        """
        self.num_rows = min(num_rows, len(self._rows()))

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return [{name: value or "" for name, value in row.items() if name} for row in csv.DictReader(file)]

    def _rewrite(self, rows: list[dict[str, str]], names: list[str]) -> None:
        """Writes the file anew with more columns, whole or not at all, and leaves it open at its end."""
        self._names = [*_FIRST, *sorted({*names} - {*_FIRST})]
        text = _line(self._names) + "".join(_line([row.get(name, "") for name in self._names]) for row in rows)
        self.finalize("rewritten")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as file:
            file.write(text.encode())
        self._file = self.path.open("a", newline="")

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Closes the file; a row that is still to come opens it again."""
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # each row was flushed, or has failed already
                file.close()


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()
