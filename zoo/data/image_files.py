"""Image files as a dataset: found by folder, decoded one by one in worker processes, collated as bytes."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from zoo.data.base import Batch
from zoo.data.decode import centre_box, decode, random_box, upright_size
from zoo.data.loader import EpochLoader
from zoo.data.order import Order
from zoo.errors import DataError, TrainingStopped

log = logging.getLogger(__name__)

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_MOST_BAD = 0.1

Key = tuple[int, int]  # row in the split, epoch
Decoded = tuple[np.ndarray | None, str, int, int]  # pixels or None, what is wrong with them, label, row


def scan(root: Path) -> dict[str, dict[str, list[Path]]]:
    """Finds the images of each class of each split; a folder without split folders is all training images.

    Returns:
        Files in alphabetical order by split and class; "train" is always there.

    Raises:
        DataError: the folder is missing, has fewer than two classes, or a class without images.
    """
    if not root.is_dir():
        raise DataError(str(root), "no such folder", "set data.root to the folder that holds a folder a class")
    folders = _subfolders(root)
    splits = {SPLIT_FOLDERS[folder.name]: folder for folder in folders if folder.name in SPLIT_FOLDERS}
    if "train" not in splits:
        splits = {"train": root}
    found = {split: {folder.name: _images(folder) for folder in _subfolders(path)} for split, path in splits.items()}
    if len(found["train"]) < 2:
        problem = f"{len(found['train'])} folders of classes found, and a classifier needs two"
        raise DataError(str(splits["train"]), problem, "sort the images into one folder a class")
    for split, classes in found.items():
        for name, files in classes.items():
            if not files:
                problem = f"no images ({' '.join(sorted(SUFFIXES))})"
                raise DataError(str(splits[split] / name), problem, "add some, or remove the folder")
    return {split: classes for split, classes in found.items() if classes}


def _subfolders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """Finds images at any depth, hidden ones aside."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


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
            with Image.open(self.files[row]) as image:
                width, height = upright_size(image)
                if self.min_crop is None:
                    box = centre_box(width, height, self.size, self.center_crop)
                else:
                    box = random_box(width, height, self.size, self.min_crop, ("crop", self.seed, epoch, row))
                return decode(image, box, self.size, self.in_channels), "", self.labels[row], row
        except (OSError, SyntaxError, ValueError) as error:
            return None, str(error), self.labels[row], row


def collate(samples: Sequence[Decoded]) -> dict[str, Any]:
    """Stacks what could be decoded to a batch, and lists under "bad" row and reason of what could not."""
    good = [sample for sample in samples if sample[0] is not None]
    pixels, _, labels, rows = zip(*good, strict=True) if good else ((), (), (), ())
    return {
        "input": torch.from_numpy(np.stack(pixels)) if good else torch.empty(0),
        "target": torch.tensor(labels, dtype=torch.long),
        "index": torch.tensor(rows, dtype=torch.long),
        "bad": [(row, reason) for pixels, reason, _, row in samples if pixels is None],
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
        )

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.decoding:
            for row, reason in batch.pop("bad"):
                self._report(row, reason)
            if len(batch["index"]):
                yield batch

    @property
    def _iterator(self) -> Any:
        """The iterator of torch's loader, under the name by which Lightning finds workers to end."""
        return self.decoding._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self.decoding._iterator = iterator

    def _report(self, row: int, reason: str) -> None:
        """Ends the run over an image that cannot be decoded, or warns of it once.

        Raises:
            TrainingStopped: images are not to be left out, or too many would be.
        """
        file = str(self.images.files[row])
        if self.on_bad_sample == "error":
            remedy = "mend it, remove it, or set data.on_bad_sample=skip"
            raise TrainingStopped(file, f"cannot be decoded ({reason})", remedy)
        if row in self.bad_rows:
            return
        log.warning("left out %s, which cannot be decoded (%s)", file, reason)
        self.bad_rows.add(row)
        if len(self.bad_rows) > _MOST_BAD * len(self.images):
            problem = f"{len(self.bad_rows)} of {len(self.images)} images cannot be decoded, the last for {reason}"
            raise TrainingStopped(file, problem, "look at the files that were warned of")
