"""The Fréchet distance between samples, each seen as a Gaussian of their features.

Heusel, Ramsauer, Unterthiner, Nessler, Hochreiter, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local
Nash Equilibrium", 2017, arXiv:1706.08500. The trace of the root of a product is taken from the eigenvalues of a
symmetric matrix, which has the same and cannot turn complex as the root of the product itself.
"""

from functools import cached_property

import torch
from jaxtyping import Float, Float64
from torch import Tensor


class Gaussian:
    """Mean and covariance of features.

    Args:
        features: of at least two samples.

    Attributes:
        mean: (D,), float64.
        covariance: unbiased, (D, D), float64.
    """

    def __init__(self, features: Float[Tensor, "N D"]) -> None:
        wide = features.double()
        self.mean = wide.mean(0)
        centered = wide - self.mean
        self.covariance = centered.T @ centered / (len(wide) - 1)

    @cached_property
    def root(self) -> Float64[Tensor, "D D"]:
        """The symmetric root of the covariance."""
        values, vectors = torch.linalg.eigh(self.covariance)
        root: Tensor = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
        return root


def frechet_distance(generated: Gaussian, real: Gaussian) -> Float64[Tensor, ""]:
    """The squared distance |m - n|^2 + tr(C + D - 2 (C D)^(1/2)), NaN where features are not finite.

    Args:
        generated: mean m and covariance C.
        real: n and D; its root is kept for the next call.
    """
    product = real.root @ generated.covariance @ real.root
    if not product.isfinite().all():
        return product.new_tensor(torch.nan)
    common = torch.linalg.eigvalsh((product + product.T) / 2).clamp(min=0).sqrt().sum()
    apart = (generated.mean - real.mean).square().sum()
    distance: Tensor = apart + generated.covariance.trace() + real.covariance.trace() - 2 * common
    return distance.clamp(min=0)
