"""Errors that end a run in one clear line, and the exit code each of them means.

Free of torch. `str(error)` is the line without its `error: ` prefix: `<option or file>: <what is wrong>; <remedy>`.
"""


class RunError(Exception):
    """A failure that a user can cause and mend.

    Args:
        where: the option or file at fault, as the user would type it.
        problem: what is wrong, with the value found.
        remedy: what to do about it.
    """

    exit_code = 1

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(where, problem, remedy)
        self.where, self.problem, self.remedy = where, problem, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}; {self.remedy}"


class OptionError(RunError):
    """A wrong option, found before the first step."""

    exit_code = 2


def explained_option(where: str, error: BaseException) -> OptionError:
    """Returns the wrong option that an error of a library, or "value found: rule; remedy" of ours, comes from."""
    problem, _, remedy = " ".join(str(error).split()).partition("; ")
    return OptionError(where, problem, remedy or f"see the options of {where} with --cfg job")


class DataError(RunError):
    """Bad or missing data, found before the first step."""

    exit_code = 2


class TrainingStopped(RunError):
    """Training cannot go on: not finite, out of memory, too many bad samples."""

    exit_code = 3


class StorageError(RunError):
    """A file cannot be written or read back."""

    exit_code = 4
