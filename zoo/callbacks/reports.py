"""The reports of a final judgement: each takes part where a task's predictions are of its kind."""

from pathlib import Path

from lightning.pytorch import Callback

from zoo.callbacks.attention_maps import AttentionMaps
from zoo.callbacks.copies_report import CopiesReport
from zoo.callbacks.detection_report import DetectionReport
from zoo.callbacks.explanations import Explanations
from zoo.callbacks.forecast_report import ForecastReport
from zoo.callbacks.generated_samples import GeneratedSamples
from zoo.callbacks.prediction_report import PredictionReport
from zoo.callbacks.segmentation_report import SegmentationReport
from zoo.callbacks.text_predictions import TextPredictionReport
from zoo.callbacks.text_samples import TextReport


def reports(directory: Path, *, explanations: bool = True) -> list[Callback]:
    """Returns the callbacks that write the reports of a test, or of a validation that stands in for one.

    Args:
        directory: where files are written.
        explanations: whether pictures show where a classifier of images looks.
    """
    of_texts = [TextReport(directory), TextPredictionReport(directory), AttentionMaps(directory)]
    of_images = [DetectionReport(directory), SegmentationReport(directory)]
    of_samples = [GeneratedSamples(directory), CopiesReport(directory)]
    looks = [Explanations(directory)] if explanations else []
    return [PredictionReport(directory), ForecastReport(directory), *of_images, *of_samples, *looks, *of_texts]
