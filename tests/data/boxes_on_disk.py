"""Small images with boxes around bright squares, written down as VOC, COCO, YOLO or CSV."""

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
