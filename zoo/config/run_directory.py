"""The directory of a run: one for each, never shared."""

import os
from datetime import datetime
from pathlib import Path

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
        StorageError: it cannot be created.
    """
    if os.environ.get(VARIABLE) and "LOCAL_RANK" in os.environ:
        return Path(os.environ[VARIABLE])
    try:
        directory = Path(chosen).expanduser() if chosen else _new_directory(Path(logs_dir) / task / name)
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError("not writable")
    except OSError as error:
        where = "output_dir" if chosen else "paths.logs_dir"
        raise StorageError(
            where, f"cannot create the run's directory ({error})", "choose another output_dir"
        ) from error
    if chosen and not resuming and (directory / "config.yaml").exists():
        raise OptionError(
            "output_dir", f"{directory} holds a run", "go on with resume=auto, or choose another directory"
        )
    os.environ[VARIABLE] = str(directory)
    return directory


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
