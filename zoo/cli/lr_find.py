"""Tries learning rates on the first batches of a run, and draws at which of them the loss falls fastest."""

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from zoo.config.entry import run
from zoo.errors import OptionError

if TYPE_CHECKING:
    from zoo.callbacks.learning_rate_range import LearningRateRange

_HELP = """\
usage: python -m zoo lr-find [KEY=VALUE ...] [start=1e-7] [end=10] [steps=100]

{about}

  KEY=VALUE     the options of train.py, whose run it is: data=..., model=..., experiment=...
  start=1e-7    learning rate of the first step
  end=10        of the last one, unless the loss explodes before it
  steps=100     how many steps are taken; nothing of them is kept

A picture and a table are written to output_dir=FOLDER, or logs/lr_find/ without it.
"""
_OPTIONS = {"start": 1e-7, "end": 10.0, "steps": 100.0}


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: `start`, `end` and `steps`, and overrides of the config of training.
    """
    own = [argument for argument in arguments if argument.partition("=")[0] in _OPTIONS]
    rest = [argument for argument in arguments if argument not in own]
    run(lambda cfg: _find(cfg, own, rest), "train", argv=["-m zoo lr-find", *rest])


def _options(arguments: Sequence[str]) -> tuple[float, float, int]:
    """Returns the first and the last learning rate and the number of steps.

    Raises:
        OptionError: one of them is no number, or out of its range.
    """
    values = dict(_OPTIONS)
    for argument in arguments:
        name, _, text = argument.partition("=")
        try:
            values[name] = float(text)
        except ValueError:
            raise OptionError(name, f"{text!r} is no number", f"give one, such as {_OPTIONS[name]:g}") from None
    start, end, steps = values["start"], values["end"], values["steps"]
    if not 0 < start < end < float("inf"):
        raise OptionError("start", f"{start:g} to {end:g} asked", "give two above 0, the lower one first")
    if steps < 10 or steps != int(steps):
        raise OptionError("steps", f"{steps:g} asked", "give a whole number from 10 on")
    return start, end, int(steps)


def _find(cfg: DictConfig, own: Sequence[str], rest: Sequence[str]) -> None:
    start, end, steps = _options(own)
    if "discriminator" in cfg.model:
        raise OptionError("task", "two networks learn, whose losses say little of their rates", "choose another task")
    base = cfg.optimizer.get("lr")
    if not isinstance(base, int | float) or base <= 0:
        raise OptionError("optimizer.lr", f"{base} given", "choose an optimizer with a learning rate above 0")
    if cfg.data.get("batch_size") == "auto":
        raise OptionError("data.batch_size", "auto asked, and the best learning rate depends on it", "give a number")
    from zoo.build import prepare_process  # torch is imported here, after the config was checked
    from zoo.callbacks.figures import save_png
    from zoo.callbacks.learning_rate_range import LearningRateRange, draw, suggest
    from zoo.config.run_directory import make_directory
    from zoo.failure import writing
    from zoo.files import replacing

    prepare_process()
    tried = LearningRateRange(start=start, end=end, num_steps=steps, base=float(base))
    _fit(cfg, tried, steps)
    suggestion = suggest(tried.rates, tried.losses)
    directory = make_directory(cfg.output_dir or Path(cfg.paths.logs_dir, "lr_find"), option="output_dir")
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("lr", "loss"), *zip(tried.rates, tried.losses, strict=True)])
    with writing(directory / "lr_find.csv"):
        with replacing(directory / "lr_find.csv") as file:
            file.write(text.getvalue().encode())
        save_png(draw(tried.rates, tried.losses, suggestion), directory / "lr_find.png")
    print(f"{len(tried.rates)} steps from {tried.rates[0]:.2g} to {tried.rates[-1]:.2g}: {directory / 'lr_find.png'}")
    if suggestion is None:
        raise OptionError("end", "the loss fell at none of the learning rates", "widen start and end, or see the data")
    fastest, lowest = f"{suggestion.steepest:.2g}", f"{suggestion.lowest:.2g}"
    print(f"the loss falls fastest at {fastest}; it is lowest at {lowest}, which is too high to go on with")
    kept = [argument for argument in rest if not argument.startswith("output_dir=")]
    print(f"\nnext:\n  {shlex.join(['python', 'train.py', *kept, f'optimizer.lr={fastest}'])}")


def _fit(cfg: DictConfig, tried: "LearningRateRange", steps: int) -> None:
    """Trains for so many steps, without validation, schedule or a trace."""
    from zoo.build import build_data_and_task, build_trainer
    from zoo.failure import failing_in_words

    with open_dict(cfg):
        cfg.scheduler = None
        # A loss that explodes ends the test, and not in an error.
        cfg.task.on_nonfinite, cfg.task.max_skipped = "skip", steps
        shorter: dict[str, Any] = {"max_steps": steps, "max_epochs": -1, "limit_val_batches": 0}
        cfg.trainer = OmegaConf.merge(cfg.trainer, shorter)
    data, task = build_data_and_task(cfg)
    trainer = build_trainer(cfg, [tried], loggers=[])
    with failing_in_words(Path(cfg.paths.logs_dir), trainer=trainer, task=task, data=data):
        trainer.fit(task, datamodule=data)
