"""Image data: the statistics, facts and batches that all image modules share."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from zoo.batch import Batch
from zoo.data.augment import BatchAugment
from zoo.data.files_loader import AllFiles
from zoo.data.image_files import ImageFiles
from zoo.data.image_scan import SUFFIXES
from zoo.data.labelled import LabelledData
from zoo.data.pixels import Normalization, sides
from zoo.errors import OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt


class NormalizedImages(LabelledData):
    """Splits and facts of images that are normalised by the statistics of the training split, whatever is learned.

    Args:
        batch_size: images in a training batch of one process.
        eval_batch_size: images in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training images that are held out for validation.
        split_seed: decides which images are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training images to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
        in_channels: 1 or 3, which images are converted to; None for what they have.
        image_size: side, or height and width, which images are resized to; None for what they have.
        mean: of each channel of images scaled to 0..1; None to measure it on the training split.
        std: standard deviation, likewise.
    """

    def __init__(
        self,
        *,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: PositiveInt | Sequence[PositiveInt] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
        )
        self.in_channels, self.mean, self.std = in_channels, mean, std
        self.image_size = None if image_size is None else sides(image_size)
        self._normalization: Normalization | None = None

    @abstractmethod
    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns the mean and the standard deviation of each channel over the training split, scaled to 0..1."""

    def setup(self, stage: str | None = None) -> None:
        """Loads the splits and measures them, the first time it is called.

        Raises:
            OptionError: an option does not fit the data.
            DataError: the data cannot be used.
        """
        if self.labels:
            return
        labels = self.load()
        mean, std = self.measure_statistics() if self.mean is None or self.std is None else (self.mean, self.std)
        self.mean, self.std = list(self.mean or mean), list(self.std or std)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.in_channels:
                problem = f"{len(values)} values for {self.in_channels} channels"
                raise OptionError(f"data.{name}", problem, "give one a channel, or null to measure them")
        self.labels = labels

    def preprocessing(self) -> dict[str, Any]:
        """Returns channels, size, mean and standard deviation; all are arguments of the constructor."""
        assert self.image_size and self.mean and self.std, "setup comes first"
        height, width = self.image_size
        return {
            "in_channels": self.in_channels,
            "image_size": height if height == width else [height, width],
            "mean": [round(value, 6) for value in self.mean],
            "std": [round(value, 6) for value in self.std],
        }

    def normalize(self, images: Tensor) -> Tensor:
        """Scales pixels from 0..255 to mean 0 and standard deviation 1 a channel."""
        if self._normalization is None:
            assert self.mean and self.std, "setup comes first"
            self._normalization = Normalization(self.mean, self.std)
        return self._normalization(images)


class ImageData(NormalizedImages):
    """Splits, facts and batches of labelled images, wherever these come from.

    Args:
        augment: what happens to training batches; None for nothing.
        options: see `NormalizedImages`.
    """

    file_suffixes: ClassVar[frozenset[str]] = frozenset(SUFFIXES)

    def __init__(self, *, augment: BatchAugment | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.augment = augment

    @property
    def varies(self) -> bool:
        """Whether training images are augmented."""
        return self.augment is not None and bool(self.augment.names)

    def file_loader(self, files: Sequence[Path]) -> AllFiles:
        """Returns batches of images without labels, cropped and resized as those of a validation."""
        assert self.image_size and self.in_channels, "the preprocessing is given"
        images = ImageFiles(
            files,
            [0] * len(files),
            size=self.image_size,
            in_channels=self.in_channels,
            min_crop=None,
            center_crop=getattr(self, "center_crop", 1.0),
            seed=self.seed,
        )
        return AllFiles(images, batch_size=self.eval_batch_size, num_workers=getattr(self, "num_workers", 0))

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Augments where it trains, and normalises.

        Args:
            batch: "input" uint8 (B, C, H, W), "target" (B,) and "index" (B,), the rows in the split.
            train: whether to augment.

        Returns:
            The batch with "input" float32, and "soft_target" (B, K) where images were mixed.
        """
        if self.augment is None or not train:
            return {**batch, "input": self.normalize(batch["input"])}
        draws = self.draws(self.augment, batch["index"])
        images = self.normalize(self.augment.on_pixels(batch["input"], draws))
        return self.augment.on_normalized({**batch, "input": images}, draws, len(self.class_names))
