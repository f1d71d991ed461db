"""Which states of a run are saved, and which weights are called the best."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.trainer.states import TrainerFn

from tests.callbacks.tiny_run import TinyData, TinyTask, tiny_trainer
from zoo.callbacks.checkpoint_io import BackgroundCheckpointIO
from zoo.callbacks.checkpoints import BestCheckpoint, LastCheckpoint
from zoo.checkpoint import load_file
from zoo.errors import OptionError, StorageError, TrainingStopped

NAN = float("nan")


class Validations(Callback):
    """Puts the metrics of each validation in the place of those that were found."""

    def __init__(self, *metrics: dict[str, float]) -> None:
        self.metrics = iter(metrics)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            trainer.callback_metrics.update({name: torch.tensor(value) for name, value in next(self.metrics).items()})


def fit(folder: Path, *callbacks: Callback, task: TinyTask | None = None, **options: Any) -> Any:
    """Trains as a run of the zoo does; three batches an epoch."""
    io = BackgroundCheckpointIO()
    trainer = tiny_trainer(folder, callbacks=list(callbacks), plugins=[io], num_sanity_val_steps=0, **options)
    trainer.fit(task or TinyTask(), datamodule=TinyData())
    io.wait()
    return trainer


def global_steps(folder: Path) -> dict[str, int]:
    return {path.name: load_file(path)["global_step"] for path in sorted(folder.glob("*.ckpt"))}


@pytest.mark.parametrize(
    ("mode", "scores", "best"),
    [
        ("max", (0.1, 0.3, 0.2), 2),
        ("min", (0.3, 0.1, 0.2), 2),
        ("max", (0.3, 0.3, 0.2), 2),  # of equals the later
        ("min", (0.3, 0.1, 0.1), 3),
        ("max", (NAN, 0.1, NAN), 2),
        ("min", (0.5, float("-inf"), 0.6), 1),
        ("max", (0.0, -1.0, -2.0), 1),
        ("max", (NAN, NAN, NAN), None),
    ],
)
def test_the_best_weights_are_those_of_the_best_validation(
    mode: Any, scores: tuple[float, ...], best: int | None, tmp_path: Path
) -> None:
    kept = BestCheckpoint(tmp_path, monitor="val/score", mode=mode)
    fit(tmp_path, Validations(*({"val/score": score} for score in scores)), kept)
    assert global_steps(tmp_path) == ({} if best is None else {"best.ckpt": 3 * best})
    assert kept.best_model_path == ("" if best is None else str(tmp_path / "best.ckpt"))
    assert kept.best_model_score == (None if best is None else pytest.approx(scores[best - 1]))


def test_a_validation_in_which_another_metric_is_nan_is_not_the_best(tmp_path: Path) -> None:
    kept = BestCheckpoint(tmp_path, monitor="val/score", mode="max")
    metrics = [{"val/score": 0.1, "val/other": 1.0}, {"val/score": 0.9, "val/other": NAN}]
    fit(tmp_path, Validations(*metrics, {"val/score": 0.0, "val/other": 1.0}), kept)
    assert global_steps(tmp_path) == {"best.ckpt": 3}


def test_a_metric_that_is_not_there_ends_the_run(tmp_path: Path) -> None:
    kept = BestCheckpoint(tmp_path, monitor="val/none", mode="max")
    with pytest.raises(OptionError, match=r"task.monitor: val/none is logged by nothing; set one of val/"):
        fit(tmp_path, kept)
    assert kept.best_model_score is None and not global_steps(tmp_path)


def test_the_best_within_an_epoch_has_the_weights_that_were_validated(tmp_path: Path) -> None:
    kept = BestCheckpoint(tmp_path, monitor="val/score", mode="max")
    fit(
        tmp_path,
        Validations(*({"val/score": score} for score in (1.0, 0.0, 2.0, 0.0, 0.0, 0.0))),
        kept,
        val_check_interval=1,
        max_epochs=2,
    )
    assert global_steps(tmp_path) == {"best.ckpt": 3}


def resumed(kept: BestCheckpoint, folder: Path) -> BestCheckpoint:
    other = BestCheckpoint(folder, monitor="val/score", mode="max")
    other.load_state_dict(kept.state_dict())
    return other


def test_a_resumed_run_keeps_the_best_so_far_unless_it_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = BestCheckpoint(tmp_path / "old", monitor="val/score", mode="max")
    fit(tmp_path, Validations({"val/score": 0.9}), kept, max_epochs=1)
    moved = Path(shutil.copytree(tmp_path / "old", tmp_path / "moved"))
    fit(tmp_path, Validations({"val/score": 0.5}, {"val/score": 0.6}), again := resumed(kept, moved), max_epochs=2)
    assert (again.best_model_score, again.best_model_path) == (pytest.approx(0.9), str(moved / "best.ckpt"))
    assert global_steps(moved) == {"best.ckpt": 3}
    assert not capsys.readouterr().out

    (moved / "best.ckpt").write_bytes(b"PK\x03\x04 damaged")
    fit(tmp_path, Validations({"val/score": 0.5}, {"val/score": 0.6}), again := resumed(kept, moved), max_epochs=2)
    assert again.best_model_score == pytest.approx(0.6)
    assert global_steps(moved) == {"best.ckpt": 6}
    assert "best.ckpt: damaged" in capsys.readouterr().out


class Saves(LastCheckpoint):
    """Notes after which batches a state was saved."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.after: list[int] = []

    def save(self, trainer: Any, pl_module: Any, *, wait: bool = False) -> Path:
        self.after.append(trainer.fit_loop.epoch_loop.batch_progress.total.processed)
        return super().save(trainer, pl_module, wait=wait)


