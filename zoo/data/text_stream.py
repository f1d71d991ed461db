"""The text of a file of any size, read piece by piece: a megabyte or two of it are in memory at a time."""

import codecs
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from zoo.data.token_cache import cannot_cache
from zoo.errors import DataError, OptionError
from zoo.files import write_json

_CHUNK = 1 << 20  # bytes
_LONGEST_LINE = 1 << 20  # characters; a longer one is cut anywhere


class Survey(NamedTuple):
    """What is known of a text that was read once.

    Attributes:
        sha256: of its bytes.
        characters: how many it has.
    """

    sha256: str
    characters: int


def read_text(path: Path, *, encoding: str = "utf-8", digest: Any = None, shown: str = "") -> Iterator[str]:
    """Yields the text of a file in pieces, without a byte order mark; the ends of its lines stay as they are.

    Args:
        path: the file.
        encoding: a name that Python knows.
        digest: of hashlib, updated with the bytes that are read; None for none.
        shown: what a progress bar on a terminal is called; empty for no bar.

    Raises:
        DataError: the file cannot be read, or holds bytes that mean nothing in the encoding.
        OptionError: there is no such encoding.
    """
    try:
        decoder = codecs.getincrementaldecoder(encoding)()
    except LookupError as error:
        remedy = "name one that Python knows, such as utf-8, latin-1 or cp1252"
        raise OptionError("data.encoding", f"there is no {encoding}", remedy) from error
    done, lines = 0, 1
    try:
        with path.open("rb") as file, _bar(path, shown) as bar:
            while chunk := file.read(_CHUNK):
                pending = len(decoder.getstate()[0])
                if digest is not None:
                    digest.update(chunk)
                yield decoder.decode(chunk).removeprefix("" if done else "\ufeff")
                done, lines = done + len(chunk), lines + chunk.count(b"\n")
                bar.update(len(chunk))
            pending = len(decoder.getstate()[0])
            yield decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        offset, row = done - pending + error.start, lines + error.object[: error.start].count(b"\n")
        problem = f"is no {encoding} text: byte 0x{error.object[error.start]:02x} at offset {offset:,}"
        remedy = "save it as UTF-8, or name its encoding by data.encoding="
        raise DataError(f"{path} row {row}", problem, remedy) from error
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})", "give the path of a text file") from error


def part_of(pieces: Iterable[str], start: int, stop: int) -> Iterator[str]:
    """Yields what lies between two places of a text, counted in characters."""
    place = 0
    for piece in pieces:
        if place >= stop:
            return
        cut = piece[max(start - place, 0) : stop - place]
        place += len(piece)
        if cut:
            yield cut


def whole_lines(pieces: Iterable[str]) -> Iterator[str]:
    """Yields the same text in pieces that end where a line does, so that no word is cut in two."""
    rest = ""
    for piece in pieces:
        text = rest + piece
        end = text.rfind("\n") + 1 or (len(text) if len(text) >= _LONGEST_LINE else 0)
        rest = text[end:]
        if end:
            yield text[:end]
    if rest:
        yield rest


def survey(path: Path, *, encoding: str, cache: Path) -> Survey:
    """Reads a text to its end, unless it was read before and has neither size nor time changed since.

    Args:
        path: the file.
        encoding: a name that Python knows.
        cache: a folder to note the result in.

    Raises:
        DataError: the text cannot be used.
        StorageError: the note cannot be written.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(str(path), f"cannot be read ({error.strerror})", "give the path of a text file") from error
    identity = repr((str(path.resolve()), state.st_size, state.st_mtime_ns, encoding))
    note = cache / f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
    try:
        return Survey(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        pass  # not read before
    digest = hashlib.sha256()
    pieces = read_text(path, encoding=encoding, digest=digest, shown=f"reading {path.name}")
    characters = sum(map(len, pieces))
    if not characters:
        raise DataError(str(path), "the file is empty", "give a file with text in it")
    found = Survey(digest.hexdigest(), characters)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        write_json(note, found._asdict())
    except OSError as error:
        raise cannot_cache(cache, error) from error
    return found


def _bar(path: Path, shown: str) -> Any:
    size = path.stat().st_size
    return tqdm(total=size, desc=shown, unit="B", unit_scale=True, leave=False, disable=None if shown else True)
