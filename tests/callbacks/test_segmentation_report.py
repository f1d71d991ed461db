"""What is told of a segmentation: tables, pictures in the report and in TensorBoard, colours."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from zoo.callbacks.mask_pictures import class_colours, comparison, overlay
from zoo.callbacks.predicted_masks import Masks
from zoo.callbacks.segmentation_report import markdown, per_class
from zoo.config.entry import compose
from zoo.data.mask_scan import read_mask
from zoo.run import train

NAMES = ["background", "cat", "dog|wolf"]


def test_the_table_of_classes_says_what_the_confusions_say():
    classes = per_class(np.array([[8, 1, 1], [2, 8, 0], [0, 0, 0]]), NAMES)
    assert classes[1].iou == 8 / 11 and classes[1].dice == 16 / 19
    assert (classes[1].precision, classes[1].recall, classes[1].pixels) == (8 / 9, 0.8, 10)
    assert np.isnan(classes[2].recall)
    assert r"| dog\|wolf | 0.000 |" in markdown(classes)


def test_a_background_keeps_the_image_and_pixels_without_a_class_become_grey():
    image = np.full((2, 2, 3), 200, dtype=np.uint8)
    picture = overlay(image, np.array([[0, 1], [2, -100]]), NAMES, opacity=1.0)
    assert (picture[0, 0] == 200).all() and (picture[1, 1] == 128).all()
    assert (picture[0, 1] == class_colours(NAMES)[1]).all()
    everything = overlay(image, np.zeros((2, 2), dtype=int), ["sky", "sea"], opacity=1.0)
    assert (everything == class_colours(["sky", "sea"])[0]).all()
    assert len(np.unique(class_colours([str(number) for number in range(1, 151)]), axis=0)) == 150


def test_images_truth_and_predictions_stand_side_by_side():
    images = [np.zeros((20, 30, 1), dtype=np.uint8), np.zeros((30, 20, 3), dtype=np.uint8)]
    classes = [np.ones(image.shape[:2], dtype=int) for image in images]
    picture = comparison(images, classes, classes, NAMES, captions=["a", "b"], title="both")
    assert picture.ndim == 3 and picture.shape[1] > picture.shape[0] > 100
    colours = picture.reshape(-1, 3)
    assert (abs(colours - 0.6 * class_colours(NAMES)[1]) <= 1).all(1).sum() > 2000


def test_a_prediction_is_told_by_the_shares_of_its_classes_and_a_mask(tmp_path):
    said = {"masks": torch.tensor([[0.0, 0.0], [0.0, 2.0]])}
    masks = Masks(NAMES)
    assert masks.rows(said) == [["background", "0.75"], ["dog|wolf", "0.25"]]
    assert masks.line(said) == "background 75.0 %, dog|wolf 25.0 %"
    assert masks.draw(Image.new("RGB", (200, 100)), said).width == 200
    masks.mask((4, 6), said).save(tmp_path / "mask.png")
    assert np.array_equal(np.unique(read_mask(tmp_path / "mask.png")), [0, 2])
    assert read_mask(tmp_path / "mask.png").shape == (6, 4)


def test_a_run_shows_fixed_images_and_reports_the_worst(tmp_path):
    counts = [f"data.source.num_{split}={count}" for split, count in (("train", 16), ("val", 9), ("test", 5))]
    size = [
        "data=digits_segmentation",
        "data.image_size=32",
        "data.source.largest=20",
        "data.batch_size=8",
        "model.depth=1",
        "model.width=2",
    ]
    train(compose([*size, *counts, "trainer=cpu", "trainer.max_epochs=3", f"output_dir={tmp_path}"]))
    report = tmp_path / "report"
    assert {path.name for path in report.iterdir()} == {
        "confusion_matrix.png",
        "intervals.csv",
        "per_class.csv",
        "per_image.csv",
        "worst_images.png",
    }
    rows = list(csv.DictReader((report / "per_image.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == [f"test[{number}]" for number in range(5)]
    assert len((report / "per_class.csv").read_text().splitlines()) == 12
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    bounded = list(csv.DictReader((report / "intervals.csv").read_text().splitlines()))
    assert [row["metric"] for row in bounded] == ["mean_iou", "mean_dice", "pixel_accuracy"]
    for row in bounded:
        assert float(row["value"]) == pytest.approx(metrics[f"test/{row['metric']}"], abs=1e-5)
        assert float(row["low"]) < float(row["value"]) < float(row["high"])
    events = EventAccumulator(str(tmp_path / "tensorboard" / "val"), size_guidance={"images": 0})
    events.Reload()
    assert [event.step for event in events.Images("report/segmentation")] == [2, 4]
