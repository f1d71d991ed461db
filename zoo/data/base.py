"""The interface that every data module of the zoo keeps."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import lightning

from zoo.batch import Batch
from zoo.errors import OptionError

Split = Literal["train", "val", "test"]


class DataModule(lightning.LightningDataModule):
    """Data of a run: its splits as loaders, its facts, and what happens to a batch on the device.

    Concrete modules load once in `setup`, which costs nothing the second time, and set `class_names`.
    """

    class_names: list[str]

    @abstractmethod
    def setup(self, stage: str | None = None) -> None:
        """Loads the splits, the first time it is called."""

    @abstractmethod
    def found_facts(self) -> dict[str, Any]:
        """Returns the facts as the data show them, by the names of the constructor's arguments; needs `setup`."""

    @abstractmethod
    def given_facts(self) -> dict[str, Any]:
        """Returns the facts that the configuration gave, None where it leaves them to the data."""

    def facts(self) -> dict[str, Any]:
        """Prepares the data once and returns the facts found.

        Raises:
            OptionError: a fact that was given is not what the data show.
        """
        self.prepare_data()
        self.setup()
        found = self.found_facts()
        for name, given in self.given_facts().items():
            if given is not None and name in found and given != found[name]:
                problem = f"{given} given but {found[name]} found"
                raise OptionError(f"data.{name}", problem, "remove the override")
        return found

    def check_training(self) -> None:
        """Refuses, once `setup` has been called, data that can be evaluated but not trained on; by default none."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the data used, so that two runs can be told to have seen the same."""

    @property
    @abstractmethod
    def has_test(self) -> bool:
        """Whether there is a test split."""

    @abstractmethod
    def preprocessing(self) -> dict[str, Any]:
        """Returns what turns raw data into the model's input, as plain values that a checkpoint carries."""

    @abstractmethod
    def sample_name(self, split: Split, index: int) -> str:
        """Returns what a report calls a sample: its file, or its place in the split."""

    @abstractmethod
    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the targets by name, so that a model trained on other data can be evaluated on these.

        Raises:
            DataError: the data have classes that the model does not know.
        """

    @abstractmethod
    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Finishes a batch on the device it is on.

        Args:
            batch: what a loader yielded.
            train: whether to augment.

        Returns:
            The batch as tasks take it.
        """

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Finishes a batch when Lightning has put it on the device."""
        return self.prepare_batch(batch, train=self.trainer is not None and bool(self.trainer.training))

    @abstractmethod
    def train_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of a training epoch."""

    @abstractmethod
    def val_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of the validation split."""

    @abstractmethod
    def test_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of the test split."""

    def batches_trained(self) -> int:
        """Returns how many batches of the current epoch were trained on, also when a checkpoint was resumed from."""
        if self.trainer is None or not self.trainer.training:
            return 0
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
