"""The commands beside training and evaluation: `python -m zoo COMMAND ...`; each is a file in `zoo/cli`."""

import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from zoo.config.suggest import suggestion
from zoo.errors import OptionError

_FOLDER = Path(__file__).parent / "cli"


def commands() -> dict[str, str]:
    """Returns the commands and what each does: the first line of its file, which is not imported for that."""
    files = sorted(path for path in _FOLDER.glob("*.py") if not path.name.startswith("_"))
    return {path.stem.replace("_", "-"): _first_line(path) for path in files}


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def main(arguments: Sequence[str]) -> int:
    """Runs a command and returns the exit code.

    Args:
        arguments: the name of the command, then what it takes.
    """
    name, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    found = commands()
    if name in ("--help", "-h"):
        width = max(map(len, found))
        lines = [f"  {command:<{width}}  {line}" for command, line in found.items()]
        print("usage: python -m zoo COMMAND ...\n\nCommands (COMMAND --help tells more):", *lines, sep="\n")
        return 0
    if name not in found:
        error = OptionError(name, "unknown command", suggestion(name, found, "commands"))
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    code: int = importlib.import_module(f"zoo.cli.{name.replace('-', '_')}").main(rest)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
