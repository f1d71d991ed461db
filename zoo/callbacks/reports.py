"""The reports of a final judgement: each takes part where a task's predictions are of its kind."""

from pathlib import Path

from lightning.pytorch import Callback

from zoo.callbacks.forecast_report import ForecastReport
from zoo.callbacks.prediction_report import PredictionReport
from zoo.callbacks.text_samples import TextReport


def reports(directory: Path) -> list[Callback]:
    """Returns the callbacks that write the reports of a test, or of a validation that stands in for one.

    Args:
        directory: where files are written.
    """
    return [PredictionReport(directory), ForecastReport(directory), TextReport(directory)]
