"""Segmentation metrics of a whole data set, from counts of pixels: three numbers a class and an image of any size.

Torchmetrics (1.9) takes predictions pixel by pixel, which would have to be kept until a window of steps is full, and
its segmentation metrics average over images, where the field counts all pixels of the data set together (Everingham et
al., "The PASCAL Visual Object Classes Challenge: A Retrospective", 2015).
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics import Metric

from zoo.ranges import PositiveInt


def count_pixels(preds: Int64[Tensor, "B H W"], targets: Int64[Tensor, "B H W"], num_classes: int) -> Tensor:
    """Counts the pixels of each image by class, leaving out those without a target.

    Args:
        preds: predicted classes.
        targets: true classes, negative where there is none.
        num_classes: K.

    Returns:
        Pixels of each class that are right, that are predicted, and that there are, int64, (B, 3, K).
    """
    rest = torch.full_like(targets, num_classes)
    true = torch.where(targets < 0, rest, targets)
    predicted = torch.where(targets < 0, rest, preds)
    right = torch.where(predicted == true, true, rest)
    found = torch.stack((right, predicted, true), dim=1).flatten(2)  # (B, 3, H W)
    counts = found.new_zeros(len(found), 3, num_classes + 1)
    return counts.scatter_add_(2, found, torch.ones_like(found))[..., :num_classes]


class PixelCounts(Metric):
    """Adds up what `count_pixels` has counted, over all processes.

    Args:
        num_classes: K.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor

    def __init__(self, num_classes: PositiveInt) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(3, num_classes, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, counts: Int64[Tensor, "B 3 K"], targets: Tensor) -> None:
        """Take images in.

        Args:
            counts: from `count_pixels`.
            targets: nothing that is needed here.
        """
        self.counts += counts.sum(0)


class MeanIoU(PixelCounts):
    """Mean over classes of the intersection of prediction and truth by their union; classes in neither do not count."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean over the classes so far."""
        return iou(self.counts).nanmean()


class MeanDice(PixelCounts):
    """Mean over classes of the Dice coefficient, the F1 score of their pixels; classes in neither do not count."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean over the classes so far."""
        return dice(self.counts).nanmean()


class PixelAccuracy(PixelCounts):
    """Share of the pixels that are right."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the share so far."""
        right, _, true = self.counts.unbind(-2)
        return right.sum() / true.sum()


def iou(counts: Int64[Tensor, "*B 3 K"]) -> Float[Tensor, "*B K"]:
    """Returns the intersection over the union of each class, NaN for classes that are neither predicted nor there."""
    right, predicted, true = counts.unbind(-2)
    return right / (predicted + true - right)


def dice(counts: Int64[Tensor, "*B 3 K"]) -> Float[Tensor, "*B K"]:
    """Returns the Dice coefficient of each class, NaN for classes that are neither predicted nor there."""
    right, predicted, true = counts.unbind(-2)
    return 2 * right / (predicted + true)
