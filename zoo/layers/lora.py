"""Low-rank adapters: what fine-tuning adds to a layer is a product of two thin matrices.

Edward Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021, arXiv:2106.09685. A convolution gets a
convolution to `rank` channels and one of 1x1 back. Where we deviate: the adapter is a part of its layer and adds to the
output by a hook, so that the names of the layer's own weights stay what they were.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from zoo.ranges import PositiveFloat, PositiveInt

NAME = "adapter"  # of the part of a layer


class Adapter(nn.Module):
    """Adds `alpha / rank` times a product of rank `rank`, which is zero at the start.

    Args:
        layer: `nn.Linear`, or `nn.Conv2d` without groups.
        rank: of the product.
        alpha: weight of the product, times `rank`.

    Raises:
        ValueError: the layer has fewer inputs or outputs than `rank`.
    """

    def __init__(self, layer: nn.Linear | nn.Conv2d, *, rank: PositiveInt, alpha: PositiveFloat) -> None:
        super().__init__()
        most = min(layer.weight.shape[0], layer.weight[0].numel())
        if rank > most:
            raise ValueError(f"rank {rank}: a layer of weight {list(layer.weight.shape)} has no more than {most}")
        self.scale = alpha / rank
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(layer, nn.Linear):
            self.down = nn.Linear(layer.in_features, rank, bias=False)
            self.up = nn.Linear(rank, layer.out_features, bias=False)
        else:
            sizes: Any = {name: getattr(layer, name) for name in ("kernel_size", "stride", "padding", "dilation")}
            self.down = nn.Conv2d(layer.in_channels, rank, **sizes, padding_mode=layer.padding_mode, bias=False)
            self.up = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        nn.init.zeros_(self.up.weight)
        self.to(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """What is added to the output of the layer for its input."""
        added: Tensor = self.up(self.down(x)) * self.scale
        return added


def add_adapters(
    model: nn.Module, *, rank: PositiveInt, alpha: PositiveFloat, targets: str, without: Iterable[nn.Module] = ()
) -> int:
    """Gives an adapter to each linear layer and convolution that a regular expression finds.

    Args:
        model: any module; those of its layers that have one keep it.
        rank: of each adapter.
        alpha: weight of each adapter, times `rank`.
        targets: found anywhere in the name of a layer; "" finds all.
        without: modules in which no layer gets one.

    Returns:
        How many adapters were added.

    Raises:
        ValueError: the expression is none, finds no layer, or one that `rank` is too large for.
    """
    try:
        pattern = re.compile(targets)
    except re.error as error:
        raise ValueError(f"targets {targets!r}: no regular expression ({error}); correct it") from error
    spared = {id(module) for part in without for module in part.modules()}
    layers = {
        name: module
        for name, module in model.named_modules()
        if id(module) not in spared and pattern.search(name) and can_be_adapted(module)
    }
    if not layers:
        raise ValueError(f"targets {targets!r}: no linear layer or convolution is named so; print the model")
    for name, layer in layers.items():
        if hasattr(layer, NAME):
            continue
        try:
            layer.add_module(NAME, Adapter(layer, rank=rank, alpha=alpha))
        except ValueError as error:
            raise ValueError(f"{name}: {error}; lower finetune.rank, or leave it out by finetune.targets") from error
        layer.register_forward_hook(_add)
    return len(layers)


def can_be_adapted(module: nn.Module) -> bool:
    """Whether a module is a linear layer or a convolution that is called; torch's attention reads its own weights."""
    if isinstance(module, nn.Conv2d):
        return module.groups == 1
    return isinstance(module, nn.Linear) and not isinstance(module, nn.modules.linear.NonDynamicallyQuantizableLinear)


def _add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    added: Tensor = layer.adapter(inputs[0])  # type: ignore[operator]
    return output + added
