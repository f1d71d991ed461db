"""Generated images that look most like copies, each beside the training images that are nearest to it."""

from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import LightningModule, Trainer

from zoo.callbacks import figures
from zoo.callbacks.examples import show
from zoo.callbacks.final_report import FinalReport
from zoo.callbacks.image_grid import displayable, image_grid, preprocessing_of


class CopiesReport(FinalReport):
    """Writes `nearest_training_images.png` after a test, or a validation that is not part of a fit.

    A task takes part by a `judge` that has looked for them.

    Args:
        directory: where it is written; made if need be.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)

    def keep(self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, stage: str) -> None:
        """Does nothing: the judge has kept what is shown."""

    def report(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Draws the images."""
        look = getattr(getattr(pl_module, "judge", None), "nearest_training_images", None)
        if look is None or not trainer.is_global_zero or (found := look()) is None:
            return
        preprocessing = preprocessing_of(trainer)
        rows = [displayable(row, preprocessing) for row in found]
        show(trainer, stage, {"nearest_training_images": _picture(rows)}, directory=self.directory)


def _picture(rows: list[np.ndarray]) -> np.ndarray:
    """Draws each generated image at the left of its row."""
    others = len(rows[0]) - 1
    with figures.new_figure(1.2 * (1 + others), 1.05 * len(rows) + 0.5) as (figure, drawn):
        for axes, (name, columns) in zip(
            figure.subplots(1, 2, width_ratios=[1, others]),
            {"generated": slice(0, 1), "nearest training images": slice(1, None)}.items(),
            strict=True,
        ):
            images = np.concatenate([row[columns] for row in rows])
            axes.set_title(name, fontsize=9)
            axes.imshow(image_grid(images, columns=len(rows[0][columns])))
            axes.axis("off")
    return drawn[0]
