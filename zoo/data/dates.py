"""Dates as a file writes them."""

import re
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from zoo.data.csv_file import Problem, is_number, shown
from zoo.data.frequency import Dates, Frequency

_WRITTEN = re.compile(
    r"(\d{4})(?:[-/](\d{1,2})(?:[-/](\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.0+)?)?(?:Z|\+00:00)?)?)?)?"
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_ROUNDING = 1e-6  # of a step
_FIRST = ("", "01", "01", "00", "00", "00")  # what a date that leaves out its end begins with
DATE_NAMES = {"date", "datetime", "date_time", "time", "timestamp", "ds", "day", "week", "month", "year"}


def parse_date(cell: str, date_format: str | None = None) -> np.datetime64 | None:
    """Returns a cell as a date, in seconds; None where it is none.

    Args:
        cell: year first, such as 2016, 2016-07, 2016/7/1, 20160701 or 2016-07-01 13:00:00.
        date_format: how else it is written, in the letters of `datetime.strptime`.
    """
    try:
        if date_format is not None:
            return np.datetime64(datetime.strptime(cell, date_format).replace(tzinfo=None), "s")
        found = _WRITTEN.fullmatch(cell) or _COMPACT.fullmatch(cell)
        if found is None:
            return None
        parts = [part or "" for part in found.groups()]
        parts += _FIRST[len(parts) :]
        year, month, day, hour, minute, second = (
            (part or first).zfill(2) for part, first in zip(parts, _FIRST, strict=True)
        )
        return np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "s")
    except ValueError:
        return None


def is_date(cell: str) -> bool:
    """Whether a cell reads as a date and not as a number."""
    return not cell.isdigit() and parse_date(cell) is not None


def find_date_column(names: Sequence[str], cells: Sequence[str]) -> str | None:
    """Returns the column of dates, by its name or by its first cell; None where there is none.

    Args:
        names: of all columns.
        cells: the first row.
    """
    first = list(zip(names, cells, strict=False))
    named = [name for name, cell in first if name.lower() in DATE_NAMES and (parse_date(cell) or not is_number(cell))]
    written = [name for name, cell in first if is_date(cell)]
    return next(iter(named + written), None)


def read_dates(
    cells: Sequence[str], lines: Sequence[int], *, column: str, date_format: str | None = None
) -> tuple[Dates, list[Problem]]:
    """Returns a column as dates, and what is wrong with its cells.

    Args:
        cells: as written, (T,).
        lines: the line number of each, (T,).
        column: its name.
        date_format: as of `parse_date`.
    """
    found = [parse_date(cell, date_format) for cell in cells]
    written = f"written as {date_format}" if date_format else "such as 2016-07-01 13:00"
    problems = [
        Problem(line, column, f"is no date {written} ({shown(cell)})" if cell else "is empty")
        for line, cell, date in zip(lines, cells, found, strict=True)
        if date is None
    ]
    return np.array([date for date in found if date is not None], dtype="datetime64[s]"), problems


def out_of_order(dates: Dates, lines: Sequence[int], *, column: str) -> list[Problem]:
    """Returns the rows whose date is not after that of the row before."""
    problems = []
    for row in (np.flatnonzero(np.diff(dates).astype(np.int64) <= 0) + 1).tolist():
        before, date = dates[row - 1], dates[row]
        text = f"has {write_date(date)}" + (
            f" as row {lines[row - 1]} has"
            if date == before
            else f", which is before {write_date(before)} of the row above"
        )
        problems.append(Problem(lines[row], column, text))
    return problems


def gaps(dates: Dates, lines: Sequence[int], frequency: Frequency, *, column: str) -> list[tuple[Problem, bool]]:
    """Returns the rows that do not come one step after the row before, and whether they come whole steps after it."""
    places = frequency.places(dates)
    beside = np.abs(places - np.rint(places)) > _ROUNDING
    steps = np.diff(places)
    found = []
    for row in (np.flatnonzero(np.abs(steps - 1) > _ROUNDING) + 1).tolist():
        is_whole, missing = not (beside[row] or beside[row - 1]), round(steps[row - 1]) - 1
        text = f"has {write_date(dates[row])} after {write_date(dates[row - 1])}, where the step is {frequency}"
        if is_whole:
            text += f": {missing:,} row{'s are' if missing > 1 else ' is'} missing"
        found.append((Problem(lines[row], column, text), is_whole))
    return found


def write_date(date: np.datetime64) -> str:
    """Returns a date as text, without a time of day where that is midnight."""
    text = str(date.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(" 00:00:00") if text.endswith(" 00:00:00") else text.removesuffix(":00")
