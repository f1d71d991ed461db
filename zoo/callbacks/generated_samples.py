"""What a generator makes, beside real samples: points of the plane as clouds, images as grids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from zoo.callbacks import figures
from zoo.callbacks.examples import Examples, show
from zoo.callbacks.image_grid import displayable, image_grid, preprocessing_of
from zoo.ranges import PositiveInt

_MOST_POINTS = 2500


class GeneratedSamples(Examples):
    """Shows samples of the same noise beside real ones, of the first batch, as `report/samples`.

    A task takes part by returning `{"generated": (B, ...), "real": (B, ...)}` from its step.

    Args:
        directory: where `samples.png` is written; see `Examples`.
        num_images: how many of each are shown.
        every_n_epochs: see `Examples`.
    """

    def __init__(
        self,
        directory: str | Path | None = None,
        *,
        num_images: PositiveInt = 64,
        every_n_epochs: PositiveInt | None = None,
    ) -> None:
        super().__init__(directory, every_n_epochs=every_n_epochs)
        self.num_images = num_images
        self._picture: np.ndarray | None = None

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Draws the first batch."""
        if self._picture is not None or not is_generated(outputs):
            return
        title = {"test": "Test", "val": "Validation"}[stage]
        title += f", epoch {trainer.current_epoch + 1}" if self.directory is None else ""
        preprocessing = preprocessing_of(trainer)
        self._picture = samples_picture(outputs, preprocessing, num_images=self.num_images, title=title)

    def draw(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Shows the picture."""
        picture, self._picture = self._picture, None
        if picture is not None:
            show(trainer, stage, {"samples": picture}, directory=self.directory)


def is_generated(outputs: Any) -> bool:
    """Whether a step has returned generated and real samples that can be drawn: points of two numbers, or images."""
    found = [outputs.get(name) for name in ("generated", "real")] if isinstance(outputs, Mapping) else []
    drawn = [value for value in found if isinstance(value, Tensor) and (value.ndim == 4 or value.shape[1:] == (2,))]
    return len(drawn) == 2


def samples_picture(
    samples: Mapping[str, Tensor], preprocessing: Mapping[str, Any], *, num_images: int, title: str
) -> np.ndarray:
    """Draws generated and real samples side by side.

    Args:
        samples: "generated" and "real", points (B, 2) or normalised images (B, C, H, W).
        preprocessing: how images were normalised.
        num_images: how many of each are drawn; of points, up to 2,500.
        title: heading.

    Returns:
        8-bit picture (H, W, 3).
    """
    sides = {name: samples[name].detach().float().cpu() for name in ("generated", "real")}
    with figures.new_figure(8.4, 4.5) as (figure, drawn):
        figure.suptitle(title, fontsize=11)
        for axes, (name, side) in zip(figure.subplots(1, 2), sides.items(), strict=True):
            axes.set_title(name, fontsize=9)
            if side.ndim == 4:
                axes.imshow(image_grid(displayable(side[:num_images], preprocessing)))
                axes.axis("off")
                continue
            _draw_points(axes, side, like=sides["real"])
    return drawn[0]


def points_picture(points: Tensor) -> np.ndarray:
    """Draws points (B, 2) of the plane; returns an 8-bit picture (H, W, 3)."""
    with figures.new_figure(4.5, 4.5) as (figure, drawn):
        shown = points.detach().float().cpu()
        # Up to a whole number, so that pictures of a run have axes alike.
        _draw_points(figure.subplots(), shown, like=shown.abs().max().ceil())
    return drawn[0]


def _draw_points(axes: Any, points: Tensor, *, like: Tensor) -> None:
    axes.scatter(*points[:_MOST_POINTS].numpy().T, s=2, alpha=0.4, linewidths=0, color=figures.ACCENT)
    reach = 1.25 * float(like.abs().max())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
