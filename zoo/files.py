"""Files that are written whole or not at all. Free of torch."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


def user_cache(name: str) -> Path:
    """Returns a folder below `zoo` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "zoo" / name


@contextmanager
def replacing(path: Path, *, sync: bool = False, before: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """Opens a file beside a target that takes its place at the end; after an error nothing is left of it.

    Args:
        path: the target.
        sync: whether it is on the disk, and not only on its way to it, before it takes the place.
        before: called just before it does.

    Raises:
        OSError: it could not be written; what was there before is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            if sync:
                os.fsync(file.fileno())
        before()
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(directory: Path) -> None:
    """Removes what writers that were killed have left behind; only for the owner of a run's directory."""
    for leftover in directory.glob(".*.tmp"):
        with suppress(OSError):
            leftover.unlink()


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes one JSON object; numbers that are not finite become null.

    Args:
        path: the file.
        values: plain values.

    Raises:
        OSError: it could not be written; what was there before is untouched.
    """
    with replacing(path) as file:
        file.write((json.dumps(_finite(values), indent=2) + "\n").encode())


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
