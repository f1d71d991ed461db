"""Looks at every sample of a data set, and lists those that cannot be used.

Before a long training, or after a long download: every image is decoded, every row of a table read, every label
compared with the classes, and every batch of every split made.
"""

import logging
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from zoo.config.entry import run
from zoo.errors import DataError, RunError

if TYPE_CHECKING:
    from zoo.data.base import BadSample, DataModule

_HELP = """\
usage: python -m zoo check data=DATA [KEY=VALUE ...]
       python -m zoo check PATH

{about}

  data=DATA [KEY=VALUE ...]  a data set, with the options of train.py: data=image_folder data.root=FOLDER
  PATH                       a folder of images and sounds, or one image, sound or CSV file

The exit code is 0 if all is well, and 2 if not; the bad samples are listed then.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: a path, or overrides of the config of training.
    """
    if len(arguments) == 1 and "=" not in arguments[0] and not arguments[0].startswith("-"):
        return _check_path(Path(arguments[0]).expanduser())
    run(_check_data, "train", argv=["-m zoo check", *arguments])


def _check_data(cfg: DictConfig) -> None:
    from zoo.build import make_data, prepare_process  # torch is imported here, after the config has been found right

    prepare_process()
    data = make_data(cfg)
    bad, choice = list(data.scan(_progress)), getattr(data, "on_bad_sample", None)
    _print_summary(data, skip_bad=bool(bad))
    more = {"error": ", or set data.on_bad_sample=skip", "skip": ", although a run leaves them out"}
    _report(bad, "mend or remove them" + more.get(str(choice), ""))


def _check_path(path: Path) -> int:
    from zoo.data.path_scan import scan_path

    try:
        count, bad = scan_path(path, _progress)
        print(f"{path}: {count:,} looked at, {len(bad):,} problems")
        _report(bad, "mend or remove them")
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _print_summary(data: "DataModule", *, skip_bad: bool) -> None:
    """Prints what the data are; where there are bad samples, what is left without them, if anything can be."""
    try:
        if skip_bad and hasattr(data, "on_bad_sample"):
            data.on_bad_sample = "skip"
            logging.disable(logging.WARNING)
        data.facts()
        print("\n".join(data.summary()))
        data.check_training()
    except RunError as error:
        print(f"note: this cannot be trained on: {error}")
    finally:
        logging.disable(logging.NOTSET)


def _report(bad: "Sequence[BadSample]", remedy: str) -> None:
    """Lists bad samples.

    Raises:
        DataError: there are any.
    """
    if not bad:
        print("no bad samples")
        return
    for name, problem in bad:
        print(f"bad: {name}: {problem}")
    more = f", and {len(bad) - 1:,} more problems are listed above" if len(bad) > 1 else ""
    sys.stdout.flush()
    raise DataError(bad[0].name, f"{bad[0].problem}{more}", remedy)


def _progress(items: Iterable[Any], what: str, total: int) -> Iterable[Any]:
    """Goes through items and shows how far, if someone is looking."""
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(items, desc=what, total=total or None, unit="", leave=False, disable=None)
    return bar
