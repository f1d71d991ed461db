"""Shows a model, data set, experiment or other choice: what it is, its options, and the command to type."""

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zoo.cli._output import say
from zoo.cli.list import CONFIGS
from zoo.config.choices import GROUPS, Choice, Tree, group_named
from zoo.config.documented import Option, described, options_of
from zoo.config.suggest import suggestion
from zoo.errors import OptionError, RunError

_HELP = """\
usage: python -m zoo show NAME
       python -m zoo show GROUP=NAME

{about}

  NAME        as `python -m zoo list` has it: show resnet_small
  GROUP=NAME  where several groups have the name: show data=digits
"""


def main(arguments: Sequence[str]) -> int:
    """Runs the command and returns the exit code.

    Args:
        arguments: names, each alone or with its group.
    """
    try:
        choices = [_chosen(Tree(CONFIGS), argument) for argument in arguments]
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    say("\n".join(_shown(choice)) + "\n" * (choice is not choices[-1]) for choice in choices)
    return 0


def _chosen(tree: Tree, argument: str) -> Choice:
    """Returns the one choice that an argument names.

    Raises:
        OptionError: there is none, or there are several.
    """
    group, has_group, name = argument.rpartition("=")
    if has_group:
        group = group_named(group)
        names = [choice.name for choice in tree.of(group)]
        if name not in names:
            raise OptionError(argument, "unknown choice", suggestion(name, names, "choices"))
    found = [choice for choice in tree.find(name) if not has_group or choice.group == group]
    if len(found) > 1:
        commands = " or ".join(f"show {choice.group}={name}" for choice in found)
        raise OptionError(name, f"{len(found)} groups have it", f"type {commands}")
    if not found:
        names = [choice.name for each in GROUPS for choice in tree.of(each)]
        raise OptionError(name, "nothing of that name", suggestion(name, names, "names"))
    return found[0]


def _shown(choice: Choice) -> Iterator[str]:
    yield f"{choice.group}={choice.name}"
    yield from (f"  {line}" for line in choice.head)
    if choice.group == "experiment":
        body = choice.text.splitlines()
        yield ""
        yield from (f"  {line}".rstrip() for line in body if not line.startswith("#"))
    else:
        for group in ("task", "model"):
            if group in choice.overrides:
                yield f"  {group}: {choice.overrides[group]}, unless another is typed"
        for title, where, node in _nodes(choice):
            yield ""
            yield from _section(title, where, node)
    yield ""
    yield f"type: python train.py {choice.group}={choice.name}"


def _nodes(choice: Choice) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """The objects of a choice: what they are for, the path of their options, and their values."""
    for variant in choice.variants:
        yield f" with task={variant.name}", choice.group, {**variant.merged, **choice.merged}
    if "_target_" in choice.merged:
        yield "", choice.group, choice.merged
    elif not choice.variants:
        for name, value in choice.merged.items():
            if isinstance(value, Mapping) and "_target_" in value:
                yield "", f"{choice.group}.{name}", value
            elif not isinstance(value, Mapping):
                yield f"{choice.group}.{name}={described(value)}", "", {}


def _section(title: str, where: str, node: Mapping[str, Any]) -> Iterator[str]:
    if not node:
        yield f"  {title}"
        return
    target = str(node.get("_target_", ""))
    yield f"  {target}{title}"
    supplied = set(GROUPS) if where == "task" else set()
    options = [option for option in options_of(target, node) if option.name not in supplied]
    for option in options:
        yield from _option(where, option)


def _option(where: str, option: Option) -> Iterator[str]:
    yield (
        f"    {where}.{option.name}={option.value}  ({option.kind})"
        if option.kind
        else (f"    {where}.{option.name}={option.value}")
    )
    if option.meaning:
        yield from textwrap.wrap(option.meaning, 110, initial_indent=" " * 8, subsequent_indent=" " * 8)
