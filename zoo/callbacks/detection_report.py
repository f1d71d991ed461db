"""What a detector found, missed and made up, as tables and as pictures."""

import csv
from collections.abc import Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer

from zoo.callbacks import figures
from zoo.callbacks.box_pictures import SHOWN, comparison
from zoo.callbacks.detection_examples import Detected, detected, is_detection
from zoo.callbacks.detection_figures import precision_recall
from zoo.callbacks.examples import show
from zoo.callbacks.final_report import FinalReport, gather
from zoo.callbacks.image_grid import preprocessing_of
from zoo.metrics.coco_matching import CocoMatches, average_precisions, match_coco
from zoo.metrics.detection_matching import Verdicts, average_precision, confusions, judge, match
from zoo.metrics.image_resampling import Bounded, bounded_precisions
from zoo.ranges import Fraction, NonNegativeInt

NOTHING = "nothing"
OVERLAPS = (0.5, 0.75)


class DetectedClass(NamedTuple):
    """How one class does; a precision without objects is NaN.

    Attributes:
        name: of the class.
        ap: COCO's average precision over overlaps 0.50 to 0.95.
        ap_50: COCO's at 0.50.
        ap_voc: Pascal VOC's at 0.50.
        objects: how many there are.
        found: how many of them were found, as what they are.
        confused: how many were taken for another class.
        missed: how many were not found.
        made_up: detections of the class where there is no object.
    """

    name: str
    ap: float
    ap_50: float
    ap_voc: float
    objects: int
    found: int
    confused: int
    missed: int
    made_up: int


class _Image(NamedTuple):
    """Detections (D, 6) and objects (M, 6) of an image, in pixels of the original, and which of them belong together.

    Only what scores enough is judged.
    """

    found: np.ndarray
    truth: np.ndarray
    verdicts: Verdicts

    @property
    def judged(self) -> np.ndarray:
        """The detections that the verdicts are of."""
        return self.found[: len(self.verdicts.partners)]

    @property
    def errors(self) -> tuple[int, int, int]:
        """How many objects were missed, how many made up, and how many taken for another class."""
        partners = self.verdicts.partners
        paired = partners >= 0
        confused = self.truth[partners[paired], 4] != self.judged[paired, 5]
        missed = ~self.verdicts.found & (self.truth[:, 5] == 0)
        return int(missed.sum()), int((partners == -1).sum()), int(confused.sum())


