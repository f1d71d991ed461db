"""MR: 10,662 sentences of film reviews, half of them negative and half positive, in ten folds.

B. Pang, L. Lee, "Seeing Stars: Exploiting Class Relationships for Sentiment Categorization with Respect to Rating
Scales", ACL 2005. There is no official split: published figures are means over ten folds that each author drew.
"""

from pathlib import Path
from typing import Annotated

import torch

from zoo.data.order import complement, generator
from zoo.data.texts import Texts
from zoo.errors import DataError
from zoo.ranges import NonNegativeInt, Range

NUM_FOLDS = 10
_ADDRESS = "https://www.cs.cornell.edu/people/pabo/movie-review-data"


class MovieReviews:
    """Reads a file of lines `label text`, in Latin-1, as it was published.

    Each class is shuffled by `fold_seed` and dealt out to ten folds, one of which is for testing.

    Args:
        data_dir: the folder that holds `mr/rt-polarity.all`; `~` stands for the home folder.
        fold: which tenth is for testing.
        fold_seed: decides which sentences are in which fold.
    """

    class_names = ("negative", "positive")

    def __init__(
        self, *, data_dir: str, fold: Annotated[int, Range(0, NUM_FOLDS - 1)] = 0, fold_seed: NonNegativeInt = 0
    ) -> None:
        self.path = Path(data_dir).expanduser() / "mr" / "rt-polarity.all"
        self.fold, self.fold_seed = fold, fold_seed

    def prepare(self) -> None:
        """Looks for the file, which is published without a checksum and so is not downloaded.

        Raises:
            DataError: it is not there.
        """
        if not self.path.is_file():
            remedy = f"make it of {_ADDRESS}, each line with its label before it, or set paths.data_dir="
            raise DataError(str(self.path), "no such file", remedy)

    def load(self) -> dict[str, Texts]:
        """Returns the sentences of "train" and "test"; those for validation are split off as of any data."""
        every = self._read()
        test = self.folds(every.labels)[self.fold]
        return {"train": every.select(complement(test, len(every))), "test": every.select(test)}

    def folds(self, labels: torch.Tensor) -> list[torch.Tensor]:
        """Deals the rows out to ten folds, each of the classes evenly; ascending."""
        shuffled = torch.randperm(len(labels), generator=generator("folds of mr", self.fold_seed))
        by_class = shuffled[labels[shuffled].argsort(stable=True)]
        return [by_class[fold::NUM_FOLDS].sort().values for fold in range(NUM_FOLDS)]

    def _read(self) -> Texts:
        texts, labels, names = list[str](), list[int](), list[str]()
        for row, line in enumerate(self.path.read_text(encoding="latin-1").split("\n"), 1):
            label, _, text = line.partition(" ")
            if not line.strip():
                continue
            if label not in ("0", "1") or not text.strip():
                raise DataError(f"{self.path} row {row}", "is not 0 or 1, a blank, and a text", "take the file anew")
            texts.append(text.strip())
            labels.append(int(label))
            names.append(f"{self.path.name} row {row}")
        if len(texts) < NUM_FOLDS:
            raise DataError(str(self.path), f"has {len(texts)} sentences", "take the file anew")
        return Texts(texts, torch.tensor(labels), names)
