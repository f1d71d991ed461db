"""Which detections find an object, as Pascal VOC counts them, and the curve of precision against recall.

Arrays are as in `zoo.metrics.detection`: detections (D, 6), x1 y1 x2 y2 score label, objects (M, 6), x1 y1 x2 y2 label
ignored, both of an image and filled up with label -1.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIN_OVERLAP = 0.5


class Matches(NamedTuple):
    """The detections of a class over all images, best first, without those that count neither way.

    Attributes:
        scores: (N,).
        correct: (N,), whether each finds an object that no better one has found.
        num_objects: how many there are to be found.
    """

    scores: np.ndarray
    correct: np.ndarray
    num_objects: int

    @property
    def recall(self) -> np.ndarray:
        """Share of the objects that are found down to each detection (N,)."""
        found: np.ndarray = np.cumsum(self.correct) / max(self.num_objects, 1)
        return found

    @property
    def precision(self) -> np.ndarray:
        """Share of the detections down to each one that are correct (N,)."""
        share: np.ndarray = np.cumsum(self.correct) / np.arange(1, len(self.correct) + 1)
        return share


def match(
    found: Sequence[np.ndarray], objects: Sequence[np.ndarray], label: int, *, min_overlap: float = MIN_OVERLAP
) -> Matches:
    """Judges the detections of one class.

    Args:
        found: of each image (D, 6).
        objects: of each image (M, 6).
        label: the class.
        min_overlap: intersection over union from which on an object is found.
    """
    scores, correct, counted, num_objects = [], [], [], 0
    for own, truth in zip(found, objects, strict=True):
        own, truth = own[own[:, 5] == label], truth[truth[:, 4] == label]
        own = own[np.argsort(-own[:, 4], kind="stable")]
        ignored = truth[:, 5] > 0
        num_objects += int((~ignored).sum())
        taken = np.zeros(len(truth), dtype=bool)
        overlaps = overlap(own[:, :4], truth[:, :4])
        for row in range(len(own)):
            best = int(overlaps[row].argmax()) if len(truth) else -1
            hit = best >= 0 and overlaps[row, best] >= min_overlap
            scores.append(own[row, 4])
            counted.append(not (hit and ignored[best]))
            correct.append(hit and not ignored[best] and not taken[best])
            if hit:
                taken[best] = True
    kept = np.array(counted, dtype=bool)
    order = np.argsort(-np.array(scores)[kept], kind="stable")
    return Matches(np.array(scores)[kept][order], np.array(correct, dtype=bool)[kept][order], num_objects)


def average_precision(matches: Matches) -> float:
    """Returns the area under the curve of precision, made to fall, against recall; NaN without objects."""
    if not matches.num_objects:
        return float("nan")
    falling = np.maximum.accumulate(matches.precision[::-1])[::-1]
    steps = np.diff(matches.recall, prepend=0.0)
    return float(steps @ falling)


def overlap(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Returns the intersection over union of boxes (N, 4) with boxes (M, 4), as (N, M)."""
    corner = np.maximum(first[:, None, :2], second[None, :, :2])
    opposite = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.clip(opposite - corner, 0, None).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second)]
    found: np.ndarray = common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-9)
    return found


class Verdicts(NamedTuple):
    """What became of the detections and the objects of an image.

    Attributes:
        partners: of each detection the object that it is about, -1 where it is about none, -2 where it does not count.
        found: of each object, whether a detection is about it.
    """

    partners: np.ndarray
    found: np.ndarray


def judge(found: np.ndarray, truth: np.ndarray, *, min_overlap: float = MIN_OVERLAP) -> Verdicts:
    """Pairs the detections of an image with its objects, whatever class they are given: the best detection first.

    Args:
        found: (D, 6), those that are to be judged.
        truth: (M, 6).
        min_overlap: intersection over union from which on a detection is about an object.
    """
    partners = np.full(len(found), -1)
    is_found, ignored = np.zeros(len(truth), dtype=bool), truth[:, 5] > 0
    overlaps = overlap(found[:, :4], truth[:, :4])
    # At equal overlap the object of the detection's own class comes first.
    overlaps += 1e-6 * (found[:, 5, None] == truth[None, :, 4])
    for row in np.argsort(-found[:, 4], kind="stable").tolist():
        free = np.where(is_found & ~ignored, -1.0, overlaps[row])
        best = int(free.argmax()) if len(truth) else -1
        if best >= 0 and free[best] >= min_overlap:
            partners[row] = -2 if ignored[best] else best
            is_found[best] = True
    return Verdicts(partners, is_found)


def confusions(found: np.ndarray, truth: np.ndarray, verdicts: Verdicts, *, num_classes: int) -> np.ndarray:
    """Returns how often each class (row) was taken for each (column), (K + 1, K + 1); the last is that of nothing.

    Objects that were not found are in the last column, and detections of what is not there in the last row.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), dtype=np.int64)
    for label, partner in zip(found[:, 5].astype(int), verdicts.partners, strict=True):
        if partner != -2:
            counts[int(truth[partner, 4]) if partner >= 0 else num_classes, label] += 1
    for label in truth[~verdicts.found & (truth[:, 5] == 0), 4].astype(int):
        counts[label, num_classes] += 1
    return counts
