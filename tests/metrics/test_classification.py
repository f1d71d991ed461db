import math
import pickle

import pytest
import torch
from sklearn.metrics import f1_score, log_loss, roc_auc_score
from torch import Tensor
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError, MulticlassF1Score

from zoo.metrics.classification import MacroAUROC, NegativeLogLikelihood, TopKAccuracy


def predictions(num_classes: int, num_samples: int = 60) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(num_samples) % num_classes
    logits = torch.randn(num_samples, num_classes, generator=generator)
    logits[torch.arange(num_samples), target] += 1
    return logits.softmax(1), target


def test_negative_log_likelihood_over_batches_equals_that_of_scikit_learn() -> None:
    probabilities, target = predictions(4)
    metric = NegativeLogLikelihood()
    for batch in (slice(0, 50), slice(50, 60)):
        metric.update(probabilities[batch], target[batch])
    normalized = probabilities.double() / probabilities.double().sum(1, keepdim=True)
    expected = log_loss(target.numpy(), normalized.numpy(), labels=range(4))
    assert metric.compute().item() == pytest.approx(expected, rel=1e-5)


def test_a_probability_of_zero_gives_a_large_but_finite_likelihood() -> None:
    metric = NegativeLogLikelihood()
    metric.update(torch.tensor([[1.0, 0.0]]), torch.tensor([1]))
    assert metric.compute().item() == pytest.approx(-math.log(torch.finfo(torch.float32).tiny), rel=1e-6)


def test_many_small_batches_do_not_lose_precision() -> None:
    metric = NegativeLogLikelihood()
    metric.update(torch.full((1, 2), 0.5).expand(2**20, 2), torch.zeros(2**20, dtype=torch.int64))
    for _ in range(200):
        metric.update(torch.tensor([[0.9, 0.1]]), torch.tensor([0]))
    expected = -(2**20 * math.log(0.5) + 200 * math.log(0.9)) / (2**20 + 200)
    assert metric.compute().item() == pytest.approx(expected, rel=1e-7)


def test_reset_and_pickling_keep_the_metric_usable() -> None:
    probabilities, target = predictions(3)
    metric = NegativeLogLikelihood()
    metric.update(probabilities, target)
    first = metric.compute()
    metric.reset()
    metric = pickle.loads(pickle.dumps(metric))
    metric.update(probabilities, target)
    assert torch.equal(metric.compute(), first)


@pytest.mark.parametrize(("num_classes", "expected"), [(2, 1.0), (5, 1.0), (7, 5 / 7)])
def test_top_five_accuracy_counts_the_five_likeliest(num_classes: int, expected: float) -> None:
    """Every class is the target once, and the ranking is always the same."""
    metric = TopKAccuracy(num_classes)
    ranking = torch.arange(num_classes, 0, -1).float().softmax(0)
    metric.update(ranking.expand(num_classes, num_classes), torch.arange(num_classes))
    assert metric.compute().item() == pytest.approx(expected)


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_macro_auroc_equals_that_of_scikit_learn(num_classes: int) -> None:
    probabilities, target = predictions(num_classes)
    probabilities = (probabilities * 20).round() / 20  # with ties
    metric = MacroAUROC(num_classes)
    metric.update(probabilities[:40], target[:40])
    metric.update(probabilities[40:], target[40:])
    per_class = [roc_auc_score(target == label, probabilities[:, label]) for label in range(num_classes)]
    assert metric.compute().item() == pytest.approx(sum(per_class) / num_classes, rel=1e-6)


def test_a_class_without_samples_does_not_count_in_macro_auroc() -> None:
    probabilities, target = predictions(4)
    kept = target != 3
    metric = MacroAUROC(4)
    metric.update(probabilities[kept], target[kept])
    per_class = [roc_auc_score(target[kept] == label, probabilities[kept, label]) for label in range(3)]
    assert metric.compute().item() == pytest.approx(sum(per_class) / 3, rel=1e-6)


def test_macro_auroc_of_a_single_class_is_not_a_number() -> None:
    metric = MacroAUROC(3)
    metric.update(predictions(3)[0], torch.zeros(60, dtype=torch.int64))
    assert metric.compute().isnan()


@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_metrics_of_torchmetrics_that_configs_name_bear_absent_classes(num_classes: int) -> None:
    """What configs take from torchmetrics means what our names say, without a warning."""
    probabilities, target = predictions(num_classes)
    kept = target != num_classes - 1
    probabilities, target = probabilities[kept], target[kept]
    accuracy = MulticlassAccuracy(num_classes, average="micro")
    f1 = MulticlassF1Score(num_classes, average="macro")
    calibration = MulticlassCalibrationError(num_classes)
    for metric in (accuracy, f1, calibration):
        metric.update(probabilities, target)
    confidence, preds = probabilities.max(1)
    correct = (preds == target).float()
    bins = (confidence * 15).long()
    gaps = [(confidence[bins == b].sum() - correct[bins == b].sum()).abs().item() for b in range(15)]
    assert accuracy.compute().item() == pytest.approx(correct.mean().item())
    assert f1.compute().item() == pytest.approx(f1_score(target, preds, average="macro"), rel=1e-6)
    assert calibration.compute().item() == pytest.approx(sum(gaps) / len(target), rel=1e-5)
