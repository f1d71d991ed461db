"""Multilayer perceptrons as a GAN, for samples that are rows of numbers.

The networks of the toy problems in Metz, Poole, Pfau, Sohl-Dickstein, "Unrolled Generative Adversarial Networks", 2017,
arXiv:1611.02163.
"""

import itertools

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.ranges import PositiveInt


def _layers(sizes: list[int], activation: str) -> nn.Sequential:
    layers: list[nn.Module] = []
    for in_features, out_features in itertools.pairwise(sizes):
        layers += [nn.Linear(in_features, out_features), make_activation(activation)]
    return nn.Sequential(*layers[:-1])


class MLPGenerator(nn.Module):
    """Makes rows of noise.

    Args:
        out_features: F, numbers in a row.
        latent_dim: Z, numbers of noise.
        hidden_size: width of each hidden layer.
        num_layers: hidden layers.
        activation: a name that `make_activation` knows.
    """

    def __init__(
        self,
        out_features: PositiveInt,
        *,
        latent_dim: PositiveInt = 2,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 3,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.layers = _layers([latent_dim, *[hidden_size] * num_layers, out_features], activation)

    def forward(self, noise: Float[Tensor, "B Z"]) -> Float[Tensor, "B F"]:
        """Rows, one for each of noise."""
        rows: Tensor = self.layers(noise)
        return rows


class MLPDiscriminator(nn.Module):
    """Scores rows.

    Args:
        in_features: F, numbers in a row.
        hidden_size: width of each hidden layer.
        num_layers: hidden layers.
        activation: a name that `make_activation` knows.
    """

    def __init__(
        self,
        in_features: PositiveInt,
        *,
        hidden_size: PositiveInt = 128,
        num_layers: PositiveInt = 3,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.layers = _layers([in_features, *[hidden_size] * num_layers, 1], activation)

    def forward(self, x: Float[Tensor, "B F"]) -> Float[Tensor, "B"]:
        """Scores of rows, high where they look real."""
        scores: Tensor = self.layers(x)
        return scores.squeeze(1)
