"""Sounds of one split, read one by one, wherever they come from."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch
from torch import Tensor

from zoo.data.sound_files import Header, read_header, read_sound


@dataclass
class Sounds:
    """Sounds that have a class each.

    Args:
        names: what reports call each.
        labels: class of each, (N,).
        strata: what validation sounds are drawn in equal shares of, (N,), such as speakers; None for the classes.
    """

    names: Sequence[str]
    labels: Tensor
    strata: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def place(self, row: int) -> str:
        """Returns what an error calls a sound: its file, as the user would type it."""

    @abstractmethod
    def header(self, row: int) -> Header:
        """Returns rate and length of a sound.

        Raises:
            SoundError: it cannot be used.
        """

    @abstractmethod
    def read(self, row: int, sample_rate: int) -> Tensor:
        """Reads a sound at a rate, int16 (T,).

        Raises:
            SoundError: it cannot be used.
        """

    @abstractmethod
    def identity(self, row: int) -> tuple[object, ...]:
        """Returns what tells a sound from another one without reading it, for the fingerprint."""

    def select(self, rows: Tensor) -> Self:
        """Returns some of the sounds, in the order of `rows`."""
        return replace(self, **{field.name: _chosen(getattr(self, field.name), rows) for field in fields(self)})


def _chosen(values: Any, rows: Tensor) -> Any:
    """Picks from what has an entry for each sound, a tensor or a list; what is neither belongs to all of them."""
    if isinstance(values, Tensor):
        return values[rows]
    return [values[row] for row in rows.tolist()] if isinstance(values, list | tuple) else values


@dataclass
class SoundFiles(Sounds):
    """Sounds in files.

    Args:
        names: what reports call each.
        labels: class of each, (N,).
        strata: what validation sounds are drawn in equal shares of, (N,); None for the classes.
        files: the file of each.
    """

    files: Sequence[Path] = ()

    @classmethod
    def below(cls, root: Path, files: Sequence[Path], labels: Sequence[int], strata: Tensor | None = None) -> Self:
        """Returns files that are named by their path below a folder."""
        names = [str(path.relative_to(root)) for path in files]
        return cls(names, torch.tensor(labels), strata, files)

    def place(self, row: int) -> str:
        """Returns the path of a sound."""
        return str(self.files[row])

    def header(self, row: int) -> Header:
        """Reads what a file says of itself."""
        return read_header(self.files[row])

    def read(self, row: int, sample_rate: int) -> Tensor:
        """Reads a file whole, resampled where its rate is another one."""
        return read_sound(self.files[row], sample_rate)[0]

    def identity(self, row: int) -> tuple[object, ...]:
        """Returns name, size in bytes and class."""
        return self.names[row], self.files[row].stat().st_size, int(self.labels[row])


@runtime_checkable
class SoundSource(Protocol):
    """Where sounds come from."""

    @property
    def class_names(self) -> Sequence[str]:
        """The classes in the order of their labels, once `find` has been called."""

    def prepare(self) -> None:
        """Downloads what is missing."""

    def find(self) -> Mapping[str, Sounds]:
        """Returns the sounds of "train", "val" and "test", of those that there are."""
