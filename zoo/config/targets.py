"""Checks what a config would build against the list of `zoo.config.allowed`, wherever in it the names stand."""

from collections.abc import Sequence
from typing import Any

from zoo.config.allowed import MODULES_BY_NAME, refusal, refused_module
from zoo.config.annotations import is_node
from zoo.config.source import NotFoundError
from zoo.config.suggest import suggestion
from zoo.errors import OptionError


def check_targets(value: Any, path: str, packages: Sequence[str]) -> list[OptionError]:
    """Returns what is wrong with the targets within a value, whatever else may be.

    Args:
        value: plain values.
        path: where they stand.
        packages: what the command line allows.
    """
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    errors = [error for key, item in items for error in check_targets(item, f"{path}.{key}", packages)]
    own = check_target(f"{path}._target_", value["_target_"], packages) if is_node(value) else None
    return [own, *errors] if own else errors


def check_target(where: str, target: Any, packages: Sequence[str]) -> OptionError | None:
    """Returns what is wrong with one target: it may not be built, or there is no such thing.

    Args:
        where: its path.
        target: its value.
        packages: what the command line allows.
    """
    try:
        return refusal(where, target, packages)
    except NotFoundError as error:
        if not error.parent:
            return OptionError(where, f"no package named {error.name} for {target}", "install it, or correct the name")
        remedy = suggestion(error.name, error.options, "names")
        return OptionError(where, f"{error.parent} has no {error.name}", remedy)


def check_module(value: Any, key: str, where: str, packages: Sequence[str]) -> OptionError | None:
    """Returns what is wrong with the dotted path of a class that `zoo.layers` would have to import.

    Args:
        value: of the argument.
        key: name of the argument.
        where: its path.
        packages: what the command line allows.
    """
    if key not in MODULES_BY_NAME or not isinstance(value, str) or "." not in value:
        return None
    return refused_module(where, value, packages) or check_target(where, value, packages)
