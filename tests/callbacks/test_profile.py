"""What is told of a few steps that are profiled, and that the run is the same as without."""

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from zoo.build import Run
from zoo.callbacks import profile as profiling
from zoo.callbacks.profile import Profile
from zoo.config.entry import compose
from zoo.costs.modules import ModuleRanges, module_times
from zoo.errors import OptionError
from zoo.run import fit

TINY = ["trainer=cpu", "trainer.max_epochs=1", "callbacks.model_graph=null", "callbacks.console=null"]
TINY += ["logger.tensorboard=null", "data.train_samples=200", "data.batch_size=16"]
SMALL = [*TINY, "data=digits", "model=lenet"]


def rows(directory: Path) -> list[dict[str, str]]:
    with (directory / "profile" / "modules.csv").open() as file:
        return list(csv.DictReader(file))


def has_hooks(task: nn.Module) -> bool:
    return any(module._forward_hooks or module._forward_pre_hooks for module in task.modules())


def run(directory: Path, *overrides: str) -> Run:
    return fit(compose([*overrides, f"output_dir={directory}"]))


def test_it_names_the_layers_and_changes_no_weight(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    without = run(tmp_path / "without", *SMALL)
    assert not any(isinstance(callback, Profile) for callback in without.trainer.callbacks)  # type: ignore[attr-defined]
    assert not (tmp_path / "without" / "profile").exists()
    capsys.readouterr()
    traced = run(tmp_path / "with", *SMALL, "profile=true")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("profile: ")]
    for name, value in without.task.state_dict().items():
        assert torch.equal(value, traced.task.state_dict()[name])
    assert not has_hooks(traced.task)

    table = rows(tmp_path / "with")
    layers = {name or "model" for name, _ in traced.task.model.named_modules()}
    assert {row["module"] for row in table} <= layers | {"criterion"}
    convolutions = [row for row in table if row["class"] == "Conv2d"]
    assert len(convolutions) == 2
    assert all(row["calls"] == "3" and float(row["backward_ms"]) > 0 for row in convolutions)
    shares = [float(row["share"]) for row in table]
    assert 0.3 < sum(shares) <= 1 and shares == sorted(shares, reverse=True)

    trace = json.loads((tmp_path / "with" / "profile" / "trace.json").read_text())
    names = [event["name"] for event in trace["traceEvents"] if event.get("cat") == "user_annotation"]
    assert names.count(f"{convolutions[0]['module']} (Conv2d)") == 3
    assert "in 3 batches" in said[0] and len(said) == min(10, len(table)) + 5
    assert str(tmp_path / "with" / "profile" / "trace.json") in said[-2] and "perfetto" in said[-1]
    assert json.loads((tmp_path / "with" / "cost.json").read_text())["notes"] == []


def test_both_networks_are_told_apart_and_a_large_trace_is_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiling, "_LARGE", 0)
    options = ["experiment=digits_dcgan", "metric.features=null", "trainer.limit_train_batches=10"]
    done = run(tmp_path, *TINY, *options, "trainer.limit_val_batches=0", "profile=true")
    networks = {row["module"].split(".")[0] for row in rows(tmp_path) if float(row["backward_ms"]) > 0}
    assert {"generator", "discriminator"} <= networks and not has_hooks(done.task)
    with gzip.open(tmp_path / "profile" / "trace.json.gz") as file:
        assert json.load(file)["traceEvents"]
    assert not (tmp_path / "profile" / "trace.json").exists()


def test_a_step_has_all_its_batches_and_a_resumed_run_is_traced_anew(tmp_path: Path) -> None:
    options = [*SMALL, "trainer.accumulate_grad_batches=2", "trainer.precision=bf16-mixed", "profile=true"]
    run(tmp_path, *options)
    convolution = next(row for row in rows(tmp_path) if row["class"] == "Conv2d")
    assert convolution["calls"] == "6"
    (tmp_path / "profile" / "modules.csv").unlink()
    run(tmp_path, *options, "trainer.max_epochs=2", f"resume={tmp_path}")
    assert rows(tmp_path)


@pytest.mark.parametrize(
    ("left", "step", "epoch", "done", "window"),
    [
        (1, 1, 1, 0, (0, 0)),
        (2, 1, 2, 0, (1, 1)),
        (5, 1, 5, 0, (2, 4)),
        (100, 1, 50, 0, (5, 7)),
        (float("inf"), 1, float("inf"), 0, (5, 7)),
        (24, 2, 12, 0, (12, 17)),
        (20, 1, 7, 0, (7, 9)),  # at the start of an epoch
        (20, 1, 2, 0, (6, 8)),  # ends with the epoch
        (100, 1, 50, 44, (6, 8)),
    ],
)
def test_a_window_lies_within_run_and_epoch(
    left: float, step: int, epoch: float, done: int, window: tuple[int, int]
) -> None:
    assert profiling._window(left, step=step, epoch=epoch, done=done) == window


def test_gradients_belong_to_the_module_of_their_operation() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(4, 4), nn.Linear(400, 400)
            self.act = nn.ReLU(inplace=True)  # which full backward hooks fail on

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.act(self.large(x))
            return y.sum() + self.small(x[:, :4]).sum() + self.small(x[:, 4:8]).sum()

    model = Twice()
    modules = {name or "model": module for name, module in model.named_modules()}
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as record:
        ranges = ModuleRanges(modules)
        model(torch.randn(400, 400)).backward()
        ranges.remove()
    events: Any = record.events()  # type: ignore[no-untyped-call]
    found = {each.module: each for each in module_times(events, modules, on_device=False)}
    assert {name: each.calls for name, each in found.items()} == {"model": 1, "large": 1, "act": 1, "small": 2}
    assert all(each.forward > 0 and each.backward > 0 for each in found.values())
    assert found["large"].backward > found["small"].backward
    assert 0.5 < sum(each.share for each in found.values()) <= 1


def test_no_hook_is_left_where_a_module_fails() -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ArithmeticError

    model = nn.Sequential(nn.Linear(2, 2), Fails())
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as record:
        ranges = ModuleRanges(dict(model.named_modules()))
        with pytest.raises(ArithmeticError):
            model(torch.zeros(1, 2))
        ranges.remove()
    assert not has_hooks(model)
    names = [event.name for event in record.events() or []]  # type: ignore[no-untyped-call]
    assert names.count("0 (Linear)") == names.count("1 (Fails)") == 1


def test_a_run_that_fails_leaves_neither_hook_nor_profiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Profile] = []

    def fail(self: Profile, *_: Any) -> None:
        kept.append(self)
        assert self._ranges is not None
        raise ArithmeticError

    monkeypatch.setattr(Profile, "on_before_backward", fail, raising=False)
    with pytest.raises(ArithmeticError):
        run(tmp_path, *SMALL, "trainer.limit_train_batches=1", "profile=true")
    assert kept[0]._profiler is None and kept[0]._ranges is None
    assert not (tmp_path / "profile").exists()


def test_modules_of_a_compiled_model_are_left_alone() -> None:
    task: Any = nn.Module()
    task.model = nn.Sequential(nn.Linear(2, 2))
    assert list(profiling._modules(task)) == ["model", "0"]
    task.model._compiled_call_impl = task.model.forward  # as compile() leaves it
    assert profiling._modules(task) == {}


def test_two_profilers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"trainer\.profiler"):
        run(tmp_path, *SMALL, "profile=true", "trainer.profiler=pytorch")
