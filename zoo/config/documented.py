"""The options of a class with what its docstring says of them, read from its source."""

import ast
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from zoo.config.annotations import ANYTHING, rule_of, show
from zoo.config.signatures import signature
from zoo.config.source import Definition, NotFoundError, find, lookup

_ARGUMENT = re.compile(r"^(\w+)(?: \([^)]*\))?: *(.*)$")


class Option(NamedTuple):
    """An option of a class.

    Attributes:
        name: its name.
        value: what it is unless another value is given.
        kind: what it must be, "" where that is not known.
        meaning: what the docstring says.
    """

    name: str
    value: str
    kind: str
    meaning: str


def options_of(target: str, node: Mapping[str, Any]) -> list[Option]:
    """Returns the options of a class or function, those of a YAML node with its values.

    Args:
        target: dotted path.
        node: what the YAML says.
    """
    try:
        schema, found = signature(target), find(target)
    except NotFoundError:
        schema, found = None, None
    meanings = _meanings(found) if isinstance(found, Definition) else {}
    options = []
    for name, parameter in (schema.options if schema else {}).items():
        if node.get("_partial_") and parameter.default is None and name not in node:
            continue  # what is passed when the run begins, such as the weights to an optimizer
        default = "REQUIRED" if parameter.default is None else _plain(parameter.default)
        rule = rule_of(parameter.annotation, parameter.module)
        kind = str(rule) if rule is not ANYTHING else ""
        value = described(node[name]) if name in node else default
        options.append(Option(name, value, "" if kind == "anything" else kind, meanings.get(name, "")))
    rest = [key for key in node if not key.startswith("_") and key not in {option.name for option in options}]
    return [*options, *(Option(key, described(node[key]), "", meanings.get(key, "")) for key in rest)]


def first_line(target: str) -> str:
    """Returns the first line of the docstring of what a dotted path names, "" where there is none."""
    try:
        found = find(target)
    except NotFoundError:
        return ""
    text = ast.get_docstring(found.node) if isinstance(found, Definition) else None
    return (text or "").partition("\n")[0]


def described(value: Any) -> str:
    """Returns a value in a line, an object by the name of its class."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{key}: {described(item)}" for key, item in value.items() if key != "_target_")
        name = str(value["_target_"]).rpartition(".")[2] if "_target_" in value else ""
        return f"{name}({inner})" if name else f"{{{inner}}}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(described, value))}]"
    return show(value)


def _plain(default: ast.expr) -> str:
    try:
        return described(ast.literal_eval(default))
    except ValueError:
        return ast.unparse(default)


def _meanings(found: Definition, depth: int = 0) -> dict[str, str]:
    """Returns what the docstrings of a class and its bases say of arguments, the class's own last."""
    meanings: dict[str, str] = {}
    if isinstance(found.node, ast.ClassDef) and depth < 8:
        for expression in found.node.bases:
            base = lookup(expression.value if isinstance(expression, ast.Subscript) else expression, found.module)
            if isinstance(base, Definition):
                meanings |= _meanings(base, depth + 1)
        bodies = [item for item in found.node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
        for body in bodies:
            meanings |= _arguments(ast.get_docstring(body) or "")
    return meanings | _arguments(ast.get_docstring(found.node) or "")


def _arguments(docstring: str) -> dict[str, str]:
    """Returns the entries of the section Args."""
    found: dict[str, str] = {}
    name, inside = "", False
    for line in docstring.splitlines():
        if line and not line.startswith(" "):
            inside = line.strip() in ("Args:", "Arguments:", "Attributes:")
        elif inside and line.startswith("    ") and (match := _ARGUMENT.match(line[4:])):
            name = match[1]
            found[name] = match[2]
        elif inside and name and line.strip():
            found[name] = f"{found[name]} {line.strip()}"
    return found
