"""The sounds of a split as windows of one length: cut from memory, or read file by file in worker processes."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.clips import ClipLoader, Clips, Windows
from zoo.data.decode import MEND_OR_SKIP
from zoo.data.files_loader import Decoded, FileData, FilesLoader, Key
from zoo.data.loader import EpochLoader
from zoo.data.order import Order
from zoo.data.sound_files import SoundError
from zoo.data.sound_survey import Survey
from zoo.data.sounds import Sounds
from zoo.errors import DataError


class WindowFiles(FileData):
    """Windows of sounds that are read one by one; errors are handed back, since they cannot cross processes.

    Args:
        sounds: the sounds of a split.
        labels: class of each.
        sample_rate: samples in a second.
        window: samples of a window.
        windows: where each window begins.
    """

    kind = "sounds"

    def __init__(
        self, sounds: Sounds, labels: Sequence[int], *, sample_rate: int, window: int, windows: Windows
    ) -> None:
        self.sounds, self.labels, self.sample_rate = sounds, labels, sample_rate
        self.window, self.windows = window, windows

    def __len__(self) -> int:
        return len(self.sounds)

    def place(self, row: int) -> str:
        """Returns the file of a sound."""
        return self.sounds.place(row)

    def __getitem__(self, key: Key) -> Decoded:
        row, epoch = key
        try:
            clips = Clips([self.sounds.read(row, self.sample_rate)], self.window)
        except SoundError as error:
            return None, str(error), self.labels[row], row
        window = clips.cut(torch.zeros(1, dtype=torch.long), self.windows.places(epoch)[row : row + 1])
        return window[0].numpy(), "", self.labels[row], row


class SplitSounds:
    """The sounds of a split.

    Args:
        part: what the survey found.
        sample_rate: samples in a second.
        window: samples of a window.
        num_workers: processes that read what is not in memory.
        on_bad_sample: whether a sound that cannot be read ends the run or is left out.
    """

    def __init__(
        self,
        part: Survey,
        *,
        sample_rate: int,
        window: int,
        num_workers: int,
        on_bad_sample: Literal["error", "skip"],
    ) -> None:
        self.sounds, self.sample_rate, self.window = part.sounds, sample_rate, window
        self.num_workers, self.on_bad_sample = num_workers, on_bad_sample
        self.clips = Clips(part.samples, window) if part.samples is not None else None

    def __len__(self) -> int:
        return len(self.sounds)

    def cut(self, rows: Tensor, windows: Windows, epoch: int = 0) -> Tensor:
        """Cuts the windows of some sounds.

        Args:
            rows: of the sounds, (B,).
            windows: where each window begins.
            epoch: which windows are drawn for.

        Returns:
            int16, (B, window), of those that can be read.

        Raises:
            DataError: one cannot be read, and is not to be left out.
        """
        if self.clips is not None:
            return self.clips.cut(rows, windows.places(epoch)[rows])
        found, files = [], self._files([0] * len(self), windows)
        for row in rows.tolist():
            window, problem, _, _ = files[row, epoch]
            if window is not None:
                found.append(torch.from_numpy(window))
            elif self.on_bad_sample == "error":
                raise DataError(files.place(row), f"cannot be used as a sound ({problem})", MEND_OR_SKIP)
        return torch.stack(found) if found else torch.empty(0, self.window, dtype=torch.int16)

    def loader(
        self,
        labels: Tensor,
        windows: Windows,
        *,
        order: Order,
        batch_size: int,
        drop_last: bool,
        start: Callable[[], int],
        root: torch.device,
        device_cache: bool,
    ) -> EpochLoader[Batch]:
        """Returns batches of windows, not finished yet.

        Args:
            labels: class of each sound, (N,).
            windows: where each window begins.
            order: order of the sounds.
            batch_size: sounds in a batch of one process.
            drop_last: whether a last batch that is not full is left out.
            start: how many batches of the epoch were trained on before.
            root: the device that trains.
            device_cache: whether sounds in memory are kept on it where it is a GPU.
        """
        if self.clips is None:
            return FilesLoader(
                self._files(labels.tolist(), windows),
                order=order,
                batch_size=batch_size,
                drop_last=drop_last,
                start=start,
                num_workers=self.num_workers,
                pin_memory=root.type == "cuda",
                on_bad_sample=self.on_bad_sample,
            )
        device = root if device_cache and root.type == "cuda" else "cpu"
        return ClipLoader(
            self.clips.to(device),
            labels.to(device),
            windows=windows,
            order=order,
            batch_size=batch_size,
            drop_last=drop_last,
            start=start,
        )

    def _files(self, labels: Sequence[int], windows: Windows) -> WindowFiles:
        return WindowFiles(self.sounds, labels, sample_rate=self.sample_rate, window=self.window, windows=windows)
