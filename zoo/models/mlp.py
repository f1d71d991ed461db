"""Multilayer perceptron: linear layers with activations between them, on the numbers of a sample in one row.

David E. Rumelhart, Geoffrey E. Hinton, Ronald J. Williams, "Learning representations by back-propagating errors",
Nature 323, 1986. Norm, dropout and residual connections (Kaiming He et al., 2015, arXiv:1512.03385) are later
additions; with twenty sigmoid layers it still shows vanishing gradients.
"""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.image import height_and_width
from zoo.layers.init import initialize
from zoo.layers.norm import make_norm
from zoo.layers.residual import Residual
from zoo.ranges import PositiveInt, Probability


class MLP(nn.Module):
    """A classifier of rows of numbers: those of a table, or the pixels of an image.

    Args:
        num_classes: K, number of classes.
        in_channels: C, channels of the images, or columns of the table.
        image_size: side of the images in pixels, or [height, width]; [] for a table, whose rows have no sides.
        hidden_sizes: the width of each hidden layer, input to output; empty for a linear classifier.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows, between each hidden linear layer and its activation.
        dropout: probability of zeroing a value after each activation.
        residual: whether each hidden layer that is as wide as its input adds what it computes to that.
        init: a scheme that `initialize` knows.

    Raises:
        ValueError: if a hidden size is below 1, or a name is unknown.
    """

    def __init__(
        self,
        num_classes: PositiveInt,
        in_channels: PositiveInt,
        *,
        image_size: int | Sequence[int],
        hidden_sizes: Sequence[int] = (256, 256),
        activation: str = "relu",
        norm: str | None = None,
        dropout: Probability = 0.0,
        residual: bool = False,
        init: str = "default",
    ) -> None:
        super().__init__()
        if any(size < 1 for size in hidden_sizes):
            raise ValueError(f"hidden_sizes {list(hidden_sizes)}: each must be at least 1; leave the layer out instead")
        sides = () if image_size in ([], ()) else height_and_width(image_size)
        sizes = [math.prod((in_channels, *sides)), *hidden_sizes]
        self.hidden = nn.Sequential()
        for in_features, out_features in itertools.pairwise(sizes):
            layer = nn.Sequential(
                nn.Linear(in_features, out_features),
                make_norm(norm, out_features, dims=1),
                make_activation(activation),
            )
            if dropout:
                layer.append(nn.Dropout(dropout))
            self.hidden.append(Residual(layer) if residual and in_features == out_features else layer)
        self.head = nn.Linear(sizes[-1], num_classes)
        initialize(self, init, activation)

    def forward(self, x: Float[Tensor, "B C *sides"]) -> Float[Tensor, "B K"]:
        """Logits of the samples."""
        x = x.flatten(start_dim=1)  # (B, C * H * W)
        x = self.hidden(x)  # (B, hidden)
        logits: Tensor = self.head(x)  # (B, K)
        return logits

    def layer_groups(self) -> list[list[nn.Module]]:
        """Each hidden layer, then the head."""
        return [*([layer] for layer in self.hidden), [self.head]]
