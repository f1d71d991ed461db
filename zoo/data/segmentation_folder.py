"""A user's own images with masks: two folders of files of the same names, decoded while the model trains."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.data.base import BadSample, Split, Watch, unwatched
from zoo.data.decode import MEND_OR_SKIP
from zoo.data.files_loader import FilesLoader, split_loader
from zoo.data.mask_augment import NO_CLASS, MaskAugment
from zoo.data.mask_files import MaskFiles
from zoo.data.mask_scan import Look, MaskClasses, Pair, classes_of, find_pairs, survey, usable
from zoo.data.order import Order, generator
from zoo.data.pixels import channel_statistics
from zoo.data.segmentation import SegmentationData
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt

_STATISTICS_SAMPLES = 512


class SegmentationFolder(SegmentationData):
    """Images in `root/images` and masks in `root/masks`, or in folders `train`, `val` and `test` of such.

    The mask of `a.jpg` is `a.png`, a picture of its size whose values, of a palette or of grey, are class indices.
    Where there is no validation folder it is split off the training images. Training images are cropped at random as a
    function of (seed, epoch, row); images of evaluation come as a whole. Every mask is read before the first step.

    Args:
        root: the folder; `~` stands for the home folder.
        classes: names of the values 0, 1, 2 ...; None for the lines of `root/classes.txt`, or without it for the values
            found, each of which is a class then.
        ignore_index: the value of pixels that are neither learned nor judged; None for none.
        binary: whether 0 and 255 are the two classes; None for yes where the masks hold no other value.
        evaluation_only: whether nothing is trained on these images: a folder without splits is then a test split as a
            whole, unless `test_fraction` is given.
        test_fraction: share of images split off for testing where there is no test folder; None for 0.15 of a folder
            without splits and none of one with them.
        num_workers: processes that decode.
        on_bad_sample: whether an image or a mask that cannot be used ends the run or is left out with a warning.
        min_crop: smallest share of an image's area that a training crop keeps.
        batch_size: images in a training batch of one process.
        eval_batch_size: images in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training images that are held out where there is no validation folder.
        split_seed: decides which images are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training images to use; None for all.
        num_mask_classes: fact that is checked against the data; None to leave it to them.
        in_channels: 3 for colour, 1 for grey.
        image_size: side, or height and width, of the model's input.
        mean: of each channel of images scaled to 0..1; None to measure it.
        std: standard deviation, likewise.
        augment: what happens to training batches beside the crop; None for nothing.
    """

    def __init__(
        self,
        *,
        root: str | None,
        classes: Sequence[str] | None = None,
        ignore_index: NonNegativeInt | None = 255,
        binary: bool | None = None,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        num_workers: NonNegativeInt = 0,
        on_bad_sample: Literal["error", "skip"] = "error",
        min_crop: Fraction = 0.25,
        batch_size: PositiveInt = 16,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_mask_classes: PositiveInt | None = None,
        in_channels: PositiveInt = 3,
        image_size: PositiveInt | Sequence[PositiveInt] = 128,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: MaskAugment | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_mask_classes=num_mask_classes,
            in_channels=in_channels,
            image_size=image_size,
            mean=mean,
            std=std,
            augment=augment,
        )
        self.root = None if root is None else Path(root).expanduser()
        self.classes, self.ignore_index, self.binary = classes, ignore_index, binary
        self.evaluation_only, self.test_fraction, self.num_workers = evaluation_only, test_fraction, num_workers
        self.on_bad_sample, self.min_crop = on_bad_sample, min_crop
        self.pairs: dict[str, list[Pair]] = {}
        self.values: list[int] = []

    def load(self) -> dict[str, Tensor]:
        """Finds the images of each split, reads each mask and numbers the classes."""
        if self.in_channels not in (1, 3):
            raise OptionError("data.in_channels", f"{self.in_channels} asked of image files", "set 3, or 1 for grey")
        found = find_pairs(self._folder())
        pairs = [pair for of_split in found.values() for pair in of_split]
        looks, classes = self._judged(dict(zip(pairs, survey(pairs, self.num_workers), strict=True)))
        good = set(usable(looks, self.on_bad_sample))
        if not 2 <= len(classes.names) < NO_CLASS:
            held = ", ".join(classes.names) or "nothing but pixels without a target"
            problem = f"{len(classes.names)} classes in its masks ({held}), but there must be 2 to {NO_CLASS - 1}"
            raise DataError(str(self.root), problem, "look at the masks, data.classes and data.ignore_index")
        self.class_names, self.values, self.binary = classes.names, classes.values, classes.binary
        self.pairs = {split: [pair for pair in of_split if pair in good] for split, of_split in found.items()}
        return self._split_off(nested=not (self._folder() / "images").is_dir())

    def _folder(self) -> Path:
        if self.root is None:
            raise OptionError("data.root", "no folder of images and masks given", "add data.root=FOLDER")
        return self.root

    def _names(self) -> list[str] | None:
        """Returns the names of the classes, where they are given.

        Raises:
            DataError: the option and the file name different ones.
        """
        file = self._folder() / "classes.txt"
        given = None if self.classes is None else [str(name) for name in self.classes]
        if not file.is_file():
            return given
        try:
            lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(str(file), f"cannot be read ({error})", "save it in UTF-8, a class a line") from None
        if given is not None and given != lines:
            problem = f"names {', '.join(lines)}, but data.classes {', '.join(given)}"
            raise DataError(str(file), problem, "remove the file or the option")
        return lines

    def _judged(self, looks: dict[Pair, Look]) -> tuple[dict[Pair, Look], MaskClasses]:
        """Adds masks to what is wrong that hold values of no class; returns the classes, too."""
        self.classes = self._names()
        found = set[int]().union(*(look.values for look in looks.values()))
        classes = classes_of(found, names=self.classes, ignore_index=self.ignore_index, binary=self.binary)
        known = {*classes.values, self.ignore_index}
        last = classes.values[-1] if classes.values else 0
        rule = "0 and 255" if classes.binary else f"the {len(classes.names)} classes 0 to {last}"
        for pair, look in looks.items():
            if wrong := [value for value in look.values if value not in known]:
                assert pair.mask is not None
                problem = f"its mask {pair.mask.name} holds the value {wrong[0]}, which is none of {rule}"
                looks[pair] = Look(f"{problem}, nor data.ignore_index", ())
        return looks, classes

    def _split_off(self, *, nested: bool) -> dict[str, Tensor]:
        """Splits test, then validation images off the training images where they have no folder of their own."""
        if self.evaluation_only and not nested and self.test_fraction is None:
            self.pairs = {"test": self.pairs["train"]}
        if "train" in self.pairs:
            fraction = self.test_fraction if self.test_fraction is not None else 0.0 if nested else 0.15
            pairs, labels = self.pairs["train"], torch.zeros(len(self.pairs["train"]), dtype=torch.long)
            has = {"has_val": "val" in self.pairs, "has_test": "test" in self.pairs}
            for split, rows in self.split_off(labels, **has, test_fraction=fraction).items():
                self.pairs[split] = [pairs[row] for row in rows.tolist()]
        for split, of_split in self.pairs.items():
            if not of_split:
                raise DataError(str(self.root), f"no image of {split} can be used", "mend some")
        return {split: torch.zeros(len(pairs), dtype=torch.long) for split, pairs in self.pairs.items()}

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at every image and reads every mask; if all are whole, looks at the batches."""
        pairs = [pair for of_split in find_pairs(self._folder()).values() for pair in of_split]
        looked_at = watch(zip(pairs, survey(pairs, self.num_workers), strict=True), "images", len(pairs))
        looks, _ = self._judged(dict(looked_at))
        bad = [BadSample(str(pair.image), look.problem) for pair, look in looks.items() if look.problem]
        yield from bad or super().scan(watch)

    def preprocessing(self) -> dict[str, Any]:
        """Returns what all images have, and what the values of masks stand for."""
        return {**super().preprocessing(), "classes": self.classes, "binary": self.binary}

    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation over up to 512 images: of training ones if there are any.

        Raises:
            DataError: one of them cannot be decoded, and is not to be left out, or none can.
        """
        split = next(split for split in ("train", "test", "val") if split in self.pairs)
        pairs = [pair._replace(mask=None) for pair in self.pairs[split]]
        rows = torch.randperm(len(pairs), generator=generator("statistics", self.split_seed))[:_STATISTICS_SAMPLES]
        images, measured = self._files(pairs, train=False), []
        for row in rows.tolist():
            pixels, problem, _, _ = images[row, 0]
            if pixels is not None:
                measured.append(pixels)
            elif self.on_bad_sample == "error":
                raise DataError(images.place(row), f"cannot be decoded ({problem})", MEND_OR_SKIP)
        if not measured:
            raise DataError(str(self.root), f"none of {len(rows)} images of {split} can be decoded", "mend them")
        return channel_statistics(torch.from_numpy(np.stack(measured)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the relative path and the size in bytes of each file."""
        digest = hashlib.sha256()
        for split, pairs in self.pairs.items():
            for path in (path for pair in pairs for path in pair if path is not None):
                digest.update(repr((split, str(path.relative_to(self._folder())), path.stat().st_size)).encode())
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the file, relative to the root."""
        return str(self.pairs[split][index].image.relative_to(self._folder()))

    def place_of_class(self, name: str) -> str:
        """Returns the folder."""
        return str(self.root)

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> FilesLoader:
        """Returns batches of a split that worker processes decode."""
        return split_loader(self, self._files(self.pairs[split], train=train), order, batch_size, train=train)

    def _files(self, pairs: Sequence[Pair], *, train: bool) -> MaskFiles:
        assert self.image_size is not None and self.in_channels is not None
        return MaskFiles(
            pairs,
            self.values,
            size=self.image_size,
            in_channels=self.in_channels,
            min_crop=self.min_crop if train else None,
            seed=self.seed,
        )
