"""Bad annotations: each is named by file and line, in one line, before training; or left out with a warning."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data import boxes_on_disk
from tests.data.boxes_on_disk import things, xml
from tests.faults.test_bad_data import raised
from zoo.data.annotations import judge
from zoo.data.coco import COCODetection
from zoo.data.detection_csv import DetectionCSV
from zoo.data.detection_files import DetectionFiles
from zoo.data.voc import VOCDetection
from zoo.data.yolo import YOLODetection

COUNT = 20  # pictures, with 30 objects


def voc_with(root: Path, text: str) -> DetectionFiles:
    boxes_on_disk.voc(root, COUNT)
    (root / "19.xml").write_text(text)
    return VOCDetection(root=str(root), image_size=32, batch_size=4)


def voc_box(*corners: float | str, name: str = "cat") -> Callable[[Path], DetectionFiles]:
    return lambda root: voc_with(root, xml([*things(0), (name, *corners)]))


def coco_with(root: Path, change: Callable[[dict], None]) -> DetectionFiles:
    boxes_on_disk.coco(root, COUNT)
    document = boxes_on_disk.coco_of(COUNT)
    change(document)
    (root / "annotations" / "instances_train.json").write_text(json.dumps(document, indent=1))
    return COCODetection(root=str(root), image_size=32, batch_size=4)


def coco_entry(kind: str, **changes: object) -> Callable[[Path], DetectionFiles]:
    return lambda root: coco_with(root, lambda document: document[kind][1].update(changes))


def yolo_line(line: str) -> Callable[[Path], DetectionFiles]:
    def make(root: Path) -> DetectionFiles:
        boxes_on_disk.yolo(root, COUNT)
        with (root / "labels" / "00.txt").open("a") as file:
            file.write(line + "\n")
        return YOLODetection(root=str(root), image_size=32, batch_size=4)

    return make


def csv_row(row: str) -> Callable[[Path], DetectionFiles]:
    def make(root: Path) -> DetectionFiles:
        path = boxes_on_disk.csv(root, COUNT)
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:3], row, *lines[3:]]))
        return DetectionCSV(path=str(path), image_size=32, batch_size=4)

    return make


def without_image(root: Path) -> DetectionFiles:
    data = voc_with(root, xml(things(0)))
    (root / "07.png").unlink()
    return data


def damaged_image(root: Path) -> DetectionFiles:
    data = voc_with(root, xml(things(0)))
    (root / "07.png").write_bytes(b"not an image")
    return data


ENTITIES = '<!DOCTYPE a [<!ENTITY b "c">]>\n<annotation>&b;</annotation>'
COCO = "annotations/instances_train.json"
SECOND = f"{COCO}:136 annotation 2"
BAD_OBJECTS = {
    "no width": (voc_box(9, 5, 9, 9), "19.xml:9: box 9 5 9 9 has no width"),
    "turned over": (voc_box(5, 9, 9, 5), "19.xml:9: box 5 9 9 5 has no height"),
    "outside": (voc_box(41, 5, 49, 9), "19.xml:9: box 41 5 49 9 lies outside the image, which has 40x30 pixels"),
    "not finite": (voc_box("nan", 5, "inf", 9), "19.xml:9: box nan 5 inf 9 is not finite"),
    "no number": (voc_box("x", 5, 9, 9), "19.xml:9: xmin is no number (x)"),
    "no corner": (voc_box("", 5, 9, 9), "19.xml:9: no xmin"),
    "no name": (voc_box(1, 5, 9, 9, name=""), "19.xml:9: object without a name"),
    "category nowhere": (coco_entry("annotations", category_id=5), f"{SECOND}: its category_id 5"),
    "image nowhere": (coco_entry("annotations", image_id=5), f"{SECOND}: its image_id 5 is that of no"),
    "three numbers": (coco_entry("annotations", bbox=[1, 2, 3]), f"{SECOND}: its bbox is [1, 2, 3]"),
    "negative side": (coco_entry("annotations", bbox=[9, 2, -3, 5]), f"{SECOND}: box 9 2 6 7 has no"),
    "enormous": (coco_entry("annotations", bbox=[1, 2, 3, 10**400]), f"{SECOND}: its bbox is [1, 2, 3, 10000"),
    "class too high": (yolo_line("2 0.5 0.5 0.1 0.1"), "labels/00.txt:2: class 2, but the 2 classes are 0 to 1"),
    "class of a half": (yolo_line("0.5 0.5 0.5 0.1 0.1"), "labels/00.txt:2: class 0.5 is no whole number from 0 on"),
    "pixels": (yolo_line("1 15 12 9 9"), "labels/00.txt:2: box 420 225 780 495 lies outside the image"),
    "words": (yolo_line("cat 0.5 0.5 0.1 0.1"), "labels/00.txt:2: holds something else than numbers (cat 0.5"),
    "too few": (yolo_line("1 0.5 0.5 0.1"), "labels/00.txt:2: has 4 numbers, not a class and cx cy width height"),
    "empty cell": (csv_row("01.png,cat,1,,5,6"), "boxes.csv row 4: column y1 is empty"),
    "text": (csv_row("01.png,cat,1,two,5,6"), "boxes.csv row 4: column y1 is no number (two)"),
    "no class": (csv_row("01.png,,1,2,5,6"), "boxes.csv row 4: has a box but no class"),
    "missing cells": (csv_row("01.png,cat,1"), "boxes.csv row 4: has 3 cells, the header 6"),
}
BAD_PICTURES = {
    "missing image": (without_image, "07.xml: the image {}/image.jpg is missing"),
    "damaged image": (damaged_image, "07.xml: {}/07.png cannot be read as an image (it is text)"),
    "cut off": (lambda root: voc_with(root, xml(things(0))[:-20]), "19.xml:8: is no XML (unclosed token)"),
    "empty": (lambda root: voc_with(root, ""), "19.xml:1: is no XML (no element found)"),
    "entities": (lambda root: voc_with(root, ENTITIES), "19.xml:1: declares entities, which no annotation needs"),
    "other size": (lambda root: voc_with(root, xml([], size=(64, 48))), "19.xml: {}/19.png has 40x30 pixels, but 64"),
    "other XML": (lambda root: voc_with(root, "<svg/>"), "19.xml:1: is no annotation of Pascal VOC, but svg"),
    "file nowhere": (coco_entry("images", file_name="x.jpg"), f"{COCO} image 101: the image {{}}/images/train/x.jpg"),
}
BAD = BAD_OBJECTS | BAD_PICTURES


@pytest.mark.parametrize("kind", BAD)
def test_what_is_bad_is_named_before_training_and_can_be_left_out(kind, tmp_path, caplog):
    make, line = BAD[kind]
    data = make(tmp_path)
    expected = f"{tmp_path}/{line.format(tmp_path)}"
    said = raised(data.facts)
    assert said.startswith(expected)
    assert said.endswith("set data.on_bad_sample=skip; `python -m zoo check` with the same options lists all")
    listed = [f"{name}: {problem}" for name, problem in data.scan()]
    assert len(listed) == 1 and listed[0].startswith(expected)
    data.on_bad_sample = "skip"
    data.facts()
    (record,) = caplog.records
    assert record.levelname == "WARNING" and expected in record.getMessage()
    assert record.getMessage().startswith(f"left out 1 of {'20 images' if kind in BAD_PICTURES else ''}")
    assert sum(data.sizes.values()) == (19 if kind in BAD_PICTURES else 20)


def test_more_than_one_problem_is_counted_and_too_many_are_not_left_out(tmp_path):
    boxes_on_disk.voc(tmp_path, COUNT)
    for number in range(5):
        (tmp_path / f"{number:02}.xml").write_text(xml([("cat", 5, 5, 5, 9)]))
    data = VOCDetection(root=str(tmp_path))
    assert "00.xml:4: box 5 5 5 9 has no width, and 4 more problems; mend it" in raised(data.facts)
    data.on_bad_sample = "skip"
    assert "4 more problems: 5 of 28 objects are bad; mend them, since at most 10% are left out" in raised(data.facts)


def test_a_class_that_is_not_among_those_given_is_named(tmp_path):
    data = VOCDetection(root=str(boxes_on_disk.voc(tmp_path)), classes=["cat"])
    assert "01.xml:9: class dog is none of cat, and 4 more problems" in raised(data.facts)


def test_a_class_that_only_another_split_has_is_named(tmp_path):
    boxes_on_disk.voc(tmp_path / "train", 4)
    boxes_on_disk.voc(tmp_path / "val", 1)
    (tmp_path / "val" / "00.xml").write_text(xml([("bird", 1, 2, 8, 9)]))
    assert "val/00.xml:4: class bird is none of cat, dog" in raised(VOCDetection(root=str(tmp_path)).facts)


def test_boxes_that_reach_out_are_clipped(tmp_path, caplog):
    data = voc_with(tmp_path, xml([("cat", 35.5, 20, 41, 31), ("dog", -8, 2, 9, 45)]))
    assert judge(data.read()).splits["train"][-1].boxes.tolist() == [[35.5, 20, 40, 30], [0, 2, 9, 30]]
    data.facts()
    (record,) = caplog.records
    assert "clipped to their images 1 of the boxes" in record.getMessage()
    assert f"most {tmp_path}/19.xml:9 by 15 pixels" in record.getMessage()


@pytest.mark.parametrize("size", [None, (0, 0)])
def test_a_size_that_is_not_written_down_is_that_of_the_image(size, tmp_path):
    data = voc_with(tmp_path, xml(things(1), size=size))
    assert judge(data.read()).splits["train"][-1].boxes.tolist() == [list(corners) for _, *corners in things(1)]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_boxes_on_an_image_as_it_is_stored_are_turned_with_it(orientation, tmp_path):
    pixels = np.zeros((30, 40, 3), dtype=np.uint8)
    pixels[4:10, 6:20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "00.png", exif=exif)
    upright = Image.open(tmp_path / "00.png")
    from PIL import ImageOps

    shown = np.array(ImageOps.exif_transpose(upright))
    rows, columns = np.nonzero(shown[..., 0])
    around = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    swapped = orientation >= 5
    for box, size in ((around, shown.shape[1::-1]), ((6, 4, 20, 10), (40, 30))):
        if size == (40, 30) and not swapped:
            box = around  # as tools show it
        (tmp_path / "00.xml").write_text(xml([("cat", *box)], size=tuple(size)))
        assert judge(VOCDetection(root=str(tmp_path)).read()).splits["train"][0].boxes.tolist() == [around]


def test_json_that_is_none_is_named_by_its_line(tmp_path):
    boxes_on_disk.coco(tmp_path)
    path = tmp_path / "annotations" / "instances_train.json"
    path.write_text(path.read_text()[:-200])
    assert raised(COCODetection(root=str(tmp_path)).facts).startswith(f"{path}:")
    path.write_text('{"images": [], "annotations": 3}')
    assert raised(COCODetection(root=str(tmp_path)).facts).startswith(f"{path}: has no list of annotations; ")
    path.write_text("[" * 100_000)
    assert raised(COCODetection(root=str(tmp_path)).facts).startswith(f"{path}: is nested too deeply; ")


def test_images_without_any_object_cannot_be_trained_on(tmp_path):
    boxes_on_disk.draw(tmp_path / "00.png")
    (tmp_path / "00.xml").write_text("<annotation/>")
    assert "no class of an object on any of 1 images" in raised(VOCDetection(root=str(tmp_path)).facts)
