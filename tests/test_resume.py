"""Which checkpoint a run goes on from, and with which other options it is refused."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from zoo.checkpoint import FORMAT, write_checkpoint
from zoo.config.check import OptionErrors
from zoo.errors import OptionError, StorageError
from zoo.resume import check_resumable, find_resumed

CONFIG: dict[str, Any] = {
    "seed": 0, "allow_changes": False, "resume": None, "output_dir": "here", "debug": False,
    "data": {"batch_size": 16, "num_workers": 0, "root": "a", "source": {"seed": 0}, "classes": ["x", "y"]},
    "model": {"_target_": "zoo.models.mlp.MLP", "hidden_sizes": [16]},
    "task": {"_target_": "zoo.tasks.classification.ClassificationTask", "metrics": {}, "seed": 0},
    "optimizer": {"_target_": "torch.optim.AdamW", "lr": 0.1},
    "scheduler": None,
    "trainer": {"max_epochs": 3, "accumulate_grad_batches": 1, "precision": 32},
    "callbacks": {"ema": {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging", "decay": 0.9},
                  "figures": {"_target_": "zoo.callbacks.figures.Figures"}},
}  # fmt: skip


def config(**changes: Any) -> DictConfig:
    cfg = OmegaConf.create(copy.deepcopy(CONFIG))
    for path, value in changes.items():
        OmegaConf.update(cfg, path.replace("__", "."), value, merge=False)
    return cfg


def checkpoint(batch: int = 6) -> dict[str, Any]:
    loops = {"fit_loop": {"epoch_loop.state_dict": {"position": {"epoch": 1, "batch": batch}}}}
    return {"zoo": {"config": copy.deepcopy(CONFIG), "data_fingerprint": "f" * 64}, "loops": loops}


def refusals(**changes: Any) -> list[str]:
    try:
        check_resumable(config(**changes), checkpoint(), fingerprint="f" * 64)
    except OptionErrors as refused:
        return [f"{error.where}: {error.problem}" for error in refused.errors]
    return []


def test_the_same_options_go_on() -> None:
    assert refusals() == []


@pytest.mark.parametrize(
    "change",
    [
        {"trainer__max_epochs": 9},
        {"data__num_workers": 4},
        {"data__root": "elsewhere"},
        {"output_dir": "there"},
        {"debug": True},
        {"callbacks__figures": None},
        {"callbacks__more": {"_target_": "zoo.callbacks.console.Console"}},
        {"trainer__devices": 1},
    ],
)
def test_what_the_weights_do_not_depend_on_may_change(change: dict[str, Any]) -> None:
    assert refusals(**change) == []


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"optimizer__lr": 0.5}, "optimizer.lr: 0.1 in the checkpoint, but 0.5 here"),
        ({"model__hidden_sizes": [8, 8]}, "model.hidden_sizes: [16] in the checkpoint, but [8, 8] here"),
        ({"model__dropout": 0.1}, "model.dropout: None in the checkpoint, but 0.1 here"),
        ({"data__source__seed": 1}, "data.source.seed: 0 in the checkpoint, but 1 here"),
        ({"trainer__accumulate_grad_batches": 2}, "trainer.accumulate_grad_batches: 1 in the checkpoint, but 2 here"),
        ({"callbacks__ema__decay": 0.5}, "callbacks.ema.decay: 0.9 in the checkpoint, but 0.5 here"),
        ({"data__classes": ["y", "x"]}, "data.classes: ['x', 'y'] in the checkpoint, but ['y', 'x'] here"),
    ],
)
def test_what_they_depend_on_is_refused_with_both_values(change: dict[str, Any], refusal: str) -> None:
    assert refusals(**change) == [refusal]


def test_a_part_that_is_gone_or_new_is_refused() -> None:
    assert refusals(callbacks__ema=None)
    assert refusals(scheduler={"_target_": "zoo.optim.schedules.one_cycle"})
    assert len(refusals(seed=1, optimizer__lr=1.0)) == 2


def test_a_seed_that_stands_for_the_runs_is_named_once() -> None:
    assert refusals(seed=1, task__seed=1, data__source__seed=1) == ["seed: 0 in the checkpoint, but 1 here"]


def test_other_data_are_refused() -> None:
    with pytest.raises(
        OptionErrors, match="data: fingerprint ffffffffffff in the checkpoint, but fingerprint 000"
    ) as no:
        check_resumable(config(), checkpoint(), fingerprint="0" * 64)
    assert "allow_changes=true" in str(no.value) and "init_from=PATH" in str(no.value)


def test_changes_that_are_allowed_are_named_and_made(capsys: pytest.CaptureFixture[str]) -> None:
    check_resumable(config(allow_changes=True, optimizer__lr=0.5), checkpoint(), fingerprint="f" * 64)
    assert capsys.readouterr().err == "optimizer.lr: 0.1 in the checkpoint, 0.5 from here on\n"


def test_another_kind_of_optimizer_cannot_take_the_state() -> None:
    with pytest.raises(OptionError, match=r"optimizer\._target_: .*init_from="):
        check_resumable(
            config(allow_changes=True, optimizer___target_="torch.optim.SGD"), checkpoint(), fingerprint="f" * 64
        )


@pytest.mark.parametrize(("size", "batch"), [(8, 12), (32, 3), (64, 1), (16, 6), (200, 0)])
def test_the_place_in_an_epoch_is_counted_in_batches_of_the_new_size(size: int, batch: int) -> None:
    saved = checkpoint(batch=6)
    check_resumable(config(allow_changes=True, data__batch_size=size), saved, fingerprint="f" * 64)
    assert saved["loops"]["fit_loop"]["epoch_loop.state_dict"]["position"]["batch"] == batch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step, name in ((1, "best"), (2, "last-1"), (3, "last")):
        path = tmp_path / "checkpoints" / f"{name}.ckpt"
        content = {"zoo": {"format": FORMAT}, "loops": {}, "step": step, "weights": torch.zeros(3)}
        write_checkpoint(content, path)
    return tmp_path


def step(cfg: DictConfig) -> int | None:
    found = find_resumed(cfg)
    return None if found is None else found.checkpoint["step"]


def test_the_last_state_is_found_and_a_checkpoint_that_is_named_is_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert step(config(resume="auto", output_dir=str(folder))) == 3
    assert step(config(resume=str(folder))) == 3
    assert step(config(resume=str(folder / "checkpoints" / "last-1.ckpt"))) == 2
    assert step(config()) is None
    assert not capsys.readouterr().err


def test_what_is_damaged_is_named_with_what_takes_its_place(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"")
    assert step(config(resume=str(folder))) in (1, 2)
    named, going_on = capsys.readouterr().err.splitlines()
    assert named.startswith(f"{folder / 'checkpoints' / 'last.ckpt'}: ") and going_on.startswith("going on from ")


def test_a_run_that_has_saved_nothing_yet_starts_and_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert step(config(resume="auto", output_dir=str(tmp_path / "new"))) is None
    with pytest.raises(OptionError, match=r"^resume: .*nowhere does not exist"):
        step(config(resume=str(tmp_path / "nowhere")))
    with pytest.raises(OptionError, match=r"^resume: auto asks for the run's directory; add output_dir=PATH"):
        step(config(resume="auto", output_dir=None))


def test_where_all_are_damaged_storage_is_at_fault(folder: Path) -> None:
    for path in (folder / "checkpoints").iterdir():
        path.write_bytes(b"PK\x03\x04")
    with pytest.raises(StorageError):
        step(config(resume=str(folder)))
