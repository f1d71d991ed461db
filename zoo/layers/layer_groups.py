"""The layers of a model in groups from input to head, and what belongs to each of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass
class LayerGroup:
    """One of the groups that a model names by `layer_groups()`.

    Attributes:
        name: of its first module, as in `named_modules`.
        parameters: by their names in the model; each is in one group.
        modules: all that lie in it, and those without parameters that lie in no group and come before it, such as the
            dropout before a head.
    """

    name: str
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    modules: list[nn.Module] = field(default_factory=list)


def grouped(model: nn.Module) -> list[LayerGroup]:
    """Returns the groups of a model, input to head; what is in none of them joins the one that follows.

    Args:
        model: with `layer_groups()`; the last group is the head.

    Raises:
        ValueError: the model does not name its groups, or has fewer than two.
    """
    named: Sequence[Sequence[nn.Module]] = getattr(model, "layer_groups", list)()
    if len(named) < 2:
        problem = "has no layer_groups()" if not named else "has a single group of layers"
        raise ValueError(f"{type(model).__name__} {problem}: nothing can be frozen; set finetune=full")
    names = {id(module): name for name, module in model.named_modules()}
    place = {id(module): index for index, group in enumerate(named) for part in group for module in part.modules()}
    weights = {id(weight): index for index, group in enumerate(named) for part in group for weight in part.parameters()}
    groups = [LayerGroup(_name(group, names, model)) for group in named]
    for name, parameter in model.named_parameters():
        groups[weights.get(id(parameter), 0)].parameters[name] = parameter
    following = len(groups) - 1
    for module in reversed(list(model.modules())):
        is_leaf = next(module.children(), None) is None
        following = place.get(id(module), following)
        if id(module) in place or is_leaf:
            groups[following].modules.insert(0, module)
    return groups


def _name(group: Sequence[nn.Module], names: dict[int, str], model: nn.Module) -> str:
    """The name of the first module that has one, else that of the first parameter, as of a class token."""
    found = next((names[id(module)] for module in group if id(module) in names), None)
    if found is None:
        own: set[Any] = {id(parameter) for module in group for parameter in module.parameters()}
        found = next((name for name, parameter in model.named_parameters() if id(parameter) in own), "")
    return f"{found} ..." if len(group) > 1 else found
