"""Where a classifier looks: heat over images that it takes for another class, and over some that it does not."""

from collections.abc import Mapping, Sequence
from heapq import nlargest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from zoo.callbacks import figures
from zoo.callbacks.examples import Examples, show
from zoo.callbacks.image_grid import displayable, preprocessing_of
from zoo.models.explain import Explanation, explain
from zoo.models.test_time_augmentation import TestTimeAugmentation
from zoo.ranges import PositiveInt


class Judged(NamedTuple):
    """An image with what it is and what it was taken for."""

    confidence: float
    sample: int
    target: int
    prediction: int
    image: Tensor


class Explanations(Examples):
    """Draws heat over images after a test, or after the first, second, fourth, eighth ... validation of a fit.

    A task takes part by returning `{"preds": (B, K) probabilities, "targets": (B,), "index": (B,)}` from its step, for
    images (B, C, H, W); a model by a map of features or attention, which most have without knowing.

    Args:
        directory: where `explanations.png` is written after a test, or a validation that is not part of a fit: the most
            confident mistakes, and images that are right; None for TensorBoard alone, as `report/explanations`, during
            a fit: the same images each time, spread over the split.
        num_images: how many; of a test half of them are mistakes, if there are that many.
    """

    def __init__(self, directory: str | Path | None = None, *, num_images: PositiveInt = 12) -> None:
        super().__init__(directory)
        self.num_images = num_images
        self._wrong: list[Judged] = []
        self._others: list[Judged] = []

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Keeps images of the batch."""
        names = ("preds", "targets", "index")
        found = [outputs.get(name) for name in names] if isinstance(outputs, Mapping) else []
        values = [value for value in found if isinstance(value, Tensor)]
        inputs = batch.get("input") if isinstance(batch, Mapping) else None
        whole = isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)  # the others have the model in parts
        if not isinstance(inputs, Tensor) or [value.ndim for value in (inputs, *values)] != [4, 2, 1, 1]:
            return
        if not whole:
            return
        confidence, prediction = values[0].max(dim=1)
        columns = [column.tolist() for column in (confidence, values[2], values[1], prediction)]
        rows = list(zip(*columns, inputs, strict=True))
        if self.directory is not None:
            wrong = [Judged(*row) for row in rows if row[2] != row[3]]
            self._wrong = _copied(nlargest(self.num_images // 2, [*self._wrong, *wrong], key=_severity))
        shown = self._shown(trainer, stage)
        is_right = self.directory is not None
        others = [Judged(*row) for row in rows if row[1] in shown and (not is_right or row[2] == row[3])]
        self._others += _copied(others)

    def _shown(self, trainer: Trainer, stage: str) -> set[int]:
        """Returns samples that are spread over the split, those of them that are right for a test."""
        sizes = getattr(trainer.datamodule, "sizes", {})  # type: ignore[attr-defined]
        size = sizes.get(stage, self.num_images)
        return set(np.linspace(0, size - 1, min(self.num_images, size)).round().astype(int).tolist())

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws."""
        wrong, others = self._wrong, self._others
        self._wrong, self._others = [], []
        if not wrong and not others:
            return
        others.sort(key=lambda each: each.sample)
        judged = [*wrong, *others][: self.num_images]
        model = pl_module.model
        if isinstance(model, TestTimeAugmentation):
            model = model.model
        assert isinstance(model, nn.Module)
        images = torch.stack([each.image for each in judged]).to(pl_module.device)
        classes = torch.tensor([each.prediction for each in judged])
        found = explain(model, images, classes)
        if found is None:
            return
        data = trainer.datamodule  # type: ignore[attr-defined]
        picture = draw(judged, images, found, [str(name) for name in data.class_names], preprocessing_of(trainer))
        show(trainer, stage, {"explanations": picture}, directory=self.directory)


def draw(
    judged: Sequence[Judged],
    images: Tensor,
    found: Explanation,
    class_names: Sequence[str],
    preprocessing: Mapping[str, Any],
    *,
    columns: int = 6,
) -> np.ndarray:
    """Draws images, and the heat over each of them beneath it.

    Args:
        judged: at least one.
        images: theirs, normalised, (N, C, H, W).
        found: where the model looked.
        class_names: K names.
        preprocessing: of the data, by which images are made visible.
        columns: images in a row.

    Returns:
        8-bit picture (H, W, 3).
    """
    shown = displayable(images, preprocessing)
    heat = found.heat.cpu()
    if "features" in preprocessing:  # spectrograms are shown with low frequencies at the bottom
        heat = heat.flip(1)
    columns = min(columns, len(judged))
    rows = -(-len(judged) // columns)
    height = 2.8 * min(1.5, shown.shape[1] / shown.shape[2])
    with figures.new_figure(max(1.45 * columns, 3.2), (height + 0.35) * rows + 0.5) as (figure, drawn):
        of_class = " of the predicted class" if found.method == "Grad-CAM" else ""
        figure.suptitle(f"{found.method}{of_class} (true → predicted)", fontsize=11)
        grid = figure.subplots(rows, columns, squeeze=False, subplot_kw=figures.NO_TICKS)
        for axes in grid.flat:
            axes.axis("off")
        for axes, each, view, warmth in zip(grid.flat, judged, shown, heat.numpy(), strict=False):
            pair = _above_its_heat(view, warmth)
            axes.imshow(pair, interpolation="nearest" if pair.shape[1] < 96 else "antialiased")
            right = each.target == each.prediction
            names = [figures.shorten(class_names[label], 14) for label in (each.target, each.prediction)]
            caption = names[0] if right else f"{names[0]} → {names[1]}"
            colour = figures.INK if right else figures.WARNING
            axes.set_title(f"{caption}\n{100 * each.confidence:.0f} %", fontsize=8, pad=3, color=colour, y=1.0)
    return drawn[0]


def _above_its_heat(view: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns an image (H, W, C) over itself in the colours of the heat (H, W)."""
    from matplotlib import colormaps

    view = view.repeat(3, axis=2) if view.shape[2] == 1 else view
    colours = 255 * colormaps["inferno"](heat)[..., :3]
    warm = (0.4 * view.mean(axis=2, keepdims=True) + 0.6 * colours).round().astype(np.uint8)
    gap = np.full((max(1, len(view) // 24), view.shape[1], 3), 255, dtype=np.uint8)
    return np.concatenate((view, gap, warm))


def _severity(judged: Judged) -> tuple[float, int]:
    return judged.confidence, -judged.sample


def _copied(judged: Sequence[Judged]) -> list[Judged]:
    """Lets go of the batches that images were views of."""
    return [each._replace(image=each.image.detach().clone().cpu()) for each in judged]
