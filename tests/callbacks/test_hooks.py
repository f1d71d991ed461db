"""Hooks that do nothing are not called, and those that do something still are."""

from typing import Any

from lightning.pytorch import Callback, LightningModule

from zoo.callbacks.hooks import TRAINING_HOOKS, NoProfiler, drop_empty_hooks


class Busy(Callback):
    def on_train_batch_end(self, *_: Any) -> None:
        """Does something."""


def test_inherited_hooks_become_none_and_own_ones_stay() -> None:
    busy, idle, module = Busy(), Callback(), LightningModule()
    drop_empty_hooks([busy, idle], module)
    assert callable(busy.on_train_batch_end)
    assert busy.on_before_backward is None
    assert all(getattr(idle, hook) is None for hook in TRAINING_HOOKS)
    assert all(getattr(module, hook) is None for hook in TRAINING_HOOKS)
    assert callable(idle.on_train_epoch_end) and callable(module.on_validation_batch_end)


def test_the_profiler_gives_a_context_that_can_be_entered_again_and_again() -> None:
    profiler = NoProfiler()
    with profiler.profile("outer"), profiler.profile("inner"):
        pass
