"""From the name in a YAML file to the class it means, with an error that helps where there is none."""

import difflib
import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from torch import nn

# To import a module is to run it, so a name in a config may not lead anywhere; as in zoo.config.allowed.
MODULES = ("torch.nn", "zoo.layers")
_packages: ContextVar[tuple[str, ...]] = ContextVar("packages", default=())


@contextmanager
def importable(packages: Sequence[str]) -> Iterator[None]:
    """Lets the paths of classes lead into packages of the user's while models are built.

    Args:
        packages: such as ["my_package"].
    """
    token = _packages.set(tuple(packages))
    try:
        yield
    finally:
        _packages.reset(token)


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> ValueError:
    """The error for a name that is none of the choices: it names the nearest one and lists them all.

    Args:
        kind: what is named, as a user would say it ("activation").
        name: the name that was found.
        choices: the names that exist; of more than twenty only the nearest are listed.

    Returns:
        A ValueError to raise.
    """
    choices = list(choices)
    nearest = difflib.get_close_matches(name.lower(), choices, n=5, cutoff=0.5)
    hint = f"did you mean {nearest[0]}? " if nearest else ""
    listed = choices if len(choices) <= 20 else [*(nearest or choices[:5]), f"... ({len(choices)} in all)"]
    return ValueError(f"unknown {kind} {name!r}; {hint}choose one of {', '.join(listed)}")


def find_module_class(kind: str, name: str, choices: Mapping[str, type[nn.Module]]) -> type[nn.Module]:
    """The class that a short name or a dotted path means.

    Args:
        kind: what is named, for the error.
        name: a key of `choices`, or the path of an `nn.Module` class in torch.nn, in zoo.layers, or in a package that
            `importable` names, such as `torch.nn.Mish` or `my_package.MyNorm`.
        choices: the short names.

    Returns:
        The class, not built.

    Raises:
        ValueError: if there is no such class, it is no `nn.Module`, or it stands elsewhere.
    """
    if name in choices:
        return choices[name]
    module_path, _, class_name = name.rpartition(".")
    if not module_path:
        raise unknown_name(kind, name, [*choices, "or a path such as torch.nn.Identity"])
    packages = (*MODULES, *_packages.get())
    if not _is_below(module_path, packages):
        root = module_path.partition(".")[0]
        raise ValueError(f"{kind} {name!r} is not imported; if you trust the package, add allow=[{root}]")
    try:
        found = getattr(importlib.import_module(module_path), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{kind} {name!r} cannot be imported ({error}); check the path, it must be on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{kind} {name!r} is no torch.nn.Module class; name a class that is one")
    if not _is_below(found.__module__, packages):
        raise ValueError(f"{kind} {name!r} is defined in {found.__module__}; name a class of {', '.join(packages)}")
    return found


def _is_below(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
