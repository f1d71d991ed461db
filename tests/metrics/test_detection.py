"""Average precision by hand, and against pycocotools itself."""

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torch import Tensor

from zoo.metrics.detection import COCOAveragePrecision, VOCAveragePrecision

NOTHING = [0.0, 0.0, 0.0, 0.0, 0.0, -1.0]
BOX, FAR = [10.0, 10.0, 30.0, 30.0], [60.0, 60.0, 90.0, 90.0]


def images(*rows: list[list[float]], width: int = 4) -> Tensor:
    """Rows of each image, filled up."""
    padded = [[*each, *[NOTHING] * (width - len(each))] for each in rows]
    return torch.tensor(padded)


def no_objects(count: int) -> Tensor:
    return torch.tensor([[[0, 0, 0, 0, -1, 0]] * 4] * count).float()


def objects(*rows: list[list[float]]) -> Tensor:
    filled = no_objects(len(rows))
    for place, each in enumerate(rows):
        if each:
            filled[place, : len(each)] = torch.tensor(each)
    return filled


def coco(preds: Tensor, targets: Tensor, **options: object) -> dict[str, float]:
    metric = COCOAveragePrecision(**options)
    for each in zip(preds.split(2), targets.split(2), strict=True):
        metric.update(*each)
    return {name: float(value) for name, value in metric.compute().items()}


def voc(preds: Tensor, targets: Tensor, num_classes: int = 2) -> Tensor:
    metric = VOCAveragePrecision(num_classes, per_class=True)
    metric.update(preds, targets)
    return metric.compute()


def test_a_perfect_detector_reaches_one() -> None:
    preds, targets = images([[*BOX, 0.9, 0]], [[*FAR, 0.8, 1]]), objects([[*BOX, 0, 0]], [[*FAR, 1, 0]])
    assert coco(preds, targets) == {"map": 1.0, "map_50": 1.0}
    assert voc(preds, targets).tolist() == [1, 1]


def test_nothing_found_is_zero_and_a_class_without_objects_does_not_count() -> None:
    preds, targets = images([]), objects([[*BOX, 0, 0]])
    assert coco(preds, targets)["map"] == 0
    values = voc(preds, targets)
    assert values[0] == 0 and values[1].isnan()


def test_data_without_any_object_give_zero_not_minus_one() -> None:
    preds, targets = images([[*BOX, 0.9, 0]]), objects([])
    assert coco(preds, targets, detailed=True) == {"map": 0, "map_50": 0, "map_75": 0, "mar_100": 0}


def test_a_box_that_is_found_twice_counts_once() -> None:
    preds = images([[*BOX, 0.9, 0], [*BOX, 0.8, 0], [*FAR, 0.7, 0]])
    targets = objects([[*BOX, 0, 0], [*FAR, 0, 0]])
    # Recall 1/2 at precision 1, then 1 at 2/3.
    assert float(voc(preds, targets)[0]) == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


def test_detections_of_ignored_objects_are_neither_right_nor_wrong() -> None:
    preds, targets = images([[*FAR, 0.9, 0], [*BOX, 0.8, 0]]), objects([[*BOX, 0, 0], [*FAR, 0, 1]])
    assert coco(preds, targets)["map"] == 1
    assert voc(preds, targets)[0] == 1


def test_sizes_are_told_apart_and_those_that_do_not_occur_left_out() -> None:
    preds, targets = images([[*BOX, 0.9, 0]]), objects([[*BOX, 0, 0], [0, 0, 200, 200, 0, 0]])
    values = coco(preds, targets, detailed=True)
    assert values["map_small"] == 1 and values["map_large"] == 0 and "map_medium" not in values
    assert values["mar_100"] == 0.5


def test_it_is_what_pycocotools_says() -> None:
    preds, targets = made_up(images=12)
    values = coco(preds, targets, detailed=True)
    expected = pycocotools(preds, targets)
    names = ["map", "map_50", "map_75", "map_small", "map_medium", "map_large"]
    assert [values[name] for name in names] == pytest.approx(expected[:6], abs=1e-6)
    assert values["mar_100"] == pytest.approx(expected[8], abs=1e-6)
    assert 0.05 < values["map"] < 0.95  # a case that tells something


def made_up(*, images: int) -> tuple[Tensor, Tensor]:
    draw = np.random.default_rng(0)
    found, truth = np.tile(NOTHING, (images, 30, 1)), np.tile([0.0, 0, 0, 0, -1, 0], (images, 10, 1))
    for own, objects in zip(found, truth, strict=True):
        for row in range(draw.integers(0, 10)):
            corner, size = draw.uniform(0, 300, 2), draw.uniform(8, 150, 2)
            box = [*corner, *(corner + size)]
            objects[row] = [*box, draw.integers(3), draw.random() < 0.15]
            for copy in range(draw.integers(0, 3)):
                moved = np.array(box) + draw.normal(0, 0.06, 4) * np.tile(size, 2)
                label = objects[row, 4] if draw.random() < 0.8 else draw.integers(3)
                own[3 * row + copy] = [*moved, draw.random(), label]
        own[:] = own[np.argsort(-own[:, 4], kind="stable")]
    return torch.from_numpy(found).float(), torch.from_numpy(truth).float()


def pycocotools(preds: Tensor, targets: Tensor) -> list[float]:
    truth = [
        {
            "image_id": place,
            "category_id": int(row[4]),
            "bbox": [*row[:2].tolist(), *(row[2:4] - row[:2]).tolist()],
            "area": float((row[2:4] - row[:2]).prod()),
            "iscrowd": int(row[5]),
        }
        for place, own in enumerate(targets.double())
        for row in own
        if row[4] >= 0
    ]
    found = [
        {
            "image_id": place,
            "category_id": int(row[5]),
            "bbox": [*row[:2].tolist(), *(row[2:4] - row[:2]).tolist()],
            "score": float(row[4]),
        }
        for place, own in enumerate(preds.double())
        for row in own
        if row[5] >= 0
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        reference = COCO()
        reference.dataset = {
            "images": [{"id": place} for place in range(len(preds))],
            "categories": [{"id": label} for label in range(3)],
            "annotations": [{"id": number + 1, **each} for number, each in enumerate(truth)],
        }
        reference.createIndex()
        judge = COCOeval(reference, reference.loadRes(found), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return judge.stats.tolist()
