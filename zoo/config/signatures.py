"""The parameters of a class or function, read from its source: the schema that options are checked against.

`inspect.signature` would need an import, and importing torch and lightning takes seconds. Decorators are taken to keep
the signature. Where reading cannot tell, the answer is None and nothing is checked.
"""

import ast
import functools
from dataclasses import dataclass, replace
from typing import Literal

from zoo.config.source import Definition, Function, Module, find, lookup

Kind = Literal["positional_only", "positional_or_keyword", "var_positional", "keyword_only", "var_keyword"]


@dataclass(frozen=True, eq=False)
class Parameter:
    """One parameter.

    Args:
        name: its name.
        kind: how it may be given, as in `inspect.Parameter.kind`.
        annotation: its type as written, or None.
        default: its default as written, or None where it has none.
        module: where the names in the annotation mean something.
    """

    name: str
    kind: Kind
    annotation: ast.expr | None
    default: ast.expr | None
    module: Module

    @property
    def has_default(self) -> bool:
        """Whether it may be left out."""
        return self.default is not None or self.kind in ("var_positional", "var_keyword")


@dataclass(frozen=True, eq=False)
class Signature:
    """What a class or function takes.

    Args:
        name: short name of the class or function.
        parameters: those that can be named, in order, and `*args`.
        accepts_any: whether names beside them are taken too.
    """

    name: str
    parameters: tuple[Parameter, ...] = ()
    accepts_any: bool = False

    @property
    def options(self) -> dict[str, Parameter]:
        """The parameters that can be given by name."""
        named = ("positional_or_keyword", "keyword_only")
        return {parameter.name: parameter for parameter in self.parameters if parameter.kind in named}


@functools.cache
def signature(target: str) -> Signature | None:
    """Returns the signature of a class or function, or None where reading its source cannot tell.

    Args:
        target: dotted path, such as "torch.optim.AdamW".

    Raises:
        NotFoundError: there is certainly nothing of that name.
    """
    found = find(target)
    if not isinstance(found, Definition):
        return None
    if isinstance(found.node, ast.ClassDef):
        return _of_class(found, frozenset())
    decorators = {ast.unparse(item) for item in found.node.decorator_list}
    if found.is_method and not decorators & {"classmethod", "staticmethod"}:
        return None
    return _of_function(found.node, found.module, bound="classmethod" in decorators)


def _of_function(node: Function, module: Module, *, bound: bool) -> Signature:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    defaults += arguments.defaults
    parameters: list[Parameter] = []
    for index, (argument, default) in enumerate(zip(positional, defaults, strict=True)):
        kind: Kind = "positional_only" if index < len(arguments.posonlyargs) else "positional_or_keyword"
        parameters.append(Parameter(argument.arg, kind, argument.annotation, default, module))
    parameters = parameters[1:] if bound else parameters
    if arguments.vararg:
        parameters.append(Parameter(arguments.vararg.arg, "var_positional", None, None, module))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        parameters.append(Parameter(argument.arg, "keyword_only", argument.annotation, default, module))
    return Signature(node.name, tuple(parameters), accepts_any=arguments.kwarg is not None)


def _of_class(found: Definition, seen: frozenset[ast.AST]) -> Signature | None:
    node, module = found.node, found.module
    assert isinstance(node, ast.ClassDef)
    if node in seen or any(
        item.arg == "metaclass" and "ABCMeta" not in ast.unparse(item.value) for item in node.keywords
    ):
        return None
    seen = seen | {node}
    if any(_last_name(item) in ("dataclass", "dataclass_transform") for item in node.decorator_list):
        return _of_dataclass(found, seen)
    if any(_last_name(item) in ("define", "attrs", "s") for item in node.decorator_list):
        return None
    for name in ("__init__", "__new__"):
        constructors = [item for item in node.body if isinstance(item, Function) and item.name == name]
        if constructors:
            own = replace(_of_function(constructors[-1], module, bound=True), name=node.name)
            return _with_forwarded(own, constructors[-1], found, seen) if own.accepts_any else own
    inherited = _inherited(found, seen)
    return inherited and replace(inherited, name=node.name)


def _inherited(found: Definition, seen: frozenset[ast.AST]) -> Signature | None:
    """Returns the first signature among the bases: empty where only `object` is left, None where one is not known."""
    assert isinstance(found.node, ast.ClassDef)
    for expression in found.node.bases:
        base = expression.value if isinstance(expression, ast.Subscript) else expression
        if _last_name(base) in ("object", "ABC", "Generic", "Protocol"):
            continue
        definition = lookup(base, found.module)
        if not isinstance(definition, Definition) or not isinstance(definition.node, ast.ClassDef):
            return None
        signature = _of_class(definition, seen)
        if signature is None or signature.parameters or signature.accepts_any:
            return signature
    return Signature(found.node.name)


def _with_forwarded(own: Signature, constructor: Function, found: Definition, seen: frozenset[ast.AST]) -> Signature:
    """Adds the base's parameters where `**kwargs` does nothing but go to `super().__init__`."""
    assert constructor.args.kwarg is not None
    kwargs = constructor.args.kwarg.arg
    uses = [node for node in ast.walk(constructor) if isinstance(node, ast.Name) and node.id == kwargs]
    calls = [
        node
        for node in ast.walk(constructor)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "super().__init__"
        and any(item.arg is None and item.value in uses for item in node.keywords)
    ]
    base = _inherited(found, seen) if len(calls) == 1 and len(uses) == 1 else None
    if base is None or any(isinstance(item, ast.Starred) for item in calls[0].args):
        return own
    given = {item.arg for item in calls[0].keywords} | set(own.options)
    rest = [parameter for parameter in base.parameters[len(calls[0].args) :] if parameter.name not in given]
    rest = [parameter for parameter in rest if parameter.kind in ("positional_or_keyword", "keyword_only")]
    added = tuple(replace(parameter, kind="keyword_only") for parameter in rest)
    return Signature(own.name, own.parameters + added, accepts_any=base.accepts_any)


def _of_dataclass(found: Definition, seen: frozenset[ast.AST]) -> Signature | None:
    assert isinstance(found.node, ast.ClassDef)
    if any(isinstance(item, Function) and item.name == "__init__" for item in found.node.body):
        return None
    inherited = _inherited(found, seen)
    if inherited is None:
        return None
    fields = {parameter.name: parameter for parameter in inherited.parameters}
    for item in found.node.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        if "ClassVar" in ast.unparse(item.annotation) or "KW_ONLY" in ast.unparse(item.annotation):
            continue
        default = item.value
        if isinstance(default, ast.Call) and _last_name(default.func) == "field":
            settings = {keyword.arg: keyword.value for keyword in default.keywords}
            init = settings.get("init")
            if isinstance(init, ast.Constant) and init.value is False:
                continue
            default = settings.get("default") or settings.get("default_factory")
        name = item.target.id
        fields[name] = Parameter(name, "positional_or_keyword", item.annotation, default, found.module)
    return Signature(found.node.name, tuple(fields.values()))


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Call):
        return _last_name(expression.func)
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
