"""What a failure in the middle of a run means to a user."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer

from zoo.data.base import DataModule
from zoo.errors import RunError, StorageError, explained_option
from zoo.memory import is_out_of_memory
from zoo.tasks.out_of_memory import out_of_memory
from zoo.tasks.resumable import ResumableModule

# What a user can cause while an object is built; anything else is a defect of ours.
USER_ERRORS = (ValueError, TypeError, ImportError, OSError, MisconfigurationException)
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}


@contextmanager
def failing_in_words(directory: Path, *, trainer: Trainer, task: ResumableModule, data: DataModule) -> Iterator[None]:
    """Lets a failure that a user can do something about end in words.

    Args:
        directory: what is written to.
        trainer: whose loop runs.
        task: that it runs.
        data: that it runs on.

    Raises:
        RunError: what has failed, and the remedy.
    """
    try:
        yield
    except Exception as error:
        known = explained_failure(error, directory, trainer=trainer, task=task, data=data)
        if known is None:
            raise
        raise known from error


@contextmanager
def writing(output: Path) -> Iterator[None]:
    """Lets a file that cannot be written end in words.

    Args:
        output: the file.

    Raises:
        StorageError: it cannot be written.
    """
    try:
        yield
    except OSError as error:
        remedy = "make room or choose another output"
        raise StorageError(str(output), f"cannot be written ({error.strerror or error})", remedy) from error


def explained_failure(
    error: Exception, directory: Path, *, trainer: Trainer, task: ResumableModule, data: DataModule
) -> RunError | None:
    """Returns what a failure means; None where it is a defect of ours."""
    if is_out_of_memory(error):
        return out_of_memory(error, trainer=trainer, task=task, data=data)
    if isinstance(error, OSError) and error.errno in _STORAGE:
        remedy = "make room or choose another output_dir; what was saved before is intact"
        return StorageError(error.filename or str(directory), f"cannot be written ({error.strerror})", remedy)
    return error if isinstance(error, RunError) else None


def explained(where: str, call: Any, *arguments: Any, **keywords: Any) -> Any:
    """Calls; what a user has caused ends in one line that names the option."""
    try:
        return call(*arguments, **keywords)
    except USER_ERRORS as error:
        raise explained_option(where, error) from error
