"""Which part of a text is trained on, which validated and which tested on: in the order of the text."""

import math
from pathlib import Path
from typing import NamedTuple

from zoo.data.text_stream import Survey
from zoo.errors import DataError, OptionError

_SHARE, _LONG = 0.1, 1_000_000  # of the text for validation and test each, and at most so many characters


class Part(NamedTuple):
    """What of a text is a split.

    Attributes:
        path: the file.
        start: its first character.
        stop: the character after its last.
        sha256: of the file.
    """

    path: Path
    start: int
    stop: int
    sha256: str


def check_shares(val: float | None, test: float | None) -> None:
    """Asks that something is left of a text to train on, and to validate on.

    Args:
        val: share to validate on, None for the default.
        test: share to test on, likewise.

    Raises:
        OptionError: nothing is.
    """
    val, test = (_SHARE if share is None else share for share in (val, test))
    if not 0 < val + test < 1:
        problem = f"{val:g} and a test_fraction of {test:g} leave nothing to train or validate on"
        raise OptionError("data.val_fraction", problem, "set it above 0, and their sum below 1")


def cut(path: Path, text: Survey, *, val: float | None, test: float | None) -> dict[str, Part]:
    """Returns the parts of a text by split: the end is tested on, what comes before it validated.

    Args:
        path: its file.
        text: what is known of it.
        val: share to validate on, rounded up to a character; None for 0.1, of a long text a million characters.
        test: share to test on, likewise.

    Raises:
        DataError: the text is too short.
    """
    sizes = [
        min(math.ceil(_SHARE * text.characters), _LONG) if share is None else math.ceil(share * text.characters)
        for share in (val, test)
    ]
    start, stop = text.characters - sum(sizes), text.characters - sizes[1]
    ends = {"train": (0, start), "val": (start, stop), "test": (stop, text.characters)}
    parts = {split: Part(path, *end, text.sha256) for split, end in ends.items() if end[0] < end[1]}
    if missing := {"train", "val"} - parts.keys():
        problem = f"{text.characters:,} characters leave none for {' and '.join(sorted(missing))}"
        raise DataError(str(path), problem, "give a longer text, or set data.val_fraction between 0 and 1")
    return parts


def whole(path: Path, text: Survey) -> Part:
    """Returns a text as one part."""
    return Part(path, 0, text.characters, text.sha256)
