"""How often a series has a value, found from its dates."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

_DAY = 86_400  # seconds
_NAMES = ((7 * _DAY, "week"), (_DAY, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_SHORTEST_MONTH = 28 * _DAY
_REGULAR = 0.5  # the share of steps that must be equal
Dates = np.ndarray


@dataclass(frozen=True)
class Frequency:
    """The time from one value to the next.

    Attributes:
        count: how many units it takes.
        unit: seconds, or months, which are not equally long.
        at_end: of months, whether the values stand at their last days.
    """

    count: int
    unit: Literal["second", "month"] = "second"
    at_end: bool = False

    def __str__(self) -> str:
        count, name = self.count, str(self.unit)
        if name == "month" and count % 12 == 0:
            count, name = count // 12, "year"
        elif name == "second":
            length, name = next((length, name) for length, name in _NAMES if count % length == 0)
            count //= length
        return f"{count} {name}{'s' if count > 1 else ''}"

    @property
    def season_length(self) -> int:
        """How many values the usual season has: a day, of days a week, of weeks and months a year; 1 where none is."""
        if self.unit == "month":
            return 12 // self.count if 12 % self.count == 0 else 1
        if self.count < _DAY:
            return _DAY // self.count if _DAY % self.count == 0 else 1
        return {_DAY: 7, 7 * _DAY: 52}.get(self.count, 1)

    def dates(self, first: np.datetime64, count: int) -> Dates:
        """Returns a date and those after it, in all `count`, in seconds."""
        steps = np.arange(count) * self.count
        if self.unit == "second":
            after: Dates = first.astype("datetime64[s]") + steps.astype("timedelta64[s]")
            return after
        month, within = _parts(np.asarray(first), self.at_end)
        months: Dates = (month + steps.astype("timedelta64[M]")).astype("datetime64[s]")
        months += within - _shift(self.at_end)
        return months

    def places(self, dates: Dates) -> np.ndarray:
        """Returns how many steps each date lies after the first one; no whole number where it lies between two."""
        if self.unit == "second":
            places: np.ndarray = (dates - dates[0]) / np.timedelta64(self.count, "s")
            return places
        months, within = _parts(dates, self.at_end)
        steps: np.ndarray = (months - months[0]).astype(np.float64) / self.count
        steps += (within - within[0]) / np.timedelta64(31 * _DAY, "s")
        return steps


def find_frequency(dates: Dates) -> Frequency | None:
    """Returns the step that most dates keep; None where there is none.

    Args:
        dates: ascending, in seconds.
    """
    if len(dates) < 2:
        return None
    steps = np.diff(dates).astype(np.int64)
    if steps.min() >= _SHORTEST_MONTH:
        for at_end in (False, True):
            months, within = _parts(dates, at_end)
            if (within == within[0]).all():
                return Frequency(_most_frequent(np.diff(months).astype(np.int64))[0], "month", at_end)
    step, share = _most_frequent(steps)
    return Frequency(step) if share >= _REGULAR else None


def _most_frequent(steps: np.ndarray) -> tuple[int, float]:
    values, counts = np.unique(steps, return_counts=True)
    return int(values[counts.argmax()]), float(counts.max() / len(steps))


def _shift(at_end: bool) -> np.timedelta64:
    return np.timedelta64(_DAY if at_end else 0, "s")


def _parts(dates: Dates, at_end: bool) -> tuple[Any, Any]:
    """Returns the month of each date, and the time since its beginning; ends of months count to the next one."""
    shifted = dates.astype("datetime64[s]") + _shift(at_end)
    months = shifted.astype("datetime64[M]")
    return months, shifted - months.astype("datetime64[s]")
