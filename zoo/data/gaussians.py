"""Points in the plane from a mixture of Gaussians, on which a person sees whether a generator finds all modes.

The ring of eight and the grid of 25: Metz et al., "Unrolled Generative Adversarial Networks", 2017, arXiv:1611.02163;
Srivastava et al., "VEEGAN", 2017, arXiv:1705.07761.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from zoo.batch import Batch
from zoo.data.base import Split
from zoo.data.loader import BatchLoader
from zoo.data.order import Order, generator
from zoo.data.splits import SplitData
from zoo.ranges import NonNegativeInt, PositiveFloat, PositiveInt


def mode_centers(layout: Literal["ring", "grid"], num_modes: int, extent: float) -> list[list[float]]:
    """Returns the centers (x, y) of the modes.

    Args:
        layout: on a circle, or on a square grid.
        num_modes: how many; for a grid a square number.
        extent: radius of the ring, or half the side of the grid.

    Raises:
        ValueError: the number does not fill a grid.
    """
    if layout == "ring":
        angles = [2 * math.pi * mode / num_modes for mode in range(num_modes)]
        return [[extent * math.cos(angle), extent * math.sin(angle)] for angle in angles]
    side = math.isqrt(num_modes)
    if side * side != num_modes or side < 2:
        raise ValueError(f"num_modes {num_modes}: a grid has a square number of 4 or more; set 25")
    places = [extent * (2 * place / (side - 1) - 1) for place in range(side)]
    return [[x, y] for x in places for y in places]


class GaussianPoints(SplitData):
    """Points of a mixture of Gaussians in the plane, all of the same weight and width.

    Args:
        layout: whether the modes lie on a circle or on a square grid.
        num_modes: how many modes.
        extent: radius of the ring, or half the side of the grid.
        std: standard deviation of a mode in each direction.
        num_samples: points of training.
        num_eval_samples: points of validation, and as many of test.
        batch_size: points in a training batch of one process.
        eval_batch_size: points in an evaluation batch, None for `batch_size`.
        seed: decides the order; the points are the same for all seeds.
        num_features: fact that is checked: a point has two numbers.
        centers: fact likewise: x and y of each mode.
    """

    def __init__(
        self,
        *,
        layout: Literal["ring", "grid"] = "ring",
        num_modes: PositiveInt = 8,
        extent: PositiveFloat = 2.0,
        std: PositiveFloat = 0.05,
        num_samples: PositiveInt = 51200,
        num_eval_samples: PositiveInt = 2500,
        batch_size: PositiveInt = 256,
        eval_batch_size: PositiveInt | None = None,
        seed: NonNegativeInt = 0,
        num_features: PositiveInt | None = None,
        centers: Sequence[Sequence[float]] | None = None,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed)
        self.places = torch.tensor(mode_centers(layout, num_modes, extent))
        self.std, self.num_samples, self.num_eval_samples = std, num_samples, num_eval_samples
        self.num_features, self.centers = num_features, centers
        self.points: dict[str, Tensor] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """How many points each split has."""
        return {split: len(points) for split, points in self.points.items()}

    def setup(self, stage: str | None = None) -> None:
        """Draws the points, the first time it is called."""
        if self.points:
            return
        for split, count in (
            ("train", self.num_samples),
            ("val", self.num_eval_samples),
            ("test", self.num_eval_samples),
        ):
            draw = generator("gaussians", split)
            modes = torch.randint(len(self.places), (count,), generator=draw)
            self.points[split] = self.places[modes] + self.std * torch.randn(count, 2, generator=draw)

    def found_facts(self) -> dict[str, Any]:
        """Returns how many numbers a point has, and the centers of the modes."""
        return {"num_features": 2, **self.preprocessing()}

    def given_facts(self) -> dict[str, Any]:
        """Returns the facts given; centers are found from the layout alone."""
        return {"num_features": self.num_features}

    def preprocessing(self) -> dict[str, Any]:
        """Returns the centers of the modes: points are given as they are."""
        return {"centers": [[round(value, 6) for value in place] for place in self.places.tolist()]}

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the points of each split."""
        digest = hashlib.sha256()
        for split, points in self.points.items():
            digest.update(repr((split, tuple(points.shape))).encode())
            digest.update(points.numpy().data)
        return digest.hexdigest()

    def sample_name(self, split: Split, index: int) -> str:
        """Returns the place in the split, as "test[17]"."""
        return f"{split}[{index}]"

    def loader(self, split: Split, order: Order, batch_size: int, *, train: bool) -> BatchLoader:
        """Returns batches cut from the points of a split."""
        root = self.trainer.strategy.root_device if self.trainer is not None else torch.device("cpu")
        labels = torch.zeros(len(self.points[split]), dtype=torch.int64)
        start = self.batches_trained if train else lambda: 0
        return BatchLoader(
            self.points[split],
            labels,
            order=order,
            batch_size=batch_size,
            drop_last=train,
            start=start,
            device=root if root.type == "cuda" else "cpu",
        )

    def prepare_batch(self, batch: Batch, train: bool) -> Batch:
        """Returns the batch: "input" float32 (B, 2), and "index" (B,)."""
        return batch
