"""TrivialAugmentWide on whole batches: one random operation of a random strength an image.

S. Mueller, F. Hutter, "TrivialAugment: Tuning-free Yet State-of-the-Art Data Augmentation", 2021, arXiv 2103.10158.
The space is torchvision's, without equalize, which needs a histogram an image. Every operation has a strength at which
it does nothing, so the batch goes through all of them at once and no sample is picked out. Shears keep the centre where
it is, and geometry is bilinear.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.data.image_ops import affine, affine_matrices, integers_below
from zoo.data.pixels import grey

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
)
_BINS = 31


def trivial_augment(images: Tensor, operation: Tensor, strength: Tensor, sign: Tensor) -> Tensor:
    """Applies one operation to each image.

    Args:
        images: uint8, (B, C, H, W).
        operation: from 0 to below 1, picks one of `OPERATIONS`, (B,).
        strength: from 0 to below 1, picks one of 31 strengths, (B,).
        sign: below 0.5 turns the direction round where there are two, (B,).

    Returns:
        Float images from 0 to 255, (B, C, H, W).
    """
    chosen = integers_below(operation, len(OPERATIONS))
    magnitude = integers_below(strength, _BINS) / (_BINS - 1)
    signed = torch.where(sign < 0.5, -magnitude, magnitude)
    on = {name: chosen == number for number, name in enumerate(OPERATIONS)}
    images = _posterize(images, magnitude * on["posterize"])
    images = _solarize(images, magnitude * on["solarize"]).float()
    images = _autocontrast(images, on["autocontrast"])
    images = _blend(images, signed, on)
    matrices = affine_matrices(
        angle=signed * on["rotate"] * math.radians(135),
        zoom=torch.ones_like(signed),
        shear_x=signed * on["shear_x"] * 0.99,
        shear_y=signed * on["shear_y"] * 0.99,
        shift_x=signed * on["translate_x"] * 32,
        shift_y=signed * on["translate_y"] * 32,
    )
    return affine(images, matrices)


def _posterize(images: Tensor, magnitude: Tensor) -> Tensor:
    """Clears up to the six lowest bits of uint8 images."""
    mask = 256 - 2 ** (6 * magnitude).round()
    return images & mask.to(torch.uint8).view(-1, 1, 1, 1)


def _solarize(images: Tensor, magnitude: Tensor) -> Tensor:
    """Inverts the pixels of uint8 images from a threshold on; the threshold of magnitude 0 is out of reach."""
    threshold = torch.where(magnitude > 0, 255 * (1 - magnitude), 256.0)
    inverted = (images >= threshold.view(-1, 1, 1, 1)).to(torch.uint8) * 255
    return images ^ inverted


def _autocontrast(images: Tensor, on: Tensor) -> Tensor:
    """Stretches each channel of the images that are on to the range from 0 to 255."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretch = on.view(-1, 1, 1, 1) & (high > low)
    scale = torch.where(stretch, 255 / (high - low).clamp_(min=1), 1.0)
    return images.sub_(torch.where(stretch, low, 0.0)).mul_(scale)


def _blend(images: Tensor, signed: Tensor, on: dict[str, Tensor]) -> Tensor:
    """Moves images away from or towards black, their mean, their grey or their blurred version."""
    luma = grey(images)  # (B, 1, H, W)
    color, contrast, sharpness = (on[name].view(-1, 1, 1, 1) for name in ("color", "contrast", "sharpness"))
    reference = luma * color + luma.mean((2, 3), keepdim=True) * contrast + _blur(images) * sharpness
    active = on["brightness"] | on["color"] | on["contrast"] | on["sharpness"]
    factor = 1 + 0.99 * signed * active
    return images.sub_(reference).mul_(factor.view(-1, 1, 1, 1)).add_(reference).clamp_(0, 255)


def _blur(images: Tensor) -> Tensor:
    """Smooths all but the border pixels by the 3 x 3 kernel of PIL's sharpness."""
    if min(images.shape[-2:]) < 3:
        return images.clone()
    channels = images.shape[1]
    kernel = images.new_ones(channels, 1, 3, 3)
    kernel[:, :, 1, 1] = 5
    blurred = images.clone()
    blurred[..., 1:-1, 1:-1] = F.conv2d(images, kernel / 13, groups=channels)
    return blurred
