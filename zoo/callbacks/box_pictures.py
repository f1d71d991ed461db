"""Boxes on pictures: what is true and what was found."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.callbacks.captions import INK, PAPER, font
from zoo.callbacks.figures import shorten

# Okabe and Ito's, apart for colour-blind eyes.
COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
SHOWN = 0.3  # detections that score less are left out of pictures
_SMALLEST, _LARGEST = 320, 1024  # longest side of a picture
_GAP, _TEXT = 6, 14


def draw_boxes(
    picture: Image.Image,
    boxes: np.ndarray,
    labels: np.ndarray,
    *,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> Image.Image:
    """Draws boxes with their classes, and with scores where there are any, in a colour for each class.

    Args:
        picture: which is made smaller where it is very large, and larger where it is very small.
        boxes: x1 y1 x2 y2 in its pixels, (N, 4).
        labels: (N,), each a place among the names.
        class_names: K names.
        scores: (N,), from 0 to 1.

    Returns:
        Another picture, in colour.
    """
    longest = max(picture.size)
    scale = max(1, _SMALLEST // longest) if longest < _SMALLEST else min(1.0, _LARGEST / longest)
    size = (max(1, round(scale * picture.width)), max(1, round(scale * picture.height)))
    kind = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    result = picture.convert("RGB").resize(size, kind)
    pencil, face = ImageDraw.Draw(result), font(max(10, round(0.028 * max(size))))
    # The best comes last, on top.
    for row in reversed(range(len(boxes))):
        colour = COLOURS[int(labels[row]) % len(COLOURS)]
        x1, y1, x2, y2 = (scale * boxes[row]).tolist()
        pencil.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=max(2, round(0.004 * max(size))))
        text = shorten(class_names[int(labels[row])], 16) + ("" if scores is None else f" {scores[row]:.2f}")
        left, _, right, bottom = pencil.textbbox((0, 0), text, font=face)
        x = max(0.0, min(x1, size[0] - (right - left) - 3))
        y = y1 - bottom - 2 if y1 > bottom + 2 else max(0.0, y1)
        pencil.rectangle((x, y, x + right + 3, y + bottom + 2), fill=colour)
        pencil.text((x + 2, y), text, fill=INK, font=face)
    return result


def comparison(
    images: Sequence[np.ndarray],
    truth: Sequence[np.ndarray],
    found: Sequence[np.ndarray],
    *,
    class_names: Sequence[str],
    captions: Sequence[str],
    columns: int = 2,
) -> np.ndarray:
    """Draws images side by side with themselves: what is true at the left, what was found at the right.

    Args:
        images: 8-bit, each (H, W, 1) or (H, W, 3); at least one.
        truth: of each image (M, 6), x1 y1 x2 y2 label ignored, in its pixels.
        found: of each image (D, 6), x1 y1 x2 y2 score label, likewise; low scores are left out.
        class_names: K names.
        captions: what stands under each pair.
        columns: pairs in a row.

    Returns:
        8-bit picture (H, W, 3).
    """
    pairs = []
    for image, objects, detections, caption in zip(images, truth, found, captions, strict=True):
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        shown = detections[detections[:, 4] >= SHOWN]
        left = draw_boxes(picture, objects[:, :4], objects[:, 4], class_names=class_names)
        right = draw_boxes(picture, shown[:, :4], shown[:, 5], class_names=class_names, scores=shown[:, 4])
        pair = Image.new("RGB", (2 * left.width + _GAP, left.height + 2 * _TEXT), PAPER)
        pair.paste(left, (0, 0))
        pair.paste(right, (left.width + _GAP, 0))
        length = int(2 * left.width / (0.6 * _TEXT))  # characters that there is room for
        ImageDraw.Draw(pair).text((2, left.height + 2), shorten(caption, length), fill=INK, font=font(_TEXT))
        pairs.append(pair)
    width, height = max(pair.width for pair in pairs) + 2 * _GAP, max(pair.height for pair in pairs) + 2 * _GAP
    columns = min(columns, len(pairs))
    sheet = Image.new("RGB", (columns * width, -(-len(pairs) // columns) * height), PAPER)
    for place, pair in enumerate(pairs):
        sheet.paste(pair, (place % columns * width + _GAP, place // columns * height + _GAP))
    return np.asarray(sheet)


class Boxes:
    """Objects with their boxes, from {"detections": (D, 6)}, as `zoo.callbacks.prediction_files` tells them.

    Args:
        class_names: K names.
    """

    columns = ("prediction", "confidence", "x1", "y1", "x2", "y2")

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = class_names

    def rows(self, said: Mapping[str, Tensor]) -> list[list[Any]]:
        """Returns a row for each object, best first, in pixels of the file; an empty one where nothing was found."""
        found = self._shown(said)
        rows: list[list[Any]] = [
            [self.class_names[int(row[5])], f"{row[4]:.6g}", *(f"{side:.1f}" for side in row[:4])] for row in found
        ]
        return rows or [[""] * len(self.columns)]

    def line(self, said: Mapping[str, Tensor]) -> str:
        """Returns how many objects of each class there are."""
        labels = self._shown(said)[:, 5].astype(int).tolist()
        counts = [f"{labels.count(label)} {self.class_names[label]}" for label in sorted(set(labels))]
        return ", ".join(counts) or "nothing"

    def draw(self, picture: Image.Image, said: Mapping[str, Tensor]) -> Image.Image:
        """Returns the picture with boxes."""
        found = self._shown(said)
        return draw_boxes(picture, found[:, :4], found[:, 5], class_names=self.class_names, scores=found[:, 4])

    def _shown(self, said: Mapping[str, Tensor]) -> np.ndarray:
        found: np.ndarray = said["detections"].numpy()
        return found[found[:, 4] >= SHOWN]
