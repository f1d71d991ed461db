"""The commands beside training and evaluation: `python -m zoo COMMAND ...`; each is a file in `zoo/cli`.

A command's help is its `_HELP`, with its docstring as `{about}`. It is read, not imported, so that it shows at once.
"""

import ast
import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
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


def help_of(name: str) -> str | None:
    """Returns the help of a command; None of one that prints its own.

    Args:
        name: of the command, as typed.
    """
    tree = ast.parse(_file(name).read_text(encoding="utf-8"))
    for node in tree.body:
        if not isinstance(node, ast.Assign) or ast.unparse(node.targets[0]) != "_HELP":
            continue
        if isinstance(node.value, ast.Constant):
            with suppress(KeyError):  # it asks for more than its docstring
                return str(node.value.value).format(about=(ast.get_docstring(tree) or "").strip())
    return None


def _file(name: str) -> Path:
    return _FOLDER / f"{name.replace('-', '_')}.py"


def _asks_for_help(name: str, rest: Sequence[str], text: str) -> bool:
    """Whether help is meant: by name, or by leaving out what the usage asks for first."""
    return bool({"--help", "-h"} & set(rest)) or (not rest and not text.startswith(f"usage: python -m zoo {name} ["))


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
    text = help_of(name)
    if text is not None and _asks_for_help(name, rest, text):
        print(text, end="")
        return 0
    code: int = importlib.import_module(f"zoo.cli.{name.replace('-', '_')}").main(rest)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
