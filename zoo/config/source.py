"""Finds what a dotted path names by reading source files, without importing them.

Importing torch takes seconds, so a wrong option could not be refused at once if signatures came from `inspect`. Only
the files on the way to the name are read, each is parsed once; re-exports, aliases and star imports are followed.
What is made at run time (extension modules, `__getattr__`, metaclasses) is answered with None: not known.
"""

import ast
import functools
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


class NotFoundError(Exception):
    """A dotted path that names nothing.

    Args:
        parent: the part of the path that exists.
        name: the first part that does not.
        options: the names that the parent has.
    """

    def __init__(self, parent: str, name: str, options: tuple[str, ...]) -> None:
        super().__init__(parent, name, options)
        self.parent, self.name, self.options = parent, name, options


@dataclass(frozen=True, eq=False)
class Binding:
    """A statement that gives a name at the top level of a module, and whether a condition guards it."""

    node: ast.stmt
    alias: ast.alias | None = None
    conditional: bool = False


@dataclass(frozen=True, eq=False)
class Module:
    """A source file, parsed when a name in it is looked up.

    Args:
        name: dotted name.
        path: the file, or the folder of a package without `__init__.py`.
        is_package: whether it is an `__init__.py` or a bare folder.
    """

    name: str
    path: Path
    is_package: bool

    @functools.cached_property
    def text(self) -> str:
        """Its source, read when a name in it is looked up: on the way to torch.optim, torch/__init__.py is not."""
        return "" if self.path.is_dir() else self.path.read_text(encoding="utf-8")

    @functools.cached_property
    def bindings(self) -> dict[str, list[Binding]]:
        """The statements that bind each name, in order; star imports stand under "*"."""
        found: dict[str, list[Binding]] = {}
        try:
            body = ast.parse(self.text).body
        except (OSError, SyntaxError, ValueError):
            return {"__getattr__": []}  # its import will say what is wrong
        for name, binding in _bindings(body):
            found.setdefault(name, []).append(binding)
        return found

    @property
    def is_dynamic(self) -> bool:
        """Whether the module may have names that its statements do not show."""
        if "__getattr__" in self.bindings:
            return True
        return any(mark in self.text for mark in ("globals()", "sys.modules["))

    def absolute(self, node: ast.ImportFrom) -> str:
        """Returns the dotted name of the module that `from ... import` reads from."""
        if node.level == 0:
            return node.module or ""
        parts = self.name.split(".")
        keep = len(parts) - node.level + (1 if self.is_package else 0)
        return ".".join([*parts[:keep], *([node.module] if node.module else [])])


@dataclass(frozen=True, eq=False)
class Definition:
    """A class or function, and the module it stands in; `is_method` where it was reached through a class."""

    node: ast.ClassDef | Function
    module: Module
    is_method: bool = False


@dataclass(frozen=True, eq=False)
class Value:
    """A name that is assigned an expression, such as an alias of a type."""

    node: ast.expr
    module: Module


Found = Module | Definition | Value | None


def find(path: str, *, is_module: bool = False, _seen: frozenset[str] = frozenset()) -> Found:
    """Returns what a dotted path names, or None where reading cannot tell.

    Args:
        path: such as "torch.optim.AdamW".
        is_module: whether it is known to name a module, as what stands after `from` does.

    Raises:
        NotFoundError: there is certainly nothing of that name.
    """
    if not is_module and path in _seen:
        return None
    seen = _seen if is_module else _seen | {path}
    head, *rest = path.split(".")
    found: Found = _top_level(head)
    for index, name in enumerate(rest):
        if isinstance(found, Module):
            found = _member(found, name, seen, is_last=index == len(rest) - 1 and not is_module)
        elif isinstance(found, Definition) and isinstance(found.node, ast.ClassDef):
            methods = [node for node in found.node.body if isinstance(node, Function) and node.name == name]
            found = Definition(methods[-1], found.module, is_method=True) if methods else None
        else:
            return None
    return found


def lookup(expression: ast.expr, module: Module) -> Found:
    """Returns what a name or dotted name means inside a module, or None where reading cannot tell."""
    parts: list[str] = []
    while isinstance(expression, ast.Attribute):
        parts.insert(0, expression.attr)
        expression = expression.value
    if not isinstance(expression, ast.Name):
        return None
    try:
        found = _member(module, expression.id, frozenset(), is_last=True)
        for part in parts:
            if not isinstance(found, Module):
                return None
            found = _member(found, part, frozenset(), is_last=True)
    except NotFoundError:
        return None
    return found


def _top_level(name: str) -> Module | None:
    try:
        spec = importlib.util.find_spec(name)  # of a top-level name: it imports nothing
    except (ImportError, ValueError):
        return None
    if spec is None:
        raise NotFoundError("", name, ())
    if spec.origin and spec.origin.endswith(".py"):
        return _load(name, Path(spec.origin))
    if spec.submodule_search_locations:
        return _load(name, Path(next(iter(spec.submodule_search_locations))))
    return None


