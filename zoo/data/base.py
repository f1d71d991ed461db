"""The interface that every data module of the zoo keeps."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import length_hint
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import lightning
from torch import Tensor

from zoo.batch import Batch
from zoo.data.duplicates import duplicates
from zoo.errors import OptionError, TrainingStopped

Split = Literal["train", "val", "test"]
Watch = Callable[[Iterable[Any], str, int], Iterable[Any]]  # goes through so many items of a kind and shows how far


class BadSample(NamedTuple):
    """A sample that cannot be used.

    Attributes:
        name: its file, file and row, or place in a split.
        problem: what is wrong with it, with the value found.
    """

    name: str
    problem: str


def unwatched(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """Goes through items and shows nothing."""
    return items


class FileBatches(Protocol):
    """Batches of files.

    Attributes:
        problems: what is wrong with files that could not be decoded and are in no batch, by their place.
    """

    problems: dict[int, str]

    def __iter__(self) -> Iterator[Batch]: ...

    def __len__(self) -> int: ...


class DataModule(lightning.LightningDataModule):
    """Data of a run: its splits as loaders, its facts, and what happens to a batch on the device.

    Concrete modules load once in `setup`, which costs nothing the second time, and set `class_names`, where there are
    classes.

    Attributes:
        file_suffixes: how files end that `file_loader` takes; none where predictions are of no single files.
    """

    file_suffixes: ClassVar[frozenset[str]] = frozenset()
    class_names: Sequence[str] = ()
    batch_size: int

    def __init__(self) -> None:
        super().__init__()
        self._first_labels_seen = set[Split]()

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

    def align_classes(self, class_names: Sequence[str]) -> None:
        """Renumbers the targets by name, so that a model trained on other data can be evaluated on these.

        By default nothing: there are no classes.

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

    @property
    def varies(self) -> bool:
        """Whether a training sample differs from epoch to epoch, as far as is known."""
        return True

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Finishes a batch when Lightning has put it on the device."""
        trainer = self.trainer
        train = trainer is not None and bool(trainer.training)
        if trainer is not None and not (train and "train" in self._first_labels_seen):
            split: Split = "train" if train else "test" if trainer.testing else "val"
            if split not in self._first_labels_seen:
                self._check_first_labels(split, batch)
        # What is to be learned by heart must stay the same.
        return self.prepare_batch(batch, train=train and not getattr(trainer, "overfit_batches", 0))

    def _check_first_labels(self, split: Split, batch: Batch) -> None:
        """Stops at a first batch with labels that would end in an index error, on a GPU in a failed assertion.

        Raises:
            TrainingStopped: a label is none of a class.
        """
        self._first_labels_seen.add(split)
        for name, problem in self.bad_labels(split, batch):
            raise TrainingStopped(name, problem, "correct it; `python -m zoo check` with the same options lists all")

    @abstractmethod
    def train_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of a training epoch."""

    @abstractmethod
    def val_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of the validation split."""

    @abstractmethod
    def test_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of the test split."""

    def file_loader(self, files: Sequence[Path]) -> FileBatches:
        """Returns batches of files without labels, to predict on; needs the facts and the preprocessing, no `setup`.

        Args:
            files: each ends in one of `file_suffixes`; "index" are their places.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no single files")

    def batches_trained(self) -> int:
        """Returns how many batches of the current epoch were trained on, also when a checkpoint was resumed from."""
        if self.trainer is None or not self.trainer.training:
            return 0
        return self.trainer.fit_loop.epoch_loop.batch_progress.current.ready

    def scan(self, watch: Watch = unwatched) -> Iterator[BadSample]:
        """Looks at all of the data, as `python -m zoo check` does: by default at every batch of every split.

        A module that can look closer, at each file or each row, does that first, before anything has been set up.

        Args:
            watch: what to go through long loops with.

        Yields:
            Each sample that cannot be used.

        Raises:
            RunError: the data cannot be read at all.
        """
        self.facts()
        for split, loader in self.scan_loaders().items():
            for batch in watch(loader, f"batches of {split}", length_hint(loader)):
                yield from self.bad_labels(split, batch)
                yield from self.bad_values(split, self.prepare_batch(batch, train=False))

    def scan_loaders(self) -> dict[Split, Iterable[Batch]]:
        """Returns the batches of each split to look at."""
        loaders: dict[Split, Iterable[Batch]] = {"train": self.train_dataloader(), "val": self.val_dataloader()}
        return loaders | ({"test": self.test_dataloader()} if self.has_test else {})

    def duplicates(self) -> tuple[dict[str, int], dict[str, int]]:
        """Returns how many samples of each other split the training split has, too, and the sizes of these splits."""
        loaders: Mapping[str, Iterable[Batch]] = self.scan_loaders()  # type: ignore[assignment]
        return duplicates(loaders)

    def bad_labels(self, split: Split, batch: Batch) -> Iterator[BadSample]:
        """Yields the samples of a batch whose label is none of a class; of targets that are no classes, none."""
        target, classes = batch.get("target"), len(getattr(self, "class_names", ()))
        if not classes or not isinstance(target, Tensor) or target.ndim != 1 or target.is_floating_point():
            return
        for row in ((target < 0) | (target >= classes)).nonzero().flatten().tolist():
            name = self.sample_name(split, int(batch["index"][row]))
            yield BadSample(name, f"its label is {target[row]}, but the {classes} classes are 0 to {classes - 1}")

    def bad_values(self, split: Split, batch: Batch) -> Iterator[BadSample]:
        """Yields the samples of a finished batch that hold a value that is not finite."""
        for key, values in batch.items():
            if not isinstance(values, Tensor) or not values.is_floating_point():
                continue
            for row in (~values.isfinite().reshape(len(values), -1).all(1)).nonzero().flatten().tolist():
                name = self.sample_name(split, int(batch["index"][row]))
                yield BadSample(name, f"its {key} holds NaN or infinity")

    def summary(self) -> list[str]:
        """Returns lines on what the data are, once `setup` has been called: by default the facts found."""
        return [f"{name:<12} {value}" for name, value in self.found_facts().items()]
