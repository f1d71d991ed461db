"""Generated images beside real ones, by features: how they compare, and whether they are copies."""

import sys
import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from zoo.data.base import DataModule, Split
from zoo.data.order import whole_splits
from zoo.judging.cache import cached, key_of
from zoo.judging.feature_network import OPTION, FeatureNetwork
from zoo.metrics.feature_metrics import FeatureMetrics, RealFeatures, spread
from zoo.metrics.neighbours import are_copies, nearest
from zoo.metrics.sample_mean import SampleMean

_MOST_COMPARED = 2500  # images that are looked for among the training images
_SHOWN, _NEIGHBOURS = 8, 4


class _Table(NamedTuple):
    """Real images of a split.

    Attributes:
        real: their features.
        rows: of the split that they are, (N,).
    """

    real: RealFeatures
    rows: Tensor


class SplitFeatures:
    """Features of real images, computed once a split and kept for the runs that follow.

    Args:
        data: the images.
        network: makes the features.
    """

    def __init__(self, data: DataModule, network: FeatureNetwork) -> None:
        self.data, self.network = data, network
        self._tables: dict[Split, _Table] = {}

    def table(self, split: Split, device: torch.device) -> _Table:
        """Returns the features of a split, and which images they are of."""
        if split not in self._tables:
            with torch.inference_mode(False):
                key = key_of(
                    "features of all images",
                    self.network.identity,
                    self.data.fingerprint,
                    self.data.preprocessing(),
                    split,
                )
                found = cached(key, lambda: self._computed(split, device))
            self._tables[split] = _Table(RealFeatures(found["features"].to(device)), found["rows"])
        return self._tables[split]

    def _computed(self, split: Split, device: torch.device) -> dict[str, Any]:
        started, parts = time.perf_counter(), []
        for loaded in self.data.scan_loaders()[split]:
            batch = self.data.prepare_batch({name: values.to(device) for name, values in loaded.items()}, train=False)
            parts.append((self.network(batch["input"])[0].cpu(), batch["index"].cpu()))
        features, rows = (torch.cat(column) for column in zip(*parts, strict=True))
        if (seconds := time.perf_counter() - started) > 2:
            line = f"features of {split}, computed once: {len(rows):,} images, {seconds:.1f} s"
            print(f"{OPTION}: {line}", file=sys.stderr, flush=True)
        return {"features": features, "rows": rows}


class ImageJudge:
    """Takes in the generated images of a stage, and says how good they are.

    Args:
        features: of real images; without a network for them these are pixels.
        split: that is compared with.
        every: only each such batch is taken in.
        with_metrics: whether there are features worth the name.
        with_fid: whether there are enough images for the Fréchet distance of them.
        final: whether images are looked for among the training images, and a floor is told.
    """

    def __init__(
        self,
        features: SplitFeatures,
        split: Split,
        *,
        every: int = 1,
        with_metrics: bool = True,
        with_fid: bool = True,
        final: bool = False,
    ) -> None:
        self.features, self.split, self.every, self.final = features, split, every, final
        self.device = torch.device("cpu")
        self.metrics: FeatureMetrics | None = None
        if with_metrics:
            floor = (lambda: self._table("train").real.features) if final else None
            self.metrics = FeatureMetrics(lambda: self._table(split).real, with_fid=with_fid, floor=floor)
        self._copied = SampleMean()
        self._compared_every = max(1, features.data.sizes[split] // _MOST_COMPARED)  # type: ignore[attr-defined]
        self._nearest: list[tuple[float, Tensor, Tensor]] = []

    def _table(self, split: Split) -> _Table:
        return self.features.table(split, self.device)

    @torch.no_grad()
    def update(self, images: Tensor, batch_idx: int, *, asked: Tensor | None = None) -> None:
        """Takes a batch in.

        Args:
            images: generated, (B, C, H, W), normalised as real ones are.
            batch_idx: its number.
            asked: the classes that a conditional generator was told, (B,).
        """
        if batch_idx % self.every:
            return
        if images.device.type == "mps":  # which has no float64
            images, asked = images.cpu(), None if asked is None else asked.cpu()
        self.device = images.device
        features, logits = self.features.network(images)
        if self.metrics is not None:
            known = self.features.network.class_names == list(self.features.data.class_names)
            self.metrics.update(features, logits if known else None, asked)
        if self.final and batch_idx % self._compared_every == 0:
            copied, ratios = are_copies(features, self._table("train").real.features)
            self._copied.to(self.device).update(copied.float(), torch.ones_like(ratios))
            found = zip(ratios.tolist(), images.cpu(), features, strict=True)
            self._nearest = sorted([*self._nearest, *found], key=lambda entry: entry[0])[:_SHOWN]

    @torch.no_grad()
    def compute(self) -> dict[str, Tensor]:
        """Returns the metrics by name, over all processes, and starts anew."""
        values: dict[str, Tensor] = {}
        if self.metrics is not None:
            values |= self.metrics.compute()
            self.metrics.reset()
        if self.final:
            real = spread(self._table(self.split).real.features, _MOST_COMPARED)
            copied, _ = are_copies(real, self._table("train").real.features)
            values |= {"copied_share": self._copied.compute(), "copied_share_real": copied.float().mean()}
            self._copied.reset()
        return values

    @property
    def description(self) -> str | None:
        """What a metric's record says of the features; None where there are none."""
        return self.features.network.description if self.metrics is not None else None

    def nearest_training_images(self) -> Tensor | None:
        """Returns images that are nearest to a training image, each before the training images nearest to it.

        Returns:
            (N, 1 + M, C, H, W), normalised; None where none were looked for.
        """
        if not self._nearest:
            return None
        table = self._table("train")
        features = torch.stack([features for _, _, features in self._nearest])
        count = min(_NEIGHBOURS, len(table.rows))
        rows = table.rows[nearest(features, table.real.features, count=count)[1].cpu()]
        found = self._images(rows.flatten().tolist())
        images = [
            torch.stack([image.float(), *(found[row] for row in neighbours.tolist())])
            for (_, image, _), neighbours in zip(self._nearest, rows, strict=True)
        ]
        self._nearest = []
        return torch.stack(images)

    def _images(self, rows: list[int]) -> dict[int, Tensor]:
        """Returns training images by their row."""
        data, found, wanted = self.features.data, dict[int, Tensor](), set(rows)
        with whole_splits():
            for loaded in data.scan_loaders()["train"]:
                places = [place for place, row in enumerate(loaded["index"].tolist()) if row in wanted]
                if places:
                    batch = data.prepare_batch({name: values[places] for name, values in loaded.items()}, train=False)
                    found |= dict(zip(batch["index"].tolist(), batch["input"].cpu(), strict=True))
                if len(found) == len(wanted):
                    break
        return found
