"""A composed config as plain values, with a note of where each interpolated value was written."""

import re
from dataclasses import dataclass, field
from typing import Any, ClassVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import (
    InterpolationKeyError,
    InterpolationResolutionError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from zoo.config.allowed import granted
from zoo.config.secrets import watched
from zoo.config.suggest import suggestion
from zoo.errors import OptionError

_SINGLE = re.compile(r"\$\{(\w[\w.]*)\}")
_MOST_VALUES = 100_000  # a few lines that interpolate each other can stand for any number


class _Fact:
    """A value that is not known yet."""

    def __repr__(self) -> str:
        return "not known yet"


@dataclass
class Tree:
    """Plain values of a config.

    Args:
        values: mappings, lists, numbers, text; `Tree.FACT` where an interpolation gives nothing yet, "???" where a
            value must be given.
        origins: for the path of each interpolated value, the path it stands for, or "" where it is composed.
        errors: interpolations that lead nowhere, and values that must be given.
        variables: names of the variables of the environment that were read.
        packages: what the config was granted to build from.
        size: how many values there are.
    """

    # An interpolation of null is a fact that is read from the data later, such as their number of classes.
    FACT: ClassVar[_Fact] = _Fact()

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    errors: list[OptionError] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    packages: tuple[str, ...] = ()
    size: int = 0


def read_tree(config: Any) -> Tree:
    """Returns the plain values of a config, resolved as far as can be.

    Args:
        config: a DictConfig, or a plain mapping; Hydra's own node is left out.
    """
    if not isinstance(config, DictConfig):
        config = OmegaConf.create(config)
    tree = Tree(packages=granted(config))
    keys = [key for key in config if key != "hydra"]
    with watched() as tree.variables:
        tree.values = {str(key): _item(config, key, str(key), config, tree) for key in keys}
    return tree


def read_node(node: Any) -> Any:
    """Returns the plain values of one node, resolved as far as can be.

    Args:
        node: a part of a config, such as Hydra's own node.
    """
    root: Any = node._get_root() if isinstance(node, DictConfig | ListConfig) else None
    return _plain(node, "", root, Tree())


def _plain(value: Any, path: str, root: DictConfig, tree: Tree) -> Any:
    if isinstance(value, DictConfig):
        keys: list[Any] = list(value.keys())
    elif isinstance(value, ListConfig):
        keys = list(range(len(value)))
    else:
        return value
    items = {}
    for key in keys:
        inner = f"{path}.{key}" if path else str(key)
        items[key] = _item(value, key, inner, root, tree)
    return items if isinstance(value, DictConfig) else list(items.values())


def _item(parent: DictConfig | ListConfig, key: Any, path: str, root: DictConfig, tree: Tree) -> Any:
    tree.size += 1
    if tree.size > _MOST_VALUES or path.count(".") > 50:
        raise OptionError(path, "the config goes on without end", "take out the interpolation that repeats itself")
    if OmegaConf.is_missing(parent, key):
        tree.errors.append(OptionError(path, "needs a value", f"give {path}=VALUE"))
        return "???"
    if not OmegaConf.is_interpolation(parent, key):
        return _plain(parent[key], path, root, tree)
    node = parent._get_node(key)
    raw = str(node._value() if node is not None and not isinstance(node, list) else "")
    single = _SINGLE.fullmatch(raw)
    tree.origins[path] = single[1] if single else ""
    try:
        value = parent[key]
    except (InterpolationToMissingValueError, UnsupportedInterpolationType):
        return Tree.FACT  # named where it is missing; a resolver that is not registered yet
    except InterpolationKeyError as error:
        tree.errors.append(_dangling(path, raw, str(error), root))
        return Tree.FACT
    except InterpolationResolutionError as error:
        if "hydra:" not in raw:  # `${hydra:...}` has a value only within a run
            problem = str(error).splitlines()[0]
            tree.errors.append(OptionError(path, f"{raw} has no value ({problem})", f"give {path}=VALUE"))
        return Tree.FACT
    except OmegaConfBaseException:
        return Tree.FACT  # reported where the value is written
    known = len(tree.errors)
    plain = Tree.FACT if value is None else _plain(value, path, root, tree)
    if single:
        del tree.errors[known:]  # they are named where the value is written
    return plain


def _dangling(path: str, raw: str, message: str, root: DictConfig) -> OptionError:
    match = re.search(r"Interpolation key '([^']+)'", message)
    key = match[1] if match else raw
    group = path.partition(".")[0]
    if key.startswith("data.") and group in ("model", "task"):  # a fact that data of another kind have
        problem = f"needs {key}, which these data do not have"
        return OptionError(group, problem, f"choose another {group}, or data of another kind")
    if key.startswith("task.") and group == "model":  # an option of another task
        problem = f"needs {key}, which this task does not have"
        return OptionError(group, problem, f"choose another {group}, or data of another kind")
    parent, _, name = key.rpartition(".")
    while parent and OmegaConf.select(root, parent, default=None) is None:
        parent, _, name = parent.rpartition(".")
    siblings = OmegaConf.select(root, parent) if parent else root
    options = [str(option) for option in siblings if option != "hydra"] if isinstance(siblings, DictConfig) else []
    within = f"options of {parent}" if parent else "options"
    return OptionError(path, f"{raw} refers to {key}, which does not exist", suggestion(name, options, within))
