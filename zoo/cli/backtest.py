"""Forecasts a past from origin to origin, as it would have been forecast then, without training anew.

The model is asked again and again along the test split. A table shows how well it would have done from each origin,
beside the baselines.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from zoo.config.entry import run
from zoo.errors import OptionError

if TYPE_CHECKING:
    from lightning.pytorch import Callback

_HELP = """\
usage: python -m zoo backtest ckpt=RUN [stride=ROWS] [split=val] [data.path=FILE.csv] [output_dir=FOLDER]

{about}

  ckpt=RUN            a checkpoint of a forecaster, or the directory of a run
  stride=ROWS         rows from one origin to the next; without it the horizon, so that each row is forecast once
  split=val           the validation split in place of the test split
  data.path=FILE.csv  another file with the same columns
  output_dir=FOLDER   where the table is written, backtest/ beside the checkpoint without it
"""
_MOST_ROWS = 40  # on the console; the file has all


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of `configs/backtest.yaml`.
    """
    run(_backtest, "backtest", argv=["-m zoo backtest", *arguments])


def _backtest(cfg: DictConfig) -> None:
    from zoo.callbacks.forecast_report import ForecastReport  # torch is imported here, after the config was checked
    from zoo.run import evaluate

    if cfg.stride is not None and (not isinstance(cfg.stride, int) or cfg.stride < 1):
        raise OptionError("stride", f"{cfg.stride} given", "give a number of rows from 1 on, or null for the horizon")
    report: list[ForecastReport] = []

    def make_reports(directory: Path) -> "list[Callback]":
        report.append(ForecastReport(directory, stride=cfg.stride, only_backtest=True))
        return [*report]

    evaluate(cfg, make_reports=make_reports, folder="backtest")
    if not report[0].origins:
        raise OptionError("ckpt", f"{cfg.ckpt} is no forecaster", "name a run of data=series_file, or the like")
    print()
    print("\n".join(_table(report[0].origins)))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the rows in columns, some of the middle left out where there are many."""
    shown = list(rows)
    if (left := len(rows) - _MOST_ROWS - 1) > 0:
        more = [f"({left} more)", *[""] * (len(rows[0]) - 1)]
        shown = [*rows[: _MOST_ROWS // 2 + 1], more, *rows[-_MOST_ROWS // 2 :]]
    widths = [max(len(row[column]) for row in shown) for column in range(len(rows[0]))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown]
