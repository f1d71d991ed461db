"""Lines of Python's standard library by kind, code, comment or docstring: real text in every installation, no download.

Python Software Foundation License Version 2, which allows use; the lines are read anew on each machine.
"""

import io
import re
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

import torch

from zoo.data.stdlib_source import drawn_files
from zoo.data.texts import Texts
from zoo.errors import DataError
from zoo.ranges import PositiveInt

_KINDS = ("code", "comment", "docstring")
_EVERY = 5  # each fifth file is for testing
_BETWEEN = {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING}
_NO_CODE = {*_BETWEEN, tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE, tokenize.ENDMARKER}
_QUOTES = re.compile(r"^[rRuU]?(\"\"\"|'''|\"|')|(\"\"\"|'''|\"|')$")
_LETTERS = re.compile(r"[A-Za-z]{2}")


class PythonLines:
    """Reads lines of the standard library, each kind equally often and no line twice.

    What would give the kind away is left out: the sign before a comment, the quotation marks around a docstring, the
    blanks before a line, and comments behind code. The test lines are from other files than those to train on.

    Args:
        num_lines: how many lines there are.
    """

    class_names = _KINDS

    def __init__(self, *, num_lines: PositiveInt = 12_000) -> None:
        self.per_kind = max(num_lines // len(_KINDS), 1)

    def prepare(self) -> None:
        """Does nothing: the library is installed."""

    def load(self) -> dict[str, Texts]:
        """Returns the lines of "train" and "test", a function of the Python version and `num_lines`.

        Raises:
            DataError: the library has not enough source here.
        """
        root = Path(sysconfig.get_paths()["stdlib"])
        found: dict[str, list[tuple[str, str, bool]]] = {kind: [] for kind in _KINDS}  # text, name, whether for testing
        seen = set[str]()
        for place, name in enumerate(drawn_files(root)):
            for row, kind, text in _lines((root / name).read_bytes()):
                if text not in seen and _LETTERS.search(text) and len(found[kind]) < self.per_kind:
                    seen.add(text)
                    found[kind].append((text, f"{name} row {row}", place % _EVERY == 0))
            if all(len(lines) == self.per_kind for lines in found.values()):
                return {"train": _texts(found, test=False), "test": _texts(found, test=True)}
        counts = ", ".join(f"{len(lines)} of {kind}" for kind, lines in found.items())
        raise DataError(str(root), f"there are only {counts}", "lower data.source.num_lines")


def _texts(found: dict[str, list[tuple[str, str, bool]]], *, test: bool) -> Texts:
    lines = [
        (text, label, name) for label, kind in enumerate(_KINDS) for text, name, held in found[kind] if held == test
    ]
    texts, labels, names = zip(*lines, strict=True)
    return Texts(texts, torch.tensor(labels), names)


def _lines(content: bytes) -> Iterator[tuple[int, str, str]]:
    """Yields row, kind and text of the lines of a file; what is not in ASCII, or cannot be read, has none."""
    if not content.isascii():
        return
    tokens = tokenize.generate_tokens(io.StringIO(content.decode()).readline)
    begins, opens, last = True, True, 0  # a statement, a block, the row up to which lines are taken
    try:
        for token in tokens:
            row, first = token.start[0], token.line[: token.start[1]].strip() == ""
            if token.type == tokenize.COMMENT:
                if first and not token.string.startswith("#!"):
                    yield row, "comment", token.string.lstrip("#: ").rstrip()
            elif token.type == tokenize.STRING and begins and opens and token.line.rstrip().endswith(token.string):
                yield from _docstring(row, token.string)
                last = token.end[0]
            elif first and begins and row > last and token.type not in _NO_CODE:
                yield row, "code", _code(token.line)
                last = row
            if token.type == tokenize.NEWLINE:
                begins, opens = True, False
            elif token.type == tokenize.INDENT:
                opens = True
            elif token.type not in (*_BETWEEN, tokenize.DEDENT):
                begins = opens = False
    except (tokenize.TokenError, SyntaxError):
        return


def _docstring(row: int, text: str) -> Iterator[tuple[int, str, str]]:
    for place, line in enumerate(_QUOTES.sub("", text).split("\n")):
        yield row + place, "docstring", line.strip()


def _code(line: str) -> str:
    """The first row of a statement, without a comment behind it."""
    return line.split("\n")[0].split("  #")[0].strip()
