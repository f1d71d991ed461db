"""A run that goes on from any checkpoint counts the batches and validations that were left, and no others."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.tasks.epoch_loop import EpochLoop, batches_done


class Diary(Callback):
    """Notes what happens, and saves a checkpoint at each place where a run of the zoo does."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.events: list[str] = []

    def _save(self, trainer: Any) -> None:
        if self.folder is not None:
            trainer.save_checkpoint(self.folder / f"{len(self.events)}.ckpt")

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        self.events.append(f"epoch {trainer.current_epoch}")

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self._save(trainer)
        self.events.append(f"batch {trainer.current_epoch}/{batch_idx} after {batches_done(trainer, in_all=True)}")

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        self._save(trainer)
        self.events.append(f"validation {trainer.current_epoch} at step {trainer.global_step}")

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._save(trainer)


def fit(folder: Path, diary: Diary, checkpoint: Path | None = None, **options: Any) -> Any:
    trainer = tiny_trainer(folder, callbacks=[diary], num_sanity_val_steps=0, **options)
    EpochLoop.install(trainer)
    trainer.fit(TinyTask(), datamodule=TinyData(), ckpt_path=checkpoint, weights_only=True)
    return trainer


OPTIONS: list[dict[str, Any]] = [
    {},
    {"val_check_interval": 2},
    {"check_val_every_n_epoch": 2},
    {"limit_val_batches": 0},
    {"accumulate_grad_batches": 2},
    {"max_epochs": -1, "max_steps": 5},
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options))
def test_what_is_left_happens_and_nothing_else(options: dict[str, Any], tmp_path: Path) -> None:
    whole = Diary(tmp_path)
    ended = fit(tmp_path, whole, **options)
    saved = sorted(int(path.stem) for path in tmp_path.glob("*.ckpt"))
    assert len(saved) >= 6 and saved[-1] == len(whole.events)
    for place in saved:
        rest = Diary()
        trainer = fit(tmp_path, rest, tmp_path / f"{place}.ckpt", **options)
        events = [event for event in rest.events if not event.startswith("epoch")]  # the epoch starts once more
        assert events == [event for event in whole.events[place:] if not event.startswith("epoch")], place
        assert trainer.global_step == ended.global_step
        if place < saved[-1]:  # at the end by steps, the epoch that they ended in is still to be gone on with
            assert trainer.current_epoch == ended.current_epoch


def test_an_epoch_that_is_gone_on_with_starts_as_any_other(tmp_path: Path) -> None:
    whole = Diary(tmp_path)
    fit(tmp_path, whole)
    place = whole.events.index("batch 1/1 after 4")
    rest = Diary()
    fit(tmp_path, rest, tmp_path / f"{place}.ckpt")
    assert rest.events[:2] == ["epoch 1", "batch 1/1 after 4"]
    assert rest.events.count("epoch 2") == 1
