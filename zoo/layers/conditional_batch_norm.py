"""Batch norm whose scale and shift depend on the class of each image.

Vincent Dumoulin, Jonathon Shlens, Manjunath Kudlur, "A Learned Representation for Artistic Style", 2017,
arXiv:1610.07629; in GANs: Takeru Miyato, Masanori Koyama, "cGANs with Projection Discriminator", 2018,
arXiv:1802.05637.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional as F


class ConditionalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm of images, with a scale and a shift for each class.

    Args:
        num_features: C, channels of the image.
        num_classes: number of classes; None for plain batch norm.
    """

    def __init__(self, num_features: int, num_classes: int | None = None) -> None:
        super().__init__(num_features, affine=num_classes is None)
        self.scale = self.shift = None
        if num_classes is not None:
            self.scale = nn.Parameter(torch.ones(num_classes, num_features))
            self.shift = nn.Parameter(torch.zeros(num_classes, num_features))

    def forward(
        self, input: Float[Tensor, "B C H W"], labels: Int64[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B C H W"]:
        """The image, normalised."""
        normalized: Tensor = super().forward(input)
        if self.scale is None or self.shift is None:
            return normalized
        assert labels is not None, "a conditional network is called with labels"
        scale, shift = (F.embedding(labels, table)[..., None, None] for table in (self.scale, self.shift))
        return torch.addcmul(shift, scale, normalized)
