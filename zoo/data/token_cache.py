"""Where texts and tokens that were made once are kept for the runs that follow."""

from pathlib import Path

from zoo.errors import StorageError
from zoo.files import user_cache


def cache_folder(given: str | None) -> Path:
    """Returns a folder of the user's choice, or `zoo/tokens` in the user's cache."""
    return user_cache("tokens") if given is None else Path(given).expanduser()


def cannot_cache(folder: Path, error: OSError) -> StorageError:
    """Returns what it means that the folder cannot be written to."""
    return StorageError(str(folder), f"cannot be written ({error.strerror})", "make room, or set data.cache_dir=FOLDER")
