"""A run that is named by `resume=PATH` goes on with its own options, which lie in its directory.

Free of torch. The options given now win over those of the run; whether what they change may change is judged later,
against the checkpoint.
"""

import itertools
import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from zoo.config.command_line import option_of, quoted

NAME = "overrides.yaml"
# Of one start of the run, not of the run; and `allow` is for the command line alone.
_NOT_SAVED = {"allow", "allow_changes", "check", "debug", "init_from", "output_dir", "resume"}


def save_overrides(directory: Path, overrides: Sequence[str]) -> None:
    """Writes the options that a run was started with into its directory.

    Args:
        directory: of the run.
        overrides: as on the command line.
    """
    kept = [override for override in overrides if _key(override) not in _NOT_SAVED]
    (directory / NAME).write_text(yaml.safe_dump(kept))


def with_saved_overrides(overrides: Sequence[str]) -> list[str]:
    """Returns overrides with those of the run that `resume=PATH` names before them.

    Args:
        overrides: as on the command line.
    """
    given = {_key(override) for override in overrides}
    saved = [override for override in _saved(overrides) if _key(override) not in given | _NOT_SAVED]
    return [*saved, *overrides]


def resume_command(directory: Path) -> str:
    """Returns what to type so that the run in a directory goes on.

    Args:
        directory: of the run.
    """
    program, *arguments = sys.argv
    program = os.path.relpath(program) if program.endswith(".py") else "train.py"
    kept = [argument.lstrip("+") for argument in arguments if _key(argument) == "allow"]
    for flag, value in itertools.pairwise(arguments):
        kept += [flag, value] if flag in ("--config-dir", "--config-path", "--config-name") else []
    path = str(directory) if directory.is_absolute() else f"./{directory}"  # not mistaken for a number, or for auto
    value = path if re.fullmatch(r"[A-Za-z0-9_./@+-]+", path) else quoted(path)
    words = ["python", program, *kept, f"resume={value}"]
    return " ".join(shlex.quote(word) for word in words)


def saved_overrides(directory: Path) -> list[str] | None:
    """Returns the options that a run was started with; None where its directory does not say.

    Args:
        directory: of the run.
    """
    try:
        saved = yaml.safe_load((directory / NAME).read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None
    return [override for override in saved if isinstance(override, str)] if isinstance(saved, list) else []


def _saved(overrides: Sequence[str]) -> list[str]:
    values = [value for key, value in map(option_of, overrides) if key == "resume"]
    if not values or values[-1] in ("", "auto", "null"):
        return []
    path = Path(values[-1]).expanduser()
    found = map(saved_overrides, (path, path.parent, path.parent.parent))
    return next((saved for saved in found if saved is not None), [])


def _key(override: str) -> str:
    return option_of(override)[0]
