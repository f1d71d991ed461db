"""Image data: what all image modules share, and small sets that live in memory as uint8 tensors."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data.augment import BatchAugment
from zoo.data.base import Batch, DataModule, Split
from zoo.data.loader import BatchLoader, EpochLoader
from zoo.data.order import Order, SequentialOrder, ShuffledOrder, complement, generator, stratified
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt

_LUMA = (0.299, 0.587, 0.114)
_CHUNK = 4096


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
        channels_last: whether batches leave with the channels last in memory.
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
        image_size: int | Sequence[int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: BatchAugment | None = None,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size or batch_size
        self.val_fraction, self.split_seed, self.train_samples = val_fraction, split_seed, train_samples
        self.seed, self.augment, self.channels_last = seed, augment, channels_last
        self.num_classes, self.in_channels, self.mean, self.std = num_classes, in_channels, mean, std
        self.image_size = [image_size] * 2 if isinstance(image_size, int) else image_size and list(image_size)
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
        available = len(labels["train"])
        if self.batch_size > available:
            problem = f"{self.batch_size} asked, but only {available} training samples"
            raise OptionError("data.batch_size", problem, f"lower it to at most {available}")
        mean, std = self.measure_statistics() if self.mean is None or self.std is None else (self.mean, self.std)
        self.mean, self.std = list(self.mean or mean), list(self.std or std)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.in_channels:
                problem = f"{len(values)} values for {self.in_channels} channels"
                raise OptionError(f"data.{name}", problem, "give one a channel, or null to measure them")
        self.labels = labels

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
        augment = self.augment if train else None
        if augment is None:
            batch = {**batch, "input": self._normalize(batch["input"])}
        else:
            draws = self._draws(augment, batch["index"])
            images = self._normalize(augment.on_pixels(batch["input"], draws))
            batch = augment.on_normalized({**batch, "input": images}, draws, len(self.class_names))
        if self.channels_last:
            batch["input"] = batch["input"].contiguous(memory_format=torch.channels_last)
        return batch

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
        channels_last: whether batches leave with the channels last in memory.
    """

    def __init__(
        self,
        *,
        source: ImageSource,
        device_cache: bool = True,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        val_fraction: Fraction = 0.1,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        train_samples: PositiveInt | None = None,
        num_classes: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: int | Sequence[int] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: BatchAugment | None = None,
        channels_last: bool = False,
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
            channels_last=channels_last,
        )
        self.source, self.device_cache = source, device_cache
        self.images: dict[str, Tensor] = {}

    def prepare_data(self) -> None:
        """Lets the source download what is missing."""
        self.source.prepare()

    def load(self) -> dict[str, Tensor]:
        """Reads, converts and splits the images."""
        splits = self.source.load()
        self.class_names = list(self.source.class_names)
        images, labels = splits.pop("train")
        train, val = self.split_train(labels)
        self.images = {"train": images.index_select(0, train), "val": images.index_select(0, val)}
        self.images |= {split: images for split, (images, _) in splits.items()}
        self.in_channels = self.in_channels or images.shape[1]
        self.image_size = self.image_size or list(images.shape[2:])
        for split, images in self.images.items():
            self.images[split] = resize(to_channels(images, self.in_channels), self.image_size)
        return {"train": labels[train], "val": labels[val]} | {name: labels for name, (_, labels) in splits.items()}

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
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return BatchLoader(
            self.images[split],
            self.labels[split],
            order=order,
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
            device=root if self.device_cache and root.type == "cuda" else "cpu",
        )


def channel_statistics(images: Tensor) -> tuple[list[float], list[float]]:
    """Measures uint8 images by their histogram, which is exact.

    Args:
        images: uint8, (N, C, H, W).

    Returns:
        Mean and standard deviation of each channel, scaled to 0..1; 1 for the deviation of a constant channel.
    """
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in images.unbind(1):
        share = channel.flatten().bincount(minlength=256).double() / channel.numel()
        mean = (share * levels).sum()
        means.append(mean.item())
        deviations.append((share * (levels - mean).square()).sum().sqrt().item() or 1.0)
    return means, deviations


def to_channels(images: Tensor, in_channels: int) -> Tensor:
    """Converts uint8 images from colour to grey (ITU-R 601), or repeats grey as colour.

    Raises:
        OptionError: the channels are neither 1 nor 3.
    """
    channels = images.shape[1]
    if channels == in_channels:
        return images
    if channels == 1 and in_channels == 3:
        return images.expand(-1, 3, -1, -1).contiguous()
    if channels == 3 and in_channels == 1:
        weights = torch.tensor(_LUMA)
        grey = [torch.einsum("bchw,c->bhw", chunk.float(), weights).round_() for chunk in torch.split(images, _CHUNK)]
        return torch.cat([chunk.to(torch.uint8) for chunk in grey]).unsqueeze(1)
    problem = f"{in_channels} asked, but the images have {channels}"
    raise OptionError("data.in_channels", problem, "set 1 or 3, or null for what the images have")


def resize(images: Tensor, size: Sequence[int]) -> Tensor:
    """Resizes uint8 images bilinearly with antialiasing."""
    if list(images.shape[2:]) == list(size):
        return images
    chunks = [
        F.interpolate(chunk, list(size), mode="bilinear", antialias=True) for chunk in torch.split(images, _CHUNK)
    ]
    return torch.cat(chunks)
