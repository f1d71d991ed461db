"""Image files as a dataset: decoded one by one in worker processes to bytes of one size."""

from collections.abc import Sequence
from pathlib import Path

from zoo.data.decode import UNREADABLE, centre_box, decode, opened, random_box, reason, upright_size
from zoo.data.files_loader import Decoded, FileData, Key


class ImageFiles(FileData):
    """Files decoded to bytes of one size; errors are handed back, since they cannot cross processes as they are.

    Args:
        files: the images.
        labels: class of each.
        size: height and width of the result.
        in_channels: 1 or 3.
        min_crop: smallest share of the area of a random crop, or None to crop from the middle.
        center_crop: share of the shorter side that a crop from the middle keeps.
        seed: what random crops are a function of, with epoch and row.
    """

    kind = "images"

    def __init__(
        self,
        files: Sequence[Path],
        labels: Sequence[int],
        *,
        size: Sequence[int],
        in_channels: int,
        min_crop: float | None,
        center_crop: float,
        seed: int,
    ) -> None:
        self.files, self.labels, self.size, self.in_channels = files, labels, size, in_channels
        self.min_crop, self.center_crop, self.seed = min_crop, center_crop, seed

    def __len__(self) -> int:
        return len(self.files)

    def place(self, row: int) -> str:
        """Returns the path of an image."""
        return str(self.files[row])

    def __getitem__(self, key: Key) -> Decoded:
        row, epoch = key
        try:
            with opened(self.files[row]) as image:
                width, height = upright_size(image)
                if self.min_crop is None:
                    box = centre_box(width, height, self.size, self.center_crop)
                else:
                    box = random_box(width, height, self.size, self.min_crop, ("crop", self.seed, epoch, row))
                return decode(image, box, self.size, self.in_channels), "", self.labels[row], row
        except UNREADABLE as error:
            return None, reason(error), self.labels[row], row
