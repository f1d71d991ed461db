"""A CSV or TSV file as text: its delimiter, its header, and its rows with the line numbers that an editor shows."""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from zoo.errors import DataError, OptionError

DELIMITERS = ",;\t|"
_ROWS_TO_JUDGE = 50
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")
_BINARY = {
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "a Parquet file",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


class Record(NamedTuple):
    """A row of a file.

    Attributes:
        line: the number of its first line, from 1.
        cells: its cells, without the blanks around them.
        fault: why it cannot be cut into cells; empty where it can.
        num_lines: how many lines it takes.
    """

    line: int
    cells: list[str]
    fault: str = ""
    num_lines: int = 1


class Problem(NamedTuple):
    """Something wrong in a row.

    Attributes:
        line: the number of its first line, from 1.
        column: name of the column; empty where the row as a whole is wrong.
        text: what is wrong, with the value found, such as "is text (abc)".
    """

    line: int
    column: str
    text: str

    @property
    def in_row(self) -> str:
        """What is wrong, without the row."""
        return f"column {self.column} {self.text}" if self.column else self.text

    def __str__(self) -> str:
        return f"row {self.line} {self.in_row}"


def read_text(path: Path, *, encoding: str = "utf-8", kind: str = "CSV") -> str:
    """Reads a file; bytes that mean nothing in its encoding become surrogates, which `not_utf8` finds in a cell.

    Args:
        path: the file.
        encoding: a name that Python knows.
        kind: what an error says that the file should be.

    Raises:
        DataError: there is no such file, or it is no text.
        OptionError: there is no such encoding.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        problem = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise DataError(str(path), problem, f"set data.path to a {kind} file") from error
    text = _decoded(content, encoding, path)
    if text is None:
        save = f"save it as {kind} text in UTF-8"
        for start, found in _BINARY.items():
            if content.startswith(start):
                raise DataError(str(path), f"is {found}, not {kind} text", save)
        line = content[: content.index(b"\0")].count(b"\n") + 1
        raise DataError(str(path), f"is no text: row {line} holds a zero byte", save)
    if not text.strip():
        raise DataError(str(path), "is empty", "give a file with a header and rows" if kind == "CSV" else "give rows")
    return text


def _decoded(content: bytes, encoding: str, path: Path) -> str | None:
    """Returns the text of a file, None where it can be none.

    Raises:
        DataError: bytes mean nothing in an encoding that leaves no room for surrogates.
        OptionError: there is no such encoding.
    """
    try:
        name = codecs.lookup(encoding).name
        wide = name.startswith(("utf-16", "utf-32"))
        if not wide and (b"\0" in content or any(map(content.startswith, _BINARY))):
            return None
        return content.decode("utf-8-sig" if name == "utf-8" else name, errors="surrogateescape")
    except LookupError as error:
        remedy = "name one that Python knows, such as utf-8, latin-1 or cp1252"
        raise OptionError("data.encoding", f"there is no {encoding}", remedy) from error
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        problem = f"is no {encoding} text ({error.reason})"
        raise DataError(f"{path} row {row}", problem, "name its encoding by data.encoding=") from error


def not_utf8(cell: str) -> str:
    """Returns the first byte of a cell that is not UTF-8, as text; empty where all are."""
    found = re.search("[\udc80-\udcff]", cell)
    return f"0x{ord(found[0]) - 0xDC00:02x}" if found else ""


def shown(cell: str) -> str:
    """Returns a cell as a message can show it."""
    text = "".join(letter if letter.isprintable() else "?" for letter in cell)
    return text if len(text) <= 24 else f"{text[:21]}..."


def check_delimiter(delimiter: str | None) -> None:
    """Refuses what cannot separate cells.

    Raises:
        OptionError: it is not one character.
    """
    if delimiter is not None and len(delimiter) != 1:
        raise OptionError("data.delimiter", f"{delimiter!r} given", 'give one character, such as ";", or null')


def records(text: str, delimiter: str, *, quotes: bool = True) -> Iterator[Record]:
    """Yields the rows of a text, blank lines aside.

    Args:
        text: as `read_text` returns it.
        delimiter: what separates cells.
        quotes: whether quotation marks stand around cells; otherwise they are part of them.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quotes else csv.QUOTE_NONE
    file = io.StringIO(text, newline="")
    rows = csv.reader(file, delimiter=delimiter, skipinitialspace=True, strict=True, quoting=quoting)
    while True:
        line = rows.line_num + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            ends = f", which goes on to row {rows.line_num}" if rows.line_num > line else ""
            fault = "has a quotation mark that is not closed" if "unexpected end" in str(error) else f"({error})"
            yield Record(line, [], f"{fault}{ends}", rows.line_num - line + 1)
            continue
        if len(cells) > 1 or (cells and cells[0].strip()):
            yield Record(line, [cell.strip() for cell in cells])


def find_delimiter(text: str) -> str:
    """Returns the delimiter that cuts the first rows into equally many cells, and most of them."""

    def judged(delimiter: str) -> tuple[float, int]:
        widths = [len(record.cells) for record, _ in zip(records(text, delimiter), range(_ROWS_TO_JUDGE), strict=False)]
        if not widths or widths[0] < 2:
            return 0.0, 0
        return sum(width == widths[0] for width in widths) / len(widths), widths[0]

    return max(DELIMITERS, key=judged)


def check_header(path: Path, header: Record) -> list[str]:
    """Returns the names of the columns.

    Raises:
        DataError: the first row holds no names, or not one for each column, or one twice.
    """
    names = header.cells
    place = f"row {header.line}"
    if header.fault:
        raise DataError(str(path), f"the header, {place}, {header.fault}", "correct it")
    if len(names) < 2:
        problem = f"{place} has one column ({shown(names[0])})"
        raise DataError(str(path), problem, "give a target and other columns, or set data.delimiter")
    if all(not name or is_number(name) for name in names):
        raise DataError(str(path), f"{place} holds numbers, not names", "put the names of the columns into a first row")
    problems = _wrong_names(names)
    if problems:
        raise DataError(str(path), f"the header, {place}, {', '.join(problems)}", "give each column a name of its own")
    return names


def _wrong_names(names: Sequence[str]) -> list[str]:
    problems = [f"has no name for column {number}" for number, name in enumerate(names, 1) if not name]
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if name and first.setdefault(name, number) != number:
            problems.append(f"names columns {first[name]} and {number} both {shown(name)}")
        if byte := not_utf8(name):
            problems.append(f"has the byte {byte}, which is not UTF-8, in the name of column {number}")
    return problems


def is_number(cell: str) -> bool:
    """Whether a cell reads as one number, with a decimal point or a decimal comma."""
    return _NUMBER.fullmatch(cell) is not None


def listed(problems: Sequence[Problem], most: int = 5) -> str:
    """Returns the first problems and the count of the rest, for one line."""
    more = f", and {len(problems) - most:,} more" if len(problems) > most else ""
    return ", ".join(map(str, problems[:most])) + more


def check_rows(path: Path) -> tuple[int, list[Problem]]:
    """Looks at a file without knowing what its columns mean: its text, its header, and the width of each row.

    Returns:
        How many rows there are, and what is wrong with them.

    Raises:
        DataError: the file as a whole cannot be used.
    """
    text = read_text(path)
    rows = records(text, find_delimiter(text))
    width, count, problems = len(check_header(path, next(rows))), 0, []
    for line, cells, fault, _ in rows:
        count += 1
        if fault or len(cells) != width:
            problems.append(Problem(line, "", fault or f"has {len(cells)} cells where the header has {width}"))
        problems += [
            Problem(line, "", f"has the byte {byte}, which is not UTF-8") for byte in map(not_utf8, cells) if byte
        ]
    if not count:
        raise DataError(str(path), "has a header but no rows", "give a file with rows")
    return count, problems
