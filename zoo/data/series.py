"""Time series: windows of the past, and the steps after each of them to forecast."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.csv_file import check_delimiter
from zoo.data.order import Order
from zoo.data.series_file import AUTO, Missing, Series, SeriesFile
from zoo.data.series_scale import Scale, measure, standardised
from zoo.data.series_split import Windows, find_borders, find_windows
from zoo.data.series_windows import SeriesLoader, SeriesWindows
from zoo.data.splits import SplitData
from zoo.data.time_features import COLUMNS_EACH, TimeFeature, time_features
from zoo.errors import DataError, OptionError
from zoo.ranges import AtLeastTwo, Fraction, NonNegativeInt, PositiveInt


class SeriesData(SplitData):
    """Windows of a CSV file with a row for each step of time: `lookback` rows to see, `horizon` rows to forecast.

    The rows are split by time: the first ones are for training, the last ones for testing. What is forecast in a split
    lies within it; what is seen may reach back into the one before. Numbers are brought to mean 0 and standard
    deviation 1 of the training rows, column by column, and every report undoes it.

    Args:
        path: the file; `~` stands for the home folder.
        data_dir: folder that a relative path starts from, where the file lies there; else the working directory.
        address: where the file is published, told where it is missing.
        date: name of the column of dates; "auto" to find it, None to take the rows as they follow each other.
        date_format: how dates are written, in the letters of `strptime`; None for year first, as in 2016-07-01 13:00.
        targets: names of the columns to forecast; None for all columns of numbers that are no covariates.
        covariates: names of columns that are read beside them, of which only the past is known.
        time_features: places in the day ("hour"), week ("weekday"), month ("day") and year ("month") of each row seen,
            as a sine and a cosine each, which are covariates like others.
        delimiter: what separates cells; None to find it among comma, semicolon, tab and bar.
        missing: whether rows and cells that are missing are an "error", or filled in with the number before them
            ("last") or on a line to the next one ("linear", which sees the next one); at most a tenth of the rows.
        lookback: L, rows that the model sees.
        horizon: H, rows after them, which it forecasts.
        borders: rows at which training, validation and test end; None to split by the fractions.
        val_fraction: share of all rows that validation forecasts.
        test_fraction: share of all rows that the test forecasts, 0 for no test.
        evaluation_only: whether nothing is trained on these rows: they are then a test as a whole.
        device_cache: whether the series is kept on the GPU that trains.
        batch_size: windows in a training batch of one process.
        eval_batch_size: windows in an evaluation batch, None for `batch_size`.
        seed: decides the order of the windows.
        num_targets: fact that is checked against the data: N, how many columns are forecast.
        num_covariates: fact likewise: how many are read beside them, two for each time feature.
        frequency: fact likewise: the time from row to row, such as "1 hour"; "" where there are no dates.
        season_length: rows in a season, for baselines and scaled errors; None for that of the frequency.
        mean: of each column; None to measure it on the training rows.
        std: standard deviation, likewise.
        naive_error: mean absolute error of the seasonal naive forecast of each target on the training rows, in standard
            deviations, likewise.
    """

    def __init__(
        self,
        *,
        path: str | None,
        data_dir: str | None = None,
        address: str | None = None,
        date: str | None = AUTO,
        date_format: str | None = None,
        targets: Sequence[str] | None = None,
        covariates: Sequence[str] = (),
        time_features: Sequence[TimeFeature] = (),
        delimiter: str | None = None,
        missing: Missing = "error",
        lookback: AtLeastTwo = 96,
        horizon: PositiveInt = 24,
        borders: Sequence[PositiveInt] | None = None,
        val_fraction: Fraction = 0.1,
        test_fraction: Fraction = 0.2,
        evaluation_only: bool = False,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        seed: NonNegativeInt = 0,
        num_targets: PositiveInt | None = None,
        num_covariates: NonNegativeInt | None = None,
        frequency: str | None = None,
        season_length: PositiveInt | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        naive_error: Sequence[float] | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.path = None if path is None else _found(Path(path).expanduser(), data_dir)
        self.address = address
        check_delimiter(delimiter)
        self.date, self.date_format, self.delimiter, self.missing = date, date_format, delimiter, missing
        self.targets, self.covariates, self.time_features = targets, list(covariates), list(time_features)
        self.lookback, self.horizon, self.borders = lookback, horizon, borders
        self.val_fraction, self.test_fraction, self.evaluation_only = val_fraction, test_fraction, evaluation_only
        self.device_cache = device_cache
        self.num_targets, self.num_covariates = num_targets, num_covariates
        self.frequency, self.season_length = frequency, season_length
        self.scale = Scale(mean, std, naive_error)
        self.series: Series | None = None
        self.parts: dict[Split, Windows] = {}
        self._fingerprint = ""

    def open(self) -> SeriesFile:
        """Reads the file as text and finds its columns.

        Raises:
            DataError: the file cannot be used at all.
            OptionError: no file is given, or a column is not there.
        """
        if self.path is None:
            raise OptionError("data.path", "no series given", "add data.path=FILE.csv")
        if self.address is not None and not self.path.exists():
            remedy = f"take it from {self.address}, or name the folder that holds it by paths.data_dir="
            raise DataError(str(self.path), "no such file", remedy)
        return SeriesFile(
            self.path,
            date=self.date,
            date_format=self.date_format,
            targets=self.targets,
            covariates=self.covariates,
            delimiter=self.delimiter,
            missing=self.missing,
        )

    def setup(self, stage: str | None = None) -> None:
        """Reads the file, splits it by time and standardises it, the first time it is called.

        Raises:
            DataError: the file cannot be used.
            OptionError: an option does not fit it.
        """
        if self.series is not None:
            return
        series = self.open().read()
        self.targets, self.date = series.columns[: len(series.columns) - len(self.covariates)], series.date
        self.check_frequency(series)
        self.parts = self._split(series)
        columns = self.columns_of(series)
        self._fingerprint = _digest([*series.columns, *self.time_features], columns, self.borders or ())
        training = columns if self.borders is None else columns[: self.borders[0]]
        self.season_length = self.season_length or _season_length(series, len(training))
        self.scale = measure(
            training,
            self.scale,
            num_targets=len(self.targets),
            kept=len(series.columns),
            season_length=self.season_length,
        )
        values = torch.from_numpy(standardised(columns, self.scale, series))
        self.windows = self.windows_of(values)
        self.series = series

    def windows_of(self, values: Tensor) -> SeriesWindows:
        """Returns the windows of a standardised series (T, C)."""
        assert self.targets is not None, "setup comes first"
        return SeriesWindows(values, lookback=self.lookback, horizon=self.horizon, num_targets=len(self.targets))

    def check_frequency(self, series: Series) -> None:
        """Notes how far the rows lie apart.

        Raises:
            DataError: not as far as those that a model was trained on.
        """
        found = "" if series.frequency is None else str(series.frequency)
        if self.frequency is not None and found != self.frequency:
            problem = f"a step of {found or 'no dates'} found, but {self.frequency or 'no dates'} expected"
            raise DataError(str(series.path), problem, "give a series with the steps that the model was trained on")
        self.frequency = found

    def _split(self, series: Series) -> dict[Split, Windows]:
        rows, name = len(series.values), series.path.name
        if self.evaluation_only:
            self.borders = None
            length = self.lookback + self.horizon
            if rows < length:
                problem = f"{rows:,} rows, but lookback {self.lookback} + horizon {self.horizon} are {length}"
                raise DataError(str(series.path), problem, "give more rows")
            return {"test": Windows(0, rows - length + 1)}
        self.borders = find_borders(
            rows,
            borders=self.borders,
            val_fraction=self.val_fraction,
            test_fraction=self.test_fraction,
            name=name,
        )
        return find_windows(self.borders, lookback=self.lookback, horizon=self.horizon, name=name)

    def columns_of(self, series: Series) -> np.ndarray:
        """Returns the numbers of a series with the time features beside them, (T, C), float64."""
        if not self.time_features:
            return series.values
        if series.dates is None:
            problem = f"{', '.join(self.time_features)} asked for, but {series.path} has no dates"
            raise OptionError("data.time_features", problem, "name the column of dates by data.date=COLUMN")
        return np.concatenate([series.values, time_features(series.dates, self.time_features)], axis=1)

    @property
    def sizes(self) -> dict[str, int]:
        """How many windows each split has."""
        return {split: part.size for split, part in self.parts.items()}

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> SeriesLoader:
        """Returns batches of the windows of a split."""
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        device = root if self.device_cache and root.type == "cuda" else torch.device("cpu")
        if self.windows.values.device != device:
            self.windows = self.windows_of(self.windows.values.to(device))
        return SeriesLoader(
            self.windows,
            first=self.parts[split].first,
            order=order,
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
        )

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" (B, L, C), "target" (B, H, N), float32 and standardised, and "index" (B,)."""
        return batch

    def batch(self, split: Split, index: Tensor) -> Batch:
        """Returns the windows of a split with these numbers (B,)."""
        return self.windows.batch(index.to(self.windows.values.device), self.parts[split].first)

    def history(self, split: Split, index: Tensor, length: int) -> Tensor | None:
        """Returns the targets of the rows before each forecast begins, standardised.

        Args:
            split: where the windows are.
            index: number of each window, (B,).
            length: how many rows.

        Returns:
            (B, length, N); None where the series does not reach back so far.
        """
        begin = index.to(self.windows.values.device) + self.parts[split].first + self.lookback - length
        if int(begin.min()) < 0:
            return None
        rows = begin.unsqueeze(1) + torch.arange(length, device=begin.device)
        return self.windows.values[rows, : self.windows.num_targets]

    def times(self, split: Split, index: int) -> list[str]:
        """Returns the date of each row of a window as text, (L + H); where there are none, the number of the row."""
        assert self.series is not None, "setup comes first"
        first = self.parts[split].first + index
        return [self.series.time_of(row) for row in range(first, first + self.lookback + self.horizon)]

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the file and the first time that a window forecasts, as "ETTh1.csv 2017-06-26 00:00"."""
        assert self.series is not None, "setup comes first"
        return f"{self.series.path.name} {self.times(split, index)[self.lookback]}"

    def preprocessing(self) -> dict[str, Any]:
        """Returns columns, borders and scale; all are arguments of the constructor."""
        assert self.targets is not None and self.scale.mean is not None, "setup comes first"
        return {
            "date": self.date,
            "targets": list(self.targets),
            "covariates": self.covariates,
            "time_features": self.time_features,
            "lookback": self.lookback,
            "horizon": self.horizon,
            "borders": self.borders,
            "num_targets": len(self.targets),
            "num_covariates": len(self.covariates) + COLUMNS_EACH * len(self.time_features),
            "frequency": self.frequency,
            "season_length": self.season_length,
            "mean": self.scale.mean,
            "std": self.scale.std,
            "naive_error": self.scale.naive_error,
        }

    def found_facts(self) -> dict[str, Any]:
        """Returns the preprocessing."""
        return self.preprocessing()

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {"num_targets": self.num_targets, "num_covariates": self.num_covariates}

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the columns, the numbers and the borders of the splits."""
        return self._fingerprint

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at every cell and date of the file; if all are right, at the windows."""
        bad = [BadSample(f"{self.path} row {problem.line}", problem.in_row) for problem in self.open().problems()]
        yield from bad or super().scan(watch)

    def summary(self) -> list[str]:
        """Returns lines on the rows, the windows of each split and the columns."""
        assert self.series is not None and self.targets is not None, "setup comes first"
        series, last = self.series, len(self.series.values) - 1
        rows = f"{last + 1:,}, from {series.time_of(0)} to {series.time_of(last)}"
        step = f"{series.frequency or 'not known'}, season of {self.season_length}"
        covariates = ", ".join([*self.covariates, *self.time_features]) or "none"
        lines = {"rows": rows, "step": step, "targets": ", ".join(self.targets), "covariates": covariates}
        if series.num_filled:
            lines["filled in"] = f"{series.num_filled:,} rows"
        lines |= {split: f"{size:,} windows" for split, size in self.sizes.items()}
        return [f"{name:<12} {line}" for name, line in lines.items()]


def _found(path: Path, data_dir: str | None) -> Path:
    """Returns where a file lies: in the folder of data, or where the path itself leads."""
    within = path if data_dir is None else Path(data_dir).expanduser() / path
    return path if path.exists() and not within.exists() else within


def _season_length(series: Series, num_rows: int) -> int:
    """Returns the season that the frequency stands for; 1 where the training rows do not hold it twice."""
    found = series.frequency.season_length if series.frequency is not None else 1
    return found if 2 * found <= num_rows else 1


def _digest(columns: Sequence[str], values: np.ndarray, borders: Sequence[int]) -> str:
    digest = hashlib.sha256(repr((list(columns), values.shape, list(borders))).encode())
    digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
