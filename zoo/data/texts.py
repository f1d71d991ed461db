"""Texts of one split with a class each, wherever they come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor


@dataclass
class Texts:
    """Texts that have a class each.

    Attributes:
        texts: the texts.
        labels: class of each, (N,).
        names: what reports call each, such as "train.tsv row 17".
    """

    texts: Sequence[str]
    labels: Tensor
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def select(self, rows: Tensor) -> "Texts":
        """Returns some of the texts, in the order of `rows`."""
        chosen = rows.tolist()
        return Texts([self.texts[row] for row in chosen], self.labels[rows], [self.names[row] for row in chosen])


@runtime_checkable
class LabelledTexts(Protocol):
    """Where texts with classes come from."""

    @property
    def class_names(self) -> Sequence[str]:
        """The classes in the order of their labels, once `load` has been called."""

    def prepare(self) -> None:
        """Makes sure that the texts are there."""

    def load(self) -> Mapping[str, Texts]:
        """Returns the texts of "train", "val" and "test", of those that there are."""
