"""What values an annotation allows, read from its source form.

An annotation becomes a rule that can say what it accepts and how to write it. What is not known (a class, a type
variable, an alias made at run time) accepts everything: a right option is never refused.
"""

import ast
import functools
import typing
from collections.abc import Mapping
from dataclasses import dataclass

import zoo.ranges
from zoo.config.source import Module, Value, lookup


class Rule:
    """What a value must be."""

    def accepts(self, value: object) -> bool:
        """Whether a plain value (number, text, list, mapping, None) is allowed."""
        raise NotImplementedError

    def __str__(self) -> str:
        """The rule as it reads after "must be"."""
        raise NotImplementedError


@dataclass(frozen=True)
class Anything(Rule):
    """No rule."""

    def accepts(self, value: object) -> bool:
        """Always."""
        return True

    def __str__(self) -> str:
        return "anything"


@dataclass(frozen=True)
class Plain(Rule):
    """A type that YAML has.

    Args:
        words: how it is called.
        types: the Python types it allows; bool passes for int only where it is named.
    """

    words: str
    types: tuple[type, ...]

    def accepts(self, value: object) -> bool:
        """Whether the type matches; a node that will be built may become anything."""
        return is_node(value) or type(value) in self.types

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class Ranged(Rule):
    """A number in an interval."""

    rule: Rule
    interval: zoo.ranges.Range

    def accepts(self, value: object) -> bool:
        """Whether the number has the type and lies within the interval."""
        if is_node(value) or not self.rule.accepts(value):
            return is_node(value)
        return isinstance(value, int | float) and value in self.interval

    def __str__(self) -> str:
        return f"{self.rule}, {self.interval}"


@dataclass(frozen=True)
class Choice(Rule):
    """One of a few values."""

    values: tuple[object, ...]

    def accepts(self, value: object) -> bool:
        """Whether it is one of them, of the same type."""
        return is_node(value) or any(type(value) is type(item) and value == item for item in self.values)

    def __str__(self) -> str:
        return f"one of {', '.join(dict.fromkeys(show(value) for value in self.values))}"


@dataclass(frozen=True)
class Items(Rule):
    """A list; `rules` holds one rule for all items, or one for each where the length is fixed."""

    rules: tuple[Rule, ...]
    is_fixed: bool = False

    def accepts(self, value: object) -> bool:
        """Whether it is a list of which every item is allowed."""
        if is_node(value) or not isinstance(value, list | tuple):
            return is_node(value)
        if self.is_fixed:
            if len(value) != len(self.rules):
                return False
            return all(rule.accepts(item) for rule, item in zip(self.rules, value, strict=True))
        return all(self.rules[0].accepts(item) for item in value)

    def __str__(self) -> str:
        if self.is_fixed:
            return f"a list of {len(self.rules)}: {'; '.join(str(rule) for rule in self.rules)}"
        return "a list" if isinstance(self.rules[0], Anything) else f"a list, each item {self.rules[0]}"


@dataclass(frozen=True)
class AnyOf(Rule):
    """Whatever one of several rules allows."""

    rules: tuple[Rule, ...]

    def accepts(self, value: object) -> bool:
        """Whether one of the rules accepts it."""
        # Names last: what they stand for may have to be read from other files.
        return any(rule.accepts(value) for rule in sorted(self.rules, key=lambda rule: isinstance(rule, Named)))

    def __str__(self) -> str:
        return " or ".join(dict.fromkeys(str(rule) for rule in self.rules if rule is not OBJECT))


@dataclass(frozen=True, eq=False)
class Named(Rule):
    """What a name of the module stands for, looked up when it is needed."""

    annotation: ast.expr
    module: Module
    depth: int

    @functools.cached_property
    def meaning(self) -> Rule:
        """The rule behind the name."""
        found = lookup(self.annotation, self.module)
        return rule_of(found.node, found.module, self.depth) if isinstance(found, Value) else ANYTHING

    def accepts(self, value: object) -> bool:
        """Whether that accepts it."""
        return self.meaning.accepts(value)

    def __str__(self) -> str:
        return str(self.meaning)


