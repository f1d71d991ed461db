"""Images put on a canvas of one size, scaled with their aspect kept, and what becomes of boxes on them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from zoo.data.decode import Box, decode, opened, upright_size

Region = tuple[int, int, int, int]  # left, top, right, bottom


class Boxes(NamedTuple):
    """Boxes on one image.

    Attributes:
        corners: x1, y1, x2, y2 in pixels, float32, (M, 4).
        labels: class of each, int64, (M,).
        ignored: which count neither as found nor as missed, bool, (M,).
    """

    corners: np.ndarray
    labels: np.ndarray
    ignored: np.ndarray

    def moved(self, scale: float, left: float, top: float) -> "Boxes":
        """Returns the boxes scaled, and then shifted."""
        corners = self.corners * np.float32(scale) + np.array([left, top, left, top], dtype=np.float32)
        return self._replace(corners=corners)

    def flipped(self, width: float | None = None, height: float | None = None) -> "Boxes":
        """Returns the boxes on an image that is mirrored left to right if its width is given, and likewise upwards."""
        x1, y1, x2, y2 = self.corners.T
        if width is not None:
            x1, x2 = width - x2, width - x1
        if height is not None:
            y1, y2 = height - y2, height - y1
        return self._replace(corners=np.stack((x1, y1, x2, y2), axis=1).astype(np.float32))

    def clipped(self, region: Region, min_visible: float) -> "Boxes":
        """Returns what lies in a region of those boxes of which at least a share of the area does."""
        left, top, right, bottom = region
        corners = self.corners.clip((left, top, left, top), (right, bottom, right, bottom)).astype(np.float32)
        visible = _areas(corners)
        kept = (visible > 0) & (visible >= min_visible * _areas(self.corners))
        return Boxes(corners[kept], self.labels[kept], self.ignored[kept])

    @staticmethod
    def joined(parts: "Sequence[Boxes]") -> "Boxes":
        """Returns the boxes of several images."""
        return Boxes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _areas(corners: np.ndarray) -> np.ndarray:
    sides = corners[:, 2:] - corners[:, :2]
    areas: np.ndarray = sides[:, 0] * sides[:, 1]
    return areas


@contextmanager
def opened_image(image: Path | np.ndarray) -> Iterator[Image.Image]:
    """Opens a file, or makes an image of pixels, uint8 (H, W) or (H, W, 3).

    Raises:
        UNREADABLE: it is no file of an image.
    """
    if isinstance(image, Path):
        with opened(image) as file:
            yield file
    else:
        yield Image.fromarray(image)


def fitting_scale(width: int, height: int, size: Sequence[int]) -> float:
    """Returns the scale at which an image just fits on a canvas of height and width `size`."""
    return min(size[0] / height, size[1] / width)


def scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    """Returns width and height of a scaled image in whole pixels, at least one."""
    return max(1, round(width * scale)), max(1, round(height * scale))


def empty_canvas(size: Sequence[int], padding: Sequence[int]) -> np.ndarray:
    """Returns bytes (C, H, W) of one colour."""
    canvas = np.empty((len(padding), *size), dtype=np.uint8)
    canvas[:] = np.array(padding, dtype=np.uint8)[:, None, None]
    return canvas


def paste(
    canvas: np.ndarray,
    image: Image.Image,
    scale: float,
    left: int,
    top: int,
    *,
    region: Region,
    flip: bool = False,
    flip_vertical: bool = False,
) -> Region:
    """Decodes the part of an image that is seen, no larger than needed, and puts it on a canvas.

    Args:
        canvas: bytes, (C, H, W), changed in place.
        image: opened, not decoded yet.
        scale: pixels of the canvas per pixel of the image.
        left: where the scaled image begins on the canvas, from left; may be negative.
        top: likewise from above.
        region: the part of the canvas that may be written to.
        flip: whether the image is mirrored left to right.
        flip_vertical: whether it is mirrored upwards.

    Returns:
        The part of the canvas that was written to; empty where nothing of the image lies in the region.

    Raises:
        UNREADABLE: the file is damaged.
    """
    width, height = upright_size(image)
    across, down = scaled(width, height, scale)
    seen = (max(left, region[0]), max(top, region[1]), min(left + across, region[2]), min(top + down, region[3]))
    if seen[0] >= seen[2] or seen[1] >= seen[3]:
        return (region[0], region[1], region[0], region[1])
    x1, x2 = (seen[0] - left) * width / across, (seen[2] - left) * width / across
    y1, y2 = (seen[1] - top) * height / down, (seen[3] - top) * height / down
    if flip:
        x1, x2 = width - x2, width - x1
    if flip_vertical:
        y1, y2 = height - y2, height - y1
    box: Box = (max(x1, 0.0), max(y1, 0.0), x2, y2)
    pixels = decode(image, box, (seen[3] - seen[1], seen[2] - seen[0]), len(canvas))
    pixels = pixels[:, :: -1 if flip_vertical else 1, :: -1 if flip else 1]
    canvas[:, seen[1] : seen[3], seen[0] : seen[2]] = pixels
    return seen
