"""The course of the loss between two looks at it: a few numbers on the device, however many batches there are."""

from typing import Any

import torch
from torch import Tensor


class LossCourse:
    """Means of the losses of parts of equal length; where there are too many, each two become one.

    Args:
        parts: at least so many are kept, once there were as many batches, and at most twice as many.
    """

    def __init__(self, parts: int = 10) -> None:
        self.parts = parts
        self._means: list[Tensor] = []
        self._pending: list[Tensor] = []
        self._length = 1  # batches of a part
        self._is_loaded = False

    def add(self, loss: Tensor) -> None:
        """Takes in the loss of a batch, without waiting for it."""
        if self._is_loaded:
            self._means = [mean.to(loss.device) for mean in self._means]
            self._pending, self._is_loaded = [each.to(loss.device) for each in self._pending], False
        self._pending.append(loss.detach())
        if len(self._pending) < self._length:
            return
        self._means.append(torch.stack(self._pending).mean() if self._length > 1 else self._pending[0])
        self._pending = []
        if len(self._means) == 2 * self.parts:
            self._means = [(one + other) / 2 for one, other in zip(self._means[::2], self._means[1::2], strict=True)]
            self._length *= 2

    def take(self) -> list[float]:
        """Returns the means in the order of time, those that are finite, and starts anew."""
        means = [float(mean) for mean in self._means if torch.isfinite(mean)]
        self._means, self._pending, self._length = [], [], 1
        return means

    def state(self) -> dict[str, Any]:
        """Returns what was taken in, as plain values."""
        return {
            "means": list(map(float, self._means)),
            "pending": list(map(float, self._pending)),
            "length": self._length,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Takes back what `state` has returned."""
        self._means, self._pending = ([torch.tensor(each) for each in state[name]] for name in ("means", "pending"))
        self._length, self._is_loaded = state["length"], True
