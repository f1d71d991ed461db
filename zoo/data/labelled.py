"""Data with one class a sample: the splits, facts and loaders that images, tables and their like share."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.data.base import Split
from zoo.data.loader import BatchLoader
from zoo.data.order import Order, complement, generator, stratified
from zoo.data.splits import SplitData
from zoo.errors import DataError, OptionError
from zoo.ranges import Fraction, NonNegativeInt, PositiveInt

_MOST_CLASSES_SHOWN = 30


class LabelledData(SplitData):
    """Splits, facts and loaders of samples that have one class each, whatever the samples are.

    A split that the data do not bring is cut off the training split, stratified by class, by `split_seed` alone.

    Args:
        batch_size: samples in a training batch of one process.
        eval_batch_size: samples in an evaluation batch, None for `batch_size`.
        val_fraction: share of the training samples that are held out for validation.
        split_seed: decides which samples are held out, and which `train_samples` are taken.
        seed: decides order and augmentation.
        train_samples: how many training samples to use, stratified by class; None for all.
        num_classes: fact that is checked against the data; None to leave it to them.
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
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.val_fraction, self.split_seed, self.train_samples = val_fraction, split_seed, train_samples
        self.num_classes = num_classes
        self.labels: dict[str, Tensor] = {}

    @abstractmethod
    def load(self) -> dict[str, Tensor]:
        """Reads the data, sets `class_names` and what else is found, and returns the labels of each split."""

    def setup(self, stage: str | None = None) -> None:
        """Loads the splits, the first time it is called.

        Raises:
            OptionError: an option does not fit the data.
            DataError: the data cannot be used.
        """
        if not self.labels:
            self.labels = self.load()

    @property
    def sizes(self) -> dict[str, int]:
        """How many samples each split has."""
        return {split: len(labels) for split, labels in self.labels.items()}

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

    def split_off(
        self, labels: Tensor, *, has_val: bool = False, has_test: bool = False, test_fraction: float = 0.0
    ) -> dict[str, Tensor]:
        """Splits test, then validation samples off the training samples, where they have no samples of their own.

        Args:
            labels: of all that is not of another split already, (N,).
            has_val: whether there is a validation split.
            has_test: whether there is a test split.
            test_fraction: share of the samples for testing, 0 for none.

        Returns:
            Rows by split, ascending.

        Raises:
            OptionError: one of the parts would be empty.
        """
        rows, parts = torch.arange(len(labels)), dict[str, Tensor]()
        if not has_test and test_fraction:
            count = round(test_fraction * len(rows))
            if not 0 < count < len(rows):
                left = "testing" if count == 0 else "training"
                problem = f"{test_fraction:g} of {len(rows)} samples leaves none for {left}"
                raise OptionError("data.test_fraction", problem, "set it between 0 and 1, or to 0 for no test split")
            parts["test"] = stratified(labels, count, generator("test split", self.split_seed))
            rows = complement(parts["test"], len(rows))
        if not has_val:
            train, val = self.split_train(labels[rows])
            parts["val"], rows = rows[val], rows[train]
        elif self.train_samples is not None:
            rows = rows[self.train_subset(labels[rows])]
        return {"train": rows, **parts}

    def class_counts(self) -> list[int]:
        """Returns how many training samples each class has."""
        return self.labels["train"].bincount(minlength=len(self.class_names)).tolist()

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given, where the data decide."""
        return {"num_classes": self.num_classes}

    def found_facts(self) -> dict[str, Any]:
        """Returns the number of classes and the preprocessing."""
        return {"num_classes": len(self.class_names), **self.preprocessing()}

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the targets by name, so that a model trained on other data can be evaluated on these.

        Args:
            class_names: the model's classes in its order; the data may have fewer.

        Raises:
            DataError: the data have classes that the model does not know.
        """
        places = self.places_among(class_names, remedy="rename them, or leave them out")
        self.labels = {split: places[labels] for split, labels in self.labels.items()}
        self.class_names = list(class_names)

    def places_among(self, class_names: Sequence[str], *, remedy: str) -> Tensor:
        """Returns the number that each class of the data has among others, (K,).

        Args:
            class_names: of a model.
            remedy: for classes that it does not know.

        Raises:
            DataError: there are such.
        """
        self.prepare_data()
        self.setup()
        if unknown := [name for name in self.class_names if name not in class_names]:
            problem = f"classes {', '.join(unknown)} are not among the checkpoint's {', '.join(class_names)}"
            raise DataError(self.place_of_class(unknown[0]), problem, remedy)
        return torch.tensor([list(class_names).index(name) for name in self.class_names])

    def place_of_class(self, name: str) -> str:
        """Returns where the data have a class, for errors."""
        return "data"

    def cut_batches(
        self,
        inputs: Tensor,
        split: Split,
        order: Order,
        batch_size: int,
        *,
        train: bool,
        device_cache: bool,
        targets: Tensor | None = None,
    ) -> BatchLoader:
        """Returns a loader of samples that are in memory, kept on the GPU that trains if `device_cache` says so.

        The targets are the classes of the samples, where others are not given.
        """
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        return BatchLoader(
            inputs,
            self.labels[split] if targets is None else targets,
            order=order,
            batch_size=batch_size,
            drop_last=train,
            start=self.batches_trained if train else lambda: 0,
            device=root if device_cache and root.type == "cuda" else "cpu",
        )

    def summary(self) -> list[str]:
        """Returns lines on the size of each split, the samples of each class and the facts that are no lists."""
        counts = sum(labels.bincount(minlength=len(self.class_names)) for labels in self.labels.values())
        assert isinstance(counts, Tensor)
        named = [f"{name} {count:,}" for name, count in zip(self.class_names, counts.tolist(), strict=True)]
        if (more := len(named) - _MOST_CLASSES_SHOWN) > 0:
            named = [*named[:_MOST_CLASSES_SHOWN], f"and {more} more"]
        classes = f"{'classes':<12} {len(self.class_names)}: {', '.join(named)}"
        return [*self.describe_splits(), classes, *self.describe_facts(self.preprocessing())]
