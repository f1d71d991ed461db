"""From the name in a YAML file to the class it means, with an error that helps where there is none."""

import difflib
import importlib
from collections.abc import Iterable, Mapping

from torch import nn


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
        name: a key of `choices`, or the path of any `nn.Module` class, such as `torch.nn.Mish` or `my_package.MyNorm`.
        choices: the short names.

    Returns:
        The class, not built.

    Raises:
        ValueError: if there is no such class, or it is no `nn.Module`.
    """
    if name in choices:
        return choices[name]
    module_path, _, class_name = name.rpartition(".")
    if not module_path:
        raise unknown_name(kind, name, [*choices, "or a path such as torch.nn.Identity"])
    try:
        found = getattr(importlib.import_module(module_path), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{kind} {name!r} cannot be imported ({error}); check the path, it must be on PYTHONPATH"
        ) from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{kind} {name!r} is no torch.nn.Module class; name a class that is one")
    return found
