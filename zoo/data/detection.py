"""Images with boxes around objects: splits, facts and batches, wherever these come from."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.annotations import Sample
from zoo.data.base import Split
from zoo.data.box_augment import BoxAugment
from zoo.data.box_files import BoxFiles
from zoo.data.decode import MEND_OR_SKIP
from zoo.data.files_loader import AllFiles, FilesLoader, split_loader
from zoo.data.image_ops import box_mask
from zoo.data.image_scan import SUFFIXES
from zoo.data.images import NormalizedImages
from zoo.data.order import Order, generator
from zoo.data.pixels import channel_statistics
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt

_STATISTICS_SAMPLES = 512
_GREY = 128


class DetectionData(NormalizedImages):
    """Images with boxes: each is scaled to fit `image_size`, with its aspect kept, and padded with the mean.

    A split that the data do not bring is cut off the training split, stratified by the rarest class on an image.

    Args:
        evaluation_only: whether nothing is trained on these data: where they bring no splits, all is for testing,
            unless `test_fraction` is given.
        test_fraction: share of the images split off for testing where there is no test split; None for 0.15 of data
            that bring no splits and none of others.
        num_workers: processes that decode.
        on_bad_sample: whether a bad image or box ends the run or is left out with a warning.
        in_channels: 3 for colour, 1 for grey.
        image_size: side, or height and width, of the model's input.
        augment: what happens to training images; None for nothing.
        options: see `zoo.data.images.NormalizedImages`.
    """

    file_suffixes: ClassVar[frozenset[str]] = frozenset(SUFFIXES)

    def __init__(
        self,
        *,
        evaluation_only: bool = False,
        test_fraction: Fraction | None = None,
        num_workers: NonNegativeInt = 0,
        on_bad_sample: Literal["error", "skip"] = "error",
        in_channels: PositiveInt = 3,
        image_size: PositiveInt | Sequence[PositiveInt] = 320,
        augment: BoxAugment | None = None,
        **options: Any,
    ) -> None:
        super().__init__(in_channels=in_channels, image_size=image_size, **options)
        self.evaluation_only, self.test_fraction = evaluation_only, test_fraction
        self.num_workers, self.on_bad_sample, self.augment = num_workers, on_bad_sample, augment
        self.samples: dict[str, list[Sample]] = {}

    @abstractmethod
    def find(self) -> dict[str, list[Sample]]:
        """Finds the samples of each split, and sets `class_names`."""

    def load(self) -> dict[str, Tensor]:
        """Finds the samples of each split, and splits off those that are missing."""
        if self.in_channels not in (1, 3):
            raise OptionError("data.in_channels", f"{self.in_channels} asked of images", "set 3, or 1 for grey")
        samples = self.find()
        if self.evaluation_only and self.test_fraction is None and list(samples) == ["train"]:
            samples = {"test": samples["train"]}
        for split in [split for split, found in samples.items() if not found]:
            raise DataError("data", f"no usable image of {split}", "add some")
        if "train" in samples:
            samples |= self._split_off(samples)
        self.samples = samples
        return {split: self._rarest(found) for split, found in samples.items()}

    def _split_off(self, samples: dict[str, list[Sample]]) -> dict[str, list[Sample]]:
        train, has_val, has_test = samples["train"], "val" in samples, "test" in samples
        if not any(len(sample.labels) for sample in train):
            raise DataError("data", f"no object on any of {len(train)} training images", "annotate some")
        fraction = self.test_fraction if self.test_fraction is not None else 0.0 if has_val else 0.15
        parts = self.split_off(self._rarest(train), has_val=has_val, has_test=has_test, test_fraction=fraction)
        return {split: [train[row] for row in rows.tolist()] for split, rows in parts.items()}

    def _rarest(self, samples: Sequence[Sample]) -> Tensor:
        """Returns that class on each image which the fewest objects have, or one more where nothing is on it, (N,)."""
        counts = self._counts(samples)
        nothing = len(counts)
        rarest = [
            min(sample.labels.tolist(), key=lambda label: (counts[label], label), default=nothing) for sample in samples
        ]
        return torch.tensor(rarest)

    def _counts(self, samples: Sequence[Sample]) -> list[int]:
        """Returns the number of objects of each class."""
        labels = np.concatenate([sample.labels for sample in samples]) if samples else np.empty(0, dtype=np.int64)
        counts: list[int] = np.bincount(labels, minlength=len(self.class_names)).tolist()
        return counts

    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation over up to 512 images: of training ones if there are any.

        Raises:
            DataError: one of them cannot be decoded, and is not to be left out, or none can.
        """
        split = next(split for split in ("train", "test", "val") if split in self.samples)
        files = self._files(self.samples[split], [_GREY] * (self.in_channels or 1))
        draw = generator("statistics", self.split_seed)
        pixels: list[Tensor] = []
        for row in torch.randperm(len(files), generator=draw)[:_STATISTICS_SAMPLES].tolist():
            canvas, problem, target, _ = files[row, 0]
            if canvas is not None:
                left, top, right, bottom = target["content"].tolist()
                pixels.append(torch.from_numpy(canvas[:, top:bottom, left:right]).flatten(1))
            elif self.on_bad_sample == "error":
                raise DataError(files.place(row), f"cannot be decoded ({problem})", MEND_OR_SKIP)
        if not pixels:
            raise DataError("data", f"no image of {split} can be decoded, the last for {problem}", "mend them")
        return channel_statistics(torch.cat(pixels, dim=1)[None, :, None])

    def _files(self, samples: Sequence[Sample], padding: Sequence[int], *, train: bool = False) -> BoxFiles:
        """Returns images as a dataset."""
        assert self.image_size is not None
        # What is to be learned by heart must stay the same.
        augmented = train and not getattr(self.trainer, "overfit_batches", 0)
        augment = self.augment if augmented else None
        return BoxFiles(samples, size=self.image_size, padding=padding, augment=augment, seed=self.seed)

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> FilesLoader:
        """Returns batches of a split that worker processes decode."""
        return split_loader(
            self, self._files(self.samples[split], self._padding, train=train), order, batch_size, train=train
        )

    def file_loader(self, files: Sequence[Path]) -> AllFiles:
        """Returns batches of images without boxes, scaled to fit as those of a validation."""
        assert self.image_size and self.mean, "the preprocessing is given"
        nothing = np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool)
        images = self._files([Sample(path, *nothing) for path in files], self._padding)
        return AllFiles(images, batch_size=self.eval_batch_size, num_workers=self.num_workers)

    @property
    def _padding(self) -> list[int]:
        """The mean colour in bytes."""
        return [round(255 * mean) for mean in self.mean or ()]

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Changes colours where it trains, normalises, and makes the padding 0.

        Args:
            batch: as `zoo.batch` describes it, with "input" uint8.
            train: whether to augment.

        Returns:
            The batch with "input" float32.
        """
        images = batch["input"]
        if train and self.augment is not None:
            images = self.augment.on_pixels(images, self.draws(self.augment, batch["index"]))
        images = self.normalize(images)
        left, top, right, bottom = batch["content"].unbind(1)
        shown = box_mask(top, left, bottom, right, *images.shape[2:])
        return {**batch, "input": images.mul_(shown)}

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the classes by name, so that a model trained on other data can be evaluated on these.

        Args:
            class_names: the model's classes in its order; the data may have fewer.

        Raises:
            DataError: the data have classes that the model does not know.
        """
        names = list(self.class_names)
        super().align_classes(class_names)
        places = np.array([list(class_names).index(name) for name in names])
        for split, samples in self.samples.items():
            self.samples[split] = [sample._replace(labels=places[sample.labels]) for sample in samples]
            self.labels[split] = self._rarest(self.samples[split])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over what tells each image from another one, its boxes and its classes."""
        digest = hashlib.sha256()
        for split, samples in self.samples.items():
            for row, (image, *boxes) in enumerate(samples):
                name = self.sample_name(split, row)  # type: ignore[arg-type]
                digest.update(repr((split, name, image.stat().st_size if isinstance(image, Path) else "")).encode())
                for values in (*boxes, *([] if isinstance(image, Path) else [image])):
                    digest.update(np.ascontiguousarray(values).data)
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the place in the split, as "test[17]"."""
        return f"{split}[{index}]"

    def summary(self) -> list[str]:
        """Returns lines on the size of each split, the objects of each class and the facts that are no lists."""
        counts = self._counts([sample for samples in self.samples.values() for sample in samples])
        named = [f"{name} {count:,}" for name, count in zip(self.class_names, counts, strict=True)]
        if (more := len(named) - 30) > 0:
            named = [*named[:30], f"and {more} more"]
        classes = f"{'classes':<12} {len(self.class_names)}: {', '.join(named)}"
        return [*self.describe_splits(), classes, *self.describe_facts(self.preprocessing())]
