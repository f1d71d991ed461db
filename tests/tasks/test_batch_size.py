"""`data.batch_size=auto`: what is found fits, and looking for it leaves no trace."""

import copy
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch import Tensor, nn

from tests.callbacks.tiny_run import tiny_trainer
from zoo.batch import repeated
from zoo.data.augment import BatchAugment
from zoo.data.memory_images import MemoryImages
from zoo.data.synthetic_images import SyntheticImages
from zoo.errors import OptionError
from zoo.losses.classification import CrossEntropy
from zoo.tasks.batch_size import VARIABLE, bisect, choose_batch_size, extrapolate, largest_batch_size, predict
from zoo.tasks.classification import ClassificationTask
from zoo.tasks.trial_step import Taken, TrialStep, without_trace

CPU = torch.device("cpu")


def task(**options: Any) -> ClassificationTask:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.BatchNorm2d(32), nn.ReLU(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(6272, 10)
    )
    return ClassificationTask(model, criterion=CrossEntropy(), optimizer=partial(torch.optim.AdamW, lr=1e-3), **options)


def data(num_samples: int = 200, **options: Any) -> MemoryImages:
    source = SyntheticImages(num_samples=num_samples, num_test_samples=20, image_size=16)
    module = MemoryImages(source=source, batch_size=1, **options)
    module.facts()
    return module


def found(learner: ClassificationTask, module: MemoryImages, **options: Any) -> int:
    options = {"device": CPU, "precision": Precision(), **options}
    return largest_batch_size(learner, module, **options).batch_size


def test_it_is_never_larger_than_the_training_split() -> None:
    module = data()
    assert found(task(), module) == len(module.labels["train"]) == 180


def test_each_process_gets_its_share_of_the_training_split() -> None:
    assert found(task(), data(), processes=4) == 45


def test_a_single_training_sample_is_a_batch() -> None:
    assert found(task(), data(2, val_fraction=0.5)) == 1


def test_looking_for_it_leaves_no_trace() -> None:
    learner, module = task(), data(augment=BatchAugment(mixup=0.2))
    module.batch_size, module.eval_batch_size = 7, 9
    before = copy.deepcopy(learner.state_dict())
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    found(learner, module)
    after = learner.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (random.getstate(), np.random.get_state()[1].tolist())
    assert all(parameter.grad is None for parameter in learner.parameters())
    assert (module.batch_size, module.eval_batch_size, module.trainer, module._order) == (7, 9, None, None)
    assert not learner.train_record.losses and learner._trainer is None


def trained(directory: Path, choose: Callable[[ClassificationTask, MemoryImages, Trainer], int]) -> dict[str, Tensor]:
    learner, module = task(), data(augment=BatchAugment(crop=2, flip=0.5))
    trainer = tiny_trainer(directory, max_epochs=2)
    module.batch_size = choose(learner, module, trainer)
    trainer.fit(learner, datamodule=module)
    return learner.state_dict()


def test_a_run_with_the_size_found_is_that_with_the_size_given(tmp_path: Path) -> None:
    def given(*_: Any) -> int:
        return 20

    def searched(learner: ClassificationTask, module: MemoryImages, trainer: Trainer) -> int:
        return found(learner, module, limit=20)

    one, other = trained(tmp_path, given), trained(tmp_path, searched)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_choice_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert choose_batch_size(task(), data(), trainer=tiny_trainer(tmp_path)) == 180
    line = capsys.readouterr().out
    assert line.startswith("data.batch_size: 180, all training samples, fits (training takes 0.")
    assert line.count("\n") == 1


def test_the_processes_of_a_run_take_the_number_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(VARIABLE, "24")
    trainer = tiny_trainer(tmp_path, devices=2, strategy="ddp")
    assert choose_batch_size(task(), data(), trainer=trainer) == 24


def test_processes_that_were_started_one_by_one_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = tiny_trainer(tmp_path, devices=2, strategy="ddp")
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    with pytest.raises(OptionError, match=r"data\.batch_size: auto cannot .*; give a number"):
        choose_batch_size(task(), data(), trainer=trainer)


def test_half_the_precision_takes_less() -> None:
    def taken(precision: Precision) -> int:
        with without_trace(CPU):
            trial = TrialStep(task(), data(), device=CPU, precision=precision, window=1)
            trial.bytes_at(256)
            return trial.bytes_at(256).forward

    assert taken(MixedPrecision("bf16-mixed", "cpu")) < 0.9 * taken(Precision())


