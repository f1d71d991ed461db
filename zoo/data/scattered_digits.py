"""The canvases of `zoo.data.digits_canvas` with a box around each digit: detection without a download."""

from typing import Any

import numpy as np

from zoo.data.annotations import Sample
from zoo.data.detection import DetectionData
from zoo.data.digits_canvas import DigitsCanvas


class ScatteredDigits(DetectionData):
    """Digits on canvases, which are kept in memory.

    Args:
        source: what draws the canvases.
        options: see `zoo.data.detection.DetectionData`.
    """

    def __init__(self, *, source: DigitsCanvas, **options: Any) -> None:
        super().__init__(**options)
        self.source = source
        self.class_names = list(source.class_names)

    def find(self) -> dict[str, list[Sample]]:
        """Draws the canvases of each split."""
        found = {}
        for split, (images, _, boxes, labels) in self.source.load(self.split_seed).items():
            rows = zip(images[:, 0].numpy(), boxes, labels, strict=True)
            found[split] = [
                Sample(image, corners.numpy(), digits.numpy(), np.zeros(len(digits), dtype=bool))
                for image, corners, digits in rows
            ]
        return found
