"""A CSV file as a series: numbers at equal steps of time, read strictly; what is wrong is named by row and column."""

import logging
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.data.csv_file import (
    Problem,
    check_header,
    find_delimiter,
    is_number,
    listed,
    read_text,
    records,
    shown,
)
from zoo.data.csv_table import MISSING, as_numbers, wrong_number
from zoo.data.dates import find_date_column, gaps, out_of_order, read_dates, write_date
from zoo.data.frequency import Dates, Frequency, find_frequency
from zoo.errors import DataError, OptionError

log = logging.getLogger(__name__)

AUTO = "auto"
MOST_MISSING = 0.1  # the share of rows that may be filled in
Missing = Literal["error", "last", "linear"]
Values = np.ndarray
_NAN = float("nan")
_FILL = "fill them in, or set data.missing=last or data.missing=linear"


@dataclass
class Series:
    """What a file holds.

    Attributes:
        path: the file.
        columns: names of the columns of numbers.
        values: (T, C), a row a step, none left out.
        date: name of the column of dates; None where there is none.
        dates: (T,), in seconds; None where there are none.
        frequency: the time from one row to the next; None where there are no dates.
        num_filled: how many rows hold a number that was filled in.
    """

    path: Path
    columns: list[str]
    values: Values
    date: str | None
    dates: Dates | None
    frequency: Frequency | None
    num_filled: int = 0

    def time_of(self, row: int) -> str:
        """Returns the date of a row as text, or its number from 1."""
        return f"row {row + 1}" if self.dates is None else write_date(self.dates[row])


