"""Writes report.html and model_card.md of a run again, from what lies in its directory."""

import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.errors import OptionError, RunError, StorageError

_HELP = """\
usage: python -m zoo report RUN ...

{about}

  RUN  the directory of a run, ended or not, or of an evaluation; several may be named

The end of training writes both by itself; report=false leaves them out.
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: directories of runs.
    """
    try:
        _report([Path(argument).expanduser() for argument in arguments])
    except RunError as error:
        sys.stdout.flush()
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _report(paths: Sequence[Path]) -> None:
    for path in paths:
        if not path.is_dir():
            raise OptionError(str(path), "there is no such folder", "name the directory of a run")
    from zoo.report.page import write_report

    for path in paths:
        try:
            files = write_report(path)
        except OSError as error:
            raise StorageError(str(path), f"cannot be written ({error.strerror})", "make room") from error
        print(*files, sep="\n")
