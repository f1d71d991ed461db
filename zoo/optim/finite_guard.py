"""Refuses the optimizer step that would put NaN or infinity into the weights, and says where they came from."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from zoo.batch import Batch
from zoo.errors import TrainingStopped
from zoo.ranges import PositiveInt

_LOSSES = 5  # shown in the report
_OVERFLOWS = 20  # in a row, which a loss scaler that is still finding its scale does not need


@dataclass
class _Window:
    """The batches whose gradients the next optimizer step takes."""

    batches: list[tuple[int, Batch]] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)


class FiniteGuard:
    """Looks at the losses and gradients of each optimizer step before it is taken.

    Args:
        action: whether what is not finite ends the run, or the step is left out and counted.
        max_skipped: how many steps may be left out in a run.
    """

    def __init__(self, action: Literal["stop", "skip"] = "stop", *, max_skipped: PositiveInt = 20) -> None:
        self.action, self.max_skipped, self.num_skipped = action, max_skipped, 0
        self.history: deque[Tensor] = deque(maxlen=_LOSSES)
        self._window = _Window()
        self._overflows = 0
        self._found: Tensor | None = None
        self._buffers: list[Tensor] | None = None

    def watch(self, model: nn.Module, batch: Batch, batch_idx: int) -> None:
        """Notes a batch before it is computed."""
        self._window.batches.append((batch_idx, batch))
        if self.action == "skip" and len(self._window.batches) == 1:
            # A batch that is not finite goes into the running statistics of a norm, too.
            self._buffers = [buffer.clone() for buffer in model.buffers()]

    @property
    def is_watching(self) -> bool:
        """Whether batches wait for their optimizer step."""
        return bool(self._window.batches)

    def add_loss(self, loss: Tensor) -> None:
        """Notes the loss of the batch."""
        self._window.losses.append(loss)
        self.history.append(loss)

    def check(self, optimizer: Optimizer, *, is_scaled: bool = False) -> str:
        """Returns what is not finite: "loss", "gradient", or "" where all is well.

        Args:
            optimizer: whose step is about to be taken.
            is_scaled: whether a loss scaler leaves out steps whose gradients overflow, which is then no failure.
        """
        finite_losses = _are_finite(self._window.losses)
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
        bad = "" if self._gradients_are_finite(gradients) else "gradient"
        self._overflows = self._overflows + 1 if bad else 0
        if bad and is_scaled and self._overflows <= _OVERFLOWS:
            bad = ""
        if finite_losses and not bad:
            self._window = _Window()
        return "loss" if not finite_losses else bad

    def _gradients_are_finite(self, gradients: list[Tensor]) -> bool:
        return all([self._are_finite_alike(alike) for alike in _groups(gradients)])

    def _are_finite_alike(self, gradients: list[Tensor]) -> bool:
        device = gradients[0].device
        if self._found is None or self._found.device != device:
            self._found, self._one = torch.zeros(1, device=device), torch.ones(1, device=device)
        # One pass over all gradients, which it multiplies by one; norms took twice as long.
        self._found.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, self._found, self._one)
        return not self._found.item()

    def skip(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Leaves the step out: without gradients the optimizer does nothing. Returns how many batches it had.

        Raises:
            TrainingStopped: too many steps were left out.
        """
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        for buffer, before in zip(model.buffers(), self._buffers or (), strict=False):
            buffer.copy_(before)
        self.num_skipped += 1
        if self.num_skipped > self.max_skipped:
            problem = f"{self.num_skipped} steps were not finite and left out, more than task.max_skipped"
            raise TrainingStopped("task.on_nonfinite", problem, "lower optimizer.lr, or look at the data")
        batches, self._window = self._window.batches, _Window()
        return len(batches)

    def report(
        self, model: nn.Module, *, what: str, forward: Callable[[int, Batch], Any], name: Callable[[int], str]
    ) -> tuple[str, list[str]]:
        """Says where the first bad value was, and which samples were in the step.

        Args:
            model: the network; its weights are still those from before the step, and are left as they are.
            what: what `check` returned.
            forward: computes a batch once more as it was computed, given its number.
            name: what a sample is called, by its index.

        Returns:
            The place in words, and the names of the samples of the batches that were bad, or of all.
        """
        batches = self._window.batches
        bad = [b for b, loss in zip(batches, self._window.losses, strict=False) if not _are_finite([loss])]
        place = ""
        for batch_idx, batch in bad or batches:
            place = _bad_input(batch) or place or _first_bad_output(model, lambda b=batch, i=batch_idx: forward(i, b))  # type: ignore[misc]
        if not place and what == "gradient":
            place = _first_bad_gradient(model)
        index = [int(i) for _, batch in bad or batches for i in _indices(batch)]
        return place or "the loss itself", [name(i) for i in index]

    def state(self) -> dict[str, int]:
        """Returns what a checkpoint carries."""
        return {"num_skipped": self.num_skipped}

    def load(self, state: dict[str, int]) -> None:
        """Takes back what a checkpoint carried."""
        self.num_skipped = state["num_skipped"]


