"""Images with boxes as a dataset: decoded one by one onto canvases of one size."""

from collections.abc import Sequence

import numpy as np
import torch

from zoo.batch import Batch
from zoo.data.annotations import Sample
from zoo.data.decode import UNREADABLE, reason, upright_size
from zoo.data.files_loader import Decoded, FileData, Key
from zoo.data.letterbox import Boxes, empty_canvas, fitting_scale, opened_image, paste


class BoxFiles(FileData):
    """Images scaled to fit on a canvas, and their boxes with them.

    Args:
        samples: the images with their boxes.
        size: height and width of the canvas.
        padding: its colour, of 0..255 a channel.
        most_boxes: how many boxes a batch has room for a sample.
    """

    kind = "images"

    def __init__(self, samples: Sequence[Sample], *, size: Sequence[int], padding: Sequence[int], most_boxes: int):
        self.samples, self.size, self.padding, self.most_boxes = samples, size, padding, most_boxes

    def __len__(self) -> int:
        return len(self.samples)

    def place(self, row: int) -> str:
        """Returns the path of an image."""
        return str(self.samples[row].image)

    def __getitem__(self, key: Key) -> Decoded:
        row, _ = key
        try:
            return *self._whole(row), row
        except UNREADABLE as error:
            return None, reason(error), None, row

    def _whole(self, row: int) -> tuple[np.ndarray, str, Batch]:
        """Returns the whole image at the left and the top of the canvas."""
        image, *boxes = self.samples[row]
        canvas, (height, width) = empty_canvas(self.size, self.padding), self.size
        with opened_image(image) as opened:
            scale = fitting_scale(*upright_size(opened), self.size)
            content = paste(canvas, opened, scale, 0, 0, region=(0, 0, width, height))
        found = Boxes(*boxes).moved(scale, 0, 0).clipped((0, 0, width, height), 0.0)
        return canvas, "", self._target(found, content, scale)

    def _target(self, found: Boxes, content: Sequence[int], scale: float) -> Batch:
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
