"""What a generator makes, beside real samples: points of the plane as clouds, images as grids."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks import figures
from zoo.callbacks.final_report import FinalReport
from zoo.callbacks.image_grid import displayable, image_grid, preprocessing_of
from zoo.callbacks.tensorboard import TensorBoard
from zoo.ranges import PositiveInt

_MOST_POINTS = 2500


class GeneratedSamples(Callback):
    """Shows samples of the same noise beside real ones in TensorBoard, as `report/samples`, during a fit.

    A task takes part by returning `{"generated": (B, ...), "real": (B, ...)}` from its step.

    Args:
        num_images: how many of each are shown, of the first batch.
        every_n_epochs: epochs between two pictures; None for validations 1, 2, 4, 8 ...
    """

    def __init__(self, num_images: PositiveInt = 64, *, every_n_epochs: PositiveInt | None = None) -> None:
        self.num_images, self.every_n_epochs = num_images, every_n_epochs

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Shows the first batch."""
        epoch = trainer.current_epoch + 1
        is_due = epoch & (epoch - 1) == 0 if self.every_n_epochs is None else epoch % self.every_n_epochs == 0
        is_due = is_due and trainer.state.fn == "fit" and not trainer.sanity_checking
        loggers = [logger for logger in trainer.loggers if isinstance(logger, TensorBoard)]
        if batch_idx or not is_due or not loggers or not trainer.is_global_zero or not is_generated(outputs):
            return
        title = f"Validation, epoch {epoch}"
        picture = samples_picture(outputs, preprocessing_of(trainer), num_images=self.num_images, title=title)
        for logger in loggers:
            logger.log_image("val/report/samples", picture, trainer.global_step)


class SamplesReport(FinalReport):
    """Writes `samples.png` after a test, or a validation that is not part of a fit, and shows it in TensorBoard.

    Args:
        directory: where it is written; made if need be.
        num_images: how many of each are shown, of the first batch.
    """

    def __init__(self, directory: str | Path, *, num_images: PositiveInt = 64) -> None:
        self.directory, self.num_images = Path(directory), num_images
        self._picture: np.ndarray | None = None

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Draws the first batch."""
        if self._picture is None and trainer.is_global_zero and is_generated(outputs):
            title = "Test" if stage == "test" else "Validation"
            preprocessing = preprocessing_of(trainer)
            self._picture = samples_picture(outputs, preprocessing, num_images=self.num_images, title=title)

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Writes the picture."""
        picture, self._picture = self._picture, None
        if picture is None:
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        figures.save_png(picture, self.directory / "samples.png")
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoard):
                logger.log_image(f"{stage}/report/samples", picture, trainer.global_step)


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
