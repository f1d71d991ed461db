"""The classes of a file: their names, and the rows whose class cannot be learned."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from zoo.data.csv_file import Problem, is_number, shown


class Rows(Protocol):
    """Rows that have a class each.

    Attributes:
        targets: class of each row.
        lines: line number of each.
    """

    targets: list[str]
    lines: list[int]


def class_names(targets: Sequence[str]) -> list[str]:
    """Returns the distinct classes, whole numbers by value and text by alphabet."""
    names = set(targets)
    try:
        return sorted(names, key=int)
    except ValueError:
        return sorted(names)


def fractions(table: Rows, target: str) -> list[Problem]:
    """Returns the rows whose target is a fraction, if all are numbers: a quantity, not a class."""
    if not all(is_number(name) for name in set(table.targets)):
        return []
    rows = zip(table.lines, table.targets, strict=True)
    return [Problem(line, target, f"is a fraction, no class ({name})") for line, name in rows if not _is_whole(name)]


def _is_whole(name: str) -> bool:
    return re.fullmatch(r"[+-]?\d+", name) is not None


def lonely(table: Rows, target: str) -> list[Problem]:
    """Returns the rows that are the only ones of their class, which cannot be both trained on and judged."""
    counts = Counter(table.targets)
    rows = zip(table.lines, table.targets, strict=True)
    return [Problem(line, target, f"is the only {shown(name)}") for line, name in rows if counts[name] == 1]


def surplus(table: Rows, target: str, num_classes: int) -> list[Problem]:
    """Returns the rows whose class is not among the first `num_classes`."""
    beyond = set(class_names(table.targets)[num_classes:])
    rows = zip(table.lines, table.targets, strict=True)
    return [
        Problem(line, target, f"is {shown(name)}, out of {num_classes} classes")
        for line, name in rows
        if name in beyond
    ]
