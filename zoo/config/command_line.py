"""The command line before Hydra sees it: flags, groups, and keys that Hydra would want a `+` for.

Hydra refuses a key that the composed config lacks, although the class may well take it. Here `optimizer.amsgrad=true`
becomes `++optimizer.amsgrad=true`, so that `zoo.config.check`, which knows the signatures, is the only judge of names.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo.config.suggest import nearest, suggestion
from zoo.errors import OptionError

_SWITCHES = {
    "--help": "-h",
    "--hydra-help": "",
    "--version": "",
    "--resolve": "",
    "--run": "-r",
    "--multirun": "-m",
    "--shell-completion": "-sc",
}
_VALUED = {
    "--cfg": "-c",
    "--package": "-p",
    "--config-path": "-cp",
    "--config-name": "-cn",
    "--config-dir": "-cd",
    "--info": "-i",
}
_CFG = {"job", "hydra", "all"}
_INFO = {"all", "config", "defaults", "defaults-tree", "plugins", "searchpath"}
_LONG = {short: long for long, short in {**_SWITCHES, **_VALUED}.items() if short}
_ACTIONS = {"--run", "--multirun", "--cfg", "--info", "--shell-completion"}


@dataclass(frozen=True)
class CommandLine:
    """Arguments, sorted.

    Args:
        flags: long names of the flags, with their values.
        overrides: what the user set, in order, as typed.
    """

    flags: dict[str, str]
    overrides: list[str]

    def arguments(self, overrides: Sequence[str]) -> list[str]:
        """Returns the flags and the given overrides as arguments for Hydra, which wants the flags together."""
        flags = [part for name, value in self.flags.items() for part in ([name, value] if value else [name])]
        return [*overrides, *flags]


def parse(arguments: Sequence[str]) -> CommandLine:
    """Sorts arguments into flags and overrides.

    Args:
        arguments: the command line without the program's name.

    Raises:
        OptionError: a flag that there is not, or something that is neither a flag nor `key=value`.
    """
    flags: dict[str, str] = {}
    overrides: list[str] = []
    rest = list(arguments)
    while rest:
        token = rest.pop(0)
        if not token.startswith("-"):
            overrides.append(token)
            continue
        name, has_value, value = token.partition("=")
        name = _LONG.get(name, name)
        if name in _VALUED and not has_value and rest and (name != "--info" or rest[0] in _INFO):
            value = rest.pop(0)
        elif name in _VALUED and not has_value and name != "--info":
            raise OptionError(token, "needs a value", f"give {token} VALUE")
        elif name not in _VALUED and (name not in _SWITCHES or has_value):
            raise _unknown_flag(token, name)
        flags[name] = value
    _check_flags(flags)
    return CommandLine(flags, overrides)


def _check_flags(flags: dict[str, str]) -> None:
    if flags.get("--cfg", "job") not in _CFG:
        raise OptionError(f"--cfg {flags['--cfg']}", "unknown choice", suggestion(flags["--cfg"], _CFG, "choices"))
    if "--resolve" in flags and "--cfg" not in flags:
        raise OptionError("--resolve", "goes with --cfg only", "add --cfg job, or leave it out")
    if len(actions := [flag for flag in flags if flag in _ACTIONS]) > 1:
        raise OptionError(" ".join(actions), "only one of these at a time", f"leave out {actions[-1]}")


def _unknown_flag(token: str, name: str) -> OptionError:
    match = nearest(name, [*_SWITCHES, *_VALUED], cutoff=0.8)
    plain = token.lstrip("-")
    remedy = f"write {plain if '=' in plain else plain + '=VALUE'}, without dashes, to set an option"
    return OptionError(token, "unknown flag", f"did you mean {match}?" if match else remedy)


def groups(directories: Sequence[Path]) -> dict[str, list[str]]:
    """Returns the config groups and their choices.

    Args:
        directories: where configs lie; a folder in one is a group, a YAML file in that a choice, unless its name or
            that of a folder begins with "_": that is a part of other choices.
    """
    found: dict[str, set[str]] = {}
    for directory in directories:
        for folder in sorted(path for path in directory.glob("*") if path.is_dir() and path.name[0] not in "._"):
            choices = found.setdefault(folder.name, set())
            files = (path.relative_to(folder).with_suffix("") for path in folder.rglob("*.yaml"))
            choices.update(str(path) for path in files if not any(part.startswith("_") for part in path.parts))
    return {group: sorted(choices) for group, choices in sorted(found.items()) if group != "hydra"}


def option_of(override: str) -> tuple[str, str]:
    """Returns the key of an override without the signs before it, and its value without quotes.

    Args:
        override: as typed.
    """
    key, _, value = override.lstrip("+~").partition("=")
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = re.sub(rf"(\\+)({value[0]}|$)", _unescaped, value[1:-1])
    return key, re.sub(r"(\\+)(\$\{)", _unescaped, value)


def _unescaped(found: re.Match[str]) -> str:
    return "\\" * (len(found[1]) // 2) + found[2]


def quoted(value: str) -> str:
    """Returns a value as Hydra reads it back as the very same text, whatever characters are in it.

    Args:
        value: such as a path, with blanks, quotes, letters of any language.
    """
    value = re.sub(r"(\\*)\$\{", r"\1\1\\${", value)  # no interpolation
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value) + "'"


def forced(override: str, groups: Collection[str]) -> str:
    """Returns an override in the form in which Hydra also takes a key that the config lacks.

    Args:
        override: as typed; choices of groups, deletions, additions and Hydra's own options stay as they are.
        groups: names of the config groups.
    """
    key, equals, value = override.partition("=")
    is_hydra = key == "hydra" or key.startswith("hydra.")
    if value.startswith(("https://", "http://")) and "," not in value:
        override = f'{key}="{value}"'  # Hydra cannot read the = and # of an address
    if not equals or not re.match(r"\w", key) or is_hydra or "/" in key or "@" in key or key in groups:
        return override
    return f"++{override}"
