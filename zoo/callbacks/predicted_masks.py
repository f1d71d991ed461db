"""How predictions of classes of pixels are told: the share of each class, and its colour in the picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from torch import Tensor

from zoo.callbacks.captions import INK, PAPER, captioned, fitted, font
from zoo.callbacks.mask_pictures import class_colours, has_background, overlay


class Masks:
    """The classes of an image's pixels, from {"masks": (H, W)}.

    Args:
        class_names: K names.
    """

    def __init__(self, class_names: Sequence[str]) -> None:
        self.class_names = class_names

    @property
    def columns(self) -> Sequence[str]:
        """A class, and the share of the pixels that are of it."""
        return ["class", "share"]

    def rows(self, said: Mapping[str, Tensor]) -> list[list[Any]]:
        """Returns a row for each class that was found, the largest first."""
        return [[self.class_names[place], f"{share:.6g}"] for place, share in self._shares(said)]

    def line(self, said: Mapping[str, Tensor]) -> str:
        """Returns the classes and their shares."""
        return ", ".join(f"{self.class_names[place]} {100 * share:.1f} %" for place, share in self._shares(said))

    def draw(self, picture: Image.Image, said: Mapping[str, Tensor]) -> Image.Image:
        """Returns the picture under the colours of the classes, with their names, over a line that has their shares."""
        picture = fitted(picture)
        classes = np.asarray(self.mask(picture.size, said)).astype(np.int64)
        coloured = Image.fromarray(overlay(np.asarray(picture), classes, self.class_names))
        draw, size = ImageDraw.Draw(coloured), max(11, round(0.03 * max(picture.size)))
        for place, _ in self._shares(said):
            if place >= has_background(self.class_names) and (classes == place).any():
                at = _middle(classes == place)
                name = self.class_names[place]
                draw.text(at, name, fill=PAPER, stroke_fill=INK, stroke_width=2, font=font(size), anchor="mm")
        return captioned(coloured, self.line(said))

    def mask(self, size: tuple[int, int], said: Mapping[str, Tensor]) -> Image.Image:
        """Returns the classes as indices of a palette of their colours.

        Args:
            size: width and height.
            said: the masks, of any size.
        """
        mask = Image.fromarray(said["masks"].numpy().astype(np.uint8)).resize(size, Image.Resampling.NEAREST)
        mask.putpalette(class_colours(self.class_names).flatten().tolist())
        return mask

    def _shares(self, said: Mapping[str, Tensor]) -> list[tuple[int, float]]:
        """Returns the classes that were found with their shares of the pixels, the largest first."""
        counts = said["masks"].long().flatten().bincount(minlength=len(self.class_names))
        shares = (counts / counts.sum()).tolist()
        return sorted(((place, share) for place, share in enumerate(shares) if share), key=lambda each: -each[1])


def _middle(marked: np.ndarray) -> tuple[float, float]:
    """Returns column and row of the marked pixel that is nearest to the middle of all."""
    rows, columns = np.nonzero(marked)
    nearest = (np.abs(rows - np.median(rows)) + np.abs(columns - np.median(columns))).argmin()
    return float(columns[nearest]), float(rows[nearest])
