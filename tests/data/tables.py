"""Small CSV files for tests."""

import csv
import io
import random
from pathlib import Path

HEADER = ["width", "height", "depth", "kind"]
KINDS = ("oak", "ash", "elm")


def rows(count: int = 60) -> list[list[str]]:
    draw = random.Random(0)
    numbers = [[f"{draw.gauss(row % 3, 0.3):.3f}" for _ in range(3)] for row in range(count)]
    return [[*values, KINDS[row % 3]] for row, values in enumerate(numbers)]


def text_of(body: list[list[str]], *, header: list[str] | None = None, delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows([header or HEADER, *body])
    return file.getvalue()


def write(path: Path, body: list[list[str]] | None = None, **options) -> Path:
    path.write_text(text_of(rows() if body is None else body, **options), encoding="utf-8")
    return path


def with_cell(row: int, column: int, cell: str) -> list[list[str]]:
    """The rows with one cell replaced; row 0 is the second line of the file."""
    body = rows()
    body[row][column] = cell
    return body
