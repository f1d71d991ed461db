"""Says what comes next in a series, from the last rows of a file.

The file has the columns that the run was trained with, at the same steps of time; further columns do not matter.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from zoo.config.entry import run
from zoo.errors import OptionError

if TYPE_CHECKING:
    import numpy as np

    from zoo.data.series import SeriesData
    from zoo.data.series_future import LastWindow
    from zoo.tasks.base import Task

_HELP = """\
usage: python -m zoo forecast ckpt=RUN input=FILE.csv [output=FILE.csv] [data.missing=last]

{about}

  ckpt=RUN         a checkpoint of a forecaster, or the directory of a run
  input=FILE.csv   its last rows are what the model sees
  data.missing     last or linear fills in rows and cells that are missing
  output=FILE.csv  what is written, with a picture beside it; without it forecast/ beside the checkpoint
"""
_MOST_ROWS = 12  # on the console; the file has all


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of `configs/forecast.yaml`.
    """
    run(_forecast, "forecast", argv=["-m zoo forecast", *arguments])


def _forecast(cfg: DictConfig) -> None:
    from zoo.build import make_data, prepare_process  # torch is imported here, after the config was checked
    from zoo.config.run_directory import make_directory
    from zoo.data.series import SeriesData
    from zoo.data.series_future import last_window
    from zoo.restore import open_checkpoint
    from zoo.tasks.base import Task

    prepare_process()
    found = open_checkpoint(cfg)
    if "horizon" not in found.cfg.data:
        raise OptionError("ckpt", f"{cfg.ckpt} is no forecaster", "name a run of data=series_file, or the like")
    file = {"path": str(Path(cfg.input).expanduser().resolve()), "data_dir": None, "address": None}
    found.cfg.data = {**found.cfg.data, **file}
    task, data = found.task(Task), make_data(found.cfg)
    assert isinstance(data, SeriesData)
    window = last_window(data)
    values = _values(task, data, window)
    output = (
        Path(cfg.output).expanduser() if cfg.output else found.path.parent / "forecast" / f"{Path(cfg.input).stem}.csv"
    )
    make_directory(output.parent, option="output")
    levels = getattr(task, "quantiles", None) or ()
    targets = list(data.targets or ())
    header = [window.date or "row", *targets, *(f"{target}_q{level:g}" for target in targets for level in levels)]
    times = [time.removeprefix("row ") for time in window.times[data.lookback :]]
    rows = [[time, *(f"{value:.6g}" for value in row)] for time, row in zip(times, values, strict=True)]
    picture = _picture(window, targets, values, levels)
    _write(output, [header, *rows], picture)
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    for row in [header, *rows][: _MOST_ROWS + 1]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    if len(rows) > _MOST_ROWS:
        print(f"({len(rows) - _MOST_ROWS} more)")
    print(f"\n{output}\n{output.with_suffix('.png')}")


def _values(task: "Task", data: "SeriesData", window: "LastWindow") -> "np.ndarray":
    """Returns what comes next in its units: of each step the points of all targets, then their quantiles."""
    import numpy as np
    import torch

    from zoo.metrics.forecasting import point

    task.eval()
    with torch.no_grad():
        preds = task.finish(task({"input": window.input}))
    count = len(data.targets or ())
    assert data.scale.mean is not None and data.scale.std is not None
    mean, std = (np.asarray(part[:count]) for part in (data.scale.mean, data.scale.std))
    points = point(preds)[0].numpy() * std + mean  # (H, N)
    if preds.ndim == 3:
        return np.asarray(points)
    quantiles = preds[0].numpy() * std[:, None] + mean[:, None]  # (H, N, Q)
    return np.concatenate([points, quantiles.reshape(len(points), -1)], axis=1)


def _picture(
    window: "LastWindow", targets: Sequence[str], values: "np.ndarray", levels: Sequence[float]
) -> "np.ndarray":
    from zoo.callbacks.forecast_figures import Window, forecast_windows

    count = len(targets)
    quantiles = values[:, count:].reshape(len(values), count, -1) if levels else None
    drawn = Window(
        f"from {window.times[len(window.seen)]}",
        window.times,
        window.seen,
        values[:0, :count],
        values[:, :count],
        quantiles,
    )
    return forecast_windows([drawn], targets, levels=levels or None)


def _write(output: Path, rows: Sequence[Sequence[str]], picture: "np.ndarray") -> None:
    from zoo.callbacks.figures import save_png
    from zoo.failure import writing
    from zoo.files import replacing

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with writing(output):
        with replacing(output) as file:
            file.write(text.getvalue().encode())
        save_png(picture, output.with_suffix(".png"))
