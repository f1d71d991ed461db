r"""Builds the object that a node of the config describes.

Hydra's `instantiate` reads the strings that it passes on as interpolations once more, so that a path such as
`\${oc.create:...}` could bring in a target that nobody has checked. Here the values are resolved once, every target is
checked, and only then is the first object built.
"""

import functools
import os
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf

from zoo.config.allowed import granted, locate
from zoo.errors import OptionError

# What is no argument of the object; the last two are Hydra's, and everything here is recursive and plain.
KEYWORDS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}


def construct(node: Any, where: str, /, **extra: Any) -> Any:
    """Returns the object, with all objects within it; lists and mappings are plain ones.

    Args:
        node: a node with `_target_`: its arguments, `_args_` for those without name, `_partial_` for a function of the
            missing arguments. As part of a config it may use what was granted to that.
        where: path of the node, for errors.
        **extra: arguments that replace or add to the node's; they are passed on as they are.

    Raises:
        OptionError: a target may not be built, or is not there.
    """
    packages = granted(node)
    is_config = OmegaConf.is_config(node)
    values = OmegaConf.to_container(node, resolve=True, throw_on_missing=True) if is_config else node
    if not (isinstance(values, dict) and "_target_" in values):
        raise OptionError(where, "is no node with _target_", f"name the class to build: {where}._target_=CLASS")
    found = {target: locate(path, target, packages) for path, target in _targets(values, where)}
    # Libraries load files too; torch's own switch keeps them from running what stands in one.
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    return _built(values, found, extra)


def _targets(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if "_target_" in value:
            target = value["_target_"]
            if not isinstance(target, str):
                raise OptionError(f"{path}._target_", f"{target!r} is no name", "write the dotted name of a class")
            yield f"{path}._target_", target
        for key, item in value.items():
            yield from _targets(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _targets(item, f"{path}.{index}")


def _built(value: Any, found: dict[str, Any], extra: dict[str, Any]) -> Any:
    if isinstance(value, list):
        return [_built(item, found, {}) for item in value]
    if not isinstance(value, dict):
        return value
    given = {key: _built(item, found, {}) for key, item in value.items() if key not in extra}
    if "_target_" not in value:
        return given
    call, arguments = found[value["_target_"]], given.get("_args_") or []
    options = {key: item for key, item in given.items() if key not in KEYWORDS} | extra
    return functools.partial(call, *arguments, **options) if value.get("_partial_") else call(*arguments, **options)
