"""Lines for a console whose reader may stop reading."""

import os
import sys
from collections.abc import Iterable


def say(lines: Iterable[str]) -> None:
    """Prints lines, as many as are read: `| head` ends in no traceback."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:  # the interpreter must not flush into it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
