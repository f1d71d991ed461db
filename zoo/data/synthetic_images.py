"""Images made up on the spot, of any size, channels and classes, that a model can learn to tell apart."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data.order import generator
from zoo.data.pixels import sides
from zoo.ranges import NonNegativeFloat, NonNegativeInt, PositiveInt


class SyntheticImages:
    """One smooth random pattern a class, under noise.

    Args:
        num_samples: training images.
        num_test_samples: test images.
        num_classes: classes, which take turns.
        in_channels: channels.
        image_size: side, or height and width, in pixels.
        noise: standard deviation of the noise, in units of the patterns' own.
        seed: decides patterns and noise.
    """

    def __init__(
        self,
        *,
        num_samples: PositiveInt = 2000,
        num_test_samples: PositiveInt = 500,
        num_classes: PositiveInt = 10,
        in_channels: PositiveInt = 3,
        image_size: PositiveInt | Sequence[PositiveInt] = 32,
        noise: NonNegativeFloat = 1.0,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.num_samples, self.num_test_samples, self.num_classes = num_samples, num_test_samples, num_classes
        self.in_channels, self.noise, self.seed = in_channels, noise, seed
        self.image_size = sides(image_size)
        self.class_names = [f"pattern {number}" for number in range(num_classes)]

    def prepare(self) -> None:
        """Does nothing: there is nothing to download."""

    def load(self) -> dict[str, tuple[Tensor, Tensor]]:
        """Returns the training and the test images."""
        coarse = torch.randn(self.num_classes, self.in_channels, 4, 4, generator=generator("patterns", self.seed))
        patterns = F.interpolate(coarse, size=self.image_size, mode="bicubic")
        patterns = patterns / patterns.std((1, 2, 3), keepdim=True).clamp(min=1e-6)
        return {
            "train": self._draw(patterns, "train", self.num_samples),
            "test": self._draw(patterns, "test", self.num_test_samples),
        }

    def _draw(self, patterns: Tensor, split: str, count: int) -> tuple[Tensor, Tensor]:
        """Adds noise to the patterns and maps three standard deviations to the range of bytes."""
        labels = torch.arange(count) % self.num_classes
        images = torch.randn(count, *patterns.shape[1:], generator=generator("noise", split, self.seed))
        images.mul_(self.noise).add_(patterns[labels]).mul_(42 / (1 + self.noise**2) ** 0.5).add_(127.5)
        return images.clamp_(0, 255).to(torch.uint8), labels
