"""The kernel distance between samples: the maximum mean discrepancy of their features, without bias.

Bińkowski, Sutherland, Arbel, Gretton, "Demystifying MMD GANs", 2018, arXiv:1801.01401. The paper draws subsets; here
all pairs are compared, which draws nothing and varies less.
"""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

_TILE = 500  # samples on each side of a tile of pairs


def kernel_distance(
    generated: Float[Tensor, "N D"],
    real: Float[Tensor, "M D"],
    *,
    within_real: Float64[Tensor, ""] | None = None,
) -> Float64[Tensor, ""]:
    """The squared discrepancy by the kernel (x y / D + 1)^3; on average 0 for equal distributions, so at times below.

    Args:
        generated: features of at least two samples.
        real: likewise.
        within_real: `mean_kernel(real)`, where it is known.
    """
    within = mean_kernel(real) if within_real is None else within_real
    return mean_kernel(generated) + within - 2 * mean_kernel(generated, real)


def mean_kernel(first: Float[Tensor, "N D"], second: Float[Tensor, "M D"] | None = None) -> Float64[Tensor, ""]:
    """The mean kernel of all pairs, or of all pairs of two different samples of the same."""
    if second is not None:
        return _sum(first, second) / (len(first) * len(second))
    same = (first.double().square().mean(1) + 1).pow(3).sum()
    return (_sum(first, first) - same) / (len(first) * (len(first) - 1))


def _sum(first: Tensor, second: Tensor) -> Tensor:
    """The sum of the kernel over all pairs, tile by tile, which stay in a processor's cache."""
    # A one beside the features makes the kernel the cube of a product, and the sum of a tile a product of its entries.
    rows, columns = ([_scaled(part) for part in torch.split(side.float(), _TILE)] for side in (first, second))
    total = torch.zeros((), dtype=torch.float64, device=first.device)
    for row in rows:
        for column in columns:
            products = (row @ column.T).flatten()
            total += products.square().dot(products)
    return total


def _scaled(features: Tensor) -> Tensor:
    return torch.cat([features / features.shape[1] ** 0.5, features.new_ones(len(features), 1)], dim=1)
