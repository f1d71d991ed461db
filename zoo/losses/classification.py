"""Losses over the logits of classes; targets are class indices or, where labels were mixed, class probabilities.

All take `label_smoothing` and `class_weights`, so that one can stand for another in a config. In a run, class_weights
"balanced" becomes a list before the loss is built: the more samples a class has, the less each of them counts.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from zoo.ranges import NonNegativeFloat, Probability


def as_tensor(class_weights: Sequence[float] | Literal["balanced"] | None) -> Tensor | None:
    """Returns weights of classes as a tensor.

    Raises:
        ValueError: they were left to data that the loss does not see.
    """
    if isinstance(class_weights, str):
        raise ValueError(
            "class_weights balanced: the samples of each class are not known here; give one weight a class"
        )
    return None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)


class CrossEntropy(nn.CrossEntropyLoss):
    """Torch's cross-entropy, with class weights as a list.

    With weights and class indices it is the weighted mean: the sum over the batch divided by the sum of its weights.

    Args:
        label_smoothing: share of the target spread evenly over the classes (Szegedy et al., 2016, arXiv:1512.00567).
        class_weights: one weight a class, or None for equal weights.
    """

    def __init__(
        self, *, label_smoothing: Probability = 0.0, class_weights: Sequence[float] | Literal["balanced"] | None = None
    ) -> None:
        super().__init__(weight=as_tensor(class_weights), label_smoothing=label_smoothing)


class PerClassLoss(nn.Module):
    """A loss that is a sum of one term a class, averaged over the batch.

    Args:
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: what each class's term is multiplied by, or None for 1.
    """

    weight: Tensor | None

    def __init__(
        self, *, label_smoothing: Probability = 0.0, class_weights: Sequence[float] | Literal["balanced"] | None = None
    ) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing
        self.register_buffer("weight", as_tensor(class_weights))

    def terms(self, logits: Float[Tensor, "B K"], probabilities: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Give the term of each class, from logits and target probabilities."""
        raise NotImplementedError

    def forward(
        self, logits: Float[Tensor, "B K"], target: Int64[Tensor, " B"] | Float[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Compute the loss, in float32 or better.

        Args:
            logits: one a class.
            target: class indices or class probabilities.

        Returns:
            The mean over the batch.
        """
        num_classes = logits.size(1)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        probabilities = target if target.is_floating_point() else functional.one_hot(target, num_classes)
        probabilities = probabilities.to(logits.dtype)
        probabilities = probabilities * (1 - self.label_smoothing) + self.label_smoothing / num_classes
        terms = self.terms(logits, probabilities)
        if self.weight is not None:
            terms = terms * self.weight
        return terms.sum(dim=1).mean()


class FocalLoss(PerClassLoss):
    """Cross-entropy that looks away from what is already classified well.

    Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv:1708.02002, over a softmax instead of sigmoids;
    their alpha is `class_weights`. Soft targets weight the terms of all classes.

    Args:
        gamma: how strongly; 0 is cross-entropy.
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: what each class's term is multiplied by, or None for 1.
    """

    def __init__(
        self,
        *,
        gamma: NonNegativeFloat = 2.0,
        label_smoothing: Probability = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, class_weights=class_weights)
        self.gamma = gamma

    def terms(self, logits: Float[Tensor, "B K"], probabilities: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Weight cross-entropy's terms by (1 - p) ** gamma."""
        log_p = functional.log_softmax(logits, dim=1)
        # Above 0, because below gamma 1 the power has an infinite slope there.
        error = (-torch.expm1(log_p)).clamp(min=torch.finfo(log_p.dtype).tiny)
        return -probabilities * error**self.gamma * log_p


class BinaryCrossEntropy(PerClassLoss):
    """One yes-or-no question a class (Wightman et al., "ResNet strikes back", 2021, arXiv:2110.00476).

    Summed over the classes, where the paper takes the mean, so that a learning rate for cross-entropy fits.

    Args:
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: what each class's term is multiplied by, or None for 1.
    """

    def terms(self, logits: Float[Tensor, "B K"], probabilities: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Compare each logit's sigmoid with the class's probability."""
        return functional.binary_cross_entropy_with_logits(logits, probabilities, reduction="none")


class SquaredError(PerClassLoss):
    """Squared distance from the target probabilities.

    Of the softmax it is the Brier score (1950). Of the logits themselves it is Hui and Belkin, "Evaluation of Neural
    Architectures Trained with Square Loss vs Cross-Entropy in Classification Tasks", 2020, arXiv:2006.07322, without
    their rescaling for many classes; the probabilities that a softmax of such logits gives are not calibrated.

    Args:
        softmax: whether the distance is that of the softmax or of the logits.
        label_smoothing: share of the target spread evenly over the classes.
        class_weights: what each class's term is multiplied by, or None for 1.
    """

    def __init__(
        self,
        *,
        softmax: bool = True,
        label_smoothing: Probability = 0.0,
        class_weights: Sequence[float] | Literal["balanced"] | None = None,
    ) -> None:
        super().__init__(label_smoothing=label_smoothing, class_weights=class_weights)
        self.softmax = softmax

    def terms(self, logits: Float[Tensor, "B K"], probabilities: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
        """Square the difference."""
        outputs = logits.softmax(dim=1) if self.softmax else logits
        return (outputs - probabilities) ** 2
