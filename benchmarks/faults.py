"""Data and models that are wrong on purpose, which `doctor.py` names in options: allow=[faults]."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo.batch import Batch
from zoo.data.digits import Digits
from zoo.data.memory_images import MemoryImages
from zoo.data.order import generator
from zoo.data.synthetic_images import SyntheticImages
from zoo.models.mlp import MLP

Images = dict[str, tuple[Tensor, Tensor]]


class ShuffledDigits(Digits):
    """Digits whose labels have nothing to do with them."""

    def load(self) -> Images:
        """Returns the splits, the labels of training (and of validation, which is cut from it) in another order."""
        splits = super().load()
        images, labels = splits["train"]
        return splits | {"train": (images, labels[torch.randperm(len(labels), generator=generator("shuffled"))])}


class MislabelledDigits(Digits):
    """Digits of which a fifth are labelled as another."""

    def load(self) -> Images:
        """Returns the splits, the labels of training (and of validation, which is cut from it) partly wrong."""
        splits = super().load()
        images, labels = splits["train"]
        numbers = generator("mislabelled")
        is_wrong = torch.rand(len(labels), generator=numbers) < 0.2
        others = (labels + torch.randint(1, 10, labels.shape, generator=numbers)) % 10
        return splits | {"train": (images, torch.where(is_wrong, others, labels))}


class RepeatedDigits(Digits):
    """Digits whose test split has training samples in it."""

    def load(self) -> Images:
        """Returns the splits, a tenth of the test images taken from those of training."""
        splits = super().load()
        pairs = zip(splits["test"], splits["train"], strict=True)
        images, labels = (torch.cat((test[36:], train[:36])) for test, train in pairs)
        return splits | {"test": (images, labels)}


class Lopsided(SyntheticImages):
    """Images of which most are of the first class, and which noise hides."""

    def load(self) -> Images:
        """Returns the splits with one in fifty of the images of all other classes."""
        return {split: _mostly_first(*each) for split, each in super().load().items()}


class SlowImages(MemoryImages):
    """Images whose batches take longer to come than to learn from."""

    def train_dataloader(self) -> Iterable[Batch]:
        """Returns the batches of a training epoch, with pauses."""
        return _Slow(super().train_dataloader())


class DeadMLP(MLP):
    """A perceptron whose first units lie far below zero for every input."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        first = self.hidden[0]
        assert isinstance(first, nn.Sequential) and isinstance(first[0], nn.Linear)
        nn.init.constant_(first[0].bias, -30.0)


class _Slow:
    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __iter__(self) -> Iterator[Batch]:
        for batch in self.loader:
            time.sleep(0.05)
            yield batch

    def __len__(self) -> int:
        return len(self.loader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


def _mostly_first(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    kept = (labels == 0) | (torch.arange(len(labels)) // 10 % 50 == 0)
    return images[kept], labels[kept]
