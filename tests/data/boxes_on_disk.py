"""Small images with boxes around bright squares, written down as VOC, COCO, YOLO or CSV."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

Thing = tuple[str, float, float, float, float]  # class, x1, y1, x2, y2


def draw(path: Path, number: int = 0, width: int = 40, height: int = 30) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(path)
    return path


def things(number: int) -> list[Thing]:
    """One or two objects, the second of another class."""
    first = ("cat", 2.0 + number % 5, 3.0, 12.0 + number % 5, 13.0)
    return [first, ("dog", 20.0, 10.0, 30.0, 25.0)] if number % 2 else [first]


def xml(objects: Sequence[Thing], *, size: tuple[int, int] | None = (40, 30), difficult: bool = False) -> str:
    lines = ["<annotation>", "<filename>image.jpg</filename>"]
    if size is not None:
        lines.append(f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>")
    for name, *corners in objects:
        box = "".join(
            f"<{key}>{value}</{key}>" for key, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        )
        lines += ["<object>", f"<name>{name}</name>", f"<difficult>{int(difficult)}</difficult>"]
        lines += [f"<bndbox>{box}</bndbox>", "</object>"]
    return "\n".join([*lines, "</annotation>"])


def voc(root: Path, count: int = 10) -> Path:
    """Images and XML files beside each other."""
    for number in range(count):
        draw(root / f"{number:02}.png", number)
        (root / f"{number:02}.xml").write_text(xml(things(number)))
    return root


def images(folder: Path, count: int = 10) -> list[Path]:
    return [draw(folder / f"{number:02}.png", number) for number in range(count)]


def coco_of(count: int = 10, **options) -> dict[str, list[dict]]:
    """The same as a document of COCO, with ids that are no places."""
    entries = [{"id": 100 + row, "file_name": f"{row:02}.png", "width": 40, "height": 30} for row in range(count)]
    categories = [{"id": 7, "name": "cat", "supercategory": "pets"}, {"id": 90, "name": "dog", "supercategory": "pets"}]
    annotations = [
        {
            "image_id": 100 + row,
            "category_id": 7 if name == "cat" else 90,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            **options,
        }
        for row in range(count)
        for name, x1, y1, x2, y2 in things(row)
    ]
    numbered = [{"id": number, **entry} for number, entry in enumerate(annotations, 1)]
    return {"images": entries, "annotations": numbered, "categories": [*categories, {"id": 0, "name": "pets"}]}


def coco(root: Path, count: int = 10) -> Path:
    images(root / "images" / "train", count)
    (root / "annotations").mkdir()
    (root / "annotations" / "instances_train.json").write_text(json.dumps(coco_of(count), indent=1))
    return root


def yolo(root: Path, count: int = 10) -> Path:
    images(root / "images", count)
    (root / "labels").mkdir()
    (root / "classes.txt").write_text("cat\ndog\n")
    for number in range(count):
        lines = [
            f"{int(name == 'dog')} {(x1 + x2) / 80} {(y1 + y2) / 60} {(x2 - x1) / 40} {(y2 - y1) / 30}\n"
            for name, x1, y1, x2, y2 in things(number)
        ]
        (root / "labels" / f"{number:02}.txt").write_text("".join(lines))
    return root


def csv(root: Path, count: int = 10, header: str = "filename,class,xmin,ymin,xmax,ymax") -> Path:
    images(root, count)
    rows = [f"{row:02}.png,{','.join(map(str, thing))}" for row in range(count) for thing in things(row)]
    (root / "boxes.csv").write_text("\n".join([header, *rows, ""]))
    return root / "boxes.csv"
