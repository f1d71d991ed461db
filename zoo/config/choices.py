"""What the YAML tree offers, read from the files themselves: nothing is composed, and torch is not imported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from zoo.errors import OptionError

GROUPS = {
    "data": "data sets, each with its task and its default model",
    "model": "what is trained",
    "experiment": "recipes with measured results",
    "task": "what is learned",
    "optimizer": "how weights are changed",
    "scheduler": "how the learning rate moves",
    "finetune": "what is trained of a model, and when",
    "callbacks": "what happens beside training",
    "trainer": "where and how long",
}
_OVERRIDE = re.compile(r"^ *- override /(\w+)(?:@[\w.]+)?: *([\w\[\], ]+?) *(?:#.*)?$", re.MULTILINE)


@dataclass(frozen=True)
class Choice:
    """A YAML file of a group.

    Args:
        group: name of the group.
        name: of the file, without its ending.
        path: the file.
    """

    group: str
    name: str
    path: Path

    @cached_property
    def text(self) -> str:
        """The file as it stands."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def head(self) -> list[str]:
        """The comment lines at its beginning, without their marks."""
        lines: list[str] = []
        for line in self.text.splitlines():
            if not line.startswith("#"):
                break
            if not line.startswith("# @package"):
                lines.append(line.removeprefix("#").removeprefix(" ").rstrip())
        return lines

    @cached_property
    def values(self) -> Mapping[str, Any]:
        """The file as plain values."""
        found = yaml.load(self.text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        return found if isinstance(found, dict) else {}

    @cached_property
    def bases(self) -> list["Choice"]:
        """The files of the same folder that it begins with."""
        defaults = self.values.get("defaults", []) if "defaults" in self.text else []
        names = [item for item in defaults if isinstance(item, str) and item != "_self_"]
        files = [(name, self.path.with_name(f"{name}.yaml")) for name in names]
        return [Choice(self.group, name, path) for name, path in files if path.is_file()]

    @cached_property
    def variants(self) -> list["Choice"]:
        """The files of which the task chooses one, named by their task."""
        named = re.search(r"^ *- /\w+/(_\w+)@_here_: *\$\{task\}", self.text, re.MULTILINE)
        folder = self.path.parent / named[1] if named else None
        return [Choice(self.group, file.stem, file) for file in sorted(folder.glob("*.yaml"))] if folder else []

    @cached_property
    def overrides(self) -> dict[str, str]:
        """What it chooses of other groups, by their names."""
        found: dict[str, str] = {}
        for base in self.bases:
            found |= base.overrides
        return found | dict(_OVERRIDE.findall(self.text))

    @cached_property
    def merged(self) -> dict[str, Any]:
        """Its values over those of the files it begins with."""
        found: dict[str, Any] = {}
        for part in [*(base.merged for base in self.bases), self.values]:
            found |= {key: value for key, value in part.items() if key != "defaults"}
        return found


@dataclass(frozen=True)
class Tree:
    """All choices below a folder of configs."""

    folder: Path
    groups: tuple[str, ...] = field(default=tuple(GROUPS))

    def of(self, group: str) -> list[Choice]:
        """The choices of a group, by name."""
        files = sorted((self.folder / group).glob("*.yaml"))
        return [Choice(group, file.stem, file) for file in files if not file.stem.startswith("_")]

    def find(self, name: str) -> list[Choice]:
        """Every choice of that name, of whatever group."""
        return [choice for group in self.groups for choice in self.of(group) if choice.name == name]


def group_named(text: str) -> str:
    """Returns the group that is meant by "models" or "model".

    Raises:
        OptionError: there is no such group.
    """
    from zoo.config.suggest import suggestion

    plurals = {(group if group in ("data", "callbacks", "finetune") else f"{group}s"): group for group in GROUPS}
    found = plurals.get(text, text)
    if found not in GROUPS:
        raise OptionError(text, "unknown group", suggestion(text, plurals, "groups"))
    return found
