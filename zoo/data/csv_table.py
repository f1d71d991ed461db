"""A CSV file as numbers and classes, read strictly: what is wrong is named by row and column; nothing is guessed."""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo.data.csv_file import (
    Problem,
    Record,
    check_header,
    find_delimiter,
    is_number,
    not_utf8,
    read_text,
    records,
    shown,
)
from zoo.errors import DataError, OptionError

MISSING = {"", "na", "n/a", "#n/a", "nan", "null"}
_LARGEST = float(np.finfo(np.float32).max)
WHOLE = re.compile(r"([+-]?\d+)\.0+")
_INFINITE = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}([., '\u00a0\u202f]\d{3})+([.,]\d+)?")


@dataclass
class Table:
    """What a file holds.

    Attributes:
        path: the file.
        columns: names of the columns of numbers.
        values: numbers of the good rows, float64 (N, F).
        targets: class of each good row, N names.
        lines: line number of each good row, N.
        problems: what is wrong with the others.
        num_rows: good and bad rows together; what a quotation mark swallowed counts by its lines.
    """

    path: Path
    columns: list[str]
    values: np.ndarray
    targets: list[str]
    lines: list[int]
    problems: list[Problem]
    num_rows: int

    @property
    def bad_lines(self) -> set[int]:
        """The rows that something is wrong with."""
        return {problem.line for problem in self.problems}

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Moves rows from the good ones to the bad ones."""
        self.problems.extend(problems)
        bad = self.bad_lines
        keep = [row for row, line in enumerate(self.lines) if line not in bad]
        self.values = self.values[keep]
        self.targets, self.lines = [self.targets[row] for row in keep], [self.lines[row] for row in keep]


def read_table(
    path: Path,
    target: str | None,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    delimiter: str | None = None,
) -> Table:
    """Reads a file.

    Args:
        path: a CSV or TSV file with a header.
        target: the column of classes.
        columns: the columns of numbers; None for all others.
        drop: columns to leave out where `columns` is None.
        delimiter: what separates cells; None to find it.

    Raises:
        DataError: the file as a whole cannot be used.
        OptionError: a column that is asked for is not there.
    """
    text = read_text(path)
    rows = records(text, delimiter or find_delimiter(text))
    names = check_header(path, next(rows))
    target = _existing("data.target", [target] if target else [], names, path)[0]
    dropped = {target, *_existing("data.drop", drop, names, path)}
    chosen = [name for name in names if name not in dropped]
    if columns is not None:
        chosen = _existing("data.columns", columns, names, path)
    if not chosen or target in chosen:
        raise OptionError("data.columns", f"{chosen} beside the target {target}", "name columns of numbers")
    reader = _Reader(names, chosen, target)
    for row in rows:
        reader.read(row)
    if not reader.num_rows:
        raise DataError(str(path), "has a header but no rows", "give a file with rows")
    values = np.array(reader.values, dtype=np.float64).reshape(-1, len(chosen))
    return Table(path, chosen, values, reader.targets, reader.lines, reader.problems, reader.num_rows)


def _existing(option: str, asked: Sequence[str], names: Sequence[str], path: Path) -> list[str]:
    """Returns the columns asked for.

    Raises:
        OptionError: one of them is not there.
    """
    listed = ", ".join(shown(name) for name in names[:20]) + (", ..." if len(names) > 20 else "")
    if not asked and option == "data.target":
        raise OptionError(option, "no column of classes given", f"add data.target=COLUMN, one of {listed}")
    for name in asked:
        if name not in names:
            raise OptionError(option, f"{path} has no column {name}", f"its columns are {listed}")
    return list(asked)


class _Reader:
    """Takes one row after the other.

    Args:
        names: of all columns.
        chosen: the columns of numbers.
        target: the column of classes.
    """

    def __init__(self, names: Sequence[str], chosen: Sequence[str], target: str) -> None:
        self.width, self.chosen, self.target = len(names), chosen, target
        self.places, self.target_place = [names.index(name) for name in chosen], names.index(target)
        self.values, self.targets, self.lines = array("d"), list[str](), list[int]()
        self.problems: list[Problem] = []
        self.num_rows = 0

    def read(self, row: Record) -> None:
        """Adds a row to the good ones, or what is wrong with it to the problems."""
        line, cells, fault, num_lines = row
        self.num_rows += num_lines if fault else 1
        if fault or len(cells) != self.width:
            self.problems.append(Problem(line, "", fault or self._ragged(cells)))
            return
        if not any(cells):
            self.problems.append(Problem(line, "", "is empty"))
            return
        numbers = [cells[place] for place in self.places]
        target = cells[self.target_place]
        values = as_numbers(numbers)
        wrong = _wrong_class(target)
        if values is not None and not wrong:
            self.values.extend(values)
            self.targets.append(WHOLE.sub(r"\1", target) if WHOLE.fullmatch(target) else target)
            self.lines.append(line)
            return
        for name, cell in zip(self.chosen, numbers, strict=True):
            if text := wrong_number(cell):
                self.problems.append(Problem(line, name, text))
        if wrong:
            self.problems.append(Problem(line, self.target, wrong))

    def _ragged(self, cells: Sequence[str]) -> str:
        commas = " (decimal commas?)" if len(cells) > self.width and sum(map(is_number, cells)) > 1 else ""
        return f"has {len(cells)} cells where the header has {self.width}{commas}"


def as_numbers(cells: Sequence[str]) -> list[float] | None:
    """Returns cells as numbers, or None if one of them is none; `float` alone would take 1_000 and infinity."""
    try:
        values = list(map(float, cells))
    except ValueError:
        return None
    # NaN is smaller and larger than nothing, but it makes a sum NaN; C's loops, since this is done to every row.
    if not (min(values) >= -_LARGEST and max(values) <= _LARGEST and sum(values) == sum(values)):
        return None
    return None if "_" in "".join(cells) else values


def wrong_number(cell: str) -> str:
    """Returns what is wrong with a cell that should hold a number; empty where nothing is."""
    if cell.lower() in MISSING:
        return f"is missing ({cell})" if cell else "is empty"
    if byte := not_utf8(cell):
        return f"has the byte {byte}, which is not UTF-8"
    if as_numbers([cell]) is not None:
        return ""
    if _INFINITE.fullmatch(cell):
        kind = "is infinite"
    elif _GROUPED.fullmatch(cell) and not is_number(cell):
        kind = "has a thousands separator"
    elif _GROUPED.fullmatch(cell) and "," in cell:
        kind = "has a decimal comma or a thousands separator"
    elif is_number(cell):
        kind = "has a decimal comma" if "," in cell else "is too large for float32"
    else:
        kind = "is text"
    return f"{kind} ({shown(cell)})"


def _wrong_class(cell: str) -> str:
    """Returns what is wrong with a cell that should name a class; empty where nothing is."""
    if cell.lower() in MISSING:
        return f"is missing ({cell})" if cell else "is empty"
    if byte := not_utf8(cell):
        return f"has the byte {byte}, which is not UTF-8"
    return ""
