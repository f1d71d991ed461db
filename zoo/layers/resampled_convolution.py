"""3x3 convolutions that double or halve an image, computed as one convolution of 4x4 with a stride of 2.

Nearest neighbours, or the mean of four pixels, are sums of a kernel's shifts, so that the result is that of two layers
while less than half of the products are needed (Karras et al., 2018, arXiv:1710.10196, their fused layers).
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class _Conv3x3(nn.Conv2d):
    """A kernel of 3x3, whatever is made of it.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        bias: whether to add a bias.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3, padding=1, bias=bias)


class UpConv2d(_Conv3x3):
    """Each pixel becomes four, then a 3x3 convolution."""

    def forward(self, input: Float[Tensor, "B C_in H W"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, twice as high and as wide."""
        kernel = doubling_kernel(self.weight)
        return F.conv_transpose2d(input, kernel, self.bias, stride=2, padding=1)


class DownConv2d(_Conv3x3):
    """A 3x3 convolution, then the mean of each four pixels."""

    def forward(self, input: Float[Tensor, "B C_in H W"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The image, half as high and as wide."""
        kernel = F.avg_pool2d(self.weight, 2, stride=1, padding=1)  # (C_out, C_in, 4, 4)
        return F.conv2d(input, kernel, self.bias, stride=2, padding=1)


def doubling_kernel(weight: Float[Tensor, "C_out C_in 3 3"]) -> Float[Tensor, "C_in C_out 4 4"]:
    """Returns the kernel of the transposed convolution that doubles an image and convolves it with `weight`."""
    return 4 * F.avg_pool2d(weight.flip(2, 3).transpose(0, 1), 2, stride=1, padding=1)
