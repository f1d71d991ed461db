"""The same boxes, written down in different ways, are the same."""

import json
from pathlib import Path

import pytest

from tests.data import boxes_on_disk
from tests.data.boxes_on_disk import things
from zoo.data.annotations import Found, judge
from zoo.data.coco import COCODetection
from zoo.data.detection_csv import DetectionCSV
from zoo.data.detection_files import DetectionFiles
from zoo.data.voc import VOCDetection
from zoo.data.yolo import YOLODetection
from zoo.errors import DataError, OptionError

Shown = list[tuple[str, list[tuple[str, list[float]]]]]  # of each image, of each object: class and corners


def shown(data: DetectionFiles, split: str = "train") -> Shown:
    found = data.read()
    judged = judge(found)
    assert not judged.bad and not judged.clipped
    return [
        (
            sample.image.stem,
            [
                (found.class_names[label], box)
                for label, box in zip(sample.labels, sample.boxes.round(3).tolist(), strict=True)
            ],
        )
        for sample in judged.splits[split]
    ]


def expected(count: int = 10) -> Shown:
    return [(f"{number:02}", [(name, corners) for name, *corners in things(number)]) for number in range(count)]


def rearranged(root: Path) -> DetectionFiles:
    """The folders of the challenge, with lists."""
    boxes_on_disk.voc(root)
    for folder, pattern in (("JPEGImages", "*.png"), ("Annotations", "*.xml")):
        (root / folder).mkdir()
        for file in root.glob(pattern):
            file.rename(root / folder / file.name)
    (root / "ImageSets" / "Main").mkdir(parents=True)
    (root / "ImageSets" / "Main" / "trainval.txt").write_text("\n".join(f"{number:02}" for number in range(10)))
    return VOCDetection(root=str(root))


def apart(root: Path) -> DetectionFiles:
    """Images and XML files in folders of their own, under a folder of a split."""
    data = rearranged(root / "train")
    (root / "train" / "JPEGImages").rename(root / "train" / "images")
    (root / "train" / "Annotations").rename(root / "train" / "annotations")
    data.root = root
    return data


def exported(root: Path) -> DetectionFiles:
    """A folder a split, with a JSON file in each."""
    boxes_on_disk.images(root / "train")
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(boxes_on_disk.coco_of()))
    return COCODetection(root=str(root))


def named(root: Path) -> DetectionFiles:
    boxes_on_disk.images(root / "pictures")
    (root / "a.json").write_text(json.dumps(boxes_on_disk.coco_of()))
    return COCODetection(root=str(root), train_annotations="a.json")


def described(root: Path) -> DetectionFiles:
    boxes_on_disk.yolo(root / "train")
    (root / "data.yaml").write_text("train: ../train/images\nnc: 2\nnames: {0: cat, 1: dog}\n")
    return YOLODetection(root=str(root / "data.yaml"))


def sides(root: Path) -> DetectionFiles:
    """Columns of a width and a height, one of them by a name of its own."""
    boxes_on_disk.images(root)
    rows = [
        f"{row:02}.png;{x1};{y1};{x2 - x1};{y2 - y1};{name}"
        for row in range(10)
        for name, x1, y1, x2, y2 in things(row)
    ]
    (root / "boxes.csv").write_text("\n".join(["photo;x;y;width;height;label", *rows]))
    return DetectionCSV(path=str(root / "boxes.csv"), columns={"image": "photo"})


FORMATS = {
    "VOC beside each other": lambda root: VOCDetection(root=str(boxes_on_disk.voc(root))),
    "VOC with lists": rearranged,
    "VOC apart": apart,
    "COCO": lambda root: COCODetection(root=str(boxes_on_disk.coco(root))),
    "COCO exported": exported,
    "COCO named": named,
    "YOLO": lambda root: YOLODetection(root=str(boxes_on_disk.yolo(root))),
    "YOLO described": described,
    "CSV": lambda root: DetectionCSV(path=str(boxes_on_disk.csv(root))),
    "CSV of sides": sides,
}


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_says_the_same(form, tmp_path):
    assert shown(FORMATS[form](tmp_path)) == expected()


