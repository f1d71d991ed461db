"""Segmentation metrics from counts against those of torchmetrics from pixels."""

import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score, multiclass_jaccard_index

from zoo.batch import NO_TARGET
from zoo.metrics.segmentation import MeanDice, MeanIoU, PixelAccuracy, count_pixels

GENERATOR = torch.Generator().manual_seed(0)
PREDS = torch.randint(4, (6, 5, 7), generator=GENERATOR)
TARGETS = torch.randint(4, (6, 5, 7), generator=GENERATOR)
TARGETS[:, 0] = NO_TARGET
OPTIONS = {"num_classes": 4, "ignore_index": NO_TARGET}


def updated(metric):
    for preds, targets in zip(PREDS.split(2), TARGETS.split(2), strict=True):
        metric.update(count_pixels(preds, targets, 4), torch.arange(2))
    return metric.compute()


def test_they_are_those_of_torchmetrics_over_all_pixels():
    expected = multiclass_jaccard_index(PREDS, TARGETS, average="macro", **OPTIONS)
    torch.testing.assert_close(updated(MeanIoU(4)), expected)
    torch.testing.assert_close(updated(MeanDice(4)), multiclass_f1_score(PREDS, TARGETS, average="macro", **OPTIONS))
    accuracy = multiclass_accuracy(PREDS, TARGETS, average="micro", **OPTIONS)
    torch.testing.assert_close(updated(PixelAccuracy(4)), accuracy)


def test_classes_neither_predicted_nor_there_do_not_count():
    counts = count_pixels(torch.zeros(1, 2, 2, dtype=torch.long), torch.tensor([[[0, 0], [0, 1]]]), 5)
    metric = MeanIoU(5)
    metric.update(counts, torch.arange(1))
    torch.testing.assert_close(metric.compute(), torch.tensor((3 / 4 + 0) / 2))


def test_pixels_without_a_target_are_counted_nowhere():
    counts = count_pixels(PREDS, torch.full_like(TARGETS, NO_TARGET), 4)
    assert counts.shape == (6, 3, 4)
    assert not counts.any()
