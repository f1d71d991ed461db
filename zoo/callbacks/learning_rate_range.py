"""The learning rate range test: the loss while the learning rate grows from step to step, and what to read from it.

Leslie N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2015, arXiv:1506.01186, section 3.3; here the
learning rate grows by a constant factor, as is usual since.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer

from zoo.callbacks.figures import ACCENT, INK, WARNING, new_figure

_WIDTH = 0.03  # of the average, as a share of the steps: its standard deviation
_DIVERGED = 4.0  # times the lowest loss


class Suggestion(NamedTuple):
    """What a range test says.

    Attributes:
        steepest: the learning rate at which the loss falls fastest: where to start from.
        lowest: that of the lowest loss, which is too high for the steps after it.
    """

    steepest: float
    lowest: float


class LearningRateRange(Callback):
    """Raises the learning rate of all parameter groups by the same factor each step, and stops when the loss explodes.

    Args:
        start: learning rate of the first step.
        end: of the last.
        num_steps: optimizer steps in between.
        base: the learning rate of the configuration; a group at twice of it is kept at twice of what is tried.

    Attributes:
        rates: learning rates tried.
        losses: the training loss at each, before the step.
    """

    def __init__(self, *, start: float, end: float, num_steps: int, base: float) -> None:
        self.grid = np.geomspace(start, end, num_steps).tolist()
        self.base = base
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._pending: list[float] = []
        self._own: list[float] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Notes what each group has of the learning rate."""
        self._own = [group["lr"] / self.base for group in trainer.optimizers[0].param_groups]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Sets the learning rate of the step."""
        rate = self.grid[min(trainer.global_step, len(self.grid) - 1)]
        for group, share in zip(trainer.optimizers[0].param_groups, self._own, strict=True):
            group["lr"] = share * rate

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the loss, averaged where gradients are accumulated, and stops at one that has exploded."""
        self._pending.append(float(outputs["loss"]) * trainer.accumulate_grad_batches)
        if trainer.global_step == len(self.rates):
            return  # gradients are being accumulated
        self.rates.append(self.grid[trainer.global_step - 1])
        self.losses.append(sum(self._pending) / len(self._pending))
        self._pending = []
        if not math.isfinite(self.losses[-1]) or min(self.losses[-3:]) > _DIVERGED * min(self.losses):
            trainer.should_stop = True


def smoothed(losses: Sequence[float]) -> np.ndarray:
    """Returns losses averaged with those before and after them, so that no fall is shown later than it was."""
    values = np.asarray(losses, dtype=float)
    width = _WIDTH * len(values)
    places = np.arange(len(values))
    weights = np.exp(-0.5 * ((places[:, None] - places) / max(width, 1e-9)) ** 2)  # (N, N)
    return np.asarray(weights @ values / weights.sum(axis=1))


def suggest(rates: Sequence[float], losses: Sequence[float]) -> Suggestion | None:
    """Reads a range test.

    Args:
        rates: learning rates, growing.
        losses: the loss at each.

    Returns:
        What it says; None where the loss never fell.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    if len(finite) < 3:
        return None
    curve = smoothed(finite)
    lowest = int(curve.argmin())
    slopes = np.gradient(curve, np.log(rates[: len(finite)]))[: lowest + 1]
    if lowest == 0 or slopes.min() >= 0:
        return None
    return Suggestion(rates[int(slopes.argmin())], rates[lowest])


def draw(rates: Sequence[float], losses: Sequence[float], suggestion: Suggestion | None) -> np.ndarray:
    """Draws the loss against the learning rate.

    Args:
        rates: learning rates, growing.
        losses: the loss at each.
        suggestion: what is marked.

    Returns:
        8-bit picture (H, W, 3).
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    rates, curve = rates[: len(finite)], smoothed(finite)
    with new_figure(6.4, 3.8) as (figure, images):
        axes = figure.add_subplot()
        axes.plot(rates, finite, ".", color="#b5b5b5", markersize=3, label="loss of a batch")
        axes.plot(rates, curve, color=ACCENT, label="smoothed")
        if suggestion is not None:
            label = f"falls fastest: {suggestion.steepest:.2g}"
            axes.axvline(suggestion.steepest, color=WARNING, linestyle="--", label=label)
            axes.axvline(suggestion.lowest, color=INK, linewidth=0.8, linestyle=":", label="lowest: too high")
        axes.set(xscale="log", xlabel="optimizer.lr", ylabel="train/loss", title="Learning rate range test")
        axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
        low, high = min(finite), float(np.quantile(finite, 0.9))
        margin = 0.15 * (high - low) or 0.1
        axes.set_ylim(low - margin, high + margin)
        axes.grid(color="#e4e4e4", linewidth=0.7)
        axes.legend(frameon=False, fontsize=8)
    return images[0]
