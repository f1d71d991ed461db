"""Image files as a dataset: decoded one by one in worker processes, collated as bytes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.batch import Batch
from zoo.data.decode import (
    MEND_OR_SKIP,
    MOST_BAD,
    UNREADABLE,
    centre_box,
    decode,
    opened,
    random_box,
    reason,
    upright_size,
)
from zoo.data.loader import EpochLoader
from zoo.data.order import Order
from zoo.data.workers import batches_of, outlive_one_signal
from zoo.errors import TrainingStopped

log = logging.getLogger(__name__)

Key = tuple[int, int]  # row in the split, epoch
Decoded = tuple[np.ndarray | None, str, int, int]  # pixels or None, what is wrong with them, label, row


class ImageFiles(Dataset[Decoded]):
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


def collate(samples: Sequence[Decoded]) -> dict[str, Any]:
    """Stacks what could be decoded to a batch, and lists under "bad" row and reason of what could not."""
    good = [sample for sample in samples if sample[0] is not None]
    pixels, _, labels, rows = zip(*good, strict=True) if good else ((), (), (), ())
    return {
        "input": torch.from_numpy(np.stack(pixels)) if good else torch.empty(0),
        "target": torch.tensor(labels, dtype=torch.long),
        "index": torch.tensor(rows, dtype=torch.long),
        "bad": [(row, problem) for pixels, problem, _, row in samples if pixels is None],
    }


class _Keys(EpochLoader[list[Key]]):
    """The rows of each batch of an epoch, with the epoch, for torch's loader."""

    def __iter__(self) -> Iterator[list[Key]]:
        for rows in self.batch_rows():
            yield [(row, self.sampler.epoch) for row in rows.tolist()]


class FilesLoader(EpochLoader[Batch]):
    """Batches of image files decoded by workers, who learn the epoch with each row.

    Args:
        images: the dataset.
        order: order of the samples.
        batch_size: images in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
        num_workers: processes that decode; 0 for this one.
        pin_memory: whether batches are put where a GPU can fetch them.
        on_bad_sample: whether an image that cannot be decoded ends the run or is left out with a warning.
    """

    def __init__(
        self,
        images: ImageFiles,
        *,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        on_bad_sample: Literal["error", "skip"] = "error",
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.images, self.on_bad_sample, self.bad_rows = images, on_bad_sample, set[int]()
        self.decoding: DataLoader[Decoded] = DataLoader(
            images,
            batch_sampler=_Keys(order, batch_size, drop_last=drop_last, start=start),
            num_workers=num_workers,
            collate_fn=collate,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            worker_init_fn=outlive_one_signal,
        )

    def __iter__(self) -> Iterator[Batch]:
        for batch in batches_of(self.decoding):
            for row, problem in batch.pop("bad"):
                self._report(row, problem)
            if len(batch["index"]):
                yield batch

    @property
    def _iterator(self) -> Any:
        """The iterator of torch's loader, under the name by which Lightning finds workers to end."""
        return self.decoding._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self.decoding._iterator = iterator

    def _report(self, row: int, problem: str) -> None:
        """Ends the run over an image that cannot be decoded, or warns of it once.

        Raises:
            TrainingStopped: images are not to be left out, or too many would be.
        """
        file = str(self.images.files[row])
        if self.on_bad_sample == "error":
            raise TrainingStopped(file, f"cannot be decoded ({problem})", MEND_OR_SKIP)
        if row in self.bad_rows:
            return
        log.warning("left out %s, which cannot be decoded (%s)", file, problem)
        self.bad_rows.add(row)
        if len(self.bad_rows) > MOST_BAD * len(self.images):
            total = f"{len(self.bad_rows)} of {len(self.images)} images cannot be decoded, the last for {problem}"
            raise TrainingStopped(file, total, "look at the files that were warned of")
