"""Which detections find an object at ten overlaps, as COCO counts them, kept by image so that each can be weighted.

Tsung-Yi Lin et al., "Microsoft COCO: Common Objects in Context", 2014, arXiv:1405.0312. The pairs are pycocotools' own.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

_RECALLS = np.linspace(0, 1, 101)
_OVERLAPS = np.linspace(0.5, 0.95, 10)


class CocoMatches(NamedTuple):
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


def match_coco(
    found: Sequence[np.ndarray], objects: Sequence[np.ndarray], *, max_detections: int = 100
) -> dict[int, CocoMatches]:
    """Pairs detections with objects, class by class.

    Args:
        found: of each image (D, 6), x1 y1 x2 y2 score label.
        objects: of each image (M, 6), x1 y1 x2 y2 label ignored.
        max_detections: at most so many of an image and a class are judged, best first.

    Returns:
        The matches of each class that there are objects of, by label.
    """
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
    of_class = [judge.evalImgs[place * size : (place + 1) * size] for place in range(len(labels))]
    return {
        label: _joined([image for image in images if image is not None], size)
        for label, images in zip(labels, of_class, strict=True)
    }


def _annotation(image: int, box: np.ndarray, *, label: np.floating[Any]) -> dict[str, Any]:
    """Returns a box (4,), x1 y1 x2 y2, as COCO has it."""
    corner, size = box[:2], box[2:] - box[:2]
    where = {"bbox": [*corner.tolist(), *size.tolist()], "area": float(size.prod())}
    return {"image_id": image, "category_id": int(label), "iscrowd": 0, **where}


def _joined(images: Sequence[dict[str, Any]], size: int) -> CocoMatches:
    """Returns the detections of a class in all images, of what pycocotools says of each."""
    objects = np.zeros(size)
    for each in images:
        objects[each["image_id"]] = np.sum(np.asarray(each["gtIgnore"]) == 0)
    scores = np.concatenate([each["dtScores"] for each in images])
    order = np.argsort(-scores, kind="mergesort")  # as it does
    matched = np.concatenate([each["dtMatches"] for each in images], axis=1)[:, order] > 0
    counted = np.concatenate([each["dtIgnore"] for each in images], axis=1)[:, order] == 0
    names = np.concatenate([np.full(len(each["dtScores"]), each["image_id"], dtype=int) for each in images])[order]
    return CocoMatches(names, matched & counted, counted, objects)


def average_precisions(matches: CocoMatches, weights: np.ndarray | None = None) -> np.ndarray:
    """Returns a class's average precision at each overlap (T,), as COCO has it; NaN where there are no objects.

    Args:
        matches: of the class.
        weights: how often each image counts (I,); None for once.
    """
    weights = np.ones(len(matches.objects)) if weights is None else weights
    num_objects = weights @ matches.objects
    if not num_objects:
        return np.full(len(_OVERLAPS), np.nan)
    own = weights[matches.images]
    right = np.cumsum(own * matches.correct, axis=1)
    judged = np.cumsum(own * matches.counted, axis=1)
    precision = right / np.maximum(judged, np.spacing(1))
    falling = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    falling = np.pad(falling, ((0, 0), (0, 1)))  # 0 where a recall is not reached
    recall = right / num_objects
    places = [np.searchsorted(each, _RECALLS) for each in recall]
    return np.array([each[place].mean() for each, place in zip(falling, places, strict=True)])
