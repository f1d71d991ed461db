"""The unit that most convolutional networks are made of: convolution, norm, activation."""

from jaxtyping import Float
from torch import Tensor, nn

from zoo.layers.activation import make_activation
from zoo.layers.norm import make_norm
from zoo.ranges import PositiveInt


def conv3x3(in_channels: int, out_channels: int, *, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size of the image, or divides it by the stride, rounding up.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        stride: step in pixels, at least 1.
        bias: whether to add a bias; a norm that follows makes it superfluous.

    Returns:
        The layer.
    """
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1, bias=bias)


class ConvNormActivation(nn.Module):
    """Convolution that keeps the image size, then norm, then activation.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        kernel_size: side of the kernel in pixels, odd.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows; without norm the convolution has a bias.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        out_channels: PositiveInt,
        *,
        kernel_size: PositiveInt = 3,
        activation: str = "relu",
        norm: str | None = "batch",
    ) -> None:
        super().__init__()
        self.norm = make_norm(norm, out_channels)
        needs_bias = isinstance(self.norm, nn.Identity)
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=needs_bias)
        self.activation = make_activation(activation, inplace=norm == "batch")

    def forward(self, x: Float[Tensor, "B C_in H W"]) -> Float[Tensor, "B C_out H W"]:
        """Apply the three in turn."""
        out: Tensor = self.activation(self.norm(self.conv(x)))
        return out
