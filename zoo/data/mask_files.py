"""Image files with their masks as a dataset: both decoded in worker processes, cut alike and brought to one size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from zoo.batch import Batch
from zoo.data.decode import UNREADABLE, Box, decode, opened, random_box, reason, upright_size
from zoo.data.files_loader import Decoded, FileData, Key
from zoo.data.mask_augment import NO_CLASS
from zoo.data.mask_scan import Pair, read_mask

_MOST_VALUES = 1 << 16


class MaskFiles(FileData):
    """Images as bytes and their classes, pixel by pixel; errors are handed back, as `ImageFiles` does.

    Images are squeezed to one size as a whole, so that a place in the result is a place in the image.

    Args:
        pairs: images and masks; without masks there is nothing to learn in the batches.
        values: the value of each class in the masks; what has another one has no target.
        size: height and width of the result.
        in_channels: 1 or 3.
        min_crop: smallest share of the area of a random crop, or None for the whole image.
        seed: what random crops are a function of, with epoch and row.
    """

    kind = "images"

    def __init__(
        self,
        pairs: Sequence[Pair],
        values: Sequence[int],
        *,
        size: Sequence[int],
        in_channels: int,
        min_crop: float | None,
        seed: int,
    ) -> None:
        self.pairs, self.size, self.in_channels, self.min_crop, self.seed = pairs, size, in_channels, min_crop, seed
        self.classes = np.full(_MOST_VALUES, NO_CLASS, dtype=np.uint8)
        self.classes[list(values)] = np.arange(len(values))

    def __len__(self) -> int:
        return len(self.pairs)

    def place(self, row: int) -> str:
        """Returns the path of an image."""
        return str(self.pairs[row].image)

    def targets(self, labels: Sequence[Any]) -> Batch:
        """Returns the classes, uint8 (B, H, W)."""
        masks = [label for label in labels if label is not None]
        return {"target": torch.from_numpy(np.stack(masks))} if masks else {}

    def __getitem__(self, key: Key) -> Decoded:
        row, epoch = key
        pair = self.pairs[row]
        try:
            with opened(pair.image) as image:
                box = self._box(*upright_size(image), ("crop", self.seed, epoch, row))
                pixels = decode(image, box, self.size, self.in_channels)
        except UNREADABLE as error:
            return None, reason(error), None, row
        try:
            return pixels, "", None if pair.mask is None else self._cut(read_mask(pair.mask), box), row
        except UNREADABLE as error:
            return None, f"its mask: {reason(error)}", None, row

    def _box(self, width: int, height: int, counters: tuple[int | str, ...]) -> Box:
        """Returns what is cut out of an image: as of one that has the size of the result already."""
        if self.min_crop is None:
            return 0, 0, width, height
        left, top, right, bottom = random_box(self.size[1], self.size[0], self.size, self.min_crop, counters)
        across, down = width / self.size[1], height / self.size[0]
        return left * across, top * down, min(right * across, width), min(bottom * down, height)

    def _cut(self, mask: np.ndarray, box: Box) -> np.ndarray:
        """Returns the classes in a box of a mask, each that of the nearest pixel, (H, W)."""
        image = Image.fromarray(self.classes[mask])
        return np.array(image.resize((self.size[1], self.size[0]), Image.Resampling.NEAREST, box=box))
