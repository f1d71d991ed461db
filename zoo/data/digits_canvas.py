"""Handwritten digits scattered on noisy canvases, with the box, the class and the pixels of each: no download.

The digits are those of `zoo.data.digits`. Each split draws from its own, so that none of them is seen in two splits.
"""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data.digits import Digits
from zoo.data.order import complement, generator, stratified
from zoo.data.pixels import sides
from zoo.ranges import NonNegativeFloat, PositiveInt
from zoo.seeds import counted_seed

_INK = 0.35  # share of full ink from which a pixel is part of a digit
_ATTEMPTS = 30  # to find a free place for a digit
_GAP = 1  # pixels between the frames of two digits
_HELD_OUT = 0.15  # share of the training digits that validation draws from

Frame = tuple[int, int, int]  # top, left and side in pixels


class Canvases(NamedTuple):
    """Canvases of one split.

    Attributes:
        images: uint8, (N, 1, H, W).
        masks: 0 for the background, 1 + digit for its pixels, uint8, (N, H, W).
        boxes: of each canvas, around the pixels of its digits: left, top, and beyond right and bottom, float32, (M, 4).
        labels: of each canvas, its digits, int64, (M,).
    """

    images: Tensor
    masks: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]


class DigitsCanvas:
    """Draws canvases with one to `most_digits` digits that do not overlap.

    Args:
        num_train: training canvases.
        num_val: validation canvases.
        num_test: test canvases.
        image_size: side, or height and width, in pixels.
        most_digits: on one canvas; fewer where no place is left.
        smallest: side of the frame of the smallest digit in pixels.
        largest: of the largest.
        noise: standard deviation of the noise, in levels of 0..255.

    Raises:
        ValueError: the largest digit is larger than the canvas, or smaller than the smallest.
    """

    class_names = tuple("0123456789")

    def __init__(
        self,
        *,
        num_train: PositiveInt = 1500,
        num_val: PositiveInt = 300,
        num_test: PositiveInt = 300,
        image_size: PositiveInt | Sequence[PositiveInt] = 96,
        most_digits: PositiveInt = 6,
        smallest: PositiveInt = 14,
        largest: PositiveInt = 32,
        noise: NonNegativeFloat = 16.0,
    ) -> None:
        self.counts = {"train": num_train, "val": num_val, "test": num_test}
        self.image_size = sides(image_size)
        self.most_digits, self.smallest, self.largest, self.noise = most_digits, smallest, largest, noise
        height, width = self.image_size
        if largest > min(height, width):
            raise ValueError(f"largest {largest}: a digit must fit on the canvas {height}x{width}; lower it")
        if smallest > largest:
            raise ValueError(f"smallest {smallest}: no more than largest {largest}; lower it")

    def load(self, split_seed: int) -> dict[str, Canvases]:
        """Returns the canvases of "train", "val" and "test", a function of the options and `split_seed` alone."""
        digits = _digits_by_split(split_seed)
        return {split: self._draw(*digits[split], split, split_seed) for split in self.counts}

    def _draw(self, digits: Tensor, labels: Tensor, split: str, split_seed: int) -> Canvases:
        """Draws the canvases of a split from digits (D, 1, 8, 8) of the classes `labels` (D,)."""
        count, (height, width) = self.counts[split], self.image_size
        noise = generator("canvas noise", split, split_seed)
        ground = F.interpolate(torch.randn(count, 1, 4, 4, generator=noise), (height, width), mode="bicubic")
        images = ground.mul_(24).add_(80)
        masks = torch.zeros(count, height, width, dtype=torch.uint8)
        boxes, classes = [], []
        for row in range(count):
            draw = Random(counted_seed("canvas", split, split_seed, row))
            found: list[Tensor] = []
            names: list[int] = []
            for top, left, side in self._frames(draw):
                chosen = draw.randrange(len(digits))
                place = (slice(top, top + side), slice(left, left + side))
                ink = _enlarged(digits[chosen], side)
                canvas, is_ink = images[row, 0][place], ink > _INK
                canvas += ink * (draw.uniform(170, 250) - canvas)
                names.append(int(labels[chosen]))
                masks[row][place][is_ink] = 1 + names[-1]
                found.append(_box_around(is_ink) + torch.tensor([left, top, left, top]))
            boxes.append(torch.stack(found).float())
            classes.append(torch.tensor(names))
        images += self.noise * torch.randn(images.shape, generator=noise)
        return Canvases(images.round_().clamp_(0, 255).to(torch.uint8), masks, boxes, classes)

    def _frames(self, draw: Random) -> list[Frame]:
        """Draws sizes and places of digits so that their frames do not overlap."""
        frames: list[Frame] = []
        for _ in range(draw.randint(1, self.most_digits)):
            side = draw.randint(self.smallest, self.largest)
            for _ in range(_ATTEMPTS):
                frame = (draw.randint(0, self.image_size[0] - side), draw.randint(0, self.image_size[1] - side), side)
                if not any(_overlap(frame, other) for other in frames):
                    frames.append(frame)
                    break
        return frames


def _digits_by_split(split_seed: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Returns digits and classes of each split; those of test are the same for every seed."""
    splits = Digits().load()
    images, labels = splits["train"]
    val = stratified(labels, round(_HELD_OUT * len(labels)), generator("validation split", split_seed))
    train = complement(val, len(labels))
    return {"train": (images[train], labels[train]), "val": (images[val], labels[val]), "test": splits["test"]}


def _enlarged(digit: Tensor, side: int) -> Tensor:
    """Returns the ink of a digit (1, 8, 8) from 0 to 1, enlarged to (side, side)."""
    return F.interpolate(digit[None].float() / 255, (side, side), mode="bicubic", antialias=True)[0, 0].clamp_(0, 1)


def _box_around(is_ink: Tensor) -> Tensor:
    """Returns left, top, and beyond right and bottom, of what is marked in a mask that marks something."""
    rows, columns = is_ink.any(1).nonzero(), is_ink.any(0).nonzero()
    return torch.cat((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))


def _overlap(one: Frame, other: Frame) -> bool:
    """Whether two frames share a pixel, or lie closer than the gap."""
    reach = _GAP + (one[2] if one[0] < other[0] else other[2])
    reach_across = _GAP + (one[2] if one[1] < other[1] else other[2])
    return abs(one[0] - other[0]) < reach and abs(one[1] - other[1]) < reach_across
