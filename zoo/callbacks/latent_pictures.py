"""What a generator makes of the same noise as it learns, and of noise on the way from one draw to another."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from zoo.callbacks.examples import is_due, show, shows
from zoo.callbacks.generated_samples import points_picture
from zoo.callbacks.image_grid import displayable, image_grid, preprocessing_of
from zoo.models.gan.latent import numbered_noise, way
from zoo.ranges import PositiveInt

_STEPS = 10  # of a way, its ends included
_POINTS = 1000


class LatentPictures(Callback):
    """Shows samples of noise that stays the same in TensorBoard, whose slider then goes through training.

    After validations 1, 2, 4, 8 ... of a fit images are shown: as `report/interpolation` rows that lead from one sample
    to another, and of a generator that is told classes as `report/classes` a row for each, with the same noise in each
    column.

    Args:
        every_n_steps: optimizer steps between two grids of samples, as `report/evolution`; None for none.
        num_images: in such a grid, or of each class.
        num_rows: ways that are shown.
    """

    def __init__(
        self, *, every_n_steps: PositiveInt | None = None, num_images: PositiveInt = 64, num_rows: PositiveInt = 6
    ) -> None:
        self.every_n_steps, self.num_images, self.num_rows = every_n_steps, num_images, num_rows
        self._shown = 0  # the last step with a grid
        if every_n_steps is None:
            # Lightning skips a hook that is not callable.
            self.on_train_batch_end = None  # type: ignore[assignment,method-assign]

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Shows the grid where it is due."""
        step = trainer.global_step
        assert self.every_n_steps is not None
        if step % self.every_n_steps or step == self._shown or not hasattr(pl_module, "sample") or not shows(trainer):
            return
        self._shown = step
        samples = self._of_fixed_noise(pl_module, self.num_images)
        if samples.ndim == 4:
            show(trainer, "val", {"evolution": image_grid(displayable(samples, preprocessing_of(trainer)))})
        elif samples.shape[1:] == (2,):
            show(trainer, "val", {"evolution": points_picture(self._of_fixed_noise(pl_module, _POINTS))})

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Shows the ways and the classes."""
        if not hasattr(pl_module, "sample") or not is_due(trainer):
            return
        task: Any = pl_module
        samples = self._on_ways(task)
        if samples.ndim != 4:
            return
        preprocessing = preprocessing_of(trainer)
        pictures = {"interpolation": image_grid(displayable(samples, preprocessing), columns=_STEPS)}
        if task.num_classes is not None:
            columns = max(1, self.num_images // task.num_classes)
            noise = numbered_noise(range(columns), task.latent_dim, seed=task.seed)
            labels = torch.arange(task.num_classes).repeat_interleave(columns)
            samples = _samples(task, noise.repeat(task.num_classes, 1), labels)
            pictures["classes"] = image_grid(displayable(samples, preprocessing), columns=columns)
        show(trainer, "val", pictures)

    def _of_fixed_noise(self, task: Any, count: int) -> Tensor:
        noise = numbered_noise(range(count), task.latent_dim, seed=task.seed)
        return _samples(task, noise, torch.arange(count) % (task.num_classes or 1))

    def _on_ways(self, task: Any) -> Tensor:
        noise = numbered_noise(range(2 * self.num_rows), task.latent_dim, seed=task.seed)
        start, end = noise[: self.num_rows], noise[self.num_rows :]
        ways = torch.cat([way(start, end, _STEPS - 1), end[:, None]], dim=1)  # (B, T, Z)
        labels = torch.arange(self.num_rows) % (task.num_classes or 1)
        return _samples(task, ways.flatten(0, 1), labels.repeat_interleave(_STEPS))


def _samples(task: Any, noise: Tensor, labels: Tensor) -> Tensor:
    """Returns samples of the averaged generator as it is when judged; training goes on as before."""
    was_training = task.average.training
    task.average.eval()
    samples: Tensor = task.sample(noise, labels, task.seed)
    task.average.train(was_training)
    return samples
