"""Checks a composed config before anything slow is imported: names, types, ranges, and what is missing.

The signature of the class that a node names is the schema; the primary YAML (`configs/train.yaml`) is its own schema
for the options of the run. Every problem is reported at once.
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

from zoo.config.annotations import (
    ANYTHING,
    AnyOf,
    Anything,
    Choice,
    Items,
    Plain,
    Ranged,
    Rule,
    is_node,
    rule_of,
    show,
    simplified,
)
from zoo.config.construct import KEYWORDS
from zoo.config.monitors import check_monitors
from zoo.config.rules import LATE
from zoo.config.secrets import redacted
from zoo.config.signatures import Parameter, Signature, signature
from zoo.config.suggest import suggestion
from zoo.config.targets import check_module, check_target, check_targets
from zoo.config.tree import Tree, read_tree
from zoo.errors import OptionError

# Arguments that zoo.build passes itself, by the path of the node. The name of another top-level node counts as passed
# too: a task gets its `model` and its `optimizer`.
SUPPLIED: Mapping[str, Collection[str]] = {
    "logger.*": ("save_dir", "log_dir", "root_dir"),
    "task": ("model", "optimizer", "scheduler"),
}
# Values that zoo.build translates before the class sees them.
TRANSLATED: Mapping[str, Collection[Any]] = {"trainer.precision": ("auto",), "data.batch_size": ("auto",)}
# Mappings of objects by name, in which settings without an object are a mistyped name.
NAMED = ("callbacks", "logger", "metrics", "*_metrics", "*.metrics", "*.*_metrics")
# Hydra knows more ways to build; here there is one.
_KEYWORD_RULES: Mapping[str, Rule] = {
    "_partial_": Plain("true or false", (bool,)),
    "_args_": Plain("a list", (list,)),
    "_recursive_": Choice((True,)),
    "_convert_": Choice(("all",)),
}
_KINDS = {
    bool: "a truth value",
    int: "an integer",
    float: "a floating-point number",
    str: "text",
    list: "a list",
    dict: "a mapping",
    type(None): "null",
}


class OptionErrors(OptionError):
    """Every wrong option of a config; it reads as one line each."""

    def __init__(self, errors: list[OptionError]) -> None:
        super().__init__(errors[-1].where, errors[-1].problem, errors[-1].remedy)
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)

    def __reduce__(self) -> tuple[type["OptionErrors"], tuple[list[OptionError]]]:
        return OptionErrors, (self.errors,)


@dataclass(frozen=True)
class Primary:
    """What the primary config declares.

    Args:
        options: its own keys with the values written there, whose types the user's values must have.
        groups: names of the config groups.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    groups: Collection[str] = ()


def check(
    config: Any, *, primary: Primary | None = None, supplied: Mapping[str, Collection[str]] = SUPPLIED
) -> list[OptionError]:
    """Returns everything that is wrong with a config, one error for each option.

    Args:
        config: the composed config, as a DictConfig or a plain mapping; what it may build is what it was granted.
        primary: what the primary config declares; None leaves the top level unchecked.
        supplied: arguments that are passed when a node is built, by the path (with `*`) of the node.
    """
    try:
        tree = read_tree(config)
    except OptionError as endless:
        return [endless]
    errors = list(tree.errors)
    if primary is not None:
        _check_options(tree.values, primary.options, primary.groups, "", errors)
    _check_tree(tree.values, "", tree, supplied, errors)
    if not errors:
        errors = check_monitors(tree.values)
    unique: dict[str, OptionError] = {}
    for error in errors:
        unique.setdefault(error.where, error)
    return [_without_secrets(error, tree.variables) for error in unique.values()]


def _without_secrets(error: OptionError, variables: Collection[str]) -> OptionError:
    parts = [redacted(part, variables) for part in (error.where, error.problem, error.remedy)]
    return OptionError(*parts) if variables else error


def _check_options(
    values: Mapping[str, Any],
    declared: Mapping[str, Any],
    groups: Collection[str],
    path: str,
    errors: list[OptionError],
) -> None:
    names = {*declared, *groups}
    for key, value in values.items():
        where = f"{path}{key}"
        default = declared.get(key)
        if key not in names:
            if not (path and is_node(value)):
                errors.append(OptionError(where, "unknown option", suggestion(key, names)))
        elif key in groups or default is None or is_node(default) or (value is None and _may_be_off(default)):
            continue
        elif isinstance(default, Mapping) and isinstance(value, Mapping):
            _check_options(value, default, (), f"{where}.", errors)
        elif not (isinstance(default, str) and "${" in default) and not _same_kind(value, default):
            kind = "a number" if type(default) is float else _KINDS.get(type(default), "of another type")
            kind = "true or false" if type(default) is bool else kind
            usual = "" if isinstance(default, Mapping | list) else f" (default {show(default)})"
            errors.append(OptionError(where, _described(value), f"must be {kind}{usual}"))


def _may_be_off(default: Any) -> bool:
    """Whether null is a value of an option: that of nothing at all."""
    return default == "auto" or _has_node(default)


