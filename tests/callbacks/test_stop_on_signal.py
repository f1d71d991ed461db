"""A signal is obeyed at the next batch, when what was trained is on the disk."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo import signals
from zoo.callbacks.checkpoint_io import BackgroundCheckpointIO
from zoo.callbacks.checkpoints import LastCheckpoint
from zoo.callbacks.stop_on_signal import StopOnSignal
from zoo.checkpoint import load_file
from zoo.signals import StoppedBySignal


class Sender(Callback):
    """Sends this process a signal at the second call of a hook, and notes the batches from there on."""

    def __init__(self, hook: str) -> None:
        self.calls, self.batches = 0, 0
        setattr(self, hook, self._count)

    def _count(self, *_: Any) -> None:
        self.calls += 1
        if self.calls == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            self.batches = 0

    def on_train_batch_start(self, *_: Any) -> None:
        self.batches += 1

    on_validation_batch_start = on_train_batch_start


def stopped(folder: Path, hook: str, *, last: bool = True) -> tuple[Any, Sender]:
    kept = LastCheckpoint(folder) if last else None
    sender = Sender(hook)
    callbacks = [*([kept] if kept else []), StopOnSignal(kept), sender]
    trainer = tiny_trainer(folder, callbacks=callbacks, plugins=[BackgroundCheckpointIO()], num_sanity_val_steps=0)
    with pytest.raises(StoppedBySignal) as stop, signals.watched(), signals.deferred():
        trainer.fit(TinyTask(), datamodule=TinyData())
    assert stop.value.code == 128 + signal.SIGTERM
    return trainer, sender


def test_in_training_the_state_is_saved_between_two_batches(tmp_path: Path) -> None:
    trainer, sender = stopped(tmp_path, "on_train_batch_end")
    assert load_file(tmp_path / "last.ckpt")["global_step"] == trainer.global_step == 2
    assert sender.batches == 0


def test_in_a_validation_what_was_saved_before_it_stands(tmp_path: Path) -> None:
    _, sender = stopped(tmp_path, "on_validation_batch_end")
    assert load_file(tmp_path / "last.ckpt")["global_step"] == 3
    assert sender.batches == 0


def test_a_run_without_checkpoints_stops_too(tmp_path: Path) -> None:
    trainer, _ = stopped(tmp_path, "on_train_batch_end", last=False)
    assert trainer.global_step == 2 and not list(tmp_path.glob("*.ckpt"))


@pytest.mark.parametrize("what", ["validate", "test"])
def test_a_judgement_after_the_training_is_left_at_once_with_the_code_of_the_signal(what: str, tmp_path: Path) -> None:
    sender = Sender("on_test_batch_end" if what == "test" else "on_validation_batch_end")
    trainer = tiny_trainer(tmp_path, callbacks=[StopOnSignal(None), sender])
    with pytest.raises(StoppedBySignal) as stop, signals.watched():
        getattr(trainer, what)(TinyTask(), datamodule=TinyData(), verbose=False)
    assert (stop.value.code, sender.calls) == (128 + signal.SIGTERM, 2)
