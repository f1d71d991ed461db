"""What a classifier predicted, sample by sample, as a table and as pictures."""

from collections.abc import Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from zoo.callbacks import figures
from zoo.callbacks.examples import show
from zoo.callbacks.final_report import FinalReport, gather
from zoo.callbacks.image_grid import displayable, preprocessing_of
from zoo.callbacks.predictions import (
    Predictions,
    join,
    markdown,
    per_class,
    write_per_class,
    write_predictions,
    write_worst_mistakes,
)
from zoo.ranges import NonNegativeInt


class Mistake(NamedTuple):
    """An image that was taken for another class."""

    confidence: float
    sample: int
    target: int
    prediction: int
    image: np.ndarray


Shard = tuple[list[Predictions], list[Mistake]]


class PredictionReport(FinalReport):
    """Writes `predictions.csv`, `per_class.csv` and pictures after a test, or a validation that is not part of a fit.

    A task takes part by returning `{"preds": (B, K) probabilities, "targets": (B,), "index": (B,)}` from its step.
    Data that offer `sample_text(split, index)` have their texts in `predictions.csv` and in `worst_mistakes.csv`. The
    same pictures and the table of classes are shown in TensorBoard as `report/...` where the trainer logs there.

    Args:
        directory: where the files are written; made if need be.
        num_mistakes: number of the most confident mistakes that are shown; only their images are kept in memory.
    """

    def __init__(self, directory: str | Path, *, num_mistakes: NonNegativeInt = 24) -> None:
        self.directory = Path(directory)
        self.num_mistakes = num_mistakes
        self._batches: list[Predictions] = []
        self._mistakes: list[Mistake] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps the batch's predictions, and its images if they are among the worst mistakes."""
        found = [outputs.get(name) for name in ("preds", "targets", "index")] if isinstance(outputs, Mapping) else []
        values = [value for value in found if isinstance(value, Tensor)]
        if [value.ndim for value in values] != [2, 1, 1]:
            return
        kept = Predictions(*map(_to_numpy, values))
        self._batches.append(kept)
        inputs = batch.get("input") if isinstance(batch, Mapping) else None
        if isinstance(inputs, Tensor) and inputs.ndim == 4:
            mistakes = self._mistakes + _worst(kept, inputs, preprocessing_of(trainer), self.num_mistakes)
            self._mistakes = nlargest(self.num_mistakes, mistakes, key=_severity)

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report."""
        shards = gather((self._batches, self._mistakes), trainer.world_size)
        self._batches, self._mistakes = [], []
        batches = [batch for shard in shards for batch in shard[0]]
        if not trainer.is_global_zero or not batches:
            return
        predictions = join(batches, distinct=trainer.world_size > 1)
        distinct = {mistake.sample: mistake for shard in shards for mistake in shard[1]}
        mistakes = nlargest(self.num_mistakes, distinct.values(), key=_severity)
        data = getattr(trainer, "datamodule", None)
        num_classes = predictions.probabilities.shape[1]
        class_names = [str(name) for name in getattr(data, "class_names", None) or range(num_classes)]
        sample_name = getattr(data, "sample_name", lambda split, index: str(index))
        sample_names = [sample_name(stage, int(index)) for index in predictions.indices]
        sample_text = getattr(data, "sample_text", None)
        texts = [sample_text(stage, int(index)) for index in predictions.indices] if sample_text else None

        self.directory.mkdir(parents=True, exist_ok=True)
        write_predictions(self.directory / "predictions.csv", predictions, class_names, sample_names, texts)
        if texts is not None:
            path, limit = self.directory / "worst_mistakes.csv", self.num_mistakes
            write_worst_mistakes(path, predictions, class_names, sample_names, texts, limit=limit)
        classes = per_class(predictions.confusions, class_names)
        write_per_class(self.directory / "per_class.csv", classes)
        pictures = draw(predictions, mistakes, class_names, stage)
        show(trainer, stage, pictures, directory=self.directory, texts={"per_class": markdown(classes)})


def draw(
    predictions: Predictions, mistakes: Sequence[Mistake], class_names: Sequence[str], stage: str
) -> dict[str, np.ndarray]:
    """The pictures of a report by file name: confusion matrix, reliability and, where there are any, mistakes."""
    confidence, correct = predictions.probabilities.max(axis=1), predictions.classes == predictions.targets
    confusions = predictions.confusions
    pictures = {
        "confusion_matrix": figures.confusion_matrix(confusions, class_names, title=f"Confusion matrix, {stage}"),
        "reliability": figures.reliability_diagram(confidence, correct, title=f"Reliability, {stage}"),
    }
    if mistakes:
        captions = [(class_names[m.target], class_names[m.prediction], m.confidence) for m in mistakes]
        pictures["worst_mistakes"] = figures.worst_mistakes([m.image for m in mistakes], captions)
    return pictures


def _worst(kept: Predictions, inputs: Tensor, preprocessing: Mapping[str, Any], limit: int) -> list[Mistake]:
    classes, confidence = kept.classes, kept.probabilities.max(axis=1)
    wrong = np.flatnonzero(classes != kept.targets)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    if not len(worst):
        return []
    images = displayable(inputs[torch.from_numpy(worst).to(inputs.device)], preprocessing)
    numbers = (part[worst].tolist() for part in (confidence, kept.indices, kept.targets, classes))
    return [Mistake(*row) for row in zip(*numbers, images, strict=True)]


def _severity(mistake: Mistake) -> tuple[float, int]:
    return mistake.confidence, -mistake.sample


def _to_numpy(tensor: Tensor) -> np.ndarray:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()
