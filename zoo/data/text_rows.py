"""A user's file of texts and classes: CSV, TSV or JSON lines, read strictly and named by row."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.data.csv_file import Problem, Record, check_header, find_delimiter, not_utf8, read_text, records, shown
from zoo.data.csv_table import MISSING, WHOLE
from zoo.errors import DataError, OptionError

JSON_LINES = {".jsonl", ".ndjson", ".json"}
_COLUMNS_JUDGED = 50  # rows of JSON lines in which a column is looked for
_SHOWN = 20


@dataclass
class TextRows:
    """What a file holds.

    Attributes:
        path: the file.
        texts: text of each good row.
        targets: class of each good row.
        lines: line number of each good row.
        problems: what is wrong with the others.
        num_rows: good and bad rows together; what a quotation mark swallowed counts by its lines.
    """

    path: Path
    texts: list[str]
    targets: list[str]
    lines: list[int]
    problems: list[Problem]
    num_rows: int

    def leave_out(self, problems: Iterable[Problem]) -> None:
        """Moves rows from the good ones to the bad ones."""
        self.problems.extend(problems)
        bad = {problem.line for problem in self.problems}
        keep = [row for row, line in enumerate(self.lines) if line not in bad]
        self.texts, self.targets = [self.texts[row] for row in keep], [self.targets[row] for row in keep]
        self.lines = [self.lines[row] for row in keep]


def read_text_rows(
    path: Path,
    text: str | None,
    label: str | None,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quotes: bool = True,
) -> TextRows:
    """Reads a file.

    Args:
        path: a CSV or TSV file with a header, or a file with a JSON object a line.
        text: the column of texts.
        label: the column of classes.
        encoding: a name that Python knows.
        delimiter: what separates cells; None to find it.
        quotes: whether quotation marks stand around cells; otherwise they are part of them.

    Raises:
        DataError: the file as a whole cannot be used.
        OptionError: a column is not there, or none is named.
    """
    columns = {"data.text": (text, "texts"), "data.label": (label, "classes")}
    rows = read_columns(path, columns, encoding=encoding, delimiter=delimiter, quotes=quotes)
    table = TextRows(path, [], [], [], [], 0)
    for line, cells, fault, num_lines in rows:
        table.num_rows += num_lines if fault else 1
        wrong = [Problem(line, "", fault)] if fault else _wrong_cells(line, cells, (text or "", label or ""), encoding)
        if wrong:
            table.problems += wrong
            continue
        table.texts.append(cells[0])
        table.targets.append(WHOLE.sub(r"\1", cells[1]) if WHOLE.fullmatch(cells[1]) else cells[1])
        table.lines.append(line)
    return table


def read_columns(
    path: Path,
    columns: Mapping[str, tuple[str | None, str]],
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    quotes: bool = True,
) -> list[Record]:
    """Reads some columns of a file, as text.

    Args:
        path: a CSV or TSV file with a header, or a file with a JSON object a line.
        columns: for each option that names a column, its name, and what an error calls what it holds.
        encoding: a name that Python knows.
        delimiter: what separates cells; None to find it.
        quotes: whether quotation marks stand around cells; otherwise they are part of them.

    Returns:
        The rows, whose cells are those of the columns in their order.

    Raises:
        DataError: the file as a whole cannot be used.
        OptionError: a column is not there, or none is named.
    """
    chosen = [name for name, _ in columns.values()]
    if path.suffix.lower() in JSON_LINES:
        content = read_text(path, encoding=encoding, kind="JSONL")
        names, rows = _json_rows(content, *chosen)
        if not names:
            raise DataError(str(path), f"row {rows[0].line} {rows[0].fault}", "give a JSON object in each line")
    else:
        content = read_text(path, encoding=encoding)
        tabs = "\t" if path.suffix.lower() == ".tsv" else None
        found = records(content, delimiter or tabs or find_delimiter(content), quotes=quotes)
        names = check_header(path, next(found))
        rows = list(_csv_rows(found, names, *chosen))
    for option, (column, what) in columns.items():
        _check_column(option, column, what, names, path)
    if not rows:
        raise DataError(str(path), "has a header but no rows", "give a file with rows")
    return rows


def _check_column(option: str, column: str | None, what: str, columns: Sequence[str], path: Path) -> None:
    """Refuses a column that is not there.

    Raises:
        OptionError: it is not there, or none is named.
    """
    listed = ", ".join(shown(name) for name in columns[:_SHOWN]) + (", ..." if len(columns) > _SHOWN else "")
    if column is None:
        raise OptionError(option, f"no column of {what} given", f"add {option}=COLUMN, one of {listed}")
    if column not in columns:
        raise OptionError(option, f"{path} has no column {column}", f"its columns are {listed}")


def _csv_rows(rows: Iterable[Record], columns: Sequence[str], *chosen: str | None) -> Iterator[Record]:
    """Yields rows with the cells of the chosen columns alone."""
    places = [columns.index(name) for name in chosen if name in columns]
    for row in rows:
        fault = f"{row.fault} (data.quotes=false takes such marks as they are)" if row.fault else ""
        if not fault and len(row.cells) != len(columns):
            fault = f"has {len(row.cells)} cells where the header has {len(columns)}"
        yield row._replace(cells=[] if fault else [row.cells[place] for place in places], fault=fault)


def _json_rows(content: str, *chosen: str | None) -> tuple[list[str], list[Record]]:
    """Returns the names of the columns, and rows with the cells of the chosen ones."""
    columns, rows = dict[str, None](), list[Record]()
    for line, row in enumerate(content.split("\n"), 1):
        if not row.strip():
            continue
        values, fault = _json_object(row)
        if len(rows) < _COLUMNS_JUDGED:
            columns |= dict.fromkeys(values)
        missing = [name for name in chosen if name is not None and name not in values]
        fault = fault or (f"has no {missing[0]}" if missing else "")
        rows.append(Record(line, [] if fault else [_as_cell(values[name]) for name in chosen if name], fault))
    return list(columns), rows


def _json_object(row: str) -> tuple[dict[str, Any], str]:
    """Returns the object of a line, or what is wrong with it."""
    try:
        values = json.loads(row)
    except json.JSONDecodeError as error:
        return {}, f"is no JSON ({error.msg} at column {error.colno})"
    except RecursionError:
        return {}, "is no JSON (nested too deeply)"
    return (values, "") if isinstance(values, dict) else ({}, f"is {type(values).__name__}, no JSON object")


def _as_cell(value: Any) -> str:
    """Returns a value as a CSV file would have it."""
    if isinstance(value, str):
        return value.strip()
    return "" if value is None else json.dumps(value)


def _wrong_cells(line: int, cells: Sequence[str], names: tuple[str, str], encoding: str) -> list[Problem]:
    problems = [
        Problem(line, name, f"has the byte {byte}, which is not {encoding.upper()} (see data.encoding)")
        for name, cell in zip(names, cells, strict=True)
        if (byte := not_utf8(cell))
    ]
    if not cells[0]:
        problems.append(Problem(line, names[0], "is empty"))
    if cells[1].lower() in MISSING:
        problems.append(Problem(line, names[1], f"is missing ({cells[1]})" if cells[1] else "is empty"))
    return problems
