"""Test-time augmentation: the mean opinion of a classifier, of images or of their pixels, over views of an image.

Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep Convolutional Neural Networks (2012), section 4.1,
with flips and small shifts in place of ten crops.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

View = Literal["flip", "shift"]
SHIFT = 1 / 16  # of the image's side


class TestTimeAugmentation(nn.Module):
    """Averages a classifier's probabilities over views of its input.

    Args:
        model: takes (B, C, H, W), gives logits (B, K), or (B, K, H, W) whose pixels are put back where they were.
        views: `flip` adds the mirrored image, `shift` the image moved by a sixteenth to each side.
    """

    __test__ = False  # no test of pytest, despite the name

    def __init__(self, model: nn.Module, *, views: Sequence[View]) -> None:
        super().__init__()
        unknown = set(views) - {"flip", "shift"}
        if unknown:
            raise ValueError(f"view {', '.join(sorted(unknown))}: unknown; choose among flip and shift")
        if hasattr(model, "detect"):
            problem = "finds objects, and there is no mean of what several views show"
            raise ValueError(f"model {type(model).__name__}: {problem}; leave it out")
        self.model, self.views = model, tuple(views)

    def forward(self, images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K *pixels"]:
        """Returns the logarithm of the mean probabilities, which serve as logits."""
        moves = [(0, 0)]
        if "shift" in self.views:
            height, width = (max(1, round(side * SHIFT)) for side in images.shape[-2:])
            moves += [(height, 0), (-height, 0), (0, width), (0, -width)]
        flips = (False, True) if "flip" in self.views else (False,)
        opinions = [self._opinion(images, *move, flip=flip) for flip in flips for move in moves]
        return torch.stack(opinions).mean(0).clamp_min(torch.finfo(torch.float32).tiny).log()

    def _opinion(self, images: Tensor, down: int, right: int, *, flip: bool) -> Tensor:
        """Returns the probabilities of one view."""
        view = _shifted(images, down, right) if down or right else images
        probabilities: Tensor = self.model(view.flip(-1) if flip else view).float().softmax(1)
        if probabilities.ndim == 2:
            return probabilities
        probabilities = probabilities.flip(-1) if flip else probabilities
        return _shifted(probabilities, -down, -right) if down or right else probabilities


def _shifted(images: Tensor, down: int, right: int) -> Tensor:
    """Moves images by whole pixels; the border is repeated."""
    height, width = images.shape[-2:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    return images.index_select(-2, rows).index_select(-1, columns)