def test_what_a_step_takes_grows_with_its_batch() -> None:
    with without_trace(CPU):
        trial = TrialStep(task(), data(), device=CPU, precision=Precision(), window=1)
        trial.bytes_at(64)
        # The least of three: what other tests of this process leave to its allocator only adds.
        small, large = (
            min((trial.bytes_at(size) for _ in range(3)), key=lambda taken: taken.most) for size in (512, 2048)
        )
    activations = 4 * 32 * 14 * 14 * 4  # of a sample: convolution, norm, activation, dropout; float32
    assert 0.8 * activations < (large.most - small.most) / 1536 < 5 * activations
    assert large.forward <= large.most


def test_the_optimizer_is_part_of_what_is_kept() -> None:
    with without_trace(CPU):
        trial = TrialStep(task(), data(), device=CPU, precision=Precision(), window=1)
        weights = trial.kept()
        trial.bytes_at(2)
        assert trial.kept() == pytest.approx(3 * weights, rel=0.01)  # AdamW has two averages of each


def test_an_error_of_the_model_is_not_taken_for_a_lack_of_memory() -> None:
    learner = task()
    learner.model[5] = nn.Linear(5, 10)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        found(learner, data())


def line(constant: int, slope: int, calls: list[int] | None = None) -> Callable[[int], Taken]:
    def taken(size: int) -> Taken:
        if calls is not None:
            calls.append(size)
        return Taken(constant + slope * size, slope * size // 2)

    return taken


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
@pytest.mark.parametrize("budget", [5, 107, 1000, 10_000])
def test_predicting_finds_what_fits_and_tries_nothing_that_does_not(budget: int, limit: int) -> None:
    calls: list[int] = []
    size, needed = predict(line(100, 7, calls), budget=lambda: budget, limit=limit)
    best = min(limit, (budget - 100) // 7)
    assert size <= max(best, 0)
    assert size >= 0.5 * best
    assert needed <= budget
    assert all(100 + 7 * call <= budget for call in calls[1:])


def test_predicting_follows_a_memory_that_grows_with_the_square() -> None:
    calls: list[int] = []

    def taken(size: int) -> Taken:
        calls.append(size)
        return Taken(1000 + 10 * size * size)

    size, _ = predict(taken, budget=lambda: 1_000_000, limit=10_000)
    assert 200 < size <= 316
    assert max(calls) <= 316


def test_predicting_knows_that_gradients_hide_activations() -> None:
    trials = {size: Taken(max(1000, 100 * size) + 10, 90 * size) for size in (2, 4, 8)}
    size, _ = extrapolate(trials, budget=100_000, limit=10_000)
    assert 500 < size <= 1000


@pytest.mark.parametrize("limit", [1, 7, 100, 1000])
@pytest.mark.parametrize("fitting", [0, 1, 3, 64, 700, 5000])
def test_trying_finds_what_fits_to_a_sixteenth(fitting: int, limit: int) -> None:
    def taken(size: int) -> Taken:
        assert size <= limit
        if size > 2 * fitting:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return Taken(size)

    size, needed = bisect(taken, budget=lambda: fitting, limit=limit)
    best = min(fitting, limit)
    assert best - max(1, best // 16) < size + 1 <= best + 1
    assert needed == size


def test_trying_stops_at_any_other_error() -> None:
    def taken(size: int) -> Taken:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        bisect(taken, budget=lambda: 10, limit=10)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_batch_of_any_size_repeats_its_samples(size: int) -> None:
    rows = [row % 3 for row in range(size)]
    batch = {"input": torch.arange(6).view(3, 2), "names": ["a", "b", "c"], "scale": torch.tensor(2.0), "deep": {}}
    batch["deep"] = {"target": torch.arange(3)}
    result: Any = repeated(batch, size)
    assert result["input"].tolist() == [[2 * row, 2 * row + 1] for row in rows]
    assert result["names"] == ["abc"[row] for row in rows]
    assert result["scale"] == 2
    assert result["deep"]["target"].tolist() == rows


@pytest.mark.gpu
def test_on_a_gpu_the_size_found_trains(tmp_path: Path) -> None:
    device = torch.device("cuda", 0)
    learner, module = task(), data(200_000)
    torch.cuda.set_per_process_memory_fraction(0.05)
    try:
        fit = largest_batch_size(learner, module, device=device, precision=Precision())
        assert next(learner.parameters()).device.type == "cpu"
        module.batch_size = fit.batch_size
        trainer = tiny_trainer(tmp_path, accelerator="gpu", max_epochs=1, limit_train_batches=3, limit_val_batches=1)
        trainer.fit(learner, datamodule=module)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
