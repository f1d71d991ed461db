"""Residual connections: around any module, and the two-convolution blocks that the ResNets share.

Kaiming He et al., "Deep Residual Learning for Image Recognition", 2015, arXiv:1512.03385 (basic block and shortcuts A
and B); Kaiming He et al., "Identity Mappings in Deep Residual Networks", 2016, arXiv:1603.05027 (pre-activation
block).
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers.activation import make_activation
from zoo.layers.convolution import conv3x3
from zoo.layers.drop_path import DropPath
from zoo.layers.norm import make_norm
from zoo.ranges import PositiveInt, Probability


class Residual(nn.Module):
    """Any module, and its input beside it: x + f(x).

    Args:
        branch: f, which keeps the shape.
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *rest"]:
        """The sum."""
        out: Tensor = x + self.branch(x)
        return out


class PaddingShortcut(nn.Module):
    """Shortcut A: take every stride-th pixel and fill the new channels with zeros; no parameters.

    The new channels go half before and half after the old ones, as in the published weights for CIFAR-10.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least `in_channels`.
        stride: step in pixels, at least 1.
    """

    def __init__(self, in_channels: PositiveInt, out_channels: PositiveInt, *, stride: PositiveInt) -> None:
        super().__init__()
        self.stride = stride
        self.before = (out_channels - in_channels) // 2
        self.after = out_channels - in_channels - self.before

    def forward(self, x: Float[Tensor, "B C_in H_in W_in"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """Subsample and pad."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


class BasicBlock(nn.Module):
    """conv - norm - activation - conv - norm, plus the shortcut, then activation.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        stride: of the first convolution and the shortcut, at least 1.
        shortcut: where the shape changes, "projection" is a 1x1 convolution with norm (B in the paper) and "padding"
            needs no parameters (A); elsewhere the shortcut is the identity.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        drop_path: probability that a sample skips the block during training.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        out_channels: PositiveInt,
        *,
        stride: PositiveInt = 1,
        shortcut: Literal["projection", "padding"] = "projection",
        activation: str = "relu",
        norm: str | None = "batch",
        drop_path: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, out_channels)
        self.norm2 = make_norm(norm, out_channels)
        bias = isinstance(self.norm1, nn.Identity)
        self.conv1 = conv3x3(in_channels, out_channels, stride=stride, bias=bias)
        self.conv2 = conv3x3(out_channels, out_channels, bias=bias)
        self.activation = make_activation(activation, inplace=norm == "batch")
        self.drop_path = DropPath(drop_path)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            if shortcut == "padding":
                self.shortcut = PaddingShortcut(in_channels, out_channels, stride=stride)
            else:
                projection = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=bias)
                self.shortcut = nn.Sequential(projection, make_norm(norm, out_channels))

    def forward(self, x: Float[Tensor, "B C_in H_in W_in"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The block's output, activated."""
        residual = self.activation(self.norm1(self.conv1(x)))
        residual = self.norm2(self.conv2(residual))
        out: Tensor = self.activation(self.shortcut(x) + self.drop_path(residual))
        return out

    def zero_residual(self) -> None:
        """Start as the shortcut: zero the last norm's weight, or the last convolution where there is no norm."""
        last = self.conv2 if isinstance(self.norm2, nn.Identity) else self.norm2
        nn.init.zeros_(last.get_parameter("weight"))


class PreActivationBlock(nn.Module):
    """norm - activation - conv - norm - activation - (dropout) - conv, plus the shortcut; the sum is not activated.

    Where the shape changes, the shortcut is a 1x1 convolution of the activated input.

    Args:
        in_channels: channels in, at least 1.
        out_channels: channels out, at least 1.
        stride: of the first convolution and the shortcut, at least 1.
        activation: a name that `make_activation` knows.
        norm: a name that `make_norm` knows.
        dropout: probability of zeroing a value between the convolutions, as in wide ResNets.
        drop_path: probability that a sample skips the block during training.
    """

    def __init__(
        self,
        in_channels: PositiveInt,
        out_channels: PositiveInt,
        *,
        stride: PositiveInt = 1,
        activation: str = "relu",
        norm: str | None = "batch",
        dropout: Probability = 0.0,
        drop_path: Probability = 0.0,
    ) -> None:
        super().__init__()
        self.norm1 = make_norm(norm, in_channels)
        self.norm2 = make_norm(norm, out_channels)
        bias = isinstance(self.norm1, nn.Identity)
        self.conv1 = conv3x3(in_channels, out_channels, stride=stride, bias=bias)
        self.conv2 = conv3x3(out_channels, out_channels, bias=bias)
        self.activation = make_activation(activation, inplace=norm == "batch")
        self.dropout = nn.Dropout(dropout)
        self.drop_path = DropPath(drop_path)
        self.projection: nn.Conv2d | None = None
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False)

    def forward(self, x: Float[Tensor, "B C_in H_in W_in"]) -> Float[Tensor, "B C_out H_out W_out"]:
        """The block's output, not activated."""
        activated = self.activation(self.norm1(x))
        shortcut = x if self.projection is None else self.projection(activated)
        residual = self.activation(self.norm2(self.conv1(activated)))
        residual = self.conv2(self.dropout(residual))
        out: Tensor = shortcut + self.drop_path(residual)
        return out

    def zero_residual(self) -> None:
        """Start as the shortcut: zero the last convolution.

        Not the last norm: what follows it is an activation, and relu has no gradient at zero, so the branch would
        stay dead.
        """
        nn.init.zeros_(self.conv2.weight)
        if self.conv2.bias is not None:
            nn.init.zeros_(self.conv2.bias)
