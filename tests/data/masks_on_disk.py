"""Small images with masks on disk: a bright square on noise, and where it lies."""

from pathlib import Path

import numpy as np
from PIL import Image


def write(root: Path, count: int = 20, *, value: int = 1, size: tuple[int, int] = (40, 30), form: str = "png") -> Path:
    """Writes images/00.jpg ... and their masks, in which `value` is the square.

    Args:
        root: made if need be.
        count: how many.
        value: of the square.
        size: width and height.
        form: how the names of the images end.
    """
    for number in range(count):
        image, mask = sample(number, value=value, size=size)
        save(image, root / "images" / f"{number:02}.{form}")
        save(mask, root / "masks" / f"{number:02}.png")
    return root


def sample(number: int, *, value: int = 1, size: tuple[int, int] = (40, 30)) -> tuple[Image.Image, Image.Image]:
    random = np.random.default_rng(number)
    width, height = size
    pixels = random.integers(0, 100, (height, width, 3), dtype=np.uint8)
    classes = np.zeros((height, width), dtype=np.uint8)
    top, left = random.integers(0, height - 12), random.integers(0, width - 12)
    pixels[top : top + 12, left : left + 12] += 120
    classes[top : top + 12, left : left + 12] = value
    return Image.fromarray(pixels), Image.fromarray(classes)


def save(image: Image.Image, path: Path, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
