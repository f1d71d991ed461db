"""The loss of segmentation: cross-entropy of each pixel, with focal weights and Dice on top by option.

Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv:1708.02002, over a softmax, their alpha being
`class_weights`; Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
Segmentation", 2016, arXiv:1606.04797, for the soft Dice coefficient, here the mean over the classes that are there.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from zoo.batch import NO_TARGET
from zoo.losses.classification import as_tensor
from zoo.ranges import NonNegativeFloat, Probability


class SegmentationLoss(nn.Module):
    """Mean cross-entropy of the pixels that have a target, plus a share of Dice.

    With class weights it is the weighted mean: the sum over pixels divided by the sum of their weights. A batch without
    any target has the loss 0.

    Args:
        dice: weight of the Dice loss beside cross-entropy, good where some classes are small; 0 for none.
        gamma: how strongly what is already classified well is looked away from; 0 is cross-entropy.
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: one weight a class; "balanced" becomes one by its share of the training pixels; None for equal
            weights.
    """

    weight: Tensor | None

    def __init__(
        self,
        *,
        dice: NonNegativeFloat = 0.0,
        gamma: NonNegativeFloat = 0.0,
        label_smoothing: Probability = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__()
        self.dice, self.gamma, self.label_smoothing = dice, gamma, label_smoothing
        self.register_buffer("weight", as_tensor(class_weights))

    def forward(self, logits: Float[Tensor, "B K H W"], target: Int64[Tensor, "B H W"]) -> Float[Tensor, ""]:
        """Compute the loss, in float32 or better.

        Args:
            logits: one a class and a pixel.
            target: class indices, -100 where there is none.

        Returns:
            The mean over pixels.
        """
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        loss = self._of_pixels(logits, target)
        return loss + self.dice * dice_loss(logits, target) if self.dice else loss

    def _of_pixels(self, logits: Float[Tensor, "B K H W"], target: Int64[Tensor, "B H W"]) -> Float[Tensor, ""]:
        weight = None if self.weight is None else self.weight.to(logits.dtype)
        terms = functional.cross_entropy(
            logits,
            target,
            weight=weight,
            ignore_index=NO_TARGET,
            reduction="none",
            label_smoothing=self.label_smoothing,
        )
        if self.gamma:
            log_p = -functional.cross_entropy(logits, target, ignore_index=NO_TARGET, reduction="none")
            # Above 0, because below gamma 1 the power has an infinite slope there.
            error = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
            terms = error**self.gamma * terms
        has_target = target != NO_TARGET
        total = has_target.sum() if weight is None else (weight[target.clamp(min=0)] * has_target).sum()
        return terms.sum() / total.clamp(min=torch.finfo(logits.dtype).tiny)


def dice_loss(logits: Float[Tensor, "B K H W"], target: Int64[Tensor, "B H W"]) -> Float[Tensor, ""]:
    """Returns 1 minus the soft Dice coefficient, a mean over the classes in the targets; 0 where there are none.

    Args:
        logits: one a class and a pixel.
        target: class indices, -100 where there is none.
    """
    classes = torch.arange(logits.size(1), device=logits.device).view(-1, 1, 1)
    truth = target.unsqueeze(1) == classes  # (B, K, H, W)
    probabilities = logits.softmax(dim=1) * (target != NO_TARGET).unsqueeze(1)
    pixels = (0, 2, 3)
    overlap, there = (probabilities * truth).sum(pixels), truth.sum(pixels)
    loss = 1 - 2 * overlap / (probabilities.square().sum(pixels) + there).clamp(min=1)
    is_there = there > 0
    return (loss * is_there).sum() / is_there.sum().clamp(min=1)
