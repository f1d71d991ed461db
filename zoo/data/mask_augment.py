"""Augmentation of images with their masks: what moves pixels moves both, what changes colours the image alone."""

import math

import torch
from torch import Tensor

from zoo.data.counted_draws import CountedDraws
from zoo.data.image_ops import affine, affine_matrices
from zoo.ranges import Fraction, NonNegativeFloat

NO_CLASS = 255  # in masks of bytes, where there is no target

# The random numbers that each option takes a sample.
_DRAWS = {
    "flip": ("flip",),
    "rotate": ("rotate",),
    "translate": ("translate_x", "translate_y"),
    "scale": ("scale",),
    "brightness": ("brightness",),
    "contrast": ("contrast",),
}


class MaskAugment(CountedDraws):
    """Augments the batches of an epoch by random numbers that are a function of (seed, epoch, sample).

    Images are resampled bilinearly, masks by the nearest pixel; what comes in from outside is black and has no target.
    Each number has its own stream: switching one option on leaves the others' draws as they were.

    Args:
        flip: probability of mirroring left to right.
        rotate: largest rotation in degrees, either way.
        translate: largest shift as a share of each side, either way.
        scale: largest change of size as a share: 0.2 zooms from 1 / 1.2 to 1.2.
        brightness: largest change of brightness as a share, either way.
        contrast: largest change of the distance from the image's mean as a share, either way.
    """

    def __init__(
        self,
        *,
        flip: Fraction = 0.0,
        rotate: NonNegativeFloat = 0.0,
        translate: Fraction = 0.0,
        scale: NonNegativeFloat = 0.0,
        brightness: Fraction = 0.0,
        contrast: Fraction = 0.0,
    ) -> None:
        self.flip, self.rotate, self.translate, self.scale = flip, rotate, translate, scale
        self.brightness, self.contrast = brightness, contrast
        self.names = [name for option, names in _DRAWS.items() if getattr(self, option) for name in names]

    def __call__(self, images: Tensor, masks: Tensor, draws: Tensor) -> tuple[Tensor, Tensor]:
        """Augments a batch.

        Args:
            images: uint8, (B, C, H, W).
            masks: classes, `NO_CLASS` where there is none, uint8, (B, H, W).
            draws: the samples' rows of the table, (B, number of draws).

        Returns:
            Images from 0 to 255, uint8 or float, and masks as they were.
        """
        draw = dict(zip(self.names, draws.unbind(1), strict=True))
        if self.flip:
            flipped = (draw["flip"] < self.flip).view(-1, 1, 1, 1)
            images = torch.where(flipped, images.flip(-1), images)
            masks = torch.where(flipped[:, 0], masks.flip(-1), masks)
        if self.rotate or self.translate or self.scale:
            matrices = self._matrices(images, draw)
            images = affine(images.float(), matrices)
            there = affine(masks[:, None].float() + 1, matrices, mode="nearest")[:, 0].to(torch.int16)  # 0 outside
            masks = torch.where(there == 0, NO_CLASS, there - 1).to(torch.uint8)
        if self.brightness or self.contrast:
            images = self._recoloured(images.float(), draw)
        return images, masks

    def _matrices(self, images: Tensor, draw: dict[str, Tensor]) -> Tensor:
        """Builds the affine map of each sample, (B, 2, 3)."""
        height, width = images.shape[-2:]
        zeros = torch.zeros(len(images), device=images.device)
        shift = {name: 2 * draw[name] - 1 if name in draw else zeros for name in _DRAWS["translate"]}
        return affine_matrices(
            angle=(2 * draw["rotate"] - 1) * math.radians(self.rotate) if self.rotate else zeros,
            zoom=(1 + self.scale) ** (2 * draw["scale"] - 1) if self.scale else zeros + 1,
            shear_x=zeros,
            shear_y=zeros,
            shift_x=shift["translate_x"] * self.translate * width,
            shift_y=shift["translate_y"] * self.translate * height,
        )

    def _recoloured(self, images: Tensor, draw: dict[str, Tensor]) -> Tensor:
        """Scales each image, and its distance from its mean."""
        if self.brightness:
            images = images * (1 + self.brightness * (2 * draw["brightness"] - 1)).view(-1, 1, 1, 1)
        if self.contrast:
            mean = images.mean((1, 2, 3), keepdim=True)
            images = mean + (images - mean) * (1 + self.contrast * (2 * draw["contrast"] - 1)).view(-1, 1, 1, 1)
        return images.clamp(0, 255)