def _same_kind(value: Any, default: Any) -> bool:
    if is_node(value) or value == "???" or value is Tree.FACT:
        return True
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def _check_tree(
    value: Any, path: str, tree: Tree, supplied: Mapping[str, Collection[str]], errors: list[OptionError]
) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _check_tree(item, f"{path}.{index}", tree, supplied, errors)
    if not isinstance(value, dict):
        return
    if path in tree.origins:  # what an interpolation repeats is checked where it is written, if that is in this config
        if tree.origins[path].split(".")[0] not in tree.values:
            errors.extend(check_targets(value, path, tree.packages))
        return
    if is_node(value):
        given = {name for pattern, names in supplied.items() if fnmatch(path, pattern) for name in names}
        errors.extend(_check_node(value, path, tree, given | (tree.values.keys() - {path})))
    elif any(fnmatch(path, pattern) for pattern in NAMED):
        _check_names(value, path, errors)
    for key, item in value.items():
        _check_tree(item, f"{path}.{key}" if path else str(key), tree, supplied, errors)


def _check_names(value: Mapping[str, Any], path: str, errors: list[OptionError]) -> None:
    """Refuses settings of an object that is not there, among objects by name."""
    names = [key for key, item in value.items() if is_node(item)]
    for key, item in value.items():
        if item is not None and item is not Tree.FACT and not _has_node(item):
            errors.append(OptionError(f"{path}.{key}", "unknown option", suggestion(key, names)))


def _has_node(value: Any) -> bool:
    if isinstance(value, dict):
        return "_target_" in value or any(_has_node(item) for item in value.values())
    return isinstance(value, list) and any(_has_node(item) for item in value)


def _check_node(node: dict[str, Any], path: str, tree: Tree, supplied: Collection[str]) -> list[OptionError]:
    target = node["_target_"]
    prefix = f"{path}." if path else ""
    refused = check_target(f"{prefix}_target_", target, tree.packages)
    if refused is not None:
        return [refused]
    found = signature(target)
    errors: list[OptionError] = []
    for key, rule in _KEYWORD_RULES.items():
        if key in node and not rule.accepts(node[key]):
            errors.append(_refusal(node[key], rule, f"{prefix}{key}", None))
    if found is None:
        return errors
    options = found.options
    for key, value in node.items():
        if key in options:
            where = tree.origins.get(f"{prefix}{key}") or f"{prefix}{key}"
            wrong = _check_value(value, options[key], where, target) or check_module(value, key, where, tree.packages)
            errors.extend([wrong] if wrong else [])
        elif key not in KEYWORDS and not found.accepts_any:
            errors.append(OptionError(f"{prefix}{key}", "unknown option", suggestion(key, options)))
    if node.get("_partial_") is not True:
        errors.extend(_missing(node, found, prefix, supplied))
    return errors


def _missing(node: dict[str, Any], found: Signature, prefix: str, supplied: Collection[str]) -> list[OptionError]:
    arguments = node.get("_args_")
    first = len(arguments) if isinstance(arguments, list) else 0
    required = [p for p in found.parameters[first:] if not p.has_default and p.kind != "positional_only"]
    return [
        OptionError(f"{prefix}{p.name}", f"missing, and {found.name} needs it", f"give {prefix}{p.name}=VALUE")
        for p in required
        if p.name not in node and p.name not in supplied
    ]


def _check_value(value: Any, parameter: Parameter, where: str, target: str) -> OptionError | None:
    if value is Tree.FACT or value == "???":
        return None
    default = parameter.default
    if is_node(value) or _is_literally(default, value) or value in TRANSLATED.get(where, ()):
        return None  # `x: int = None` allows null, whatever it says
    rule = rule_of(parameter.annotation, parameter.module)
    if rule.accepts(value):
        late = ANYTHING if target.startswith("zoo.") else LATE.get(parameter.name, ANYTHING)
        is_judged = isinstance(value, int | float) or (isinstance(value, list) and isinstance(late, Items))
        if isinstance(value, str) and isinstance(rule, Anything):
            is_judged = True  # the class states no type, and every name of the table is one of numbers
        if not is_judged or late.accepts(value):
            return None
        rule = late
    return _refusal(value, rule, where, default)


def _is_literally(default: ast.expr | None, value: Any) -> bool:
    try:
        literal = ast.literal_eval(default) if default is not None else ...
    except ValueError:
        return False
    return type(literal) is type(value) and literal == value


def _refusal(value: Any, rule: Rule, where: str, default: ast.expr | None) -> OptionError:
    parts = simplified(rule)
    rule = AnyOf(parts)
    choices = [show(item) for part in parts if isinstance(part, Choice) for item in part.values]
    if choices and isinstance(value, str) and not any(isinstance(part, Plain) and str in part.types for part in parts):
        choices += [str(part) for part in parts if not isinstance(part, Choice)]
        return OptionError(where, f"unknown choice {value}", suggestion(value, choices, "choices"))
    usual = ""
    if isinstance(default, ast.Constant | ast.Tuple | ast.UnaryOp):
        usual = f" (default {show(default.value) if isinstance(default, ast.Constant) else ast.unparse(default)})"
    for part in parts:
        if isinstance(part, Ranged) and part.rule.accepts(value):
            return OptionError(where, f"{show(value)} is out of range", f"must be {rule}{usual}")
    return OptionError(where, _described(value), f"must be {rule}{usual}")


def _described(value: Any) -> str:
    kind = _KINDS.get(type(value), type(value).__name__)
    return f"{show(value)} is {kind}" if value is not None else "is null"
