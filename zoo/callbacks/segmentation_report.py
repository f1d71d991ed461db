"""How well each class and each image was segmented, as tables and as pictures."""

import csv
from collections.abc import Sequence
from heapq import nsmallest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer

from zoo.callbacks import figures
from zoo.callbacks.examples import show
from zoo.callbacks.final_report import FinalReport, gather
from zoo.callbacks.image_grid import preprocessing_of
from zoo.callbacks.mask_pictures import comparison
from zoo.callbacks.segmentation_examples import Segmented, is_segmentation, segmented
from zoo.metrics.image_resampling import Bounded, bounded_shares
from zoo.metrics.segmentation import count_pixels, iou
from zoo.ranges import NonNegativeInt


class SegmentedClass(NamedTuple):
    """How one class does; a share of nothing is NaN."""

    name: str
    iou: float
    dice: float
    precision: float
    recall: float
    pixels: int


class _Image(NamedTuple):
    mean_iou: float
    pixel_accuracy: float
    sample: int


class SegmentationReport(FinalReport):
    """Writes tables and pictures after a test, or a validation that is not part of a fit.

    The tables are `per_image.csv`, `per_class.csv`, and `intervals.csv` of the metrics of all images together.

    A task takes part by returning `{"masks": (B, H, W), "targets": (B, H, W), "index": (B,)}` from its step. The same
    pictures and the table of classes are shown in TensorBoard as `report/...` where the trainer logs there.

    Args:
        directory: where the files are written; made if need be.
        num_images: how many of the worst images are shown; only these are kept in memory.
    """

    def __init__(self, directory: str | Path, *, num_images: NonNegativeInt = 8) -> None:
        self.directory, self.num_images = Path(directory), num_images
        self._confusions: np.ndarray | int = 0
        self._images: list[_Image] = []
        self._counts: dict[int, np.ndarray] = {}
        self._worst: list[tuple[_Image, Segmented]] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Counts the batch, and keeps its images if they are among the worst."""
        if not is_segmentation(outputs):
            return
        num_classes = len(trainer.datamodule.class_names)  # type: ignore[attr-defined]
        preds, targets = outputs["masks"], outputs["targets"]
        there = targets >= 0
        pairs = (targets[there] * num_classes + preds[there]).bincount(minlength=num_classes**2)
        self._confusions = self._confusions + pairs.view(num_classes, num_classes).cpu().numpy()
        counts = count_pixels(preds, targets, num_classes)
        accuracy = counts[:, 0].sum(1) / counts[:, 2].sum(1)
        columns = iou(counts).nanmean(1).tolist(), accuracy.tolist(), outputs["index"].tolist()
        images = [_Image(*row) for row in zip(*columns, strict=True)]
        self._images += images
        self._counts.update(zip(columns[2], counts.cpu().numpy(), strict=True))
        judged = [place for place in range(len(images)) if images[place].mean_iou == images[place].mean_iou]
        rows = nsmallest(self.num_images, judged, key=images.__getitem__)
        shown = segmented(outputs, batch, torch.tensor(rows, dtype=torch.long), preprocessing_of(trainer))
        worst = [*self._worst, *zip([images[row] for row in rows], shown, strict=True)]
        self._worst = nsmallest(self.num_images, worst, key=lambda each: each[0])

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report."""
        shards = gather((self._confusions, self._images, self._worst, self._counts), trainer.world_size)
        self._confusions, self._images, self._worst, self._counts = 0, [], [], {}
        images = {image.sample: image for shard in shards for image in shard[1]}
        if not trainer.is_global_zero or not images:
            return
        confusions = np.asarray(sum(shard[0] for shard in shards))
        worst = nsmallest(self.num_images, (each for shard in shards for each in shard[2]), key=lambda each: each[0])
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        class_names = [str(name) for name in data.class_names]
        classes = per_class(confusions, class_names)
        self.directory.mkdir(parents=True, exist_ok=True)
        _write(self.directory / "per_class.csv", SegmentedClass._fields, classes)
        rows = [
            (sample, data.sample_name(stage, sample), image.mean_iou, image.pixel_accuracy)
            for sample, image in sorted(images.items())
        ]
        _write(self.directory / "per_image.csv", ("index", "name", "mean_iou", "pixel_accuracy"), rows)
        counts = {sample: own for shard in shards for sample, own in shard[3].items()}
        _write(self.directory / "intervals.csv", Bounded._fields, bounded_shares(np.stack(list(counts.values()))))
        pictures = _draw(confusions, worst, class_names, stage)
        show(trainer, stage, pictures, directory=self.directory, texts={"per_class": markdown(classes)})


def per_class(confusions: np.ndarray, class_names: Sequence[str]) -> list[SegmentedClass]:
    """Returns how each class does.

    Args:
        confusions: (K, K) pixels, row the true class.
        class_names: K names.
    """
    right, predicted, true = np.diag(confusions), confusions.sum(axis=0), confusions.sum(axis=1)
    with np.errstate(invalid="ignore"):
        shares = [right / (predicted + true - right), 2 * right / (predicted + true), right / predicted, right / true]
    columns = [share.tolist() for share in shares]
    return [SegmentedClass(*row) for row in zip(class_names, *columns, true.tolist(), strict=True)]


def markdown(classes: Sequence[SegmentedClass]) -> str:
    """Returns the table of classes in Markdown."""
    rows = ["| class | IoU | Dice | precision | recall | pixels |", "|---|--:|--:|--:|--:|--:|"]
    for name, *shares, pixels in classes:
        cells = " | ".join("-" if np.isnan(share) else f"{share:.3f}" for share in shares)
        rows.append(f"| {name.replace('|', chr(92) + '|')} | {cells} | {pixels} |")
    return "\n".join(rows)


def _draw(
    confusions: np.ndarray, worst: Sequence[tuple[_Image, Segmented]], class_names: Sequence[str], stage: str
) -> dict[str, np.ndarray]:
    """Returns the pictures by file name."""
    percent = (100 * confusions / np.maximum(confusions.sum(axis=1, keepdims=True), 1)).round().astype(int)
    title = f"Confusion of pixels, {stage}, % of the true class"
    pictures = {"confusion_matrix": figures.confusion_matrix(percent, class_names, title=title)}
    if worst:
        _, images, targets, preds = zip(*(shown for _, shown in worst), strict=True)
        captions = [f"predicted, mean IoU {judged.mean_iou:.2f}" for judged, _ in worst]
        pictures["worst_images"] = comparison(
            images, targets, preds, class_names, captions=captions, title=f"Worst images, {stage}"
        )
    return pictures


def _write(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Writes a table; what is undefined stays empty."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([_plain(value) for value in row] for row in rows)


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if value != value else f"{value:.6g}"
