"""TextCNN: convolutions of several widths over a text, each summed up by its largest value.

Yoon Kim, "Convolutional Neural Networks for Sentence Classification", 2014, arXiv:1408.5882, the variant CNN-rand.
Deviations: the norm of the classifier's rows is bounded where they are used instead of after each step; the vectors of
words may be dropped out too; a window reaches over either end of a text by half its width.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from zoo.layers.activation import make_activation
from zoo.layers.sequence_input import SequenceInput, masked_max
from zoo.ranges import PositiveFloat, PositiveInt, Probability


class TextCNN(nn.Module):
    """Names the class of a text, of an image read column by column, or of a signal.

    Args:
        num_classes: K, number of classes.
        vocab_size: V, number of tokens, the padding among them; None where no tokens come.
        in_channels: C, channels of images or signals; None where tokens come.
        image_size: height and width of images in pixels, one number where they are equal.
        embed_dim: D, width of the vectors that are convolved.
        num_filters: filters of each width.
        kernel_sizes: the widths, in tokens.
        activation: see `zoo.layers.activation`.
        dropout: probability to drop a feature before the classifier.
        embedding_dropout: probability to drop a number of a word's vector.
        max_norm: bound of the norm of each class's weights; None for none. The paper has 3.
    """

    def __init__(
        self,
        *,
        num_classes: PositiveInt,
        vocab_size: PositiveInt | None = None,
        in_channels: PositiveInt | None = None,
        image_size: PositiveInt | Sequence[PositiveInt] | None = None,
        embed_dim: PositiveInt = 128,
        num_filters: PositiveInt = 100,
        kernel_sizes: Sequence[PositiveInt] = (3, 4, 5),
        activation: str = "relu",
        dropout: Probability = 0.5,
        embedding_dropout: Probability = 0.0,
        max_norm: PositiveFloat | None = None,
    ) -> None:
        super().__init__()
        if not kernel_sizes:
            raise ValueError("kernel_sizes []: at least one width is needed; set it to [3, 4, 5]")
        self.input = SequenceInput(
            embed_dim,
            vocab_size=vocab_size,
            in_channels=in_channels,
            image_size=image_size,
            dropout=embedding_dropout,
        )
        self.kernel_sizes = tuple(kernel_sizes)
        self.convolutions = nn.ModuleList(nn.Conv1d(embed_dim, num_filters, size) for size in kernel_sizes)
        self.activation = make_activation(activation)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(num_filters * len(kernel_sizes), num_classes)
        self.max_norm = max_norm

    def forward(
        self, inputs: Int64[Tensor, "B T"] | Float[Tensor, "B C H T"] | Float[Tensor, "B C T"]
    ) -> Float[Tensor, "B K"]:
        """Logits of the sequences."""
        vectors, mask = self.input(inputs)  # (B, T, D)
        if mask is not None:
            mask[:, 0] = True  # an empty text is judged by its first place, whatever it is padded to
        vectors = vectors.transpose(1, 2)  # (B, D, T)
        found = []
        for size, convolution in zip(self.kernel_sizes, self.convolutions, strict=True):
            # Zeros on both sides, as padding is too, so that a text of any length has a window around each token.
            features = convolution(functional.pad(vectors, ((size - 1) // 2, size // 2)))  # (B, F, T)
            found.append(masked_max(self.activation(features).transpose(1, 2), mask))
        return self._classify(self.dropout(torch.cat(found, dim=1)))

    def _classify(self, features: Float[Tensor, "B E"]) -> Float[Tensor, "B K"]:
        weight = self.head.weight
        if self.max_norm is not None:
            weight = torch.renorm(weight, p=2, dim=0, maxnorm=self.max_norm)
        return functional.linear(features, weight, self.head.bias)

    def layer_groups(self) -> list[list[nn.Module]]:
        """The input, the convolutions and the head."""
        return [[self.input], [self.convolutions], [self.head]]
