"""Losses and metrics that are fed in bulk equal those that are fed batch by batch."""

from pathlib import Path

import pytest
import torch
from torchmetrics import CatMetric, ClasswiseWrapper, MeanMetric
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


def record_of_everything(window: int = 2) -> StageMetrics:
    """A record with a metric of each kind of state: counts, lists, and a metric within a metric."""
    metrics = {
        "accuracy": MulticlassAccuracy(4, average="micro"),
        "median": MedianOfPreds(),
        "each": ClasswiseWrapper(MulticlassAccuracy(4, average="none")),
        "mean": MeanMetricOfPreds(),
    }
    return StageMetrics(metrics, finish=lambda preds: preds.softmax(1), window=window)


class MedianOfPreds(CatMetric):
    def update(self, preds: torch.Tensor, targets: torch.Tensor) -> None:
        super().update(preds[:, 0] + targets)

    def compute(self) -> torch.Tensor:
        return torch.as_tensor(super().compute()).median()


class MeanMetricOfPreds(MeanMetric):
    def update(self, preds: torch.Tensor, targets: torch.Tensor) -> None:
        super().update(preds, targets.unsqueeze(1) + 0.3)


def feed(record: StageMetrics, rows: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]) -> None:
    for loss, preds, targets in rows:
        if record.append({"loss": loss, "l1": loss * 3}, preds, targets):
            record.flush()


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_a_record_that_went_through_a_checkpoint_gives_the_same_to_the_last_bit(place: int, tmp_path: Path) -> None:
    whole, first, second = record_of_everything(), record_of_everything(), record_of_everything()
    feed(whole, batches())
    feed(first, batches()[:place])
    torch.save(first.state(), tmp_path / "state")
    second.load(torch.load(tmp_path / "state", weights_only=True))
    second.move(torch.device("cpu"))
    feed(second, batches()[place:])
    values, expected = second.compute(), whole.compute()
    assert values.keys() == expected.keys() >= {"loss", "l1", "accuracy", "median", "mean", "multiclassaccuracy_3"}
    assert {name: float(value).hex() for name, value in values.items()} == {
        name: float(value).hex() for name, value in expected.items()
    }


def test_loading_takes_the_place_of_what_was_gathered() -> None:
    saved, record = record_of_everything(), record_of_everything()
    feed(saved, batches()[:3])
    state = saved.state()
    feed(record, batches())
    record.load(state)
    assert float(record.compute()["loss"]).hex() == float(saved.compute()["loss"]).hex()


def test_batches_that_are_dropped_were_never_there() -> None:
    record, expected = record_of_everything(9), record_of_everything(9)
    rows = batches()
    feed(record, [rows[0], rows[1], (torch.tensor(float("nan")), *rows[2][1:]), rows[3]])
    record.drop(2)
    feed(expected, rows[:2])
    values, wanted = record.compute(), expected.compute()
    assert {name: float(value) for name, value in values.items()} == {name: float(v) for name, v in wanted.items()}


def test_more_than_is_pending_can_be_dropped() -> None:
    for metrics in ({}, {"accuracy": MulticlassAccuracy(4)}):
        record = StageMetrics(metrics, finish=lambda preds: preds)
        for loss, preds, targets in batches():
            record.append({"loss": loss}, preds, targets)
        record.drop(0)
        assert len(record.state()["pending"][0]) == 4
        record.drop(9)
        assert record.compute() == {}


def test_a_loss_that_is_nan_shows() -> None:
    record = StageMetrics({}, finish=lambda preds: preds)
    for loss, preds, targets in [(torch.tensor(float("nan")), *batches()[0][1:]), *batches()]:
        record.append({"loss": loss}, preds, targets)
    assert record.compute()["loss"].isnan()


def test_what_was_gathered_so_far_is_told_and_left_as_it_is() -> None:
    record = StageMetrics({}, finish=lambda preds: preds, window=2)
    for loss, preds, targets in batches():
        extra = {"rare": 2 * loss} if not record.has_pending("rare") else {}
        if record.append({"loss": loss} | extra, preds, targets):
            record.flush()
    told = record.so_far()
    assert told == pytest.approx({name: float(value) for name, value in record.compute().items()})
    assert set(told) == {"loss", "rare"} and record.so_far() == {}