class DetectionReport(FinalReport):
    """Writes tables and pictures after a test, or a validation that is not part of a fit.

    The tables are `detections.csv`, `per_class.csv`, and `intervals.csv` of the metrics of all images together.

    A task takes part by returning `{"detections": (B, D, 6), "objects": (B, M, 6), "index": (B,)}` from its step. The
    same pictures and the table of classes are shown in TensorBoard as `report/...` where the trainer logs there.

    Args:
        directory: where the files are written; made if need be.
        num_images: how many of the images with the most errors are shown; only these are kept in memory.
        score_threshold: detections that score less are no errors, and find nothing.
    """

    def __init__(
        self, directory: str | Path, *, num_images: NonNegativeInt = 8, score_threshold: Fraction = SHOWN
    ) -> None:
        self.directory, self.num_images, self.score_threshold = Path(directory), num_images, score_threshold
        self._images: dict[int, _Image] = {}
        self._worst: list[tuple[int, Detected]] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps the batch's boxes, and its images if they are among the worst."""
        if not is_detection(outputs):
            return
        all_found, all_truth = (outputs[name].float().cpu().numpy() for name in ("detections", "objects"))
        index = outputs["index"].tolist()
        for sample, found, truth in zip(index, all_found, all_truth, strict=True):
            found, truth = found[found[:, 5] >= 0], truth[truth[:, 4] >= 0]
            verdicts = judge(found[found[:, 4] >= self.score_threshold], truth)
            self._images[sample] = _Image(found, truth, verdicts)
        errors = [sum(self._images[sample].errors) for sample in index]
        rows = [row for row in nlargest(self.num_images, range(len(index)), key=errors.__getitem__) if errors[row]]
        shown = detected(outputs, batch, torch.tensor(rows, dtype=torch.long), preprocessing_of(trainer))
        worst = [*self._worst, *zip((errors[row] for row in rows), shown, strict=True)]
        self._worst = nlargest(self.num_images, worst, key=_severity)

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the report."""
        shards = gather((self._images, self._worst), trainer.world_size)
        self._images, self._worst = {}, []
        images = {sample: image for shard in shards for sample, image in sorted(shard[0].items())}
        if not trainer.is_global_zero or not images:
            return
        distinct = {kept.sample: (errors, kept) for shard in shards for errors, kept in shard[1]}
        worst = [kept for _, kept in nlargest(self.num_images, distinct.values(), key=_severity)]
        data: Any = trainer.datamodule  # type: ignore[attr-defined]
        class_names = [str(name) for name in data.class_names]
        names = {sample: data.sample_name(stage, sample) for sample in sorted(images)}
        self.directory.mkdir(parents=True, exist_ok=True)
        _write_detections(self.directory / "detections.csv", images, names, class_names)
        counts = sum(
            confusions(image.judged, image.truth, image.verdicts, num_classes=len(class_names))
            for image in images.values()
        )
        boxes = [image.found for image in images.values()], [image.truth for image in images.values()]
        coco = match_coco(*boxes, max_detections=getattr(pl_module, "max_detections", 100))
        classes = per_class(list(images.values()), coco, np.asarray(counts), class_names)
        _write(self.directory / "per_class.csv", DetectedClass._fields, classes)
        _write(self.directory / "intervals.csv", Bounded._fields, bounded_precisions(coco.values()))
        captions = [_caption(names[kept.sample], images[kept.sample]) for kept in worst]
        pictures = _draw(list(images.values()), np.asarray(counts), worst, captions, class_names, stage)
        show(trainer, stage, pictures, directory=self.directory, texts={"per_class": markdown(classes)})


def per_class(
    images: Sequence[_Image], coco: Mapping[int, CocoMatches], counts: np.ndarray, class_names: Sequence[str]
) -> list[DetectedClass]:
    """Returns how each class does.

    Args:
        images: all of them.
        coco: what COCO says of each class with objects, by label.
        counts: (K + 1, K + 1), how often each class (row) was taken for each, the last that of nothing.
        class_names: K names.
    """
    found, truth = [image.found for image in images], [image.truth for image in images]
    classes = []
    for label, name in enumerate(class_names):
        voc = average_precision(match(found, truth, label))
        right, missed, made_up = (int(counts[place]) for place in ((label, label), (label, -1), (-1, label)))
        objects = sum(int(((own[:, 4] == label) & (own[:, 5] == 0)).sum()) for own in truth)
        confused = objects - right - missed
        ap = average_precisions(coco[label]) if label in coco else np.full(1, np.nan)  # (T,)
        classes.append(
            DetectedClass(name, float(ap.mean()), float(ap[0]), voc, objects, right, confused, missed, made_up)
        )
    return classes


def markdown(classes: Sequence[DetectedClass]) -> str:
    """Returns a table in Markdown."""
    lines = [DetectedClass._fields, ["---"] * len(DetectedClass._fields), *(map(_plain, each) for each in classes)]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |" for cells in lines)


def _draw(
    images: Sequence[_Image],
    counts: np.ndarray,
    worst: Sequence[Detected],
    captions: Sequence[str],
    class_names: Sequence[str],
    stage: str,
) -> dict[str, np.ndarray]:
    """Returns the pictures of a report by file name."""
    found, truth = [image.found for image in images], [image.truth for image in images]
    curves = [
        (name, {overlap: match(found, truth, label, min_overlap=overlap) for overlap in OVERLAPS})
        for label, name in enumerate(class_names)
    ]
    pictures = {
        "precision_recall": precision_recall(curves, title=f"Precision and recall, {stage}"),
        "confusion_matrix": figures.confusion_matrix(counts, [*class_names, NOTHING], title=f"Confusions, {stage}"),
    }
    if worst:
        parts = [[kept.image for kept in worst], [kept.truth for kept in worst], [kept.found for kept in worst]]
        pictures["worst_images"] = comparison(*parts, class_names=class_names, captions=captions)
    return pictures


def _caption(name: str, image: _Image) -> str:
    said = zip(image.errors, ("missed", "made up", "taken for another class"), strict=True)
    return f"{Path(name).name} (true, found): {', '.join(f'{count} {what}' for count, what in said if count)}"


def _write_detections(path: Path, images: dict[int, _Image], names: dict[int, str], classes: Sequence[str]) -> None:
    """Writes a row for each detection, best first, and then one for each object that was not found."""
    rows: list[Sequence[Any]] = []
    for sample in sorted(images):
        image = images[sample]
        for row, found in enumerate(image.found):
            verdict, true = "", ""  # of what scores too little to be judged
            if row < len(image.verdicts.partners):
                verdict, true = _verdict(image, row, classes)
            corners = [f"{side:.1f}" for side in found[:4]]
            rows.append([sample, names[sample], classes[int(found[5])], f"{found[4]:.4f}", *corners, verdict, true])
        for truth in image.truth[~image.verdicts.found & (image.truth[:, 5] == 0)]:
            corners = [f"{side:.1f}" for side in truth[:4]]
            rows.append([sample, names[sample], "", "", *corners, "missed", classes[int(truth[4])]])
    _write(path, ("index", "name", "class", "score", "x1", "y1", "x2", "y2", "verdict", "true_class"), rows)


def _verdict(image: _Image, row: int, classes: Sequence[str]) -> tuple[str, str]:
    """Returns what a detection is, and the class of the object that it is about."""
    partner = int(image.verdicts.partners[row])
    if partner < 0:
        return ("made up", "") if partner == -1 else ("ignored", "")
    label = int(image.truth[partner, 4])
    return "right" if label == int(image.found[row, 5]) else "other class", classes[label]


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows([_plain(value) for value in row] for row in rows)


def _plain(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _severity(kept: tuple[int, Detected]) -> tuple[int, int]:
    errors, image = kept
    return errors, -image.sample
