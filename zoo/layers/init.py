"""Initial weights by the name of a scheme, for a whole model.

Kaiming He et al., "Delving Deep into Rectifiers", 2015, arXiv:1502.01852 (kaiming); Xavier Glorot, Yoshua Bengio,
"Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010 (xavier); Andrew M. Saxe et
al., "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2013, arXiv:1312.6120
(orthogonal); Priya Goyal et al., "Accurate, Large Minibatch SGD", 2017, arXiv:1706.02677, section 5.1
(zero_residual).

The gain is computed from the activation itself, not taken from `torch.nn.init.calculate_gain`, whose table knows only a
few activations and holds empirical values for some of them.
"""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.naming import unknown_name

WeightInit = Callable[[Tensor, float], Tensor]


@runtime_checkable
class ResidualBlock(Protocol):
    """A block that can start as its shortcut alone."""

    def zero_residual(self) -> None:
        """Set the last layer of the residual branch to zero."""


def activation_gain(activation: str) -> float:
    """The factor g that keeps the second moment of signals: g² E[f(z)²] = 1 for z ~ N(0, 1).

    It is √2 for relu, as He et al. derive. The integral is a sum over a fixed grid: exact to about 1e-4 and without
    random numbers.

    Args:
        activation: a name that `make_activation` knows.

    Returns:
        The gain, above 0.
    """
    z = torch.linspace(-8, 8, 8001)
    density = torch.exp(-0.5 * z**2)
    with torch.no_grad():
        second_moment = (make_activation(activation)(z) ** 2 * density).sum() / density.sum()
    return 1 / math.sqrt(second_moment.item())


def kaiming(weight: Tensor, gain: float) -> Tensor:
    """Normal with variance gain² / fan_in: what goes forward keeps its scale, in depthwise convolutions too."""
    fan_in = weight[0].numel()
    return nn.init.normal_(weight, std=gain / math.sqrt(fan_in))


SCHEMES: dict[str, WeightInit | None] = {
    "default": None,
    "kaiming": kaiming,
    "xavier": nn.init.xavier_uniform_,
    "orthogonal": nn.init.orthogonal_,
    "zero_residual": kaiming,
}


def initialize(model: nn.Module, scheme: str, activation: str = "relu") -> None:
    """Set the weights of every convolution and linear layer of a model in place, and their biases to zero.

    Args:
        model: the model; its norm layers keep weight 1 and bias 0.
        scheme: "default" leaves torch's own; "kaiming", "xavier" and "orthogonal" as in the papers above;
            "zero_residual" is kaiming with every residual block starting as its shortcut: the weight of its last norm
            is zero (or of its last convolution: the blocks' method `zero_residual` knows).
        activation: the name of the model's activation, from which the gain follows.

    Raises:
        ValueError: if the scheme is unknown, or "zero_residual" is asked of a model without residual blocks.
    """
    if scheme not in SCHEMES:
        raise unknown_name("init", scheme, SCHEMES)
    initialize_weight = SCHEMES[scheme]
    if initialize_weight is None:
        return
    gain = activation_gain(activation)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
            initialize_weight(module.weight, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    if scheme == "zero_residual":
        _zero_residual_blocks(model)


def _zero_residual_blocks(model: nn.Module) -> None:
    blocks = [module for module in model.modules() if isinstance(module, ResidualBlock)]
    if not blocks:
        raise ValueError(f"init zero_residual: {type(model).__name__} has no residual blocks; choose kaiming")
    for block in blocks:
        block.zero_residual()
