"""Data in splits of counted samples: the orders and loaders that every kind of them shares."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, Protocol

from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import DataModule, Split
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, SequentialOrder, ShuffledOrder, rank_and_world_size
from zoo.errors import DataError, OptionError
from zoo.ranges import NonNegativeInt, PositiveInt


class CountedAugment(Protocol):
    """Augmentation by random numbers that are a function of (seed, epoch, sample)."""

    def table(self, num_samples: int, seed: int, epoch: int) -> Tensor:
        """Draws the random numbers of an epoch, a row for each sample."""


class SplitData(DataModule):
    """Splits whose samples have numbers, drawn in an order that is a function of (seed, epoch).

    Args:
        batch_size: samples in a training batch of one process.
        eval_batch_size: samples in an evaluation batch, None for `batch_size`.
        seed: decides order and augmentation.
    """

    def __init__(
        self,
        *,
        batch_size: PositiveInt = 64,
        eval_batch_size: PositiveInt | None = None,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__()
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size or batch_size, seed
        self._order: Order | None = None
        self._table: tuple[int, Tensor] | None = None

    @property
    @abstractmethod
    def sizes(self) -> dict[str, int]:
        """How many samples each split has, once `setup` has been called."""

    @abstractmethod
    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> EpochLoader[Batch]:
        """Returns batches of a split as loaded, not finished yet."""

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return "test" in self.sizes

    def check_training(self) -> None:
        """Asks for training samples, and enough of them for a batch.

        Raises:
            DataError: there are none.
            OptionError: the samples do not fill one batch of every process.
        """
        if "train" not in self.sizes:
            remedy = "give data with a training split, and leave data.evaluation_only false"
            raise DataError("data", "no samples to train on", remedy)
        available, processes = self.sizes["train"], rank_and_world_size()[1]
        if self.batch_size * processes > available:
            asked = f"{self.batch_size} asked" + (f" by each of {processes} processes" if processes > 1 else "")
            problem = f"{asked}, but only {available} training samples"
            raise OptionError("data.batch_size", problem, f"lower it to at most {available // processes}")

    def train_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of a training epoch, in an order that is a function of (seed, epoch)."""
        self.check_training()
        samples = self.sizes["train"]
        overfit = getattr(self.trainer, "overfit_batches", 0) > 0
        self._order = SequentialOrder(samples) if overfit else self.training_order()
        return self.loader("train", self._order, self.batch_size, train=True)

    def training_order(self) -> ShuffledOrder:
        """Returns what shuffles the training split: by default, all of it."""
        return ShuffledOrder(self.sizes["train"], self.seed)

    def val_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the validation split."""
        return self._evaluation_loader("val")

    def test_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the test split."""
        return self._evaluation_loader("test")

    def _evaluation_loader(self, split: Split) -> EpochLoader[Batch]:
        if split not in self.sizes:
            raise DataError("data", f"there is no {split} split", f"ask for {' or '.join(self.sizes)}")
        return self.loader(split, SequentialOrder(self.sizes[split]), self.eval_batch_size, train=False)

    def draws(self, augment: CountedAugment, index: Tensor) -> Tensor:
        """Returns the random numbers of these samples in this epoch, whose table is drawn with its first batch."""
        epoch = self._order.epoch if self._order else 0
        if self._table is None or self._table[0] != epoch or self._table[1].device != index.device:
            self._table = epoch, augment.table(self.sizes["train"], self.seed, epoch).to(index.device)
        return self._table[1].index_select(0, index)

    def scan_loaders(self) -> dict[Split, Iterable[Batch]]:
        """Returns the batches of each split in order, so that no sample is left out and none augmented."""
        splits: tuple[Split, ...] = ("train", "val", "test")
        return {split: self._evaluation_loader(split) for split in splits if split in self.sizes}

    def describe_splits(self) -> list[str]:
        """Returns a line on the size of each split."""
        return [f"{split:<12} {size:,} samples" for split, size in self.sizes.items()]

    def describe_facts(self, facts: dict[str, Any]) -> list[str]:
        """Returns a line on each fact that is one value."""
        return [f"{name:<12} {fact}" for name, fact in facts.items() if not isinstance(fact, list | dict)]

    def summary(self) -> list[str]:
        """Returns lines on the size of each split, and the facts that are single values."""
        return [*self.describe_splits(), *self.describe_facts(self.found_facts())]
