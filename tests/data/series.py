"""Small series as CSV files for tests."""

import math
from datetime import datetime, timedelta
from pathlib import Path

HOURS = 200


def header() -> list[str]:
    return ["date", "load", "heat", "wind"]


def rows(count: int = HOURS, *, step: timedelta = timedelta(hours=1)) -> list[list[str]]:
    """A day's wave with a trend, one half as high, and one that goes up and down by the hour."""
    first = datetime(2020, 1, 1)
    return [
        [
            (first + row * step).strftime("%Y-%m-%d %H:%M:%S"),
            f"{50 + 0.1 * row + 10 * math.sin(2 * math.pi * row / 24):.4f}",
            f"{5 * math.cos(2 * math.pi * row / 24):.4f}",
            f"{row % 5}",
        ]
        for row in range(count)
    ]


def write(path: Path, body: list[list[str]] | None = None, *, names: list[str] | None = None) -> Path:
    lines = [names or header(), *(rows() if body is None else body)]
    path.write_text("".join(",".join(line) + "\n" for line in lines), encoding="utf-8")
    return path


def with_cell(row: int, column: int, cell: str) -> list[list[str]]:
    """The rows with one cell replaced; row 0 is the second line of the file."""
    body = rows()
    body[row][column] = cell
    return body
