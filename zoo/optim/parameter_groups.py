"""Which parameters weight decay shrinks, and the two parameter groups that follow from it.

Decay pulls a weight that multiplies features towards zero. It has no such meaning for what is added to features or
scales them: biases, norms, layer scales, embeddings, class tokens. A parameter used in two places (tied weights) is
decayed only if both would be.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

UNDECAYED_MODULES = (nn.LayerNorm, nn.RMSNorm, nn.Embedding, nn.EmbeddingBag)  # may hold parameters of two dimensions
UNDECAYED_NAMES = re.compile("bias|embed|token|scale")  # of bare parameters, as in `pos_embed` or `class_token`


def decayed_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Name the parameters that weight decay applies to.

    Args:
        model: any module; frozen parameters are treated like the rest.

    Returns:
        The decayed parameters by name, each once, in the model's order.
    """
    exempt = {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim < 2 or isinstance(module, UNDECAYED_MODULES) or UNDECAYED_NAMES.search(name)
    }
    return {name: parameter for name, parameter in model.named_parameters() if id(parameter) not in exempt}


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split all parameters into those with and those without weight decay.

    Frozen parameters are included: freezing is a function of the epoch, so a run that is resumed in the middle needs
    the same groups as one that starts.

    Args:
        model: any module.
        weight_decay: the decay of the first group; not negative.

    Returns:
        The groups `decay` and `no_decay`, without the one that would be empty; parameters as (name, parameter) pairs.
    """
    decayed = decayed_parameters(model)
    rest = {name: parameter for name, parameter in model.named_parameters() if name not in decayed}
    return without_empty(
        {"name": "decay", "params": list(decayed.items()), "weight_decay": weight_decay},
        {"name": "no_decay", "params": list(rest.items()), "weight_decay": 0.0},
    )


def split_by_lr(groups: Sequence[dict[str, Any]], factors: Mapping[str, float], lr: float) -> list[dict[str, Any]]:
    """Split groups so that all parameters of one have the same learning rate.

    Args:
        groups: as `parameter_groups` returns them.
        factors: what the learning rate of a parameter is multiplied by, by its name.
        lr: the learning rate.

    Returns:
        The groups by descending learning rate, named as before and by their factor; those of each keep their order.
    """
    split: dict[tuple[float, int], dict[str, Any]] = {}
    for place, group in enumerate(groups):
        for name, parameter in group["params"]:
            factor = factors.get(name, 1.0)
            own = {**group, "name": f"{group['name']} x{factor:.4g}", "params": [], "lr": lr * factor}
            split.setdefault((-factor, place), own)["params"].append((name, parameter))
    return [split[key] for key in sorted(split)]


def without_empty(*groups: dict[str, Any]) -> list[dict[str, Any]]:
    """Drop the groups that have no parameters: torch refuses them beside groups with named ones."""
    return [group for group in groups if group["params"]]
