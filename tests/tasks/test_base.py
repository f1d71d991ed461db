"""What every task does to a step: counted randomness, L1, layout, and steps of the schedule."""

from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from zoo.losses.classification import CrossEntropy
from zoo.tasks.classification import ClassificationTask


def task(**options: Any) -> ClassificationTask:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 3))
    return ClassificationTask(model, criterion=CrossEntropy(), optimizer=partial(torch.optim.SGD, lr=0.1), **options)


def batch() -> dict[str, torch.Tensor]:
    return {"input": torch.ones(4, 3, 2, 2), "target": torch.tensor([0, 1, 2, 0]), "index": torch.arange(4)}


def test_dropout_is_a_function_of_seed_and_step() -> None:
    learner = task()

    def outputs(seed: int, batch_idx: int) -> torch.Tensor:
        learner.seed = seed
        learner._seed_step(batch_idx)
        return learner(batch())

    torch.manual_seed(1)
    first = outputs(0, 3)
    torch.manual_seed(2)
    assert torch.equal(outputs(0, 3), first)
    assert not torch.equal(outputs(0, 4), first)
    assert not torch.equal(outputs(1, 3), first)


def test_l1_adds_the_weights_but_not_the_biases() -> None:
    plain, penalised = task(), task(l1=0.5)
    penalised.load_state_dict(plain.state_dict())
    linear = plain.model[2]
    difference = penalised.training_step(batch(), 0) - plain.training_step(batch(), 0)
    assert torch.isclose(difference, 0.5 * linear.weight.abs().sum())


def test_images_are_laid_out_channels_last_where_the_model_convolves_them() -> None:
    seen = []

    class Convolution(nn.Conv2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x.is_contiguous(memory_format=torch.channels_last))
            return super().forward(x)

    def run(channels_last: bool | None) -> None:
        model = nn.Sequential(Convolution(3, 3, 1), nn.Flatten())
        options = {"criterion": CrossEntropy(), "optimizer": torch.optim.SGD, "channels_last": channels_last}
        ClassificationTask(model, **options)(batch())  # type: ignore[arg-type]

    run(None)
    run(False)
    assert seen == [True, False]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, 30),
        ({"accumulate_grad_batches": 4}, 9),
        ({"limit_train_batches": 7}, 21),
        ({"limit_train_batches": 0.5}, 15),
        ({"overfit_batches": 2}, 6),
        ({"max_steps": 11}, 11),
        ({"max_epochs": -1, "max_steps": 11}, 11),
    ],
)
def test_the_schedule_is_as_long_as_the_run(options: dict[str, Any], steps: int) -> None:
    trainer = {"overfit_batches": 0.0, "limit_train_batches": 1.0, "accumulate_grad_batches": 1, "max_epochs": 3}
    data = SimpleNamespace(train_dataloader=lambda: range(10))
    learner = task()
    learner._trainer = SimpleNamespace(**(trainer | {"max_steps": -1, "datamodule": data} | options))  # type: ignore[assignment]
    assert learner.num_optimizer_steps() == steps


def test_dropping_gradients_leaves_none() -> None:
    learner = task()
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1)
    learner(batch()).sum().backward()
    learner.optimizer_zero_grad(0, 0, optimizer)
    assert all(parameter.grad is None for parameter in learner.parameters())


def test_what_is_wrong_with_mixed_labels_is_not_the_accuracy() -> None:
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    mixed = {"target": torch.tensor([0]), "soft_target": torch.tensor([[0.5, 0.5, 0.0]])}
    learner = task()
    expected = -(0.5 * logits.log_softmax(1)[0, 0] + 0.5 * logits.log_softmax(1)[0, 1])
    assert torch.isclose(learner.losses(logits, mixed)["loss"], expected)
    preds, targets = learner.compare(logits, mixed)
    assert learner.finish(preds).argmax(1).equal(targets)