ANYTHING = Anything()
INTEGER = Plain("an integer", (int,))
NUMBER = Plain("a number", (int, float))
NULL = Plain("null", (type(None),))
# Never written in YAML but as a node: a plain value in their place is wrong.
OBJECT = Plain("an object (a node with _target_)", ())
_PLAIN: dict[str, Rule] = {
    "int": INTEGER,
    "float": NUMBER,
    "bool": Plain("true or false", (bool,)),
    "str": Plain("text", (str,)),
    "None": NULL,
    "Tensor": OBJECT,
    "Optimizer": OBJECT,
    "LRScheduler": OBJECT,
}
_LISTS = {
    "list",
    "List",
    "Sequence",
    "MutableSequence",
    "Collection",
    "Iterable",
    "set",
    "Set",
    "frozenset",
    "FrozenSet",
}
_MAPPINGS = {"dict", "Dict", "Mapping", "MutableMapping"}
_RANGES = {name: alias for name, alias in vars(zoo.ranges).items() if typing.get_origin(alias) is typing.Annotated}


def is_node(value: object) -> bool:
    """Whether a value is a mapping that names what to build."""
    return isinstance(value, Mapping) and "_target_" in value


def show(value: object) -> str:
    """Returns a value as it is written in YAML."""
    return (
        {None: "null", True: "true", False: "false"}[value]
        if value is None or value is True or value is False
        else str(value)
    )


def rule_of(annotation: ast.expr | None, module: Module, _depth: int = 0) -> Rule:
    """Returns the rule that an annotation states.

    Args:
        annotation: as written, or None where there is none.
        module: where its names mean something.
    """
    if annotation is None or _depth > 20:
        return ANYTHING
    depth = _depth + 1
    match annotation:
        case ast.Constant(value=None):
            return NULL
        case ast.Constant(value=str(text)):
            try:
                return rule_of(ast.parse(text, mode="eval").body, module, depth)
            except SyntaxError:
                return ANYTHING
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _any_of([rule_of(left, module, depth), rule_of(right, module, depth)])
        case ast.Subscript(value=generic, slice=arguments):
            items = arguments.elts if isinstance(arguments, ast.Tuple) else [arguments]
            return _generic(_name(generic), items, module, depth)
        case ast.Name() | ast.Attribute():
            return _named(annotation, module, depth)
    return ANYTHING


def _named(annotation: ast.Name | ast.Attribute, module: Module, depth: int) -> Rule:
    name = _name(annotation)
    if name in _RANGES:
        kind, interval = typing.get_args(_RANGES[name])
        return Ranged(INTEGER if kind is int else NUMBER, interval)
    if name in _PLAIN and not _is_shadowed(name, module):
        return _PLAIN[name]
    if name in _LISTS or name in ("tuple", "Tuple"):
        return Items((ANYTHING,))
    if name in _MAPPINGS:
        return Plain("a mapping", (dict,))
    return Named(annotation, module, depth)


def simplified(rule: Rule) -> tuple[Rule, ...]:
    """Returns the alternatives of a rule, with all names looked up and all choices in one.

    Args:
        rule: as `rule_of` gives it.
    """
    if isinstance(rule, Named):
        return simplified(rule.meaning)
    if not isinstance(rule, AnyOf):
        return (rule,)
    parts = [part for each in rule.rules for part in simplified(each)]
    choices = tuple(value for part in parts if isinstance(part, Choice) for value in part.values)
    others = [part for part in parts if not isinstance(part, Choice) and part is not OBJECT]
    return tuple(dict.fromkeys([Choice(choices), *others] if choices else others or parts))


def _is_shadowed(name: str, module: Module) -> bool:
    bindings = module.bindings.get(name, ())
    return any(isinstance(binding.node, ast.ClassDef | ast.Assign) for binding in bindings)


def _generic(name: str, items: list[ast.expr], module: Module, depth: int) -> Rule:
    if name == "Literal":
        values = tuple(item.value for item in items if isinstance(item, ast.Constant))
        return Choice(values) if len(values) == len(items) else ANYTHING
    if name in ("Annotated", "Final", "Required", "NotRequired", "InitVar"):
        return rule_of(items[0], module, depth)
    if name not in {"Optional", "Union", "tuple", "Tuple"} | _LISTS | _MAPPINGS:
        return ANYTHING
    if name in _MAPPINGS:
        return Plain("a mapping", (dict,))
    if name in ("tuple", "Tuple") and isinstance(items[-1], ast.Constant) and items[-1].value is ...:
        items, name = items[:-1], "list"
    rules = [rule_of(item, module, depth) for item in items]
    if name == "Optional":
        return _any_of([*rules, NULL])
    if name == "Union":
        return _any_of(rules)
    return Items(tuple(rules), is_fixed=name in ("tuple", "Tuple"))


def _any_of(rules: list[Rule]) -> Rule:
    flat = [part for rule in rules for part in (rule.rules if isinstance(rule, AnyOf) else (rule,))]
    if any(isinstance(rule, Anything) for rule in flat):
        return ANYTHING
    return AnyOf(tuple(flat))


def _name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
