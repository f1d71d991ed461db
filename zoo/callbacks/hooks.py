"""Lightning's hooks at no cost where nothing is hooked in.

Lightning calls each of its training hooks on every callback and on the module, inside a profiler's context, whether or
not the hook does anything: with ten callbacks some seventy calls a step. It skips a hook that is not callable, so
the empty ones are set to None, and its pass-through profiler, a generator for each call, gives way to a constant.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.profilers import Profiler

TRAINING_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)


def drop_empty_hooks(callbacks: Iterable[Callback], module: LightningModule) -> None:
    """Switches off the per-batch training hooks that callbacks and module inherit from Lightning unchanged.

    Args:
        callbacks: the trainer's callbacks.
        module: the task.
    """
    for owner, base in [*((callback, Callback) for callback in callbacks), (module, LightningModule)]:
        for hook in TRAINING_HOOKS:
            if hook not in vars(owner) and getattr(type(owner), hook) is getattr(base, hook):
                object.__setattr__(owner, hook, None)


class NoProfiler(Profiler):
    """Measures nothing, in constant time."""

    def __init__(self) -> None:
        super().__init__()
        self._nothing = nullcontext()

    def start(self, action_name: str) -> None:
        """Does nothing."""

    def stop(self, action_name: str) -> None:
        """Does nothing."""

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Returns one context for every action."""
        return self._nothing
