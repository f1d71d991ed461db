"""How far metrics of a whole data set may be off that are no means over its images, by drawing images again.

Bradley Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979: as many images as there are, each as often as
chance has it. Of the values that such draws give the standard deviation is taken, which few draws tell well.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

Z = 1.959964  # of the 95 % interval
_DRAWS = 200
_RECALLS = np.linspace(0, 1, 101)
_OVERLAPS = np.linspace(0.5, 0.95, 10)
_SHOWN = {"map": slice(None), "map_50": slice(0, 1), "map_75": slice(5, 6)}  # of the overlaps


class Bounded(NamedTuple):
    """A metric and its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float


class _Detections(NamedTuple):
    """What was detected of a class in all images, best first.

    Attributes:
        images: (N,), the number of the image.
        correct: (T, N), whether an object is found at each overlap.
        counted: (T, N), whether it is right or wrong, and not about an object that is ignored.
        objects: (I,), how many there are to be found in each image.
    """

    images: np.ndarray
    correct: np.ndarray
    counted: np.ndarray
    objects: np.ndarray


def bounded_shares(counts: np.ndarray) -> list[Bounded]:
    """Returns the mean IoU, mean Dice and pixel accuracy of segmented images with their intervals.

    Args:
        counts: of each image and class the pixels that are right, that are predicted, and that there are, (I, 3, K).
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)

    def shares(weights: np.ndarray) -> np.ndarray:
        right, predicted, true = (weights @ flat).reshape(counts.shape[1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            iou, dice = right / (predicted + true - right), 2 * right / (predicted + true)
            return np.array([_mean(iou), _mean(dice), right.sum() / true.sum()])

    return _bounded(("mean_iou", "mean_dice", "pixel_accuracy"), shares, len(counts))


def bounded_precisions(
    found: Sequence[np.ndarray], objects: Sequence[np.ndarray], *, max_detections: int = 100
) -> list[Bounded]:
    """Returns COCO's mean average precisions of detections with their intervals.

    Args:
        found: of each image (D, 6), x1 y1 x2 y2 score label.
        objects: of each image (M, 6), x1 y1 x2 y2 label ignored.
        max_detections: at most so many of an image are judged, best first.
    """
    classes = [each for each in _matched(found, objects, max_detections) if each.objects.any()]
    if not classes:
        return []

    def precisions(weights: np.ndarray) -> np.ndarray:
        values = np.array([_average_precisions(each, weights) for each in classes])  # (K, T)
        return np.array([_mean(values[:, overlaps]) for overlaps in _SHOWN.values()])

    return _bounded(tuple(_SHOWN), precisions, len(found))


def _bounded(names: Sequence[str], metric: Callable[[np.ndarray], np.ndarray], num_images: int) -> list[Bounded]:
    """Returns metrics of all images, and what draws of them leave open.

    Args:
        names: of the metrics.
        metric: returns their values, when it is told how often each image counts (I,).
        num_images: I; of a single one nothing can be said.
    """
    if num_images < 2:
        return []
    values = metric(np.ones(num_images))
    errors = np.nanstd([metric(weights) for weights in _draws(num_images)], axis=0)
    return [
        Bounded(name, value, max(0.0, value - Z * error), min(1.0, value + Z * error))
        for name, value, error in zip(names, values.tolist(), errors.tolist(), strict=True)
        if np.isfinite([value, error]).all()
    ]


def _mean(values: np.ndarray) -> float:
    """Returns the mean of those that are known; NaN where a draw has none of them."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _draws(num_images: int) -> Iterator[np.ndarray]:
    draw = np.random.default_rng(0)
    for _ in range(_DRAWS):
        yield np.bincount(draw.integers(0, num_images, num_images), minlength=num_images).astype(np.float64)


def _average_precisions(of_class: _Detections, weights: np.ndarray) -> np.ndarray:
    """Returns a class's average precision at each overlap (T,), as COCO has it; NaN where there are no objects."""
    num_objects = weights @ of_class.objects
    if not num_objects:
        return np.full(len(_OVERLAPS), np.nan)
    own = weights[of_class.images]
    right = np.cumsum(own * of_class.correct, axis=1)
    judged = np.cumsum(own * of_class.counted, axis=1)
    precision = right / np.maximum(judged, np.spacing(1))
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    falling = np.pad(falling, ((0, 0), (0, 1)))  # 0 where a recall is not reached
    recall = right / num_objects
    places = [np.searchsorted(each, _RECALLS) for each in recall]
    return np.array([each[place].mean() for each, place in zip(falling, places, strict=True)])


def _matched(found: Sequence[np.ndarray], objects: Sequence[np.ndarray], max_detections: int) -> Iterator[_Detections]:
    """Yields what pycocotools makes of the detections, class by class."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    rows = [
        _annotation(image, row[:4], label=row[5]) | {"score": float(row[4])}
        for image, own in enumerate(found)
        for row in own
        if row[5] >= 0
    ]
    truth = [
        _annotation(image, row[:4], label=row[4]) | {"iscrowd": int(row[5] > 0)}
        for image, own in enumerate(objects)
        for row in own
        if row[4] >= 0
    ]
    labels = sorted({each["category_id"] for each in truth})
    with contextlib.redirect_stdout(io.StringIO()):  # it tells of its steps
        sets = []
        for own in (truth, rows):
            coco = COCO()
            coco.dataset = {
                "images": [{"id": image} for image in range(len(found))],
                "categories": [{"id": label} for label in labels],
                "annotations": [{"id": number, **each} for number, each in enumerate(own, start=1)],
            }
            coco.createIndex()
            sets.append(coco)
        judge = COCOeval(*sets, iouType="bbox")
        judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [[0, 1e10]], ["all"], [max_detections]
        judge.params.iouThrs = _OVERLAPS
        judge.evaluate()
    size = len(found)
    for place in range(len(labels)):
        images = [each for each in judge.evalImgs[place * size : (place + 1) * size] if each is not None]
        yield _joined(images, size)


def _annotation(image: int, box: np.ndarray, *, label: np.floating[Any]) -> dict[str, Any]:
    """Returns a box (4,), x1 y1 x2 y2, as COCO has it."""
    corner, size = box[:2], box[2:] - box[:2]
    where = {"bbox": [*corner.tolist(), *size.tolist()], "area": float(size.prod())}
    return {"image_id": image, "category_id": int(label), "iscrowd": 0, **where}


def _joined(images: Sequence[dict[str, Any]], size: int) -> _Detections:
    """Returns the detections of a class in all images, of what pycocotools says of each."""
    objects = np.zeros(size)
    for each in images:
        objects[each["image_id"]] = np.sum(np.asarray(each["gtIgnore"]) == 0)
    scores = np.concatenate([each["dtScores"] for each in images])
    order = np.argsort(-scores, kind="mergesort")  # as it does
    matched = np.concatenate([each["dtMatches"] for each in images], axis=1)[:, order] > 0
    counted = np.concatenate([each["dtIgnore"] for each in images], axis=1)[:, order] == 0
    names = np.concatenate([np.full(len(each["dtScores"]), each["image_id"], dtype=int) for each in images])[order]
    return _Detections(names, matched & counted, counted, objects)
