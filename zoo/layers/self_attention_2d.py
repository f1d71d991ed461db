"""Attention of each pixel to the pixels of a coarser image, as an addition that starts at zero.

Han Zhang, Ian Goodfellow, Dimitris Metaxas, Augustus Odena, "Self-Attention Generative Adversarial Networks", 2019,
arXiv:1805.08318; with the pooling of the authors' code.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class SelfAttention2d(nn.Module):
    """Attention within images.

    Args:
        channels: C, at least 8.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, max(1, channels // 8), 1, bias=False)
        self.key = nn.Conv2d(channels, max(1, channels // 8), 1, bias=False)
        self.value = nn.Conv2d(channels, max(1, channels // 2), 1, bias=False)
        self.out = nn.Conv2d(max(1, channels // 2), channels, 1, bias=False)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The images, with what their pixels attend to added."""
        queries = self.query(x).flatten(2)  # (B, C / 8, H W)
        keys = F.max_pool2d(self.key(x), 2).flatten(2)  # (B, C / 8, H W / 4)
        values = F.max_pool2d(self.value(x), 2).flatten(2)  # (B, C / 2, H W / 4)
        # Not scaled_dot_product_attention, whose gradient cannot be differentiated again, as penalties do.
        weights = torch.softmax(queries.transpose(1, 2) @ keys, -1)  # (B, H W, H W / 4)
        attended = (values @ weights.transpose(1, 2)).view(x.shape[0], -1, *x.shape[2:])  # (B, C / 2, H, W)
        return torch.addcmul(x, self.gain, self.out(attended))