@pytest.mark.parametrize(
    ("own", "options", "after"),
    [
        ({}, {}, [3, 6, 9, 9]),  # before each validation, and at the end
        ({}, {"limit_val_batches": 0}, [3, 6, 9]),
        ({}, {"check_val_every_n_epoch": 2}, [3, 6, 9]),
        ({"every_n_steps": 2}, {}, [2, 3, 4, 6, 8, 9, 9]),
        ({"every_n_steps": 1}, {"limit_val_batches": 0, "max_epochs": 1}, [1, 2, 3]),
        ({"every_n_steps": 2}, {"accumulate_grad_batches": 3}, [3, 6, 9, 9]),
        ({"every_minutes": 1e-9}, {"max_epochs": 1}, [1, 2, 3, 3]),
        ({"every_minutes": 60.0}, {"max_epochs": 1}, [3, 3]),
        ({}, {"max_steps": 4}, [3, 4]),
    ],
)
def test_states_are_saved_before_validations_and_as_often_as_is_asked(
    own: dict[str, Any], options: dict[str, Any], after: list[int], tmp_path: Path
) -> None:
    last = Saves(tmp_path, **own)
    fit(tmp_path, last, **options)
    assert last.after == after


def test_last_is_the_last_and_as_many_are_kept_as_is_said(tmp_path: Path) -> None:
    fit(tmp_path, LastCheckpoint(tmp_path, every_n_steps=1, keep=3), limit_val_batches=0)
    assert global_steps(tmp_path) == {"last.ckpt": 9, "last-1.ckpt": 8, "last-2.ckpt": 7}


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".last.ckpt.1.tmp").touch()
    fit(tmp_path, LastCheckpoint(tmp_path), max_epochs=1)
    assert {path.name for path in tmp_path.iterdir()} == {"last.ckpt", "last-1.ckpt"}


class Spoil(Callback):
    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        if trainer.global_step == 5:
            pl_module.model[4].bias.data[1] = NAN


def test_weights_that_are_nan_are_not_saved(tmp_path: Path) -> None:
    with pytest.raises(TrainingStopped, match=r"optimizer\.lr: the weights \(model\.4\.bias\) .* after step 5"):
        fit(tmp_path, LastCheckpoint(tmp_path, every_n_steps=1), Spoil())
    assert global_steps(tmp_path)["last.ckpt"] <= 4


def test_a_mask_of_minus_infinity_is_no_failure(tmp_path: Path) -> None:
    task = TinyTask()
    task.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1))
    fit(tmp_path, LastCheckpoint(tmp_path), task=task, max_epochs=1)
    assert global_steps(tmp_path)["last.ckpt"] == 3
    with pytest.raises(TrainingStopped):
        fit(tmp_path, LastCheckpoint(tmp_path, every_n_steps=1), Spoil(), task=task)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """A disk with as much free space as it is told, which is asked about a folder that exists."""
    told = SimpleNamespace(free=0)

    def usage(path: Path) -> SimpleNamespace:
        assert path.is_dir()
        return told

    monkeypatch.setattr(shutil, "disk_usage", usage)
    yield told


WEIGHTS = 4 * (4 * 9 + 4 + 144 * 3 + 3)  # bytes of the tiny task's


def test_too_little_room_for_the_checkpoints_is_found_before_the_first_step(
    tmp_path: Path, disk: SimpleNamespace
) -> None:
    disk.free = 5 * WEIGHTS - 1  # three that are kept, the best, and one that is being written
    task = TinyTask()
    before = task.model[0].weight.clone()
    with pytest.raises(StorageError, match="0 MB are free, but its checkpoints take about 0 MB more; make room"):
        fit(tmp_path, LastCheckpoint(tmp_path / "deep" / "folder", keep=3), task=task)
    assert torch.equal(task.model[0].weight, before)
    disk.free += 1
    fit(tmp_path, LastCheckpoint(tmp_path / "deep" / "folder", keep=3), max_epochs=1)


def test_the_states_of_the_optimizer_and_the_files_that_are_there_count(tmp_path: Path, disk: SimpleNamespace) -> None:
    class Adam(TinyTask):
        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    disk.free = 4 * 3 * WEIGHTS - 1
    with pytest.raises(StorageError):
        fit(tmp_path, LastCheckpoint(tmp_path), task=Adam())
    (tmp_path / "last.ckpt").write_bytes(b"x")
    fit(tmp_path, LastCheckpoint(tmp_path), task=Adam(), max_epochs=1)
