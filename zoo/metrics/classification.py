"""Classification metrics that torchmetrics lacks or gets wrong; they take probabilities (B, K) and classes (B,)."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC
from torchmetrics.utilities.data import dim_zero_cat

from zoo.ranges import PositiveInt


class NegativeLogLikelihood(Metric):
    """Mean of -log p of the true class, in nats; summed over processes."""

    is_differentiable = True
    higher_is_better = False
    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Metal has no float64, and a metric's states move to its device.
        dtype = torch.float32 if torch.backends.mps.is_available() else torch.float64
        self.add_state("total", torch.zeros((), dtype=dtype), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, preds: Float[Tensor, "B K"], target: Int64[Tensor, " B"]) -> None:
        """Add a batch of probabilities and true classes."""
        true = preds.gather(1, target[:, None]).to(self.total.dtype)
        # A probability that rounded to 0 counts as the smallest float32, not as an infinite loss.
        self.total += -true.clamp(min=torch.finfo(torch.float32).tiny).log().sum()
        self.count += target.numel()

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean over all samples so far."""
        return (self.total / self.count).float()


class TopKAccuracy(MulticlassAccuracy):
    """Share of samples whose true class is among the `top_k` likeliest: 1 where there are no more classes than that.

    Args:
        num_classes: number of classes.
        top_k: number of guesses.
        options: further options of torchmetrics.
    """

    def __init__(self, num_classes: PositiveInt, *, top_k: PositiveInt = 5, **options: Any) -> None:
        super().__init__(num_classes, top_k=min(top_k, num_classes), average="micro", **options)


class MacroAUROC(MulticlassAUROC):
    """Mean over classes of the area under the one-vs-rest ROC curve.

    Only classes that have both positive and negative samples count; torchmetrics (1.9) warns of the others and averages
    them as 0. Not a number where there is no such class.

    Args:
        num_classes: number of classes.
        options: further options of torchmetrics.
    """

    preds: list[Tensor]
    target: list[Tensor]

    def __init__(self, num_classes: PositiveInt, **options: Any) -> None:
        super().__init__(num_classes, **options)

    def compute(self) -> Float[Tensor, ""]:  # type: ignore[override]
        """Return the mean over all samples so far."""
        preds, target = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        areas = [area_under_roc(scores, target == label) for label, scores in enumerate(preds.unbind(1))]
        return torch.stack(areas).nanmean()


def area_under_roc(scores: Float[Tensor, " B"], is_positive: Tensor) -> Float[Tensor, ""]:
    """Compute the probability that a positive scores above a negative, a tie counting half (Mann and Whitney, 1947).

    Args:
        scores: of the samples, higher for positives.
        is_positive: which samples are, as booleans of shape (B,).

    Returns:
        The area; not a number where positives or negatives are missing.
    """
    positives, negatives = scores[is_positive], scores[~is_positive].sort().values
    below = torch.searchsorted(negatives, positives, right=False)
    not_above = torch.searchsorted(negatives, positives, right=True)
    return (below + not_above).sum() / (2 * positives.numel() * negatives.numel())
