"""Handwritten digits on a noisy canvas, each pixel of which is to be named: no download."""

import hashlib
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from zoo.data.base import Split
from zoo.data.digits_canvas import Canvases, DigitsCanvas
from zoo.data.loader import BatchLoader
from zoo.data.mask_augment import MaskAugment
from zoo.data.order import Order
from zoo.data.pixels import channel_statistics, to_channels
from zoo.data.segmentation import SegmentationData
from zoo.ranges import NonNegativeInt, PositiveInt


class DigitsSegmentation(SegmentationData):
    """Canvases with the digits' pixels as masks: eleven classes, the background among them, all in memory.

    Args:
        source: draws the canvases.
        device_cache: whether they are kept on the GPU that trains.
        batch_size: images in a training batch of one process.
        eval_batch_size: images in an evaluation batch, None for `batch_size`.
        split_seed: what the canvases are a function of.
        seed: decides order and augmentation.
        num_mask_classes: fact that is checked; 11.
        in_channels: 1, or 3 for grey repeated as colour; None for 1.
        image_size: fact: that of the canvases, which are drawn in it.
        mean: of each channel of images scaled to 0..1; None to measure it on the training split.
        std: standard deviation, likewise.
        augment: what happens to training batches; None for nothing.
    """

    def __init__(
        self,
        *,
        source: DigitsCanvas,
        device_cache: bool = True,
        batch_size: PositiveInt = 32,
        eval_batch_size: PositiveInt | None = None,
        split_seed: NonNegativeInt = 0,
        seed: NonNegativeInt = 0,
        num_mask_classes: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: PositiveInt | Sequence[PositiveInt] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augment: MaskAugment | None = None,
    ) -> None:
        super().__init__(
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            split_seed=split_seed,
            seed=seed,
            num_mask_classes=num_mask_classes,
            in_channels=in_channels,
            image_size=source.image_size if image_size is None else image_size,
            mean=mean,
            std=std,
            augment=augment,
        )
        self.source, self.device_cache = source, device_cache
        self.class_names = ["background", *source.class_names]
        self.canvases: dict[str, Canvases] = {}

    def load(self) -> dict[str, Tensor]:
        """Draws the canvases of each split."""
        self.in_channels = self.in_channels or 1
        for split, drawn in self.source.load(self.split_seed).items():
            self.canvases[split] = drawn._replace(images=to_channels(drawn.images, self.in_channels))
        return {split: torch.zeros(len(drawn.images), dtype=torch.long) for split, drawn in self.canvases.items()}

    def measure_statistics(self) -> tuple[list[float], list[float]]:
        """Returns mean and standard deviation over every pixel of the training split."""
        return channel_statistics(self.canvases["train"].images)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the pixels and the masks of each split."""
        digest = hashlib.sha256()
        for split, drawn in self.canvases.items():
            digest.update(repr((split, tuple(drawn.images.shape))).encode())
            digest.update(drawn.images.contiguous().numpy().data)
            digest.update(drawn.masks.numpy().data)
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the place in the split, as "test[17]"."""
        return f"{split}[{index}]"

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> BatchLoader:
        """Returns batches cut from the tensors of a split."""
        drawn, cache = self.canvases[split], self.device_cache
        return self.cut_batches(
            drawn.images, split, order, batch_size, train=train, device_cache=cache, targets=drawn.masks
        )
