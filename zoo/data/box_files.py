"""Images with boxes as a dataset: decoded one by one onto canvases of one size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from zoo.batch import Batch
from zoo.data.annotations import Sample
from zoo.data.box_augment import BoxAugment, Spot
from zoo.data.decode import UNREADABLE, reason, upright_size
from zoo.data.files_loader import Decoded, FileData, Key
from zoo.data.letterbox import Boxes, Region, empty_canvas, fitting_scale, opened_image, paste, scaled


class BoxFiles(FileData):
    """Images scaled to fit on a canvas, or as an augmentation puts them, and their boxes with them.

    Args:
        samples: the images with their boxes.
        size: height and width of the canvas.
        padding: its colour, of 0..255 a channel.
        augment: where images are put in training; None for at the left and the top, just fitting.
        seed: what augmentation is a function of, with epoch and row.
    """

    kind = "images"

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        size: Sequence[int],
        padding: Sequence[int],
        augment: BoxAugment | None = None,
        seed: int = 0,
    ) -> None:
        self.samples, self.size, self.padding = samples, (size[0], size[1]), padding
        self.augment, self.seed = augment, seed
        most = max([1, *(len(sample.labels) for sample in samples)])
        self.most_boxes = 4 * most if augment is not None and augment.mosaic else most

    def __len__(self) -> int:
        return len(self.samples)

    def place(self, row: int) -> str:
        """Returns the path of an image."""
        return str(self.samples[row].image)

    def __getitem__(self, key: Key) -> Decoded:
        row, epoch = key
        canvas, (height, width) = empty_canvas(self.size, self.padding), self.size
        spots = [Spot(row, (0, 0, width, height))]
        if self.augment is not None:
            spots = self.augment.spots(row, len(self), self.size, seed=self.seed, epoch=epoch)
        put = []
        for place, spot in enumerate(spots):
            try:
                put.append(self._put(canvas, spot))
            except UNREADABLE as error:  # another image of a mosaic is named when its own turn comes
                if place == 0:
                    return None, reason(error), None, row
        content = (0, 0, width, height) if spots[1:] else put[0].content
        boxes = Boxes.joined([part.boxes for part in put])
        return canvas, "", self._target(boxes, content, put[0].scale), row

    def _put(self, canvas: np.ndarray, spot: Spot) -> "_Put":
        """Puts an image on the canvas.

        Raises:
            UNREADABLE: it cannot be decoded.
        """
        image, *boxes = self.samples[spot.row]
        (left, top, right, bottom), across, down = spot.region, spot.along[0], spot.along[1]
        with opened_image(image) as opened:
            width, height = upright_size(opened)
            scale = spot.zoom * fitting_scale(width, height, self.size)
            wide, high = scaled(width, height, scale)
            x, y = left + round(across * (right - left - wide)), top + round(down * (bottom - top - high))
            turns = {"flip": spot.flip, "flip_vertical": spot.flip_vertical}
            content = paste(canvas, opened, scale, x, y, region=spot.region, **turns)
        found = Boxes(*boxes).flipped(width if spot.flip else None, height if spot.flip_vertical else None)
        min_visible = self.augment.min_visible if self.augment is not None else 0.0
        return _Put(content, found.moved(scale, x, y).clipped(spot.region, min_visible), scale)

    def _target(self, found: Boxes, content: Region, scale: float) -> Batch:
        """Returns what is to be learned of a sample, padded."""
        boxes, labels = torch.zeros(self.most_boxes, 4), torch.full((self.most_boxes,), -1)
        ignored = torch.zeros(self.most_boxes, dtype=torch.bool)
        count = len(found.labels)
        boxes[:count], labels[:count] = torch.from_numpy(found.corners), torch.from_numpy(found.labels)
        ignored[:count] = torch.from_numpy(found.ignored)
        place = {"content": torch.tensor(content), "scale": torch.tensor(scale, dtype=torch.float32)}
        return {"boxes": boxes, "labels": labels, "ignored": ignored, **place}

    def targets(self, labels: Sequence[Batch]) -> Batch:
        """Stacks what is to be learned of the images of a batch."""
        return {name: torch.stack([label[name] for label in labels]) for name in labels[0]} if labels else {}


class _Put(NamedTuple):
    """An image on a canvas.

    Attributes:
        content: the part that it covers.
        boxes: what is on it.
        scale: pixels of the canvas per pixel of the image.
    """

    content: Region
    boxes: Boxes
    scale: float
