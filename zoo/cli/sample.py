"""Lets a generator make samples: images as files, a grid and a walk from one to the next; points as a table."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from zoo.config.entry import run
from zoo.config.suggest import suggestion
from zoo.errors import OptionError
from zoo.ranges import Range

if TYPE_CHECKING:
    from torch import Tensor

    from zoo.tasks.adversarial import AdversarialTask

_HELP = """\
usage: python -m zoo sample ckpt=RUN [num=64] [seed=0] [label=NAME] [walk=FRAMES] [output=FOLDER]

{about}

  ckpt=RUN       a checkpoint of task=adversarial, or the directory of a run
  num=64         how many samples are made; the first 16 of 64 are those of num=16
  seed=0         seed of the noise that they are made of
  label=NAME     the class to make, of a generator that is told classes; without it all classes in turn
  walk=FRAMES    writes walk.gif as well: so many pictures from each of the first 8 samples to the next
  output=FOLDER  where files are written; without it samples/ beside the checkpoint

Images become 00000.png and so on, and grid.png; points become samples.csv and samples.png.
"""
_NUMBERS = {"num": Range(1), "seed": Range(0), "walk": Range(0)}
_BLOCK = 16  # samples are always made by so many, that each is the same to the last bit whatever num is
_STOPS = 8
_FRAME_MS = 60


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: options of `configs/sample.yaml`.
    """
    run(_sample, "sample", argv=["-m zoo sample", *arguments])


def _sample(cfg: DictConfig) -> None:
    for name, interval in _NUMBERS.items():
        if not isinstance(cfg[name], int) or isinstance(cfg[name], bool) or cfg[name] not in interval:
            raise OptionError(name, f"{cfg[name]} given", f"must be an integer, {interval}")
    import torch  # here, the options being right

    from zoo.build import prepare_process
    from zoo.config.run_directory import make_directory
    from zoo.failure import writing
    from zoo.restore import open_checkpoint
    from zoo.tasks.adversarial import AdversarialTask

    prepare_process()
    found = open_checkpoint(cfg)
    task = found.task(AdversarialTask).eval()
    names = [str(name) for name in found.class_names]
    label = _label(cfg, task, names)
    samples, labels = _samples(task.to("cuda" if torch.cuda.is_available() else "cpu"), cfg, label)
    if cfg.walk and (samples.ndim != 4 or cfg.num == 1):
        are_none, remedy = (", and these are none", "leave it out") if samples.ndim != 4 else ("", "set num=2 or more")
        raise OptionError("walk", f"it leads from one image to the next{are_none}", remedy)
    directory = make_directory(cfg.output or found.path.parent / "samples", option="output")
    preprocessing: Any = OmegaConf.to_container(found.cfg.data)
    with writing(directory):
        if samples.ndim != 4:
            written = _write_points(directory, samples)
        else:
            several = label is None and task.num_classes
            written = _write_images(directory, samples, preprocessing, labels if several else None)
        if cfg.walk:
            _write_walk(directory / "walk.gif", task, cfg, label, preprocessing)
            written.append("walk.gif")
    print(f"{directory}: {', '.join(written)}")


def _label(cfg: DictConfig, task: "AdversarialTask", names: Sequence[str]) -> int | None:
    """Returns the number of the class that is asked for; None for all.

    Raises:
        OptionError: there is no such class, or the generator is told none.
    """
    if cfg.label is None:
        return None
    if not task.num_classes:
        raise OptionError("label", "the generator is told no classes", "leave it out")
    if str(cfg.label) not in names:
        raise OptionError("label", f"there is no class {cfg.label}", suggestion(str(cfg.label), names, "classes"))
    return names.index(str(cfg.label))


def _samples(task: "AdversarialTask", cfg: DictConfig, label: int | None) -> "tuple[Tensor, Tensor]":
    """Returns the samples, a function of seed and number each, and their classes (B,)."""
    import torch

    from zoo.models.gan.latent import numbered_noise

    made = []
    for first in range(0, cfg.num, _BLOCK):
        noise = numbered_noise(range(first, first + _BLOCK), task.latent_dim, seed=cfg.seed)
        made.append(task.sample(noise, _classes(task, label, _BLOCK, first), cfg.seed, first))
    return torch.cat(made)[: cfg.num], _classes(task, label, cfg.num)


def _classes(task: "AdversarialTask", label: int | None, count: int, first: int = 0) -> "Tensor":
    """Returns the classes (B,) of samples from a number on: the one that is asked for, or all in turn."""
    import torch

    if label is not None:
        return torch.full((count,), label)
    return torch.arange(first, first + count) % (task.num_classes or 1)


def _write_points(directory: Path, samples: "Tensor") -> list[str]:
    """Writes rows of numbers as a table, and points of the plane as a picture, too; returns the names of the files."""
    from zoo.callbacks import figures
    from zoo.callbacks.generated_samples import points_picture
    from zoo.files import replacing

    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([f"{value:.6g}" for value in row] for row in samples.tolist())
    with replacing(directory / "samples.csv") as file:
        file.write(text.getvalue().encode())
    if samples.shape[1:] != (2,):
        return ["samples.csv"]
    figures.save_png(points_picture(samples), directory / "samples.png")
    return ["samples.csv", "samples.png"]


def _write_images(
    directory: Path, samples: "Tensor", preprocessing: dict[str, Any], labels: "Tensor | None"
) -> list[str]:
    """Writes each image and a grid of all, a row for each class where there are several; returns the names."""
    from zoo.callbacks import figures
    from zoo.callbacks.image_grid import class_rows, displayable, image_grid

    images = displayable(samples, preprocessing)
    for number, image in enumerate(images):
        figures.save_png(image.squeeze(2) if image.shape[2] == 1 else image, directory / f"{number:05d}.png")
    grid = image_grid(images) if labels is None else class_rows(images, labels.numpy())
    figures.save_png(grid, directory / "grid.png")
    return [f"00000.png to {len(images) - 1:05d}.png", "grid.png"]


def _write_walk(path: Path, task: "AdversarialTask", cfg: DictConfig, label: int | None, preprocessing: Any) -> None:
    """Writes what lies between the first samples, and between the last of them and the first; all classes at once."""
    from PIL import Image

    from zoo.callbacks.image_grid import displayable, image_grid
    from zoo.models.gan.latent import numbered_noise, way

    stops = numbered_noise(range(min(cfg.num, _STOPS)), task.latent_dim, seed=cfg.seed)
    labels = _classes(task, label, task.num_classes or 1 if label is None else 1)
    pictures = []
    for noise in way(stops, stops.roll(-1, 0), cfg.walk).flatten(0, 1):
        images = displayable(task.sample(noise.expand(len(labels), -1), labels, cfg.seed, 0), preprocessing)
        pictures.append(Image.fromarray(image_grid(images, columns=5, tile=192 if len(images) == 1 else 96)))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0)
