"""Intervals of metrics of all images together: their values are those of the metrics, their widths those of chance."""

import numpy as np
import pytest
import torch

from zoo.metrics.coco_matching import match_coco
from zoo.metrics.detection import COCOAveragePrecision
from zoo.metrics.image_resampling import Bounded, bounded_precisions, bounded_shares

NUM_CLASSES = 3


def boxes(images: int, seed: int = 0) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns detections and objects of images: some found well, some badly, some missed, made up or ignored."""
    draw = np.random.default_rng(seed)
    found, objects = [], []
    for _ in range(images):
        count = draw.integers(1, 6)
        corner, side = draw.uniform(0, 80, (count, 2)), draw.uniform(10, 40, (count, 2))
        labels = draw.integers(0, NUM_CLASSES, (count, 1))
        truth = np.hstack([corner, corner + side, labels, draw.random((count, 1)) < 0.1]).astype(np.float64)
        seen = truth[draw.random(count) < 0.8]
        moved = seen[:, :4] + draw.normal(0, 3, (len(seen), 4))
        wrong = draw.integers(0, NUM_CLASSES, (len(seen), 1))
        named = np.where(draw.random((len(seen), 1)) < 0.8, seen[:, 4:5], wrong)
        made_up = draw.uniform(0, 50, (draw.integers(0, 3), 2))
        rows = np.vstack([moved, np.hstack([made_up, made_up + 20])])
        names = np.vstack([named, draw.integers(0, NUM_CLASSES, (len(made_up), 1))])
        found.append(np.hstack([rows, draw.random((len(rows), 1)), names]))
        objects.append(truth)
    return found, objects


def precisions(found: list[np.ndarray], objects: list[np.ndarray]) -> list[float]:
    """Returns `map` and `map_50` as torchmetrics and pycocotools have them."""
    metric = COCOAveragePrecision()
    for preds, targets in zip(found, objects, strict=True):
        metric.update(torch.from_numpy(preds)[None], torch.from_numpy(targets)[None])
    values = metric.compute()
    return [float(values["map"]), float(values["map_50"])]


def bounded(found: list[np.ndarray], objects: list[np.ndarray], **options: int) -> list[Bounded]:
    return bounded_precisions(match_coco(found, objects, **options).values())


def width(bounded: Bounded) -> float:
    return bounded.high - bounded.low


def test_precisions_are_cocos() -> None:
    found, objects = boxes(40)
    precision = bounded(found, objects)
    assert [each.metric for each in precision] == ["map", "map_50", "map_75"]
    assert [each.value for each in precision[:2]] == pytest.approx(precisions(found, objects), abs=1e-5)
    assert all(0 <= each.low < each.value < each.high <= 1 for each in precision)


def test_the_interval_of_a_precision_is_as_wide_as_other_images_make_it() -> None:
    truth = np.array([precisions(*boxes(40, seed)) for seed in range(1, 81)])
    precision = bounded(*boxes(40))
    for each, spread in zip(precision, truth.std(0), strict=False):
        assert width(each) / 2 == pytest.approx(1.96 * spread, rel=0.35)


def test_at_most_so_many_detections_of_an_image_are_judged() -> None:
    found, objects = boxes(40)
    best = [own[np.argsort(-own[:, 4])][:2] for own in found]
    # Of each class's best two all are kept that are among the image's best two.
    assert bounded(best, objects)[0].value < bounded(found, objects)[0].value
    assert bounded(found, objects, max_detections=1)[0].value < bounded(found, objects)[0].value


def test_without_objects_or_with_one_image_nothing_is_said() -> None:
    found, objects = boxes(4)
    assert bounded(found, [own[:0] for own in objects]) == []
    assert bounded(found[:1], objects[:1]) == []
    nothing = bounded([own[:0] for own in found], objects)
    assert [each[1:] for each in nothing] == [(0, 0, 0)] * 3


def pixels(images: int, seed: int = 0) -> np.ndarray:
    """Returns counts of 100 pixels an image in two classes, (I, 3, 2)."""
    draw = np.random.default_rng(seed)
    of_first = draw.integers(20, 80, images)
    right = np.stack([draw.binomial(of_first, 0.9), draw.binomial(100 - of_first, 0.7)], axis=1)
    true = np.stack([of_first, 100 - of_first], axis=1)
    predicted = right + (true - right)[:, ::-1]
    return np.stack([right, predicted, true], axis=1)


def test_shares_are_of_all_pixels_together() -> None:
    counts = pixels(50)
    right, predicted, true = counts.sum(0)
    iou, dice, accuracy = bounded_shares(counts)
    assert iou.value == pytest.approx((right / (predicted + true - right)).mean())
    assert dice.value == pytest.approx((2 * right / (predicted + true)).mean())
    assert accuracy.value == pytest.approx(right.sum() / true.sum())
    error = 1.96 * (counts[:, 0].sum(1) / 100).std() / np.sqrt(50)  # all are equally large
    assert width(accuracy) / 2 == pytest.approx(error, rel=0.2)


def test_four_times_the_images_halve_the_interval_of_a_share() -> None:
    few, many = bounded_shares(pixels(50)), bounded_shares(np.tile(pixels(50), (4, 1, 1)))
    assert [width(each) for each in many] == pytest.approx([width(each) / 2 for each in few], rel=0.2)


def test_a_class_that_is_nowhere_does_not_count() -> None:
    counts = pixels(50)
    padded = np.concatenate([counts, np.zeros((50, 3, 1), dtype=counts.dtype)], axis=2)
    assert bounded_shares(padded) == bounded_shares(counts)
