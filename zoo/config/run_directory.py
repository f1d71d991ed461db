"""The directory of a run: one for each, never shared."""

import os
from datetime import datetime
from pathlib import Path

from zoo.config.run_lock import lock, unlock
from zoo.errors import OptionError, StorageError

# The processes that a distributed run starts repeat the command line; they find the directory of their run here.
VARIABLE = "ZOO_RUN_DIRECTORY"


def run_directory(*, logs_dir: str, task: str, name: str, chosen: str | None, resuming: bool) -> Path:
    """Creates the directory of a run and returns it.

    Args:
        logs_dir: where the runs of all tasks lie.
        task: name of the task.
        name: name of the experiment, or of data and model.
        chosen: `output_dir` of the user; None makes `<logs_dir>/<task>/<name>/<date_time>`.
        resuming: whether the run goes on with what the directory holds.

    Raises:
        OptionError: the chosen directory holds another run.
        StorageError: it cannot be created or written to.
    """
    if os.environ.get(VARIABLE) and "LOCAL_RANK" in os.environ:
        return Path(os.environ[VARIABLE])
    if chosen is None and "TORCHELASTIC_RUN_ID" in os.environ:
        raise OptionError("output_dir", "torchrun's processes cannot agree on a new one", "add output_dir=PATH")
    option = "output_dir" if chosen else "paths.logs_dir"
    try:
        directory = make_directory(chosen or _new_directory(Path(logs_dir) / task / name), option=option)
        if chosen and not resuming and (directory / "config.yaml").exists():
            raise OptionError(
                "output_dir", f"{directory} holds a run", "go on with resume=auto, or choose another directory"
            )
        lock(directory)
    except OSError as error:
        raise _not_writable(option, error) from error
    os.environ[VARIABLE] = str(directory)
    return directory


def release_run_directory() -> None:
    """Ends the claim of this process on its run's directory, so that its next run gets another one."""
    directory = os.environ.pop(VARIABLE, None)
    if directory is not None:
        unlock(Path(directory))


def make_directory(path: str | Path, *, option: str) -> Path:
    """Makes sure that a directory exists and can be written to, and returns it.

    Args:
        path: the directory; `~` is the user's home.
        option: the option that named it, for the error.

    Raises:
        StorageError: it cannot; the option is named.
    """
    directory = Path(path).expanduser()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(f"{directory} is not writable")
    except OSError as error:
        raise _not_writable(option, error) from error
    return directory


def _not_writable(option: str, error: OSError) -> StorageError:
    return StorageError(option, f"cannot create the directory ({error})", "choose another one")


def _new_directory(parent: Path) -> Path:
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    number = 1
    while True:
        directory = parent / (stamp if number == 1 else f"{stamp}_{number}")
        try:
            directory.mkdir(parents=True)  # fails where another run was faster
            return directory
        except FileExistsError:
            number += 1
