"""Where a date stands in the day, the week, the month and the year, as numbers that a model can read."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from zoo.data.frequency import Dates

TimeFeature = Literal["hour", "weekday", "day", "month"]
COLUMNS_EACH = 2  # sine and cosine, so that the end of a day lies beside the beginning of the next


def time_features(dates: Dates, names: Sequence[TimeFeature]) -> np.ndarray:
    """Returns sine and cosine of the place of each date on a circle.

    Args:
        dates: (T,), in seconds.
        names: "hour" for the time of day, "weekday" for the time in the week, "day" for that in the month, "month" for
            that in the year.

    Returns:
        (T, 2 F), float64, from -1 to 1.
    """
    if not names:
        return np.empty((len(dates), 0))
    angles = 2 * np.pi * np.stack([_share(dates, name) for name in names], axis=1)  # (T, F)
    return np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(dates), -1)


def _share(dates: Dates, name: TimeFeature) -> np.ndarray:
    """Returns which share of its day, week, month or year has passed at each date."""
    if name == "weekday":
        return _days_since(dates, np.datetime64("1970-01-05")) / 7 % 1  # a Monday
    unit = {"hour": "D", "day": "M", "month": "Y"}[name]
    begin = dates.astype(f"datetime64[{unit}]")
    end = (begin.astype(np.int64) + 1).astype(f"datetime64[{unit}]")
    begin, end = begin.astype("datetime64[s]"), end.astype("datetime64[s]")
    share: np.ndarray = (dates - begin) / (end - begin)
    return share


def _days_since(dates: Dates, first: np.datetime64) -> np.ndarray:
    days: np.ndarray = (dates - first.astype("datetime64[s]")) / np.timedelta64(1, "D")
    return days
