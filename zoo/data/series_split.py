"""Where the parts of a series end in time, and which windows lie in each."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from zoo.data.base import Split
from zoo.errors import OptionError

_PARTS: dict[Split, str] = {"train": "training", "val": "validation", "test": "testing"}


class Windows(NamedTuple):
    """The windows of a split, one from each row on.

    Attributes:
        first: the row at which the first one begins.
        size: how many there are.
    """

    first: int
    size: int


def find_borders(
    num_rows: int, *, borders: Sequence[int] | None, val_fraction: float, test_fraction: float, name: str
) -> list[int]:
    """Returns the rows at which training, validation and, where there is one, the test end.

    Args:
        num_rows: rows of the series.
        borders: the same, as given; None to split by the fractions.
        val_fraction: share of the rows for validation.
        test_fraction: share of the rows for the test, 0 for none.
        name: of the file.

    Raises:
        OptionError: a part would have no rows, or rows that there are not.
    """
    if borders is not None:
        ascending = len(borders) in (2, 3) and all(first < second for first, second in pairwise([0, *borders]))
        if not ascending or borders[-1] > num_rows:
            problem = f"{list(borders)} given for the {num_rows:,} rows of {name}"
            raise OptionError("data.borders", problem, "give the rows at which training, validation and test end")
        return list(borders)
    val, test = round(val_fraction * num_rows), round(test_fraction * num_rows)
    train = num_rows - val - test
    for part, rows in (("training", train), ("validation", val)):
        if rows < 1:
            problem = f"{val_fraction:g} and data.test_fraction {test_fraction:g} of {num_rows:,} rows leave none"
            raise OptionError("data.val_fraction", f"{problem} for {part}", "set them to 0.1 and 0.2, such as")
    return [train, train + val] + ([num_rows] if test else [])


def find_windows(borders: Sequence[int], *, lookback: int, horizon: int, name: str) -> dict[Split, Windows]:
    """Returns the windows of each split: all that forecast rows of it alone.

    Raises:
        OptionError: a split has none.
    """
    found: dict[Split, Windows] = {}
    for split, (begin, end) in zip(_PARTS, pairwise([0, *borders]), strict=False):
        first = max(begin - lookback, 0)
        count = end - first - lookback - horizon + 1
        if count < 1:
            rows = f"rows for {_PARTS[split]} of {name}"
            if split == "train":
                problem = f"lookback {lookback} + horizon {horizon} are more than the {end:,} {rows}"
                raise OptionError("data.lookback", problem, "lower them, or give more rows")
            problem = f"horizon {horizon} is more than the {end - begin:,} {rows}"
            raise OptionError("data.horizon", problem, f"lower it, raise data.{split}_fraction, or give more rows")
        found[split] = Windows(first, count)
    return found
