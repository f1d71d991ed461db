"""Lists what there is: data sets, models, experiments with their measured results, and all else that can be chosen."""

import sys
import textwrap
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from zoo.cli._output import say
from zoo.config.choices import GROUPS, Choice, Tree, group_named
from zoo.config.documented import first_line
from zoo.errors import RunError

_HELP = """\
usage: python -m zoo list [data|models|experiments|tasks|optimizers|schedulers|finetune|callbacks|trainers]

{about}

Without a group: the names of all. `python -m zoo show NAME` tells more of one.
"""
_WIDTH = 110
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: names of groups.
    """
    try:
        groups = [group_named(argument) for argument in arguments]
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    tree = Tree(CONFIGS)
    lines = [line for group in groups for line in _group(tree, group)] or _overview(tree)
    say(lines)
    return 0


def _overview(tree: Tree) -> list[str]:
    lines = []
    for group, meaning in GROUPS.items():
        choices = tree.of(group)
        lines += [f"{group} ({len(choices)}): {meaning}", *_wrapped(", ".join(each.name for each in choices), 2), ""]
    return [*lines, "next: python -m zoo list experiments", "      python -m zoo show NAME"]


def _group(tree: Tree, group: str) -> list[str]:
    choices = tree.of(group)
    partners = _partners(tree) if group == "model" else {}
    lines = []
    for choice in choices:
        lines.append(f"{choice.name}{_goes_with(choice)}")
        lines += [line for part in _paragraphs(choice.head) or _meaning(choice) for line in _wrapped(part, 4)]
        if choice.name in partners:
            lines += _wrapped(f"goes with: {', '.join(partners[choice.name])}", 4)
    example = f"python -m zoo show {group}={choices[0].name}"
    return [f"{group} ({len(choices)}): {GROUPS[group]}", *(f"  {line}" for line in lines), "", f"next: {example}", ""]


def _paragraphs(head: Sequence[str]) -> list[str]:
    """Returns the head in running text, commands on lines of their own."""
    found: list[str] = []
    for line in head:
        if found and not line.startswith((" ", "python ")):
            found[-1] += f" {line}"
        else:
            found.append(line.strip())
    return found


def _meaning(choice: Choice) -> list[str]:
    """Returns what the docstring of the class says, where the file has no head."""
    line = first_line(str(choice.merged.get("_target_", "")))
    return [line] if line else []


def _goes_with(choice: Choice) -> str:
    """Returns what a choice brings along, or the tasks of which it has a variant."""
    if choice.variants:
        return f"  [tasks: {', '.join(variant.name for variant in choice.variants)}]"
    shown = {"data", "task", "model"} & choice.overrides.keys()
    parts = [f"{group}={choice.overrides[group]}" for group in ("data", "task", "model") if group in shown]
    return f"  [{' '.join(parts)}]" if parts else ""


def _partners(tree: Tree) -> dict[str, list[str]]:
    """Returns for each model the data whose default it is, and the experiments that choose it."""
    found: dict[str, list[str]] = defaultdict(list)
    for group in ("data", "experiment"):
        for choice in tree.of(group):
            if model := choice.overrides.get("model"):
                found[model].append(f"{group}={choice.name}")
    return found


def _wrapped(text: str, indent: int) -> list[str]:
    margin = " " * indent
    return textwrap.wrap(
        text, _WIDTH, initial_indent=margin, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
    )
