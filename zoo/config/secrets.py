"""What a config takes from the environment is written and shown as `${oc.env:NAME}`, never as its value."""

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.resolvers import oc

PUBLIC = {"ZOO_DATA_DIR"}  # a folder, which every run states


def public(config: DictConfig) -> dict[str, Any]:
    """Returns a config as plain values, resolved except for what comes from the environment.

    Args:
        config: the config of a run. A value that `${oc.env:...}` has a part in, by whatever way, keeps its own text, so
            that reading the result as a config asks the environment anew.
    """
    values: dict[str, Any] = _plain(config, lambda text: text)
    return values


def masked(config: DictConfig | ListConfig) -> Any:
    """Returns a config as plain values, resolved as far as can be, with `***` for what comes from the environment.

    Args:
        config: a config or a part of one.
    """
    return _plain(config, lambda _: "***", is_shown=True)


def redacted(text: str, variables: Iterable[str]) -> str:
    """Returns a text with the values of variables of the environment replaced by the interpolations that give them.

    Args:
        text: such as an error message.
        variables: names of those that a config reads.
    """
    values = {value: name for name in variables if (value := os.environ.get(name))}
    for value in sorted(values, key=len, reverse=True):
        # A short value may be part of any word.
        pattern = rf"(?<!\w){re.escape(value)}(?!\w)" if len(value) < 8 else re.escape(value)
        text = re.sub(pattern, functools.partial(_interpolation, values[value]), text)
    return text


def variables_of(config: DictConfig) -> set[str]:
    """Returns the names of the variables of the environment that a config names, but for those that are public."""
    text = str(OmegaConf.to_container(config, resolve=False))
    return set(re.findall(r"oc\.env:[\s'\"]*(\w+)", text)) - PUBLIC


@contextmanager
def watched() -> Iterator[set[str]]:
    """Notes the names of the variables of the environment that are read meanwhile, but for those that are public."""
    seen: set[str] = set()

    def env(key: str, *default: Any) -> str | None:
        if key not in PUBLIC:
            seen.add(key)
        return oc.env(key, *default)

    OmegaConf.register_new_resolver("oc.env", env, replace=True)
    try:
        yield seen
    finally:
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def _interpolation(name: str, _: re.Match[str]) -> str:
    return f"${{oc.env:{name}}}"


def _plain(node: Any, secret: Callable[[str], Any], *, is_shown: bool = False) -> Any:
    if isinstance(node, DictConfig):
        return {key: _item(node, key, secret, is_shown=is_shown) for key in node}
    if isinstance(node, ListConfig):
        return [_item(node, index, secret, is_shown=is_shown) for index in range(len(node))]
    return node


def _item(parent: DictConfig | ListConfig, key: Any, secret: Callable[[str], Any], *, is_shown: bool) -> Any:
    if OmegaConf.is_missing(parent, key):
        return "???"
    if not OmegaConf.is_interpolation(parent, key):
        return _plain(parent[key], secret, is_shown=is_shown)
    node = parent._get_node(key)
    text = str(node._value())  # type: ignore[union-attr]
    with watched() as seen:
        try:
            value = parent[key]
        except OmegaConfBaseException:
            if not seen and not is_shown:
                raise
            value = text
    return secret(text) if seen else _plain(value, secret, is_shown=is_shown)
