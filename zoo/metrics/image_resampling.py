"""How far metrics of a whole data set may be off that are no means over its images, by drawing images again.

Bradley Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979: as many images as there are, each as often as
chance has it. Of the values that such draws give the standard deviation is taken, which few draws tell well.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from zoo.metrics.coco_matching import CocoMatches, average_precisions

Z = 1.959964  # of the 95 % interval
_DRAWS = 200
_SHOWN = {"map": slice(None), "map_50": slice(0, 1), "map_75": slice(5, 6)}  # of the overlaps


class Bounded(NamedTuple):
    """A metric and its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float


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


def bounded_precisions(classes: Collection[CocoMatches]) -> list[Bounded]:
    """Returns COCO's mean average precisions of detections with their intervals.

    Args:
        classes: of each class what `match_coco` says; those without an object do not count.
    """
    known = [each for each in classes if each.objects.any()]
    if not known:
        return []

    def precisions(weights: np.ndarray) -> np.ndarray:
        values = np.array([average_precisions(each, weights) for each in known])  # (K, T)
        return np.array([_mean(values[:, overlaps]) for overlaps in _SHOWN.values()])

    return _bounded(tuple(_SHOWN), precisions, len(known[0].objects))


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
