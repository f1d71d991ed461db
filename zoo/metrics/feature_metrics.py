"""Metrics that compare generated with real images by what a feature network makes of them, which each sees once."""

from collections.abc import Callable
from functools import cached_property

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from zoo.metrics.frechet import Gaussian, frechet_distance
from zoo.metrics.kernel_distance import kernel_distance, mean_kernel
from zoo.metrics.neighbours import manifold_scores, neighbour_radii

_MOST_NEIGHBOURS = 5000  # samples whose neighbours are looked for: pairs grow with the square


class RealFeatures:
    """Features of real samples, with what is computed of them once.

    Args:
        features: (N, D).
    """

    def __init__(self, features: Float[Tensor, "N D"]) -> None:
        self.features = features

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance."""
        return Gaussian(self.features)

    @cached_property
    def mean_kernel(self) -> Tensor:
        """The mean kernel of different samples."""
        return mean_kernel(self.features)

    @cached_property
    def some(self) -> Float[Tensor, "n D"]:
        """The samples whose neighbours are looked for."""
        return spread(self.features, _MOST_NEIGHBOURS)

    @cached_property
    def radii(self) -> Float[Tensor, "n"]:
        """How far the neighbourhoods of `some` reach."""
        return neighbour_radii(self.some)


class FeatureMetrics(Metric):
    """Fréchet and kernel distance, precision and recall, and what a classifier thinks it sees.

    Args:
        real: returns the features that the generated ones are compared with.
        with_fid: whether there are enough samples for covariances; without, the Fréchet distance is left out.
        floor: returns features of real samples for a floor, which distances of a perfect generator would reach; None
            for no floor.
    """

    full_state_update = False
    features: list[Tensor]
    confidence: list[Tensor]
    predicted: list[Tensor]
    recognised: list[Tensor]

    def __init__(
        self,
        real: Callable[[], RealFeatures],
        *,
        with_fid: bool = True,
        floor: Callable[[], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.real, self.with_fid, self.floor = real, with_fid, floor
        self.num_classes = 0
        for state in ("features", "confidence", "predicted", "recognised"):
            self.add_state(state, default=[], dist_reduce_fx="cat")

    def update(
        self,
        features: Float[Tensor, "B D"],
        logits: Float[Tensor, "B K"] | None = None,
        asked: Int64[Tensor, "B"] | None = None,
    ) -> None:
        """Take generated samples in.

        Args:
            features: of each.
            logits: of a classifier of the same classes.
            asked: the class that each was to be of.
        """
        self.features.append(features)
        if logits is None:
            return
        confidence, predicted = logits.softmax(1).max(1)
        self.num_classes = logits.shape[1]
        self.confidence.append(confidence)
        self.predicted.append(predicted)
        if asked is not None:
            self.recognised.append((predicted == asked).float())

    def compute(self) -> dict[str, Tensor]:
        """Return the metrics by name.

        Beside distances and neighbourhoods: "confidence", the mean probability of the class that is seen;
        "class_entropy", of the classes seen, in nats; "class_recall", the share of samples seen as the class asked for.
        """
        real, generated = self.real(), dim_zero_cat(self.features)
        if not generated.isfinite().all():
            return {name: generated.new_tensor(torch.nan) for name in (["fid"] if self.with_fid else []) + ["kid"]}
        values = self._distances(generated, real)
        if self.floor is not None:
            others = self.floor()
            order = torch.randperm(len(others), generator=torch.Generator().manual_seed(0))
            reached = self._distances(others[order[: len(generated)].to(others.device)], real)
            values |= {f"{name}_floor": value for name, value in reached.items()}
        values |= manifold_scores(spread(generated, _MOST_NEIGHBOURS), real.some, real_radii=real.radii)
        return {name: value.float() for name, value in (values | self._seen()).items()}

    def _distances(self, samples: Tensor, real: RealFeatures) -> dict[str, Tensor]:
        values = {"fid": frechet_distance(Gaussian(samples), real.gaussian)} if self.with_fid else {}
        return values | {"kid": kernel_distance(samples, real.features, within_real=real.mean_kernel)}

    def _seen(self) -> dict[str, Tensor]:
        if not len(self.confidence):
            return {}
        predicted = dim_zero_cat(self.predicted)
        shares = predicted.bincount(minlength=self.num_classes) / len(predicted)
        values = {"confidence": dim_zero_cat(self.confidence).mean(), "class_entropy": torch.special.entr(shares).sum()}
        if len(self.recognised):
            values["class_recall"] = dim_zero_cat(self.recognised).mean()
        return values


def spread(rows: Float[Tensor, "N *row"], most: int) -> Float[Tensor, "n *row"]:
    """Returns evenly spaced rows, which a split that is sorted by class has of each, at most so many."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most, device=rows.device).round().long()]
