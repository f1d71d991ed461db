"""A user's own images: a folder a class, decoded by worker processes while the model trains."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.data.augment import BatchAugment
from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.decode import MEND_OR_SKIP
from zoo.data.files_loader import FilesLoader, split_loader
from zoo.data.image_files import ImageFiles
from zoo.data.image_scan import class_names, readable, scan
from zoo.data.images import ImageData
from zoo.data.order import Order, generator
from zoo.data.pixels import channel_statistics
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt

_STATISTICS_SAMPLES = 512
_IMAGE_SIZE, _CENTER_CROP = 64, 0.875


class ImageFolder(ImageData):
    """Images under `root/<class>/`, or under `root/train/<class>/`, `root/val/<class>/` and `root/test/<class>/`.

    Classes are the names of the folders, in alphabetical order; hidden files and files that are no images are passed
    over. Where there is no validation folder it is split off the training images. Training images are cropped at random
    as a function of (seed, epoch, row), evaluation images from the middle. Every file is looked at before the first
    step. Mean and standard deviation, where not given, are measured on 512 training images drawn by `split_seed`. A
    folder that has nothing but a test or a validation folder can be evaluated.

    Args:
        root: the folder; `~` stands for the home folder.
        evaluation_only: whether nothing is trained on these images: a folder of classes is then a test split as a
            whole, unless `test_fraction` is given, and one class is enough; folders of splits stand as they are.
        test_fraction: share of images split off for testing where there is no test folder; None for 0.15 of a folder
            of classes and none of a folder of splits.
        num_workers: processes that decode.
        on_bad_sample: whether an unreadable image ends the run or is left out with a warning.
        min_crop: smallest share of an image's area that a training crop keeps; None to crop from the middle, too.
        center_crop: share of the shorter side that evaluation keeps; None for 0.875, or what pretrained weights ask.
        batch_size: images in a training batch of one process.
        eval_batch_size: images in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training images that are held out where there is no validation folder.
        split_seed: decides which images are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training images to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        in_channels: 3 for colour, 1 for grey.
        image_size: side, or height and width, of the model's input; None for 64, or what pretrained weights ask.
        mean: of each channel of images scaled to 0..1; None to measure it.
        std: standard deviation, likewise.
        augment: what happens to training batches beside the crop; None for nothing.
    """

    def __init__(
        self,
        *,
        root: str | None,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        num_workers: NonNegativeInt = 0,
        on_bad_sample: Literal["error", "skip"] = "error",
        min_crop: Fraction | None = 0.25,
        center_crop: Fraction | None = None,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        in_channels: PositiveInt = 3,
        image_size: PositiveInt | Sequence[PositiveInt] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: BatchAugment | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=_IMAGE_SIZE if image_size is None else image_size,
            mean=mean,
            std=std,
            augment=augment,
        )
        self.root = None if root is None else Path(root).expanduser()
        self.evaluation_only, self.test_fraction, self.num_workers = evaluation_only, test_fraction, num_workers
        self.on_bad_sample, self.min_crop = on_bad_sample, min_crop
        self.center_crop = _CENTER_CROP if center_crop is None else center_crop
        self.files: dict[str, list[Path]] = {}

    @property
    def varies(self) -> bool:
        """Whether training images are cropped at random or augmented."""
        return self.min_crop is not None or super().varies

    def preprocessing(self) -> dict[str, Any]:
        """Returns what all images have, and the share that a crop from the middle keeps."""
        return {**super().preprocessing(), "center_crop": self.center_crop}

    def load(self) -> dict[str, Tensor]:
        """Finds the images of each split, looks at each file and numbers the classes."""
        if self.in_channels not in (1, 3):
            raise OptionError("data.in_channels", f"{self.in_channels} asked of image files", "set 3, or 1 for grey")
        root, found = self._found()
        self.class_names = class_names(found)
        self.files, labels = {}, {}
        for split, classes in found.items():
            if unknown := sorted(set(classes) - set(self.class_names)):
                problem = f"classes {', '.join(unknown)} of {split} are not in train"
                raise DataError(str(root), problem, "add them to train or remove them")
            labelled = [(path, name) for name in sorted(classes) for path in classes[name]]
            labelled = readable(labelled, self.on_bad_sample)
            if missing := sorted(set(classes) - {name for _, name in labelled}):
                raise DataError(str(root), f"no readable image of {missing[0]} in {split}", "add some")
            self.files[split] = [path for path, _ in labelled]
            labels[split] = torch.tensor([self.class_names.index(name) for _, name in labelled])
        self._split_off(labels, nested=(root / "train").is_dir())
        return labels

    def _found(self) -> tuple[Path, dict[str, dict[str, list[Path]]]]:
        """Returns the folder, and its files by split and class; does not look into them."""
        if self.root is None:
            raise OptionError("data.root", "no folder of images given", "add data.root=FOLDER")
        return self.root, scan(self.root, fewest_classes=1 if self.evaluation_only else 2)

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Decodes every file completely; if all are whole, looks at the batches."""
        from zoo.data.image_check import problems  # torchvision is not imported for a run

        _, found = self._found()
        files = [path for classes in found.values() for paths in classes.values() for path in paths]
        looked_at = watch(zip(files, problems(files, self.num_workers), strict=True), "images", len(files))
        bad = [BadSample(str(path), problem) for path, problem in looked_at if problem]
        yield from bad or super().scan(watch)

    def _split_off(self, labels: dict[str, Tensor], *, nested: bool) -> None:
        """Splits test, then validation images off the training images where they have no folder of their own."""
        if self.evaluation_only and not nested and self.test_fraction is None and "train" in labels:
            self.files, labels["test"] = {"test": self.files["train"]}, labels.pop("train")
        if "train" not in labels:
            return
        fraction = self.test_fraction if self.test_fraction is not None else 0.0 if nested else 0.15
        files, targets = self.files["train"], labels["train"]
        parts = self.split_off(targets, has_val="val" in labels, has_test="test" in labels, test_fraction=fraction)
        for split, rows in parts.items():
            self.files[split] = [files[row] for row in rows.tolist()]
            labels[split] = targets[rows]

    def check_training(self) -> None:
        """Asks for training images, and enough of them for a batch.

        Raises:
            DataError: there are none.
            OptionError: they do not fill a batch.
        """
        if "train" not in self.labels:
            remedy = "put some into train/CLASS, and leave data.evaluation_only false"
            raise DataError(str(self.root), "no images to train on", remedy)
        super().check_training()

    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation over the middles of up to 512 images: of training ones if there are any.

        Raises:
            DataError: one of them cannot be decoded, and is not to be left out, or none can.
        """
        split = next(split for split in ("train", "test", "val") if split in self.files)
        files = self.files[split]
        rows = torch.randperm(len(files), generator=generator("statistics", self.split_seed))[:_STATISTICS_SAMPLES]
        images = self._images(split, torch.zeros(len(files), dtype=torch.long), train=False)
        measured = []
        for row in rows.tolist():
            pixels, reason, _, _ = images[row, 0]
            if pixels is not None:
                measured.append(pixels)
            elif self.on_bad_sample == "error":
                raise DataError(str(files[row]), f"cannot be decoded ({reason})", MEND_OR_SKIP)
        if not measured:
            problem = f"none of {len(rows)} images of {split} can be decoded, the last for {reason}"
            raise DataError(str(self.root), problem, "mend them")
        return channel_statistics(torch.from_numpy(np.stack(measured)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the relative path, the size in bytes and the class of each file."""
        digest = hashlib.sha256()
        for split, files in self.files.items():
            for path, label in zip(files, self.labels[split].tolist(), strict=True):
                line = (str(path.relative_to(self.root or "")), path.stat().st_size, label)
                digest.update(repr((split, *line)).encode())
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the file, relative to the root."""
        return str(self.files[split][index].relative_to(self.root or ""))

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> FilesLoader:
        """Returns batches of a split that worker processes decode."""
        return split_loader(self, self._images(split, self.labels[split], train=train), order, batch_size, train=train)

    def _images(self, split: str, labels: Tensor, *, train: bool) -> ImageFiles:
        """Returns the images of a split as a dataset."""
        assert self.image_size is not None and self.in_channels is not None
        return ImageFiles(
            self.files[split],
            labels.tolist(),
            size=self.image_size,
            in_channels=self.in_channels,
            min_crop=self.min_crop if train else None,
            center_crop=self.center_crop,
            seed=self.seed,
        )
