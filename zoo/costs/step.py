"""What a training step of any number of samples takes, from steps of a few samples that are really computed."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from zoo.costs.ledger import Ledger


class StepCost(NamedTuple):
    """What a step takes.

    Attributes:
        rows: samples of its batch.
        forward: floating-point operations up to the losses.
        backward: of the gradients.
        activations: bytes that are saved for the backward pass.
        curve: bytes that are taken beside weights and batch after each kernel; only the highest where steps differ.
    """

    rows: int
    forward: float
    backward: float
    activations: float
    curve: list[float]

    @property
    def peak(self) -> float:
        """The most bytes that are taken beside weights and batch."""
        return max(self.curve, default=0.0)


def measure_step(
    losses: Callable[[], Iterator[tuple[Tensor, float]]], *, rows: int, known: Iterable[Tensor]
) -> StepCost:
    """Computes a step's losses and their gradients, and says what that took.

    Args:
        losses: yields each loss whose gradients are taken, and in what share of the batches that happens.
        rows: samples of the batch.
        known: weights, buffers and the batch, which are there anyway.
    """
    ledger = Ledger(known)
    forward = backward = 0.0
    with torch.enable_grad(), ledger:
        steps = losses()
        while True:
            before = ledger.flops
            with ledger.saving():
                found = next(steps, None)
            if found is None:
                break
            loss, share = found
            at_loss = ledger.flops
            loss.backward()  # type: ignore[no-untyped-call]
            del loss, found
            forward += share * (at_loss - before)
            backward += share * (ledger.flops - at_loss)
    return StepCost(rows, forward, backward, ledger.saved, [float(size) for size in ledger.curve])


def extrapolate(smaller: StepCost, larger: StepCost, *, rows: int) -> StepCost:
    """Returns what a step of other size takes: all of it grows along the line through two that were measured.

    The highest point of memory is no line, as it wanders from where the gradients are all there to where the forward
    pass ends; so each point of the curve is followed by itself, where both steps had the same ones.

    Args:
        smaller: a step of few samples.
        larger: one of more.
        rows: samples that are asked for.
    """
    share = (rows - smaller.rows) / (larger.rows - smaller.rows)

    def line(low: float, high: float) -> float:
        return max(low + share * (high - low), 0.0)

    if len(smaller.curve) == len(larger.curve):
        curve = [line(low, high) for low, high in zip(smaller.curve, larger.curve, strict=True)]
    else:
        curve = [line(smaller.peak, larger.peak)]
    return StepCost(
        rows,
        line(smaller.forward, larger.forward),
        line(smaller.backward, larger.backward),
        line(smaller.activations, larger.activations),
        curve,
    )
