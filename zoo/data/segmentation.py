"""Images with a class for each pixel: the facts and batches that all data of segmentation share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from zoo.batch import NO_TARGET, Batch
from zoo.data.files_loader import AllFiles
from zoo.data.image_scan import SUFFIXES
from zoo.data.images import NormalizedImages
from zoo.data.mask_augment import NO_CLASS, MaskAugment
from zoo.data.mask_files import MaskFiles
from zoo.data.mask_scan import Pair
from zoo.data.order import SequentialOrder
from zoo.ranges import PositiveInt


class SegmentationData(NormalizedImages):
    """Splits, facts and batches of images with masks, wherever these come from.

    Loaders yield masks of bytes, in which `NO_CLASS` stands for no target. Of what `LabelledData` has the labels are
    all 0: splits are drawn at random. The number of classes is a fact of its own name, so that a classifier of whole
    images is refused before anything is built.

    Args:
        num_mask_classes: fact that is checked against the data; None to leave it to them.
        augment: what happens to training batches; None for nothing.
        options: see `NormalizedImages`.
    """

    file_suffixes: ClassVar[frozenset[str]] = frozenset(SUFFIXES)

    def __init__(
        self, *, num_mask_classes: PositiveInt | None = None, augment: MaskAugment | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.num_mask_classes, self.augment = num_mask_classes, augment
        self._targets = torch.arange(NO_CLASS + 1)
        self._targets[NO_CLASS] = NO_TARGET

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {"num_mask_classes": self.num_mask_classes}

    def found_facts(self) -> dict[str, Any]:
        """Returns the number of classes and the preprocessing."""
        return {"num_mask_classes": len(self.class_names), **self.preprocessing()}

    def class_counts(self) -> list[int]:
        """Returns how many pixels of the training split each class has."""
        counts = torch.zeros(NO_CLASS + 1, dtype=torch.long)
        for batch in self.loader("train", SequentialOrder(self.sizes["train"]), self.eval_batch_size, train=False):
            counts += batch["target"].flatten().cpu().int().bincount(minlength=NO_CLASS + 1)
        return counts[: len(self.class_names)].tolist()

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the targets by name, so that a model trained on other data can be evaluated on these.

        Args:
            class_names: the model's classes in its order; the data may have fewer.

        Raises:
            DataError: the data have classes that the model does not know.
        """
        places = self.places_among(class_names, remedy="rename them in data.classes, or leave them out")
        self._targets[: len(places)] = places
        self.class_names = list(class_names)

    def file_loader(self, files: Sequence[Path]) -> AllFiles:
        """Returns batches of images without masks, squeezed to one size as those of a validation."""
        assert self.image_size and self.in_channels, "the preprocessing is given"
        pairs = [Pair(file, None) for file in files]
        images = MaskFiles(pairs, (), size=self.image_size, in_channels=self.in_channels, min_crop=None, seed=self.seed)
        return AllFiles(images, batch_size=self.eval_batch_size, num_workers=getattr(self, "num_workers", 0))

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Augments where it trains, and normalises.

        Args:
            batch: "input" uint8 (B, C, H, W), "target" uint8 (B, H, W) and "index" (B,), the rows in the split.
            train: whether to augment.

        Returns:
            The batch with "input" float32 and "target" int64, -100 where there is none.
        """
        if "target" not in batch:  # images to predict on
            return {**batch, "input": self.normalize(batch["input"])}
        images, masks = batch["input"], batch["target"]
        if self.augment is not None and train:
            images, masks = self.augment(images, masks, self.draws(self.augment, batch["index"]))
        if self._targets.device != masks.device:
            self._targets = self._targets.to(masks.device)
        target = self._targets.index_select(0, masks.flatten().int()).view(masks.shape)
        return {**batch, "input": self.normalize(images), "target": target}

    def summary(self) -> list[str]:
        """Returns lines on the size of each split, the classes and the facts that are no lists."""
        classes = f"{'classes':<12} {len(self.class_names)}: {', '.join(self.class_names)}"
        return [*self.describe_splits(), classes, *self.describe_facts(self.preprocessing())]
