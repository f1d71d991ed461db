"""A user's own table: a CSV file with a column of classes and columns of numbers."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.bad_rows import judge_rows
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.csv_classes import class_names, fractions, lonely, surplus
from zoo.data.csv_file import check_delimiter
from zoo.data.csv_table import Table, read_table
from zoo.data.decode import MOST_BAD
from zoo.data.labelled import LabelledData
from zoo.data.loader import BatchLoader
from zoo.data.order import Order
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt


class TableData(LabelledData):
    """Rows of a CSV or TSV file, with a header, in UTF-8; each is a class and numbers.

    The numbers are brought to mean 0 and standard deviation 1 of the training split, column by column. Classes are the
    distinct values of the target, whole numbers by value and text by alphabet. A cell that is empty or no number, and a
    row of another length than the header, is an error or, with its row, left out; nothing is filled in.

    Args:
        path: the file; `~` stands for the home folder.
        target: name of the column of classes.
        columns: names of the columns of numbers, in the order that the model sees; None for all but target and `drop`.
        drop: names of columns to leave out where `columns` is None.
        delimiter: what separates cells; None to find it among comma, semicolon, tab and bar.
        evaluation_only: whether nothing is trained on these rows: they are then a test split as a whole, unless
            `test_fraction` is given, and one class is enough.
        test_fraction: share of rows split off for testing; None for 0.15.
        on_bad_sample: whether a bad row is an error or left out with a warning; at most a tenth is left out.
        device_cache: whether the rows are kept on the GPU that trains.
        batch_size: rows in a training batch of one process.
        eval_batch_size: rows in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training rows that are held out for validation.
        split_seed: decides which rows are held out, and which `train_samples` are taken.
        seed: decides the order.
        train_samples: how many training rows to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        in_channels: fact likewise: how many columns of numbers there are.
        image_size: fact likewise: a row has no sides, so that this is always [].
        mean: of each column; None to measure it on the training split.
        std: standard deviation, likewise.
    """

    def __init__(
        self,
        *,
        path: str | None,
        target: str | None,
        columns: Sequence[str] | None = None,
        drop: Sequence[str] = (),
        delimiter: str | None = None,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        on_bad_sample: Literal["error", "skip"] = "error",
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: Sequence[PositiveInt] = (),
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
        )
        check_delimiter(delimiter)
        self.path = None if path is None else Path(path).expanduser()
        self.target, self.columns, self.drop, self.delimiter = target, columns, drop, delimiter
        self.evaluation_only, self.test_fraction, self.on_bad_sample = evaluation_only, test_fraction, on_bad_sample
        self.device_cache, self.in_channels, self.image_size = device_cache, in_channels, image_size
        self.mean, self.std = mean, std
        self.rows: dict[str, Tensor] = {}
        self.lines: dict[str, list[int]] = {}
        self._fingerprint = ""

    def load(self) -> dict[str, Tensor]:
        """Reads the file, leaves out bad rows if they may be, splits and normalises."""
        table = self._read()
        bad, rows = table.num_rows - len(table.lines), table.num_rows
        judge_rows(table.path, table.problems, num_bad=bad, num_rows=rows, on_bad_sample=self.on_bad_sample)
        self.class_names, self.columns = class_names(table.targets), table.columns
        if len(self.class_names) < 2 and not self.evaluation_only:
            problem = f"column {self.target} has one class ({self.class_names[0]}) in {len(table.lines)} rows"
            raise DataError(str(self.path), problem, "2 or more are needed; set data.target to another column")
        numbers = {name: number for number, name in enumerate(self.class_names)}
        labels = torch.tensor([numbers[name] for name in table.targets])
        parts = {"test": torch.arange(len(labels))}
        if not self.evaluation_only or self.test_fraction is not None:
            parts = self.split_off(labels, test_fraction=0.15 if self.test_fraction is None else self.test_fraction)
        values = {split: table.values[part.numpy()] for split, part in parts.items()}
        self.lines = {split: [table.lines[row] for row in part.tolist()] for split, part in parts.items()}
        found = {split: labels[part] for split, part in parts.items()}
        self._fingerprint = _digest(table.columns, values, found)
        self._normalize(values)
        return found

    def _read(self) -> Table:
        """Reads the file; rows whose class cannot be learned are among the bad ones.

        Raises:
            DataError: the file, or its target, cannot be used at all.
            OptionError: no file is given, or a column is not there.
        """
        if self.path is None:
            raise OptionError("data.path", "no table given", "add data.path=FILE.csv")
        table = read_table(self.path, self.target, columns=self.columns, drop=self.drop, delimiter=self.delimiter)
        target = self.target or ""
        if len(table.lines) < (1 - MOST_BAD) * table.num_rows:  # what is left says little about the classes
            return table
        table.leave_out(fractions(table, target))
        if self.evaluation_only:
            return table
        if self.num_classes is not None:
            table.leave_out(surplus(table, target, self.num_classes))
        single = lonely(table, target)
        if len(single) > 2 and len(single) > len(table.targets) / 2:
            problem = f"column {target} has {len(set(table.targets)):,} values in {len(table.targets):,} rows"
            raise DataError(str(self.path), f"{problem}, and so holds no classes", "set data.target to another column")
        table.leave_out(single)
        return table

    def _normalize(self, values: dict[str, np.ndarray]) -> None:
        """Measures mean and deviation, where not given, and keeps the normalised rows of each split.

        Raises:
            OptionError: those given do not fit the columns.
            DataError: a number is too large beside them.
        """
        measured = values["train"] if "train" in values else values["test"]
        mean, std = measured.mean(0), measured.std(0)
        std[std <= 1e-12 * np.abs(mean)] = 1.0  # a constant column, but for rounding
        self.mean = mean.tolist() if self.mean is None else list(self.mean)
        self.std = std.tolist() if self.std is None else list(self.std)
        for name, given in (("mean", self.mean), ("std", self.std)):
            if len(given) != measured.shape[1]:
                problem = f"{len(given)} values for {measured.shape[1]} columns"
                raise OptionError(f"data.{name}", problem, "give one a column, or null to measure them")
        for split, rows in values.items():
            with np.errstate(all="ignore"):
                normal = ((rows - self.mean) / self.std).astype(np.float32)
            wrong = np.argwhere(~np.isfinite(normal))
            if len(wrong):
                row, column = wrong[0].tolist()
                where = f"{self.path} row {self.lines[split][row]} column {(self.columns or [])[column]}"
                problem = (
                    f"{rows[row, column]:g} is too large beside mean {self.mean[column]:g}, std {self.std[column]:g}"
                )
                raise DataError(where, problem, "correct it")
            self.rows[split] = torch.from_numpy(normal)

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {**super().given_facts(), "in_channels": self.in_channels, "image_size": list(self.image_size)}

    def preprocessing(self) -> dict[str, Any]:
        """Returns columns, mean and standard deviation; all are arguments of the constructor."""
        assert self.columns and self.mean and self.std, "setup comes first"
        columns = list(self.columns)
        facts = {"columns": columns, "in_channels": len(columns), "image_size": []}
        return {**facts, "mean": list(self.mean), "std": list(self.std)}

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the columns, the numbers and the labels of each split."""
        return self._fingerprint

    def sample_name(self, split: Split, index: int) -> str:
        """Returns file and row, which is the line that an editor shows, as "iris.csv row 17"."""
        assert self.path is not None
        return f"{self.path.name} row {self.lines[split][index]}"

    def place_of_class(self, name: str) -> str:
        """Returns the first row that has a class, and its column."""
        number = self.class_names.index(name)
        lines = [
            self.lines[split][row]
            for split, labels in self.labels.items()
            for row in (labels == number).nonzero().flatten().tolist()
        ]
        return f"{self.path} row {min(lines)} column {self.target}"

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> BatchLoader:
        """Returns batches cut from the rows of a split."""
        rows = self.rows[split]
        return self.cut_batches(rows, split, order, batch_size, train=train, device_cache=self.device_cache)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" float32 (B, F), "target" (B,) and "index" (B,), normalised already."""
        return batch

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at every cell of the file; if all are right, at the batches."""
        table = self._read()
        bad = [BadSample(f"{self.path} row {problem.line}", problem.in_row) for problem in sorted(table.problems)]
        yield from bad or super().scan(watch)

    def summary(self) -> list[str]:
        """Returns lines on splits, classes and columns."""
        columns = self.columns or []
        return [*super().summary(), f"{'columns':<12} {len(columns)}: {', '.join(columns)}"]


def _digest(columns: Sequence[str], values: dict[str, np.ndarray], labels: dict[str, Tensor]) -> str:
    digest = hashlib.sha256(repr(list(columns)).encode())
    for split, rows in values.items():
        digest.update(repr((split, rows.shape)).encode())
        digest.update(np.ascontiguousarray(rows).data)
        digest.update(labels[split].numpy().data)
    return digest.hexdigest()