class SeriesFile:
    """Reads a file with a header and a row for each step of time.

    Args:
        path: a CSV or TSV file in UTF-8.
        date: the column of dates; "auto" to find it, None for rows that follow each other at equal steps.
        date_format: how dates are written; None for year first.
        targets: the columns to forecast; None for all columns of numbers that are no covariates.
        covariates: the columns that are read beside them.
        delimiter: what separates cells; None to find it.
        missing: whether rows and cells that are missing are an error, or filled in with the last number before them, or
            on a line from it to the next one.
    """

    def __init__(
        self,
        path: Path,
        *,
        date: str | None = AUTO,
        date_format: str | None = None,
        targets: Sequence[str] | None = None,
        covariates: Sequence[str] = (),
        delimiter: str | None = None,
        missing: Missing = "error",
    ) -> None:
        self.path, self.missing, self.date_format = path, missing, date_format
        self._found: Sequence[Problem] = ()
        text = read_text(path)
        rows = records(text, delimiter or find_delimiter(text))
        self.names = check_header(path, next(rows))
        self.rows = list(rows)
        if not self.rows:
            raise DataError(str(path), "has a header but no rows", "give a file with rows")
        self.date = self._date_column(date)
        self.covariates = self._existing("data.covariates", covariates)
        self.targets = self._targets(targets)

    def _date_column(self, date: str | None) -> str | None:
        if date == AUTO and AUTO not in self.names:
            return find_date_column(self.names, self.rows[0].cells)
        return None if date is None else self._existing("data.date", [date])[0]

    def _existing(self, option: str, asked: Sequence[str]) -> list[str]:
        """Returns the columns asked for.

        Raises:
            OptionError: one of them is not there, or is there twice.
        """
        listing = ", ".join(shown(name) for name in self.names[:20]) + (", ..." if len(self.names) > 20 else "")
        for number, name in enumerate(asked):
            if name not in self.names:
                raise OptionError(option, f"{self.path} has no column {name}", f"its columns are {listing}")
            if name in asked[:number]:
                raise OptionError(option, f"names {name} twice", "name each column once")
        return list(asked)

    def _targets(self, targets: Sequence[str] | None) -> list[str]:
        taken = {self.date, *self.covariates}
        if targets is None:
            first = dict(zip(self.names, self.rows[0].cells, strict=False))
            targets = [name for name, cell in first.items() if name not in taken and _may_be_number(cell)]
        chosen = self._existing("data.targets", targets)
        if not chosen:
            problem = f"no columns of numbers beside {', '.join(name for name in taken if name) or 'others'}"
            raise OptionError("data.targets", problem, f"name some of {', '.join(self.names)}")
        if both := [name for name in chosen if name in taken]:
            other = "the column of dates" if both[0] == self.date else "a covariate"
            raise OptionError("data.targets", f"{both[0]} is {other}, too", "name each column once")
        return chosen

    def problems(self) -> list[Problem]:
        """Returns what is wrong with the cells and dates of the file, row by row.

        Raises:
            DataError: the file as a whole cannot be used.
        """
        try:
            self.read()
        except DataError:
            if not self._found:
                raise
        return list(self._found)

    def read(self) -> Series:
        """Returns the series, at equal steps.

        Raises:
            DataError: something is wrong with a row, or the steps are not equal.
        """
        values, written, lines = self._cells()
        if self.date is None:
            return self._filled(values, None, None)
        dates, frequency = self._steps(written, lines)
        places = np.rint(frequency.places(dates)).astype(np.int64)
        num_rows = int(places[-1]) + 1
        self._check_missing(num_rows - len(places), num_rows)
        whole = np.full((num_rows, values.shape[1]), np.nan)
        whole[places] = values
        return self._filled(whole, frequency.dates(dates[0], num_rows), frequency)

    def _refuse(self, problems: Sequence[Problem], remedy: str) -> None:
        if problems:
            self._found = problems
            raise DataError(str(self.path), listed(problems), remedy)

    def _cells(self) -> tuple[Values, list[str], list[int]]:
        """Returns numbers (T, C), dates as written and lines of all rows."""
        columns = [*self.targets, *self.covariates]
        places = [self.names.index(name) for name in columns]
        date_place = None if self.date is None else self.names.index(self.date)
        values, written, lines, problems = array("d"), list[str](), list[int](), list[Problem]()
        for line, cells, fault, _ in self.rows:
            if fault or len(cells) != len(self.names):
                text = fault or f"has {len(cells)} cells where the header has {len(self.names)}"
                problems.append(Problem(line, "", text))
                continue
            chosen = [cells[place] for place in places]
            numbers = as_numbers(chosen)
            if numbers is None:
                wrong = [(name, cell, wrong_number(cell)) for name, cell in zip(columns, chosen, strict=True)]
                problems += [
                    Problem(line, name, text) for name, cell, text in wrong if text and not self._may_fill(cell)
                ]
                numbers = [_NAN if text else float(cell) for _, cell, text in wrong]
            values.extend(numbers)
            lines.append(line)
            if date_place is not None:
                written.append(cells[date_place])
        all_missing = all(problem.text.startswith(("is empty", "is missing")) for problem in problems)
        self._refuse(problems, _FILL if all_missing else "mend them")
        return np.array(values).reshape(-1, len(columns)), written, lines

    def _may_fill(self, cell: str) -> bool:
        return self.missing != "error" and cell.lower() in MISSING

    def _steps(self, written: Sequence[str], lines: Sequence[int]) -> tuple[Dates, Frequency]:
        """Returns the dates and their frequency."""
        assert self.date is not None
        dates, problems = read_dates(written, lines, column=self.date, date_format=self.date_format)
        self._refuse(problems, "mend them, or say how they are written, such as data.date_format=%d/%m/%Y")
        self._refuse(out_of_order(dates, lines, column=self.date), "sort the rows by date, and keep one of each")
        frequency = find_frequency(dates)
        if frequency is None:
            problem = f"column {self.date} has {len(dates):,} dates without a step that half of them keep"
            raise DataError(str(self.path), problem, "give rows at equal steps, or set data.date=null to take them so")
        found = gaps(dates, lines, frequency, column=self.date)
        self._refuse([problem for problem, is_whole in found if not is_whole], "give rows at equal steps")
        if self.missing == "error":
            self._refuse([problem for problem, _ in found], _FILL)
        return dates, frequency

    def _check_missing(self, count: int, num_rows: int) -> None:
        if count > MOST_MISSING * num_rows:
            problem = f"{count:,} of {num_rows:,} rows are missing or incomplete"
            raise DataError(str(self.path), problem, f"mend them, since at most {MOST_MISSING:.0%} are filled in")

    def _filled(self, values: Values, dates: Dates | None, frequency: Frequency | None) -> Series:
        """Returns the series with what is missing filled in.

        Raises:
            DataError: there is no number before it, or too much is missing.
        """
        columns = [*self.targets, *self.covariates]
        missing = np.isnan(values)
        num_filled = int(missing.any(1).sum())
        if num_filled:
            if missing[0].any():
                where = f"{self.path} column {columns[int(missing[0].argmax())]}"
                raise DataError(where, "begins without a number", "leave out the rows before the first")
            self._check_missing(num_filled, len(values))
            for column in values.T:
                fill(column, self.missing)
            told = num_filled, len(values), self.path, self.missing
            log.warning("filled in %d of %d rows of %s (data.missing=%s)", *told)
        return Series(self.path, columns, values, self.date, dates, frequency, num_filled)


def fill(values: Values, how: Missing) -> None:
    """Fills in, in place, what is missing (NaN) in a column whose first number is there.

    Args:
        values: (T,).
        how: "last" for the last number before it; "linear" for a line to the next one, where there is one.
    """
    places = np.arange(len(values))
    known = ~np.isnan(values)
    if how == "linear":
        values[:] = np.interp(places, places[known], values[known])
    else:
        values[:] = values[np.maximum.accumulate(np.where(known, places, 0))]


def _may_be_number(cell: str) -> bool:
    return is_number(cell) or cell.lower() in MISSING
