"""Reports of a detector: every object and every detection has its verdict, and the pictures show them."""

import csv
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader

from tests.callbacks.tiny_run import tiny_trainer
from zoo.callbacks.box_pictures import COLOURS, Boxes, draw_boxes
from zoo.callbacks.detection_examples import DetectionExamples
from zoo.callbacks.detection_report import DetectionReport
from zoo.callbacks.tensorboard import TensorBoard

TABLES = ["detections.csv", "intervals.csv", "per_class.csv"]
FILES = sorted([*TABLES, "confusion_matrix.png", "precision_recall.png", "worst_images.png"])
LEFT, RIGHT = [10.0, 10.0, 30.0, 30.0], [40.0, 10.0, 60.0, 30.0]
# In pixels of the original, twice those of the input; the last object is ignored.
OBJECTS = [[[*LEFT, 0, 0], [*RIGHT, 1, 0], [0, 40, 20, 60, 1, 1]], [[*LEFT, 1, 0]], []]
FOUND = [
    [[*LEFT, 0.9, 0], [*RIGHT, 0.8, 0], [0, 40, 20, 60, 0.7, 1], [*LEFT, 0.1, 1]],
    [],
    [[*RIGHT, 0.6, 1]],
]
EMPTY = {"objects": [0.0, 0, 0, 0, -1, 0], "detections": [0.0, 0, 0, 0, 0, -1]}


def filled(rows: list[list[list[float]]], name: str) -> Tensor:
    return torch.tensor([[*each, *[EMPTY[name]] * (4 - len(each))] for each in rows])


class Data(lightning.LightningDataModule):
    class_names = ("cat", "dog")
    sizes = {"val": 3}  # noqa: RUF012

    def preprocessing(self) -> dict[str, Any]:
        return {"mean": [0.5], "std": [0.5]}

    def sample_name(self, split: str, index: int) -> str:
        return f"{split}/{index}.jpg"

    def loader(self) -> DataLoader[dict[str, Tensor]]:
        content = torch.tensor([[0, 0, 40, 32]] * 3)
        batch = {"input": torch.zeros(3, 1, 40, 40), "index": torch.arange(3), "content": content}
        return DataLoader([{**batch, "scale": torch.full((3,), 0.5)}], batch_size=None)

    train_dataloader = val_dataloader = test_dataloader = loader


class Learner(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> Tensor:
        return self.weight.square()

    def test_step(self, batch: dict[str, Tensor], batch_idx: int) -> dict[str, Tensor]:
        parts = {"detections": filled(FOUND, "detections"), "objects": filled(OBJECTS, "objects")}
        return {**parts, "index": batch["index"]}

    validation_step = test_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_object_and_every_detection_has_its_verdict(tmp_path: Path) -> None:
    trainer = tiny_trainer(tmp_path, callbacks=[DetectionReport(tmp_path / "report")])
    trainer.test(Learner(), datamodule=Data(), verbose=False)
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == FILES
    rows = table(tmp_path / "report" / "detections.csv")
    assert [(row["name"], row["class"], row["verdict"], row["true_class"]) for row in rows] == [
        ("test/0.jpg", "cat", "right", "cat"),
        ("test/0.jpg", "cat", "other class", "dog"),
        ("test/0.jpg", "dog", "ignored", ""),
        ("test/0.jpg", "dog", "", ""),
        ("test/1.jpg", "", "missed", "dog"),
        ("test/2.jpg", "dog", "made up", ""),
    ]
    assert [rows[0][side] for side in ("x1", "y1", "x2", "y2")] == ["10.0", "10.0", "30.0", "30.0"]
    cat, dog = table(tmp_path / "report" / "per_class.csv")
    counts = ("objects", "found", "confused", "missed", "made_up")
    assert [cat[name] for name in counts] == ["1", "1", "0", "0", "0"]
    assert [dog[name] for name in counts] == ["2", "0", "1", "1", "1"]
    assert (float(cat["ap"]), float(cat["ap_voc"]), float(dog["ap_50"])) == (1, 1, 0)


def test_validations_of_a_fit_are_shown_and_leave_no_report(tmp_path: Path) -> None:
    logger = TensorBoard(tmp_path)
    callbacks = [DetectionExamples(num_images=2), DetectionReport(tmp_path / "report")]
    tiny_trainer(tmp_path, max_epochs=1, callbacks=callbacks, logger=logger).fit(Learner(), datamodule=Data())
    assert (tmp_path / "tensorboard" / "val").is_dir() and not (tmp_path / "report").exists()


def test_boxes_are_drawn_where_they_are_and_tiny_pictures_made_larger() -> None:
    boxes, labels = np.array([[5.0, 5, 15, 15]]), np.array([1])
    drawn = np.asarray(draw_boxes(Image.new("L", (32, 32)), boxes, labels, class_names=["cat", "dog"]))
    assert drawn.shape == (320, 320, 3)
    colour = [int(COLOURS[1][place : place + 2], 16) for place in (1, 3, 5)]
    assert drawn[100, 50].tolist() == drawn[100, 150].tolist() == drawn[150, 100].tolist() == colour
    assert drawn[100, 100].tolist() == drawn[200, 200].tolist() == [0, 0, 0]


def test_files_are_told_by_what_is_in_them() -> None:
    told = Boxes(["cat", "dog"])
    found, nothing = filled(FOUND, "detections")[:2]
    assert told.line({"detections": found}) == "2 cat, 1 dog"
    assert told.rows({"detections": found})[0] == ["cat", "0.9", "10.0", "10.0", "30.0", "30.0"]
    assert told.line({"detections": nothing}) == "nothing"
    assert told.rows({"detections": nothing}) == [[""] * 6]