@functools.cache
def _load(name: str, path: Path) -> Module:
    return Module(name, path, is_package=path.is_dir() or path.name == "__init__.py")


def _submodule(module: Module, name: str) -> Module | None:
    if not module.is_package:
        return None
    folder = module.path if module.path.is_dir() else module.path.parent
    for path in (folder / name / "__init__.py", folder / f"{name}.py", folder / name):
        if path.is_file() or (path == folder / name and path.is_dir()):
            return _load(f"{module.name}.{name}", path)
    return None


def _member(module: Module, name: str, seen: frozenset[str], *, is_last: bool) -> Found:
    # A folder's file comes first on the way (`torch.optim` need not read torch/__init__.py), but a name that the
    # package binds comes first at the end: torchvision.models.alexnet is the function, not the file it stands in.
    if not is_last and (submodule := _submodule(module, name)):
        return submodule
    if name in module.bindings:
        return _resolve(module, module.bindings[name], seen)
    options = {option for option in module.bindings if option != "*"}
    is_certain = not module.is_dynamic
    for binding in module.bindings.get("*", []):
        assert isinstance(binding.node, ast.ImportFrom)
        try:
            found = _imported(module, binding.node, name, seen)
        except NotFoundError as error:
            options.update(error.options)
            continue
        if found is not None:
            return found
        is_certain = False
    if submodule := _submodule(module, name):
        return submodule
    if not is_certain or _is_compiled(module, name):
        return None
    options.update(_files(module))
    raise NotFoundError(module.name, name, tuple(sorted(option for option in options if not option.startswith("_"))))


def _imported(module: Module, node: ast.ImportFrom, name: str, seen: frozenset[str]) -> Found:
    """Returns what `from ... import name` in a module reaches."""
    origin = find(module.absolute(node), is_module=True, _seen=seen)
    if not isinstance(origin, Module):
        return None
    if origin.path == module.path:  # a package that imports its own submodule
        return _submodule(module, name)
    path = f"{origin.name}.{name}"
    return None if path in seen else _member(origin, name, seen | {path}, is_last=True)


def _is_compiled(module: Module, name: str) -> bool:
    folder = module.path if module.path.is_dir() else module.path.parent
    return module.is_package and any(folder.glob(f"{name}.*"))


def _files(module: Module) -> Iterator[str]:
    if module.is_package:
        folder = module.path if module.path.is_dir() else module.path.parent
        yield from (path.stem for path in folder.glob("*.py"))
        yield from (path.parent.name for path in folder.glob("*/__init__.py"))


def _resolve(module: Module, bindings: list[Binding], seen: frozenset[str]) -> Found:
    definitions = [binding for binding in bindings if isinstance(binding.node, ast.ClassDef | Function)]
    if definitions:
        distinct = [binding for binding in definitions if not _is_overload(binding.node)]
        if len(distinct) > 1 and any(binding.conditional for binding in distinct):
            return None
        node = definitions[-1].node
        assert isinstance(node, ast.ClassDef | Function)
        return Definition(node, module)
    imports = [binding for binding in bindings if binding.alias is not None]
    chosen = (imports or bindings)[-1]
    try:
        if isinstance(chosen.node, ast.ImportFrom) and chosen.alias:
            return _imported(module, chosen.node, chosen.alias.name, seen)
        if isinstance(chosen.node, ast.Import) and chosen.alias:
            name = chosen.alias.name
            return find(name if chosen.alias.asname else name.split(".")[0], _seen=seen)
    except NotFoundError:
        return None  # an optional dependency, or a name made at run time
    if isinstance(chosen.node, ast.Assign | ast.AnnAssign) and chosen.node.value is not None:
        value = chosen.node.value
        return lookup(value, module) or Value(value, module)
    return None


def _is_overload(node: ast.stmt) -> bool:
    return isinstance(node, Function) and any("overload" in ast.unparse(item) for item in node.decorator_list)


def _bindings(body: list[ast.stmt], conditional: bool = False) -> Iterator[tuple[str, Binding]]:
    for node in body:
        if isinstance(node, ast.ClassDef | Function):
            yield node.name, Binding(node, conditional=conditional)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                bound = alias.asname or (alias.name.split(".")[0] if isinstance(node, ast.Import) else alias.name)
                yield bound, Binding(node, alias, conditional)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                for name in ast.walk(target):
                    if isinstance(name, ast.Name):
                        yield name.id, Binding(node, conditional=conditional)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.For):
            for field in ("body", "orelse", "finalbody"):
                yield from _bindings(getattr(node, field, []), conditional=True)
            for handler in getattr(node, "handlers", []):
                yield from _bindings(handler.body, conditional=True)
