"""The last rows of a file, as a model sees them that shall say what comes next."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo.data.dates import write_date
from zoo.data.series import SeriesData
from zoo.data.series_scale import standardised
from zoo.errors import DataError


class LastWindow(NamedTuple):
    """What a forecast of the future begins from.

    Attributes:
        input: (1, L, C), standardised.
        seen: (L, N), the targets in their units.
        times: when each row is, those that are seen and those that are to come, (L + H).
        date: name of the column of dates; None where there is none.
    """

    input: Tensor
    seen: np.ndarray
    times: list[str]
    date: str | None


def last_window(data: SeriesData) -> LastWindow:
    """Reads the file of a data module that was given all of its preprocessing.

    Args:
        data: the module, which is not set up.

    Raises:
        DataError: the file cannot be used, or has fewer rows than the model sees.
        OptionError: a column is missing.
    """
    series = data.open().read()
    data.check_frequency(series)
    rows, lookback = len(series.values), data.lookback
    if rows < lookback:
        problem = f"{rows:,} rows, but the model sees the last {lookback:,} (data.lookback of its run)"
        raise DataError(str(series.path), problem, "give more rows")
    normal = standardised(data.columns_of(series), data.scale, series)
    assert data.targets is not None, "they are a part of the preprocessing"
    times = [series.time_of(row) for row in range(rows - lookback, rows)]
    if series.dates is None or series.frequency is None:
        times += [f"row {row + 1}" for row in range(rows, rows + data.horizon)]
    else:
        times += [write_date(date) for date in series.frequency.dates(series.dates[-1], data.horizon + 1)[1:]]
    seen = series.values[-lookback:, : len(data.targets)]
    return LastWindow(torch.from_numpy(normal[None, -lookback:]), seen, times, series.date)
