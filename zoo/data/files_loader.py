"""Batches of files that worker processes decode one by one."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from zoo.batch import Batch
from zoo.data.decode import MEND_OR_SKIP, MOST_BAD
from zoo.data.loader import EpochLoader
from zoo.data.order import Order, SequentialOrder
from zoo.data.workers import batches_of, outlive_one_signal
from zoo.errors import TrainingStopped

log = logging.getLogger(__name__)

Key = tuple[int, int]  # row in the split, epoch
Decoded = tuple[np.ndarray | None, str, Any, int]  # values or None, what is wrong with them, label, row


class FileData(Dataset[Decoded]):
    """Files decoded to arrays of one shape; errors are handed back, since they cannot cross processes as they are.

    Attributes:
        kind: what the files are, in the plural.
    """

    kind: ClassVar[str]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def place(self, row: int) -> str:
        """Returns the path of a file."""

    def collate(self, samples: Sequence[Decoded]) -> dict[str, Any]:
        """Stacks what could be decoded to a batch, and lists under "bad" row and reason of what could not."""
        good = [sample for sample in samples if sample[0] is not None]
        values, _, labels, rows = zip(*good, strict=True) if good else ((), (), (), ())
        return {
            "input": torch.from_numpy(np.stack(values)) if good else torch.empty(0),
            **self.targets(labels),
            "index": torch.tensor(rows, dtype=torch.long),
            "bad": [(row, problem) for values, problem, _, row in samples if values is None],
        }

    def targets(self, labels: Sequence[Any]) -> Batch:
        """Returns what is to be learned of the files of a batch: by default the class of each."""
        return {"target": torch.tensor(labels, dtype=torch.long)}


class _Keys(EpochLoader[list[Key]]):
    """The rows of each batch of an epoch, with the epoch, for torch's loader."""

    def __iter__(self) -> Iterator[list[Key]]:
        for rows in self.batch_rows():
            yield [(row, self.sampler.epoch) for row in rows.tolist()]


class FilesLoader(EpochLoader[Batch]):
    """Batches of files decoded by workers, who learn the epoch with each row.

    Args:
        files: the dataset.
        order: order of the samples.
        batch_size: files in a batch of one process.
        drop_last: whether a last batch that is not full is left out.
        start: how many batches of the epoch were trained on before.
        num_workers: processes that decode; 0 for this one.
        pin_memory: whether batches are put where a GPU can fetch them.
        on_bad_sample: whether a file that cannot be decoded ends the run or is left out with a warning.
    """

    def __init__(
        self,
        files: FileData,
        *,
        order: Order,
        batch_size: int,
        drop_last: bool = False,
        start: Callable[[], int] = lambda: 0,
        num_workers: int = 0,
        pin_memory: bool = False,
        on_bad_sample: Literal["error", "skip"] = "error",
    ) -> None:
        super().__init__(order, batch_size, drop_last=drop_last, start=start)
        self.files, self.on_bad_sample, self.bad_rows = files, on_bad_sample, set[int]()
        self.decoding: DataLoader[Decoded] = DataLoader(
            files,
            batch_sampler=_Keys(order, batch_size, drop_last=drop_last, start=start),
            num_workers=num_workers,
            collate_fn=files.collate,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
            worker_init_fn=outlive_one_signal,
        )

    def __iter__(self) -> Iterator[Batch]:
        for batch in batches_of(self.decoding):
            for row, problem in batch.pop("bad"):
                self._report(row, problem)
            if len(batch["index"]):
                yield batch

    @property
    def _iterator(self) -> Any:
        """The iterator of torch's loader, under the name by which Lightning finds workers to end."""
        return self.decoding._iterator

    @_iterator.setter
    def _iterator(self, iterator: Any) -> None:
        self.decoding._iterator = iterator

    def _report(self, row: int, problem: str) -> None:
        """Ends the run over a file that cannot be decoded, or warns of it once.

        Raises:
            TrainingStopped: files are not to be left out, or too many would be.
        """
        file = self.files.place(row)
        if self.on_bad_sample == "error":
            raise TrainingStopped(file, f"cannot be decoded ({problem})", MEND_OR_SKIP)
        if row in self.bad_rows:
            return
        log.warning("left out %s, which cannot be decoded (%s)", file, problem)
        self.bad_rows.add(row)
        if len(self.bad_rows) > MOST_BAD * len(self.files):
            total = f"{len(self.bad_rows)} of {len(self.files)} {self.files.kind} cannot be decoded"
            raise TrainingStopped(file, f"{total}, the last for {problem}", "look at the files that were warned of")


class SplitOfFiles(Protocol):
    """What `split_loader` reads of a data module."""

    trainer: Any
    num_workers: int
    on_bad_sample: Literal["error", "skip"]

    def batches_trained(self) -> int:
        """Returns how many batches of the current epoch were trained on."""


def split_loader(data: SplitOfFiles, files: FileData, order: Order, batch_size: int, *, train: bool) -> FilesLoader:
    """Returns batches of a split that worker processes decode.

    Args:
        data: the data module that the split is of.
        files: of the split.
        order: order of the samples.
        batch_size: files in a batch of one process.
        train: whether it is trained on them: then no batch is but partly full, and the epoch goes on where it was.
    """
    return FilesLoader(
        files,
        order=order,
        batch_size=batch_size,
        drop_last=train,
        start=data.batches_trained if train else lambda: 0,
        num_workers=data.num_workers,
        pin_memory=data.trainer is not None and data.trainer.strategy.root_device.type == "cuda",
        on_bad_sample=data.on_bad_sample,
    )


class AllFiles(FilesLoader):
    """Batches of files to predict on: what cannot be decoded is noted, and no reason to stop.

    Args:
        files: the dataset.
        batch_size: files in a batch.
        num_workers: processes that decode; 0 for this one.
        pin_memory: whether batches are put where a GPU can fetch them.

    Attributes:
        problems: what is wrong with a file, by its row.
    """

    def __init__(self, files: FileData, *, batch_size: int, num_workers: int = 0, pin_memory: bool = False) -> None:
        order = SequentialOrder(len(files))
        super().__init__(files, order=order, batch_size=batch_size, num_workers=num_workers, pin_memory=pin_memory)
        self.problems: dict[int, str] = {}

    def _report(self, row: int, problem: str) -> None:
        self.problems[row] = problem
