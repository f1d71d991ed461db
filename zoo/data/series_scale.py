"""The scale of a series: measured on the rows of training alone, and undone in every report."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.data.series_file import Series
from zoo.errors import DataError, OptionError


@dataclass(frozen=True)
class Scale:
    """What the columns of a series are measured by; None where it is still to be measured.

    Attributes:
        mean: of each column.
        std: standard deviation of each column.
        naive_error: of each target, mean absolute error of the forecast that a season ago says, in deviations.
    """

    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    naive_error: Sequence[float] | None = None


def measure(rows: np.ndarray, given: Scale, *, num_targets: int, kept: int, season_length: int) -> Scale:
    """Returns the whole scale, measured where it is not given.

    Args:
        rows: of training, (T, C), targets first.
        given: what is known.
        num_targets: N, how many columns are targets.
        kept: how many columns are standardised; those after them, time features, stay as they are.
        season_length: rows in a season.

    Raises:
        OptionError: what is given does not fit the columns, or the season the rows.
    """
    mean, std = rows.mean(0), rows.std(0)
    std[std <= 1e-12 * np.abs(mean)] = 1.0  # a constant column, but for rounding
    mean[kept:], std[kept:] = 0.0, 1.0
    means = mean.tolist() if given.mean is None else list(given.mean)
    stds = std.tolist() if given.std is None else list(given.std)
    for name, values in (("mean", means), ("std", stds)):
        if len(values) != rows.shape[1]:
            problem = f"{len(values)} values for {rows.shape[1]} columns"
            raise OptionError(f"data.{name}", problem, "give one a column, or null to measure them")
    if given.naive_error is not None:
        return Scale(means, stds, list(given.naive_error))
    if season_length >= len(rows):
        problem = f"{season_length} rows in a season, but {len(rows):,} training rows"
        raise OptionError("data.season_length", problem, "lower it; 1 stands for no season")
    steps = np.abs(rows[season_length:, :num_targets] - rows[:-season_length, :num_targets])
    naive = steps.mean(0) / np.asarray(stds[:num_targets])
    naive[naive < 1e-12] = 1.0  # a target that repeats itself to the digit: its errors stay as they are
    return Scale(means, stds, naive.tolist())


def standardised(rows: np.ndarray, scale: Scale, series: Series) -> np.ndarray:
    """Returns rows in standard deviations from the mean, float32.

    Args:
        rows: (T, C).
        scale: that of training.
        series: where they come from, for errors.

    Raises:
        DataError: a number is too large.
    """
    assert scale.mean is not None and scale.std is not None
    with np.errstate(all="ignore"):
        normal: np.ndarray = ((rows - scale.mean) / scale.std).astype(np.float32)
    wrong = np.argwhere(~np.isfinite(normal))
    if len(wrong):
        row, column = wrong[0].tolist()
        where = f"{series.path} {series.time_of(row)} column {series.columns[column]}"
        problem = f"{rows[row, column]:g} is too large beside mean {scale.mean[column]:g}, std {scale.std[column]:g}"
        raise DataError(where, problem, "correct it")
    return normal
