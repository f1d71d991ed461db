"""Detection: losses by part, boxes in pixels of the original, what is judged, one batch by heart."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.metrics.detection import COCOAveragePrecision
from zoo.models.detection.tiny_detector import TinyDetector
from zoo.tasks.detection import DetectionTask


class Knowing(nn.Module):
    """Finds what it was told."""

    def __init__(self, found: Tensor) -> None:
        super().__init__()
        self.found, self.scale = found, nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.found[: len(images)]

    def losses(self, outputs: Tensor, boxes: Tensor, labels: Tensor, ignored: Tensor) -> dict[str, Tensor]:
        return {"class_loss": self.scale, "box_loss": 2 * self.scale}

    def detect(self, outputs: Tensor) -> Tensor:
        return outputs


def task(model: nn.Module, **options: Any) -> DetectionTask:
    metrics = {"coco": COCOAveragePrecision()}
    return DetectionTask(model, optimizer=partial(torch.optim.AdamW, lr=0.003), metrics=metrics, **options)


def batch(scale: float = 1.0) -> dict[str, Tensor]:
    """Two images of squares on grey: one with two of them, of which one is ignored, one with none."""
    boxes = torch.tensor([[[8.0, 8, 24, 24], [32, 32, 56, 56]], [[0, 0, 0, 0]] * 2])
    labels = torch.tensor([[0, 1], [-1, -1]])
    images = torch.zeros(2, 1, 64, 64)
    images[0, 0, 8:24, 8:24], images[0, 0, 32:56, 32:56] = 2.0, -2.0
    ignored = torch.tensor([[False, True], [False, False]])
    scales = torch.full((2,), scale)
    return {
        "input": images,
        "boxes": boxes,
        "labels": labels,
        "ignored": ignored,
        "content": torch.tensor([[0, 0, 64, 60]] * 2),
        "scale": scales,
        "index": torch.arange(2),
    }


def test_boxes_are_judged_in_pixels_of_the_original() -> None:
    found = torch.tensor([[[8.0, 8, 24, 24, 0.9, 0]], [[0, 0, 0, 0, 0, -1]]])
    learner = task(Knowing(found)).eval()
    outputs = learner.validation_step(batch(scale=0.5), 0)
    assert outputs["detections"][0].tolist() == [[16, 16, 48, 48, pytest.approx(0.9), 0]]
    assert outputs["objects"][0].tolist() == [[16, 16, 48, 48, 0, 0], [64, 64, 112, 112, 1, 1]]
    values = learner.val_record.compute()
    assert {name: float(value) for name, value in values.items()} == {
        "loss": 3.0,
        "class_loss": 1.0,
        "box_loss": 2.0,
        "map": 1.0,
        "map_50": 1.0,
    }


def test_boxes_end_where_the_image_does() -> None:
    found = torch.tensor([[[-8.0, 8, 24, 63, 0.9, 0]]] * 2)
    outputs = task(Knowing(found)).eval().predict_step(batch(), 0)
    assert outputs["detections"][0, 0, :4].tolist() == [0, 8, 24, 60]


def test_a_model_that_finds_nothing_by_its_nature_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model Linear: has no losses and detect, .*; set model=tiny_detector"):
        task(nn.Linear(2, 2))


def test_no_more_detections_are_judged_than_asked_for() -> None:
    found = torch.tensor([[[0.0, 0, 9, 9, 0.9, 0], [8, 8, 24, 24, 0.8, 0]]] * 2)
    learner = task(Knowing(found), max_detections=1).eval()
    learner.test_step(batch(), 0)
    assert learner.test_record.compute()["map"] == 0


def test_one_batch_is_learned_by_heart() -> None:
    torch.manual_seed(0)
    each = batch()
    each["ignored"] = torch.zeros(2, 2, dtype=torch.bool)
    learner = task(TinyDetector(2, 1, width=8, head_width=16, strides=[8, 16]))
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.01)
    for _ in range(50):
        loss = learner.losses(learner(each), each)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learner.eval().validation_step(each, 0)
    assert learner.val_record.compute()["map_50"] == 1
