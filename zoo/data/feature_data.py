"""What frozen layers make of data, computed once a split: epochs of training then see the head alone."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import DataModule, Split
from zoo.data.loader import EpochLoader

Compute = Callable[[Batch], Tensor]


class FeatureData(DataModule):
    """The splits of another data module as features, in the order in which that would have yielded its samples.

    Args:
        data: whose training samples are the same in every epoch, and whose loaders are `EpochLoader`s.
        compute: takes a finished batch on the device, and returns its features (B, ...).
    """

    def __init__(self, data: DataModule, compute: Compute) -> None:
        super().__init__()
        self.data, self.compute = data, compute
        self.class_names: Sequence[str] = data.class_names
        self.batch_size = data.batch_size
        self._tables: dict[str, Batch] = {}

    def setup(self, stage: str | None = None) -> None:
        """Lets the data know the trainer."""
        self.data.trainer = self.trainer
        self.data.setup(stage)

    def found_facts(self) -> dict[str, Any]:
        """Returns the facts of the data."""
        return self.data.found_facts()

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given."""
        return self.data.given_facts()

    @property
    def fingerprint(self) -> str:
        """That of the data."""
        return self.data.fingerprint

    @property
    def has_test(self) -> bool:
        """Whether there is a test split."""
        return self.data.has_test

    def preprocessing(self) -> dict[str, Any]:
        """Returns that of the data, which the whole model needs."""
        return self.data.preprocessing()

    def duplicates(self) -> tuple[dict[str, int], dict[str, int]]:
        """Returns those of the data."""
        return self.data.duplicates()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the name of a sample in the data."""
        return self.data.sample_name(split, index)

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: it is finished."""
        return batch

    def train_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of a training epoch."""
        return FeatureLoader(self, "train", self.data.train_dataloader())

    def val_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the validation split."""
        return FeatureLoader(self, "val", self.data.val_dataloader())

    def test_dataloader(self) -> EpochLoader[Batch]:
        """Returns the batches of the test split."""
        return FeatureLoader(self, "test", self.data.test_dataloader())

    def table(self, split: Split) -> Batch:
        """Returns the features of a split as one batch, computed the first time they are asked for."""
        if split not in self._tables:
            started = time.perf_counter()
            self._tables[split] = table = self._computed(split)
            shape, seconds = "x".join(map(str, table["features"].shape)), time.perf_counter() - started
            print(f"features of {split}, computed once: {shape}, {seconds:.1f} s", file=sys.stderr, flush=True)
        return self._tables[split]

    def _computed(self, split: Split) -> Batch:
        device = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        parts: list[Batch] = []
        for loaded in self.data.scan_loaders()[split]:
            moved = self.transfer_batch_to_device(loaded, device, 0)
            batch = self.data.prepare_batch(moved, train=False)
            parts.append({"features": self.compute(batch), "target": batch["target"], "index": batch["index"]})
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


class FeatureLoader(EpochLoader[Batch]):
    """Batches of features that hold the same samples as those of another loader.

    Args:
        data: has the features.
        split: of the samples.
        loader: whose order, size of batches and place in the epoch are taken.
    """

    def __init__(self, data: FeatureData, split: Split, loader: Any) -> None:
        super().__init__(loader.sampler, loader.batch_size, drop_last=loader.drop_last, start=loader.start)
        self.data, self.split = data, split

    def __iter__(self) -> Iterator[Batch]:
        table = self.data.table(self.split)
        index = table["index"]
        places = index.new_full((len(self.sampler),), -1)  # of samples that could not be read
        places[index] = torch.arange(len(index), device=index.device)
        for rows in self.batch_rows(index.device):
            found = places[rows]
            found = found[found >= 0]
            if len(found):
                yield {key: values.index_select(0, found) for key, values in table.items()}