@pytest.mark.parametrize("form", ["VOC beside each other", "COCO", "YOLO", "CSV"])
def test_a_picture_without_objects_is_one(form, tmp_path):
    data = FORMATS[form](tmp_path)
    if form.startswith("VOC"):
        (tmp_path / "03.xml").write_text("<annotation/>")
    elif form == "COCO":
        path, document = tmp_path / "annotations" / "instances_train.json", boxes_on_disk.coco_of()
        document["annotations"] = [entry for entry in document["annotations"] if entry["image_id"] != 103]
        path.write_text(json.dumps(document))
    elif form == "YOLO":
        (tmp_path / "labels" / "03.txt").write_text("")
    else:
        text = (tmp_path / "boxes.csv").read_text()
        lines = [line for line in text.splitlines() if not line.startswith("03")]
        (tmp_path / "boxes.csv").write_text("\n".join([*lines[:5], "03.png,,,,,", *lines[5:]]))
    assert dict(shown(data))["03"] == []


def test_splits_are_those_of_folders_lists_and_columns(tmp_path):
    for name, split in (("train", "train"), ("valid", "val")):
        boxes_on_disk.voc(tmp_path / name, 4 if split == "train" else 2)
    assert sizes(VOCDetection(root=str(tmp_path)).read()) == {"train": 4, "val": 2}
    for name in ("train", "val", "test"):
        boxes_on_disk.images(tmp_path / "yolo" / "images" / name, 3)
        (tmp_path / "yolo" / "labels" / name).mkdir(parents=True)
        (tmp_path / "yolo" / "labels" / name / "01.txt").write_text("1 0.5 0.5 0.2 0.2\n")
    found = YOLODetection(root=str(tmp_path / "yolo")).read()
    assert sizes(found) == {"train": 3, "val": 3, "test": 3} and found.class_names == ["0", "1"]
    path = boxes_on_disk.csv(tmp_path / "csv", 3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0] + ",split", lines[1] + ",train", lines[2] + ",val", lines[4] + ",Test"]))
    assert sizes(DetectionCSV(path=str(path)).read()) == {"train": 1, "val": 1, "test": 1}


def sizes(found: Found) -> dict[str, int]:
    return {split: len(pictures) for split, pictures in found.splits.items()}


def test_difficult_objects_and_crowds_are_ignored(tmp_path):
    boxes_on_disk.draw(tmp_path / "00.png")
    (tmp_path / "00.xml").write_text(boxes_on_disk.xml(things(1), difficult=True))
    (tmp_path / "annotations.json").write_text(json.dumps(boxes_on_disk.coco_of(1, iscrowd=1)))
    for data in (VOCDetection(root=str(tmp_path)), COCODetection(root=str(tmp_path))):
        assert judge(data.read()).splits["train"][0].ignored.all()


def test_a_polygon_of_yolo_is_the_box_around_it(tmp_path):
    root = boxes_on_disk.yolo(tmp_path, 1)
    (root / "labels" / "00.txt").write_text("0 0.1 0.2 0.5 0.1 0.3 0.9\n")
    assert shown(YOLODetection(root=str(root)))[0][1] == [("cat", [4, 3, 20, 27])]


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda root: VOCDetection(root=None), "data.root: no folder of images given; add data.root=FOLDER"),
        (lambda root: VOCDetection(root=str(root / "none")), "{}/none: no such folder; "),
        (lambda root: VOCDetection(root=str(root)), "{}: no XML file of annotations; "),
        (lambda root: COCODetection(root=str(root)), "{}: no JSON file in it, "),
        (lambda root: COCODetection(root=str(root), train_annotations="x.json"), "{}/x.json: no such file; "),
        (lambda root: YOLODetection(root=str(root)), "{}: no images with files of labels; "),
        (lambda root: DetectionCSV(path=None), "data.path: no file of annotations given; "),
        (lambda root: DetectionCSV(path=str(root / "x.csv")), "{}/x.csv: no such file; "),
    ],
)
def test_what_is_not_there_is_named(make, line, tmp_path):
    with pytest.raises((DataError, OptionError)) as error:
        make(tmp_path).read()
    assert str(error.value).startswith(line.format(tmp_path))


def test_a_column_that_is_not_found_is_named(tmp_path):
    path = boxes_on_disk.csv(tmp_path, header="filename,what,xmin,ymin,xmax,ymax")
    with pytest.raises(
        OptionError, match=r"data\.columns\.label: no column label or class .* name it, of filename, what"
    ):
        DetectionCSV(path=str(path)).read()
    with pytest.raises(OptionError, match=r"data\.columns\.label: .* has no column kind"):
        DetectionCSV(path=str(path), columns={"label": "kind"}).read()
    with pytest.raises(OptionError, match=r"data\.columns\.colour: there is no such column"):
        DetectionCSV(path=str(path), columns={"colour": "what"})
    assert shown(DetectionCSV(path=str(path), columns={"label": "what"})) == expected()
