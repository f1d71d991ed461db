"""Penalties on weights that an optimizer's weight decay does not cover."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor


def l1_penalty(weights: Iterable[Tensor]) -> Float[Tensor, ""]:
    """Sum the absolute values of weights, which drives them to zero (Tibshirani, 1996).

    Args:
        weights: at least one tensor; of a model, those of `zoo.optim.parameter_groups.decayed_parameters`.

    Returns:
        The sum, in float32 or better.
    """
    return torch.stack(
        [weight.abs().sum(dtype=torch.promote_types(weight.dtype, torch.float32)) for weight in weights]
    ).sum()
