"""How many directions a layer's weights use.

Olivier Roy, Martin Vetterli, "The Effective Rank: A Measure of Effective Dimensionality", EUSIPCO 2007: the exponential
of the entropy of the singular values, as shares of their sum.
"""

import torch
from torch import Tensor, nn

from zoo.callbacks.layer_figures import weights_of

_SIDE = 256  # of larger matrices, as many rows and eight times as many columns, spread evenly
_MOST_LAYERS = 48


def effective_ranks(model: nn.Module) -> dict[str, float]:
    """Returns the effective rank of each layer as a share of the full one, 0 to 1, by name; of many, of some.

    Args:
        model: whose weights that can be trained are looked at; the largest matrix of a layer speaks for it.
    """
    largest: dict[str, Tensor] = {}
    for each in weights_of(model):
        if each.layer not in largest or each.parameter.numel() > largest[each.layer].numel():
            largest[each.layer] = each.parameter
    names = list(largest)
    places = torch.linspace(0, len(names) - 1, min(_MOST_LAYERS, len(names))).round().long().tolist()
    shares = {names[place]: effective_rank(largest[names[place]]) for place in places}
    return {name: share for name, share in shares.items() if share is not None}


@torch.no_grad()
def effective_rank(weight: Tensor) -> float | None:
    """Returns the effective rank as a share of the full one; None of a single row, and where it is not finite.

    Args:
        weight: a matrix, or a filter, whose first dimension is that of its outputs.
    """
    matrix = weight.detach().flatten(1).float().cpu()
    matrix = matrix if len(matrix) <= matrix.shape[1] else matrix.T
    matrix = _spread(_spread(matrix, _SIDE).T, 8 * _SIDE).double()
    if matrix.shape[1] < 2 or not matrix.isfinite().all():
        return None
    values = torch.linalg.eigvalsh(matrix.T @ matrix).clamp_min(0).sqrt()
    shares = values / values.sum().clamp_min(1e-30)
    return float(torch.special.entr(shares).sum().exp() / len(values))


def _spread(matrix: Tensor, limit: int) -> Tensor:
    if len(matrix) <= limit:
        return matrix
    return matrix[torch.linspace(0, len(matrix) - 1, limit).round().long()]
