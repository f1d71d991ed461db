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
