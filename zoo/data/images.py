"""Image data: the splits, facts and batches that all image modules share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.augment import BatchAugment
from zoo.data.base import DataModule, Split
from zoo.data.loader import EpochLoader
from zoo.data.order import (
    Order,
    SequentialOrder,
    ShuffledOrder,
    complement,
    generator,
    rank_and_world_size,
    stratified,
)
from zoo.data.pixels import sides
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt


class ImageData(DataModule):
    """Splits, facts and batches of labelled images, wherever these come from.

    The validation split is always cut off the training split, stratified by class, by `split_seed` alone.

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
        augment: what happens to training batches; None for nothing.
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
        augment: BatchAugment | None = None,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size or batch_size
        self.val_fraction, self.split_seed, self.train_samples = val_fraction, split_seed, train_samples
        self.seed, self.augment = seed, augment
        self.num_classes, self.in_channels, self.mean, self.std = num_classes, in_channels, mean, std
        self.image_size = None if image_size is None else sides(image_size)
        self.labels: dict[str, Tensor] = {}
        self._order: Order | None = None
        self._table: tuple[int, Tensor] | None = None
        self._constants: tuple[Tensor, Tensor] | None = None

    @abstractmethod
    def load(self) -> dict[str, Tensor]:
        """Reads the data, sets `class_names`, `in_channels` and `image_size`, and returns the labels of each split."""

    @abstractmethod
    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns the mean and the standard deviation of each channel over the training split, scaled to 0..1."""

    @abstractmethod
    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> EpochLoader[Batch]:
        """Returns batches of uint8 images of a split."""

    def setup(self, stage: str | None = None) -> None:
        """Loads the splits, the first time it is called.

        Raises:
            OptionError: an option does not fit the data.
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

    def check_training(self) -> None:
        """Compares the batch size with the training split.

        Raises:
            OptionError: the samples do not fill one batch of every process.
        """
        available, processes = len(self.labels["train"]), rank_and_world_size()[1]
        if self.batch_size * processes > available:
            asked = f"{self.batch_size} asked" + (f" by each of {processes} processes" if processes > 1 else "")
            problem = f"{asked}, but only {available} training samples"
            raise OptionError("data.batch_size", problem, f"lower it to at most {available // processes}")

    def split_train(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Splits training rows into those to train on and those held out, both ascending.

        Raises:
            OptionError: one of the parts would be empty.
        """
        total = len(labels)
        count = round(self.val_fraction * total)
        if not 0 < count < total:
            left = "validation" if count == 0 else "training"
            problem = f"{self.val_fraction:g} of {total} samples leaves none for {left}"
            raise OptionError("data.val_fraction", problem, "set it between 0 and 1, such as 0.1")
        val = stratified(labels, count, generator("validation split", self.split_seed))
        train = complement(val, total)
        return train[self.train_subset(labels[train])], val

    def train_subset(self, labels: Tensor) -> Tensor:
        """Returns the rows of the training split to use, ascending.

        Raises:
            OptionError: more are asked than there are.
        """
        if self.train_samples is None:
            return torch.arange(len(labels))
        if self.train_samples > len(labels):
            problem = f"{self.train_samples} asked, but only {len(labels)} training samples"
            raise OptionError("data.train_samples", problem, "lower it, or set null for all")
        return stratified(labels, self.train_samples, generator("training subset", self.split_seed))

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given; images are converted to the channels and the size that are given."""
        return {"num_classes": self.num_classes}

    def found_facts(self) -> dict[str, Any]:
        """Returns the number of classes and the preprocessing."""
        return {"num_classes": len(self.class_names), **self.preprocessing()}

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

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return "test" in self.labels

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the targets by name, so that a model trained on other data can be evaluated on these.

        Args:
            class_names: the model's classes in its order; the data may have fewer.

        Raises:
            DataError: the data have classes that the model does not know.
        """
        self.prepare_data()
        self.setup()
        if unknown := [name for name in self.class_names if name not in class_names]:
            problem = f"classes {', '.join(unknown)} are not among the checkpoint's {', '.join(class_names)}"
            raise DataError("data", problem, "rename them, or leave them out")
        places = torch.tensor([list(class_names).index(name) for name in self.class_names])
        self.labels = {split: places[labels] for split, labels in self.labels.items()}
        self.class_names = list(class_names)

    def train_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of a training epoch, in an order that is a function of (seed, epoch)."""
        self.check_training()
        samples = len(self.labels["train"])
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        self._order = SequentialOrder(samples) if overfit else ShuffledOrder(samples, self.seed)
        return self.loader("train", self._order, self.batch_size, train=True)

    def val_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the validation split."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the test split."""
        return self._evaluation_loader("test")

    def _evaluation_loader(self, split: Split) -> EpochLoader[Batch]:
        if split not in self.labels:
            raise DataError("data", f"there is no {split} split", f"ask for {' or '.join(self.labels)}")
        order = SequentialOrder(len(self.labels[split]))
        return self.loader(split, order, self.eval_batch_size, train=False)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Augments where it trains, and normalises.

        Args:
            batch: "input" uint8 (B, C, H, W), "target" (B,) and "index" (B,), the rows in the split.
            train: whether to augment.

        Returns:
            The batch with "input" float32, and "soft_target" (B, K) where images were mixed.
        """
        if self.augment is None or not train:
            return {**batch, "input": self._normalize(batch["input"])}
        draws = self._draws(self.augment, batch["index"])
        images = self._normalize(self.augment.on_pixels(batch["input"], draws))
        return self.augment.on_normalized({**batch, "input": images}, draws, len(self.class_names))

    def _draws(self, augment: BatchAugment, index: Tensor) -> Tensor:
        """Returns the random numbers of these samples in this epoch, whose table is drawn with its first batch."""
        epoch = self._order.epoch if self._order else 0
        if self._table is None or self._table[0] != epoch or self._table[1].device != index.device:
            table = augment.table(len(self.labels["train"]), self.seed, epoch)
            self._table = epoch, table.to(index.device)
        return self._table[1].index_select(0, index)

    def _normalize(self, images: Tensor) -> Tensor:
        """Scales pixels from 0..255 to mean 0 and standard deviation 1 a channel."""
        if self._constants is None or self._constants[0].device != images.device:
            mean, std = (torch.tensor(values, device=images.device).view(-1, 1, 1) for values in (self.mean, self.std))
            self._constants = 1 / (255 * std), -mean / std
        scale, bias = self._constants
        # Two passes in place; with the types mixed, or in one addcmul, it is slower.
        return images.float().mul_(scale).add_(bias)
