"""What becomes of a file with bad rows: an error, or what is left without them."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from zoo.data.csv_file import Problem, listed
from zoo.data.decode import MOST_BAD
from zoo.errors import DataError

log = logging.getLogger(__name__)


def judge_rows(
    path: Path, problems: Sequence[Problem], *, num_bad: int, num_rows: int, on_bad_sample: Literal["error", "skip"]
) -> None:
    """Warns of the bad rows of a file that are left out; does nothing where there are none.

    Args:
        path: the file.
        problems: what is wrong with them.
        num_bad: how many they are.
        num_rows: good and bad rows together.
        on_bad_sample: whether a bad row is an error or left out.

    Raises:
        DataError: they are not to be left out, or too many would be.
    """
    if not num_bad:
        return
    found = listed(sorted(problems))
    if on_bad_sample == "error":
        raise DataError(str(path), found, "mend them, or set data.on_bad_sample=skip to leave the rows out")
    if num_bad > MOST_BAD * num_rows:
        problem = f"{num_bad:,} of {num_rows:,} rows are bad ({found})"
        raise DataError(str(path), problem, f"mend them, since at most {MOST_BAD:.0%} are left out")
    log.warning("left out %d bad of %d rows of %s: %s", num_bad, num_rows, path, found)
