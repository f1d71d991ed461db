"""The source of Python's standard library as one text, in every installation there: no download.

Python Software Foundation License Version 2, which allows use; the text is made anew on each machine and passed on by
none.
"""

import hashlib
import os
import platform
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from zoo.data.token_cache import cache_folder, cannot_cache
from zoo.errors import DataError
from zoo.files import replacing
from zoo.ranges import PositiveFloat

# Tests, what was installed beside the library, programs that use it, and what the machine's build has written.
_LEFT_OUT = {"test", "tests", "idle_test", "idlelib", "lib2to3", "turtledemo", "site-packages", "dist-packages"}
_BUILT = "_sysconfigdata"


class StdlibSource:
    """Joins the files of the standard library, each after a line with its name, until there are enough.

    Their order is drawn from their names, so that the end of the text, on which is validated, is like its beginning.
    Files with other characters than ASCII are left out: most of those occur once.

    Args:
        max_megabytes: where the text ends.
        cache_dir: where it is written; None for the user's cache.
    """

    def __init__(self, *, max_megabytes: PositiveFloat = 2.0, cache_dir: str | None = None) -> None:
        self.max_bytes, self.cache = int(max_megabytes * 1e6), cache_folder(cache_dir)

    def prepare(self) -> Path:
        """Writes the text, where it is not there, and returns its file.

        Raises:
            DataError: the library has no source here.
            StorageError: the text cannot be written.
        """
        text = self.text()
        path = self.cache / f"stdlib-{platform.python_version()}-{hashlib.sha256(text).hexdigest()[:16]}.txt"
        try:
            if not path.is_file():
                self.cache.mkdir(parents=True, exist_ok=True)
                with replacing(path) as file:
                    file.write(text)
        except OSError as error:
            raise cannot_cache(self.cache, error) from error
        return path

    def text(self) -> bytes:
        """Returns the text, a function of the Python version and `max_megabytes`."""
        root, size, parts = Path(sysconfig.get_paths()["stdlib"]), 0, list[bytes]()
        for path in drawn_files(root):
            content = (root / path).read_bytes().replace(b"\r\n", b"\n")
            if not content.strip() or not content.isascii():
                continue
            parts.append(b"# %s\n%s\n" % (path.encode(), content))
            size += len(parts[-1])
            if size >= self.max_bytes:
                break
        if not parts:
            remedy = "take data=text_corpus with a text of your own"
            raise DataError(str(root), "there is no source of the standard library here", remedy)
        return b"".join(parts)[: self.max_bytes]


def drawn_files(root: Path) -> list[str]:
    """Returns the files of the library, relative to its folder, in an order that is drawn from their names."""
    return sorted(_files(root), key=_drawn)


def _files(root: Path) -> Iterator[str]:
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in _LEFT_OUT]
        for name in names:
            if name.endswith(".py") and not name.startswith(_BUILT):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _drawn(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()
