"""Augmentation that gradients pass through, of real and generated images alike, so that a GAN needs fewer images.

Shengyu Zhao, Zhijian Liu, Ji Lin, Jun-Yan Zhu, Song Han, "Differentiable Augmentation for Data-Efficient GAN Training",
2020, arXiv:2006.10738. Their images are pixels of -1..1, ours are normalised: what is added to the brightness is
counted in standard deviations, and what is cut out or moved in is the mean of the data.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.ranges import Fraction


class DiffAugment(nn.Module):
    """Changes the images of a batch while training, each differently.

    Args:
        color: whether brightness, saturation and contrast change.
        translation: limit of the shift, as a share of the side; 0 for none.
        cutout: side of the square that is cut out, as a share of the image's; 0 for none.
    """

    def __init__(self, *, color: bool = False, translation: Fraction = 0.0, cutout: Fraction = 0.0) -> None:
        super().__init__()
        self.color, self.translation, self.cutout = color, translation, cutout

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """The images, changed; as they are in evaluation."""
        if not self.training:
            return x
        if self.color:
            x = change_color(x)
        if self.translation:
            x = translate(x, self.translation)
        if self.cutout:
            x = cut_out(x, self.cutout)
        return x


def change_color(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Adds -0.5..0.5 to all of an image, and multiplies distances to its grey by 0..2 and to its mean by 0.5..1.5."""
    brightness, saturation, contrast = torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype)
    x = x + (brightness - 0.5)
    if x.shape[1] > 1:
        x = torch.lerp(x.mean(1, keepdim=True), x, 2 * saturation)
    return torch.lerp(x.mean((1, 2, 3), keepdim=True), x, contrast + 0.5)


def translate(x: Float[Tensor, "B C H W"], share: float) -> Float[Tensor, "B C H W"]:
    """Shifts each image by up to a share of its sides, and fills with 0."""
    rows, columns = (_shifted(len(x), side, round(share * side), x.device) for side in x.shape[2:])
    images = torch.arange(len(x), device=x.device)[:, None, None]
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1)  # (B, H + 2, W + 2, C)
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _shifted(count: int, side: int, limit: int, device: torch.device) -> Tensor:
    """Returns where each pixel of a side comes from in the padded one, for each of some images."""
    shifts = torch.randint(-limit, limit + 1, (count, 1), device=device)
    return (torch.arange(1, side + 1, device=device) + shifts).clamp(0, side + 1)  # (B, side)


def cut_out(x: Float[Tensor, "B C H W"], share: float) -> Float[Tensor, "B C H W"]:
    """Sets a rectangle of each image, whose sides are a share of the image's, to 0; it may lie partly outside."""
    inside = []
    for side in x.shape[2:]:
        length = round(share * side)
        centers = torch.randint(0, side + 1 - length % 2, (len(x), 1), device=x.device)
        places = torch.arange(side, device=x.device) - centers + length // 2
        inside.append((places >= 0) & (places < length))  # (B, side)
    rows, columns = inside
    return x * ~(rows[:, :, None] & columns[:, None, :])[:, None]
