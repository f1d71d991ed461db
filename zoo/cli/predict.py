"""Says what a trained model sees in files without labels: a table, and pictures with what was found in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from zoo.config.entry import run
from zoo.errors import DataError, OptionError

if TYPE_CHECKING:
    from zoo.callbacks.prediction_files import PredictionFiles

_HELP = """\
usage: python -m zoo predict ckpt=RUN input=FOLDER [output=FOLDER] [pictures=200]

{about}

  ckpt=RUN       a checkpoint of a classifier, a detector or a segmentation of images, or the directory of a run
  input=FOLDER   images at any depth, or one image
  output=FOLDER  where predictions.csv and pictures/ are written; without it predictions/ beside the checkpoint
  pictures=200   how many pictures are drawn at most; null for one of each file

What cannot be decoded has a row that says why.
"""
_MOST_LINES, _LONGEST_NAME = 20, 60  # on the console; the table has all


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: overrides of `configs/predict.yaml`.
    """
    run(_predict, "predict", argv=["-m zoo predict", *arguments])


def _predict(cfg: DictConfig) -> None:
    if cfg.pictures is not None and cfg.pictures < 0:
        raise OptionError("pictures", f"{cfg.pictures} given", "give a number from 0 on, or null for all")
    from zoo.build import build_trainer, make_data, prepare_process  # torch is imported here, the options being right
    from zoo.callbacks.prediction_files import PredictionFiles
    from zoo.config.run_directory import make_directory
    from zoo.data.decode import upright
    from zoo.data.unlabelled import Unlabelled, find_files
    from zoo.failure import failing_in_words
    from zoo.restore import open_checkpoint
    from zoo.tasks.base import Task

    prepare_process()
    found = open_checkpoint(cfg)
    data = make_data(found.cfg)
    if not data.file_suffixes:
        remedy = "judge it with evaluate.py, on data of its kind"
        raise OptionError("ckpt", f"its data are {type(data).__name__}, no images", remedy)
    root, files = find_files(Path(cfg.input).expanduser(), data.file_suffixes)
    task, unlabelled = found.task(Task), Unlabelled(data, files)
    directory = make_directory(cfg.output or found.path.parent / "predictions", option="output")
    told = PredictionFiles(
        directory,
        files,
        root=root,
        problems=unlabelled.loader.problems,
        class_names=found.class_names,
        pictures=cfg.pictures,
        read=upright,
    )
    trainer = build_trainer(found.cfg, [told], loggers=[])
    with failing_in_words(directory, trainer=trainer, task=task, data=data):
        trainer.predict(task, datamodule=unlabelled, return_predictions=False)
    _show(told, files)


def _show(told: "PredictionFiles", files: Sequence[Path]) -> None:
    """Prints the first predictions, and where all of them are.

    Raises:
        DataError: not one file could be decoded.
    """
    from zoo.callbacks.figures import shorten

    problems = told.problems
    lines = told.lines | {place: f"cannot be decoded ({problem})" for place, problem in problems.items()}
    names = {place: shorten(told.name(place), _LONGEST_NAME) for place in sorted(lines)[:_MOST_LINES]}
    width = max(map(len, names.values()))
    for place, name in names.items():
        print(f"{name:<{width}}  {lines[place]}")
    if len(lines) > _MOST_LINES:
        print(f"({len(lines) - _MOST_LINES} more)")
    if not told.lines:
        raise DataError(str(files[0]), f"cannot be decoded ({problems[0]})", "give images that can be")
    print(f"\n{len(told.lines):,} of {len(files):,} files: {told.directory / 'predictions.csv'}")
    if (drawn := told.directory / "pictures").is_dir():
        print(f"pictures: {drawn}")