def not_finite(module: nn.Module) -> list[str]:
    """Returns the names of the weights and statistics of a module that hold NaN or infinity."""
    named = dict(itertools.chain(module.named_parameters(), module.named_buffers()))
    named = {name: t.detach() for name, t in named.items() if t.is_floating_point() or t.is_complex()}
    if _are_finite([torch.view_as_real(t).sum() if t.is_complex() else t.sum() for t in named.values()]):
        return []
    return [name for name, t in named.items() if not t.isfinite().all()]


def _groups(gradients: list[Tensor]) -> list[list[Tensor]]:
    """Splits gradients into lists of one device and dtype each, as the kernel wants them."""
    if len({gradient.dtype for gradient in gradients}) == 1 and not any(
        gradient.is_sparse or gradient.is_complex() for gradient in gradients
    ):
        return [gradients]
    groups: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for gradient in gradients:
        dense = gradient.coalesce().values() if gradient.is_sparse else gradient
        dense = torch.view_as_real(dense) if dense.is_complex() else dense
        groups.setdefault((dense.device, dense.dtype), []).append(dense)
    return list(groups.values())


def _are_finite(scalars: Iterable[Tensor]) -> bool:
    values = [scalar.detach() for scalar in scalars]
    if not values:
        return True
    total = values[0] if len(values) == 1 else torch.stack([value.float() for value in values]).sum()
    # Only large ones need the second look: they may well be finite where their sum is not.
    return math.isfinite(total.item()) or all(math.isfinite(value.item()) for value in values)


def _indices(batch: Batch) -> list[int]:
    index = batch.get("index") if isinstance(batch, dict) else None
    return [] if index is None else index.flatten().tolist()


def _bad_input(batch: Batch) -> str:
    for key, value in batch.items() if isinstance(batch, dict) else ():
        if isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
            return f'the batch itself ("{key}")'
    return ""


def _first_bad_output(model: nn.Module, forward: Callable[[], Any]) -> str:
    found: list[str] = []

    def watching(name: str) -> Callable[..., None]:
        def look(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and any(not t.isfinite().all() for t in _tensors(output)):
                found.append(f"the output of {name} ({type(module).__name__})")

        return look

    leaves = [(name, module) for name, module in model.named_modules() if not any(module.children())]
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            return f"the weights {name}"
    handles = [module.register_forward_hook(watching(name)) for name, module in leaves]
    try:
        with torch.no_grad(), _kept_buffers(model):
            forward()
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else ""


def _first_bad_gradient(model: nn.Module) -> str:
    """The bad gradient nearest to the loss, where backpropagation begins."""
    bad = [name for name, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()]
    return f"the gradient of {bad[-1]}" if bad else ""


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor) and value.is_floating_point():
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


@contextmanager
def _kept_buffers(model: nn.Module) -> Iterator[None]:
    before = [buffer.clone() for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, kept in zip(model.buffers(), before, strict=True):
            buffer.copy_(kept)
