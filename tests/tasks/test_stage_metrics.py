"""Losses and metrics that are fed in bulk equal those that are fed batch by batch."""

import torch
from torchmetrics.classification import MulticlassAccuracy

from zoo.tasks.stage_metrics import StageMetrics


def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    sizes = (8, 8, 8, 3)
    draw = [
        (torch.rand(size, 4, generator=generator), torch.randint(0, 4, (size,), generator=generator)) for size in sizes
    ]
    return [(torch.rand((), generator=generator), preds, targets) for preds, targets in draw]


def test_losses_are_averaged_over_samples_and_metrics_over_the_stage() -> None:
    record = StageMetrics({"accuracy": MulticlassAccuracy(4, average="micro")}, finish=lambda preds: preds, window=2)
    for loss, preds, targets in batches():
        if record.append({"loss": loss}, preds, targets):
            record.flush()
    values = record.compute()
    sizes = torch.tensor([8.0, 8.0, 8.0, 3.0])
    losses = torch.stack([loss for loss, _, _ in batches()])
    right = torch.cat([preds.argmax(1) == targets for _, preds, targets in batches()])
    assert torch.isclose(values["loss"], (losses * sizes).sum() / sizes.sum())
    assert torch.isclose(values["accuracy"], right.float().mean())


def test_a_window_reports_its_own_average_and_a_stage_starts_anew() -> None:
    record = StageMetrics({}, finish=lambda preds: preds)
    targets = torch.zeros(4, dtype=torch.int64)
    record.append({"loss": torch.tensor(1.0)}, targets, targets)
    assert record.flush() == {"loss": 1.0}
    record.append({"loss": torch.tensor(3.0)}, targets, targets)
    assert record.flush() == {"loss": 3.0}
    assert record.compute()["loss"] == 2.0
    record.append({"loss": torch.tensor(5.0)}, targets, targets)
    assert record.compute()["loss"] == 5.0


def test_nothing_pending_gives_nothing() -> None:
    assert StageMetrics({}, finish=lambda preds: preds).flush() == {}


def test_predictions_are_finished_before_metrics_see_them() -> None:
    record = StageMetrics({"accuracy": MulticlassAccuracy(2, average="micro")}, finish=lambda preds: -preds)
    record.append({"loss": torch.tensor(0.0)}, torch.tensor([[0.1, 0.9]]), torch.tensor([0]))
    assert record.compute()["accuracy"] == 1.0
