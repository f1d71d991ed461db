"""Small sets of images that live in memory as uint8 tensors."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, uint8

from zoo.data.augment import BatchAugment
from zoo.data.base import Split
from zoo.data.images import ImageData
from zoo.data.loader import BatchLoader
from zoo.data.order import Order
from zoo.data.pixels import channel_statistics, resize, to_channels
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt


@runtime_checkable
class ImageSource(Protocol):
    """Where images in memory come from."""

    @property
    def class_names(self) -> Sequence[str]:
        """The classes in the order of their labels."""

    def prepare(self) -> None:
        """Downloads what is missing."""

    def load(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns images, uint8 (N, C, H, W), and labels, int64 (N,), of "train" and, where there is one, "test"."""


class MemoryImages(ImageData):
    """Small sets of images as uint8 tensors, on the GPU where there is one; batches are cut without workers.

    Args:
        source: where the images come from.
        classes: names of those to keep, in this order; None for all.
        device_cache: whether the images are kept on the GPU that trains.
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
        source: ImageSource,
        classes: Sequence[str | int] | None = None,
        device_cache: bool = True,
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
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            val_fraction=val_fraction,
            split_seed=split_seed,
            seed=seed,
            train_samples=train_samples,
            num_classes=num_classes,
            in_channels=in_channels,
            image_size=image_size,
            mean=mean,
            std=std,
            augment=augment,
        )
        self.source, self.device_cache = source, device_cache
        self.classes = None if classes is None else [str(name) for name in classes]
        self.images: dict[str, Tensor] = {}

    def prepare_data(self) -> None:
        """Lets the source download what is missing."""
        self.source.prepare()

    def load(self) -> dict[str, Tensor]:
        """Reads, converts and splits the images."""
        splits = self.source.load()
        self.class_names = list(self.source.class_names)
        for split, (images, labels) in splits.items():
            _check(split, images, labels, len(self.class_names))
        if self.classes is not None:
            splits = self._kept(splits, self.classes)
        images, labels = splits.pop("train")
        train, val = self.split_train(labels)
        self.images = {"train": images.index_select(0, train), "val": images.index_select(0, val)}
        self.images |= {split: images for split, (images, _) in splits.items()}
        self.in_channels = self.in_channels or images.shape[1]
        self.image_size = self.image_size or list(images.shape[2:])
        for split, images in self.images.items():
            self.images[split] = resize(to_channels(images, self.in_channels), self.image_size)
        return {"train": labels[train], "val": labels[val]} | {name: labels for name, (_, labels) in splits.items()}

    def _kept(self, splits: dict[str, tuple[Tensor, Tensor]], classes: list[str]) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns the images of some classes, renumbered.

        Raises:
            OptionError: a class is not there or named twice, or there are fewer than two.
        """
        known = [str(name) for name in self.class_names]
        if unknown := [name for name in classes if name not in known or classes.count(name) > 1]:
            problem = f"{unknown[0]} is named twice, or is none of {', '.join(known)}"
            raise OptionError("data.classes", problem, "name each class once, or set null for all")
        if len(classes) < 2:
            raise OptionError("data.classes", f"{len(classes)} given", "name two classes or more")
        self.class_names = classes
        numbers = torch.full((len(known),), -1)
        numbers[torch.tensor([known.index(name) for name in classes])] = torch.arange(len(classes))
        kept = {}
        for split, (images, labels) in splits.items():
            rows = (numbers[labels] >= 0).nonzero().flatten()
            kept[split] = images.index_select(0, rows), numbers[labels[rows]]
        return kept

    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation over every pixel of the training split."""
        return channel_statistics(self.images["train"])

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the shape, the pixels and the labels of each split."""
        digest = hashlib.sha256()
        for split, images in self.images.items():
            digest.update(repr((split, tuple(images.shape))).encode())
            digest.update(images.contiguous().numpy().data)
            digest.update(self.labels[split].numpy().data)
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the place in the split, as "test[17]"."""
        return f"{split}[{index}]"

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> BatchLoader:
        """Returns batches cut from the tensors of a split."""
        images = self.images[split]
        return self.cut_batches(images, split, order, batch_size, train=train, device_cache=self.device_cache)


def _check(split: str, images: Tensor, labels: Tensor, num_classes: int) -> None:
    """Refuses what a source has loaded before it ends in an error of an index or a type.

    Raises:
        DataError: images or labels are not what `ImageSource` promises.
    """
    if images.dtype != uint8 or images.ndim != 4 or len(images) != len(labels) or not len(labels):
        problem = f"{images.dtype} images {tuple(images.shape)} with {len(labels)} labels"
        raise DataError(f"data.source ({split})", problem, "give uint8 images (N, C, H, W) and a label for each")
    wrong = ((labels < 0) | (labels >= num_classes)).nonzero().flatten().tolist()
    if wrong:
        more = f", and {len(wrong) - 1} more labels are wrong" if wrong[1:] else ""
        problem = f"its label is {labels[wrong[0]]}, but the {num_classes} classes are 0 to {num_classes - 1}{more}"
        raise DataError(f"{split}[{wrong[0]}]", problem, "correct the labels of data.source, or its class_names")
